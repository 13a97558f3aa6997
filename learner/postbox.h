/*
 * postbox.h - what is still to be sent to one peer.
 *
 * Letters go out in order, each only when the journal is durable up to the
 * record it speaks of; then chunks of objects, made when they are sent.  Both
 * are bounded: what does not fit is dropped, and the protocol asks for it
 * again (results are sent again, leases nobody names are returned, chunks are
 * asked for again).
 *
 * No sockets.  One thread.
 */
#ifndef ARGOSY_LEARNER_POSTBOX_H
#define ARGOSY_LEARNER_POSTBOX_H

#include "proto/object.h"
#include "proto/wire.h"

#define POSTBOX_BYTES_MAX (8u << 20)
#define POSTBOX_RANGES_MAX 64

struct letter;
struct chunk_range {
    struct hash object;
    uint32_t next, end;
};
struct postbox {
    struct letter *first, *last;
    size_t size_bytes;                             // of the letters
    struct chunk_range ranges[POSTBOX_RANGES_MAX]; // a ring
    uint32_t first_range, n_ranges;
    uint64_t n_dropped;
};

void postbox_init(struct postbox *p);
void postbox_fini(struct postbox *p);

// Copies the frames.  needs: the journal record that must be durable before.
void postbox_add(struct postbox *p, uint64_t needs, const struct frames *frames);
void postbox_add_chunks(struct postbox *p, const struct hash *object, uint32_t first,
                        uint32_t count);

// The first letter if the journal is durable up to it; valid until postbox_pop().
const struct frames *postbox_letter(const struct postbox *p, uint64_t durable);
void postbox_pop(struct postbox *p);
// The next chunk to send; false: none.
bool postbox_chunk(const struct postbox *p, struct hash *object, uint32_t *number);
void postbox_pop_chunk(struct postbox *p);
void postbox_drop_range(struct postbox *p); // the first range's object is gone
bool postbox_is_empty(const struct postbox *p);

#endif
