#include "learner/postbox.h"

#include <stdlib.h>
#include <string.h>

struct letter {
    struct letter *next;
    uint64_t needs;
    size_t size_bytes;
    struct frames frames; // into bytes
    unsigned char bytes[];
};

void postbox_init(struct postbox *p)
{
    memset(p, 0, sizeof *p);
}

void postbox_fini(struct postbox *p)
{
    while (p->first != NULL)
        postbox_pop(p);
}

void postbox_add(struct postbox *p, uint64_t needs, const struct frames *frames)
{
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < frames->n; i++)
        size_bytes += frames->frame[i].size_bytes;
    if (p->size_bytes + size_bytes > POSTBOX_BYTES_MAX) {
        p->n_dropped++;
        return;
    }
    struct letter *l = malloc(sizeof *l + size_bytes);
    CHECK(l != NULL);
    *l = (struct letter){.needs = needs, .size_bytes = size_bytes, .frames = {.n = frames->n}};
    unsigned char *to = l->bytes;
    for (uint32_t i = 0; i < frames->n; i++) {
        size_t n = frames->frame[i].size_bytes;
        if (n > 0) memcpy(to, frames->frame[i].bytes, n);
        l->frames.frame[i] = (struct frame){to, n};
        to += n;
    }
    p->size_bytes += size_bytes;
    if (p->last != NULL) p->last->next = l;
    if (p->first == NULL) p->first = l;
    p->last = l;
}

void postbox_add_chunks(struct postbox *p, const struct hash *object, uint32_t first,
                        uint32_t count)
{
    if (count == 0) return;
    if (p->n_ranges == POSTBOX_RANGES_MAX) {
        p->n_dropped++;
        return;
    }
    uint32_t end = count < UINT32_MAX - first ? first + count : UINT32_MAX;
    p->ranges[(p->first_range + p->n_ranges++) % POSTBOX_RANGES_MAX] =
        (struct chunk_range){.object = *object, .next = first, .end = end};
}

const struct frames *postbox_letter(const struct postbox *p, uint64_t durable)
{
    return p->first != NULL && p->first->needs <= durable ? &p->first->frames : NULL;
}

void postbox_pop(struct postbox *p)
{
    struct letter *l = p->first;
    p->first = l->next;
    if (p->first == NULL) p->last = NULL;
    p->size_bytes -= l->size_bytes;
    free(l);
}

bool postbox_chunk(const struct postbox *p, struct hash *object, uint32_t *number)
{
    if (p->n_ranges == 0) return false;
    const struct chunk_range *r = &p->ranges[p->first_range];
    *object = r->object;
    *number = r->next;
    return true;
}

void postbox_pop_chunk(struct postbox *p)
{
    struct chunk_range *r = &p->ranges[p->first_range];
    if (++r->next >= r->end) postbox_drop_range(p);
}

void postbox_drop_range(struct postbox *p)
{
    p->first_range = (p->first_range + 1) % POSTBOX_RANGES_MAX;
    p->n_ranges--;
}

bool postbox_is_empty(const struct postbox *p)
{
    return p->first == NULL && p->n_ranges == 0;
}
