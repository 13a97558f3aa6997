#include "tests/sim/sim_network.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static struct packet *packet_create(const struct packet *head, const struct frames *frames)
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
    return p;
}

void sim_network_fini(struct sim_network *n)
{
    for (size_t i = 0; i < n->n_packets; i++)
        free(n->packets[i]);
    free(n->packets);
    *n = (struct sim_network){0};
}

void sim_network_connect(struct sim_network *n, int actor)
{
    n->last_due[actor][0] = n->last_due[actor][1] = 0;
}

void sim_network_send(struct sim_network *n, const struct packet *head, uint64_t due_ms,
                      bool overtakes, const struct frames *frames)
{
    uint64_t *last = &n->last_due[head->actor][head->to_learner];
    struct packet *p = packet_create(head, frames);
    if (!overtakes && due_ms < *last) due_ms = *last;
    if (!overtakes) *last = due_ms;
    p->due_ms = due_ms;
    p->order = n->n_sent++;
    if (n->n_packets == n->capacity) {
        n->capacity = 2 * n->capacity + 64;
        n->packets = realloc(n->packets, n->capacity * sizeof(struct packet *));
        CHECK(n->packets != NULL);
    }
    n->packets[n->n_packets++] = p;
}

static bool is_before(const struct packet *a, const struct packet *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

struct packet *sim_network_take(struct sim_network *n, uint64_t now_ms)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < n->n_packets; i++)
        if (n->packets[i]->due_ms <= now_ms &&
            (best == SIZE_MAX || is_before(n->packets[i], n->packets[best])))
            best = i;
    if (best == SIZE_MAX) return NULL;
    struct packet *p = n->packets[best];
    n->packets[best] = n->packets[--n->n_packets];
    return p;
}
