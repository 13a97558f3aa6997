#include "tests/sim/sim_network.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static struct packet *packet_create(const struct packet *head, const struct frames *frames,
                                    size_t *size_bytes)
{
    size_t size = 0;
    for (uint32_t i = 0; i < frames->n; i++)
        size += padded(frames->frame[i].size_bytes);
    struct packet *p = calloc(1, sizeof *p + size);
    CHECK(p != NULL);
    *p = *head;
    unsigned char *at = (unsigned char *)(p + 1);
    p->frames.n = frames->n;
    for (uint32_t i = 0; i < frames->n; i++) {
        const size_t n = frames->frame[i].size_bytes;
        if (n != 0) memcpy(at, frames->frame[i].bytes, n);
        p->frames.frame[i] = (struct frame){at, n};
        at += padded(n);
    }
    *size_bytes = size;
    return p;
}

// --- the heap -----------------------------------------------------------------------

static bool is_before(const struct packet *a, const struct packet *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void swap(struct packet_heap *h, size_t a, size_t b)
{
    struct packet *kept = h->packets[a];
    h->packets[a] = h->packets[b];
    h->packets[b] = kept;
}

static void heap_add(struct packet_heap *h, struct packet *p)
{
    if (h->n == h->capacity) {
        h->capacity = 2 * h->capacity + 64;
        h->packets = realloc(h->packets, h->capacity * sizeof(struct packet *));
        CHECK(h->packets != NULL);
    }
    size_t at = h->n++;
    h->packets[at] = p;
    for (; at > 0 && is_before(h->packets[at], h->packets[(at - 1) / 2]); at = (at - 1) / 2)
        swap(h, at, (at - 1) / 2);
}

static struct packet *heap_take(struct packet_heap *h)
{
    struct packet *first = h->packets[0];
    h->packets[0] = h->packets[--h->n];
    for (size_t at = 0, next; (next = 2 * at + 1) < h->n; at = next) {
        if (next + 1 < h->n && is_before(h->packets[next + 1], h->packets[next])) next++;
        if (!is_before(h->packets[next], h->packets[at])) break;
        swap(h, at, next);
    }
    return first;
}

// Keeps the packets of a connection (0: of any) that are due by until_ms, and all others.
static void heap_cut(struct packet_heap *h, int actor, uint64_t conn, uint64_t until_ms)
{
    struct packet_heap kept = {0};
    for (size_t i = 0; i < h->n; i++) {
        struct packet *p = h->packets[i];
        const bool is_of_it = conn == 0 || (p->actor == actor && p->conn == conn);
        if (is_of_it && p->due_ms > until_ms)
            free(p);
        else
            heap_add(&kept, p);
    }
    free(h->packets);
    *h = kept;
}

// --- the network ---------------------------------------------------------------------

void sim_network_fini(struct sim_network *n)
{
    for (int i = 0; i <= SIM_ACTORS_MAX; i++) {
        for (size_t k = 0; k < n->heaps[i].n; k++)
            free(n->heaps[i].packets[k]);
        free(n->heaps[i].packets);
    }
    memset(n, 0, sizeof *n);
}

void sim_network_connect(struct sim_network *n, int actor, uint64_t conn)
{
    for (int i = 0; i < 2; i++)
        n->lines[actor][i] = (struct sim_line){.conn = conn};
}

void sim_network_break(struct sim_network *n, int actor, uint64_t conn, uint64_t until_ms)
{
    heap_cut(&n->heaps[actor], actor, conn, until_ms);
    heap_cut(&n->heaps[SIM_LEARNER], actor, conn, until_ms);
}

void sim_network_forget_learner(struct sim_network *n)
{
    heap_cut(&n->heaps[SIM_LEARNER], 0, 0, 0);
}

void sim_network_send(struct sim_network *n, const struct packet *head,
                      const struct sim_sending *how, const struct frames *frames)
{
    struct sim_line *line = &n->lines[head->actor][head->to_learner];
    size_t size_bytes;
    struct packet *p = packet_create(head, frames, &size_bytes);
    if (line->free_ms < how->now_ms) line->free_ms = how->now_ms;
    if (how->bytes_per_ms > 0) line->free_ms += size_bytes / how->bytes_per_ms;
    p->due_ms = line->free_ms + how->delay_ms;
    if (!how->overtakes && p->due_ms < line->last_due_ms) p->due_ms = line->last_due_ms;
    if (!how->overtakes) line->last_due_ms = p->due_ms;
    p->order = n->n_sent++;
    if (line->conn == p->conn) line->n_waiting++;
    heap_add(&n->heaps[p->to_learner ? SIM_LEARNER : p->actor], p);
}

uint32_t sim_network_waiting(const struct sim_network *n, int actor, bool to_learner)
{
    return n->lines[actor][to_learner].n_waiting;
}

struct packet *sim_network_take(struct sim_network *n, int destination, uint64_t now_ms)
{
    struct packet_heap *h = &n->heaps[destination];
    if (h->n == 0 || h->packets[0]->due_ms > now_ms) return NULL;
    struct packet *p = heap_take(h);
    struct sim_line *line = &n->lines[p->actor][p->to_learner];
    if (line->conn == p->conn) line->n_waiting--;
    return p;
}
