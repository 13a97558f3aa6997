#include "actor/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define RESEND_MS 2000u
#define RESEND_MS_MAX 32000u
#define PROBES_MAX 256u
#define SLOTS_MIN 64u

struct parcel {
    struct parcel *next, *prev; // in due or sent
    struct parcel *chain;       // of its slot
    uint64_t lease, prompt_index;
    uint32_t sample;
    bool is_due;
    uint32_t n_sendings;
    uint64_t number; // of its latest sending
    size_t size_bytes;
    struct frames frames; // into the bytes that follow
};

static size_t padded(size_t n)
{
    return (n + 7u) & ~(size_t)7;
}

static struct parcel *parcel_create(const struct frames *frames)
{
    size_t size = 0;
    for (uint32_t i = 0; i < frames->n; i++)
        size += padded(frames->frame[i].size_bytes);
    struct parcel *p = malloc(sizeof *p + size);
    CHECK(p != NULL);
    *p = (struct parcel){.size_bytes = size, .frames.n = frames->n};
    unsigned char *at = (unsigned char *)(p + 1);
    for (uint32_t i = 0; i < frames->n; i++) {
        const size_t n = frames->frame[i].size_bytes;
        if (n != 0) memcpy(at, frames->frame[i].bytes, n);
        p->frames.frame[i] = (struct frame){at, n};
        at += padded(n);
    }
    return p;
}

// --- lists and slots ---------------------------------------------------------------

static void list_add(struct parcel_list *l, struct parcel *p)
{
    p->next = NULL;
    p->prev = l->last;
    if (l->last != NULL) l->last->next = p;
    if (l->first == NULL) l->first = p;
    l->last = p;
}

static void list_remove(struct parcel_list *l, struct parcel *p)
{
    if (p->prev != NULL) p->prev->next = p->next;
    if (p->next != NULL) p->next->prev = p->prev;
    if (l->first == p) l->first = p->next;
    if (l->last == p) l->last = p->prev;
}

static void make_due(struct outbox *o, struct parcel *p)
{
    list_remove(&o->sent, p);
    p->is_due = true;
    list_add(&o->due, p);
}

static size_t slot_of(const struct outbox *o, uint64_t lease, uint64_t prompt_index,
                      uint32_t sample)
{
    uint64_t h = (lease * UINT64_C(0x9e3779b97f4a7c15)) ^ (prompt_index << 20) ^ sample;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(h >> 32) & (o->n_slots - 1);
}

static void slots_grow(struct outbox *o)
{
    const size_t n = o->n_slots > 0 ? 2 * o->n_slots : SLOTS_MIN;
    struct parcel **old = o->slots;
    const size_t n_old = o->n_slots;
    o->slots = calloc(n, sizeof *o->slots);
    CHECK(o->slots != NULL);
    o->n_slots = n;
    for (size_t i = 0; i < n_old; i++) {
        for (struct parcel *p = old[i], *next; p != NULL; p = next) {
            next = p->chain;
            const size_t at = slot_of(o, p->lease, p->prompt_index, p->sample);
            p->chain = o->slots[at];
            o->slots[at] = p;
        }
    }
    free(old);
}

// --- the outbox ----------------------------------------------------------------------

void outbox_init(struct outbox *o)
{
    *o = (struct outbox){.wait_ms = RESEND_MS, .n_probes = 1};
}

void outbox_fini(struct outbox *o)
{
    for (size_t i = 0; i < o->n_slots; i++) {
        for (struct parcel *p = o->slots[i], *next; p != NULL; p = next) {
            next = p->chain;
            free(p);
        }
    }
    free(o->slots);
    const uint64_t n_sent = o->n_sent, n_resent = o->n_resent;
    outbox_init(o);
    o->n_sent = n_sent;
    o->n_resent = n_resent;
}

void outbox_add(struct outbox *o, const struct result *r, const struct frames *frames)
{
    struct parcel *p = parcel_create(frames);
    if (o->n >= o->n_slots) slots_grow(o);
    p->lease = r->lease;
    p->prompt_index = r->prompt_index;
    p->sample = r->sample;
    p->is_due = true;
    struct parcel **slot = &o->slots[slot_of(o, p->lease, p->prompt_index, p->sample)];
    p->chain = *slot;
    *slot = p;
    list_add(&o->due, p);
    o->n++;
    o->size_bytes += p->size_bytes;
}

// Nothing is acknowledged: is nothing there, or nobody quick?
static void probe(struct outbox *o, uint64_t now_ms)
{
    for (uint32_t i = 0; i < o->n_probes && o->sent.first != NULL; i++)
        make_due(o, o->sent.first);
    o->quiet_ms = now_ms;
    if (o->wait_ms < RESEND_MS_MAX) o->wait_ms *= 2;
    if (o->n_probes < PROBES_MAX) o->n_probes *= 2;
}

const struct frames *outbox_next(struct outbox *o, uint64_t now_ms)
{
    o->lent = NULL;
    if (o->due.first == NULL && o->sent.first != NULL && now_ms - o->quiet_ms >= o->wait_ms)
        probe(o, now_ms);
    struct parcel *p = o->due.first;
    if (p == NULL) return NULL;
    if (o->sent.first == NULL) o->quiet_ms = now_ms;
    list_remove(&o->due, p);
    p->is_due = false;
    p->number = ++o->last_number;
    list_add(&o->sent, p);
    o->n_sent++;
    if (p->n_sendings++ > 0) o->n_resent++;
    o->lent = p;
    return &p->frames;
}

void outbox_unsent(struct outbox *o)
{
    struct parcel *p = o->lent;
    if (p == NULL) return;
    o->lent = NULL;
    o->n_sent--;
    if (--p->n_sendings > 0) o->n_resent--;
    list_remove(&o->sent, p); // its turn is the next again
    p->is_due = true;
    p->prev = NULL;
    p->next = o->due.first;
    if (p->next != NULL) p->next->prev = p;
    if (o->due.last == NULL) o->due.last = p;
    o->due.first = p;
}

bool outbox_ack(struct outbox *o, const struct ack_entry *e)
{
    if (o->n == 0) return false;
    struct parcel **link = &o->slots[slot_of(o, e->lease, e->prompt_index, e->sample)];
    while (*link != NULL && ((*link)->lease != e->lease || (*link)->sample != e->sample ||
                             (*link)->prompt_index != e->prompt_index))
        link = &(*link)->chain;
    struct parcel *p = *link;
    if (p == NULL) return false;
    *link = p->chain;
    list_remove(p->is_due ? &o->due : &o->sent, p);
    // Which sending arrived of one that was sent again, nobody knows.
    if (p->n_sendings == 1 && p->number > o->evidence) o->evidence = p->number;
    if (p->n_sendings == 1) o->n_probes = 1;
    if (o->lent == p) o->lent = NULL;
    o->n--;
    o->size_bytes -= p->size_bytes;
    free(p);
    return true;
}

void outbox_ack_end(struct outbox *o, uint64_t now_ms)
{
    o->quiet_ms = now_ms;
    o->wait_ms = RESEND_MS;
    while (o->sent.first != NULL && o->sent.first->number < o->evidence)
        make_due(o, o->sent.first);
}

void outbox_resend_all(struct outbox *o)
{
    while (o->sent.first != NULL)
        make_due(o, o->sent.first);
    o->wait_ms = RESEND_MS;
    o->n_probes = 1;
}
