/*
 * outbox.h - results from their submission to their acknowledgement.
 *
 * Each is sent once, in the order of submission.  It is sent again when the
 * connection was lost, when the learner acknowledged something that went out
 * after it (a connection keeps its order, so this one did not arrive), and, a
 * few at first and ever more rarely, when nothing at all is acknowledged: a
 * learner that is slow is not helped by getting everything twice.
 *
 * No sockets, no clocks.  One thread.
 */
#ifndef ARGOSY_ACTOR_OUTBOX_H
#define ARGOSY_ACTOR_OUTBOX_H

#include "proto/envelope.h"
#include "proto/messages.h"

struct parcel;
struct parcel_list {
    struct parcel *first, *last;
};
struct outbox {
    struct parcel_list due, sent; // sent: by the time of sending
    struct parcel **slots;        // of all, by key, chained
    size_t n_slots;
    uint32_t n;
    uint64_t size_bytes; // of all
    uint64_t last_number;
    uint64_t quiet_ms; // since then nothing was acknowledged
    uint32_t wait_ms;  // before some are sent again,
    uint32_t n_probes; // so many
    struct parcel *lent;
    uint64_t evidence; // what was sent before this and is not acknowledged is lost
    uint64_t n_sent, n_resent;
};

void outbox_init(struct outbox *o);
void outbox_fini(struct outbox *o); // drops all

// Copies the frames.
void outbox_add(struct outbox *o, const struct result *r, const struct frames *frames);
// What is to be sent now, or NULL; counts as sent unless outbox_unsent() follows.
// Valid until the next call.
const struct frames *outbox_next(struct outbox *o, uint64_t now_ms);
void outbox_unsent(struct outbox *o);
// False: it is not here (any more).  After the last verdict of a message:
// outbox_ack_end().
bool outbox_ack(struct outbox *o, const struct ack_entry *e);
void outbox_ack_end(struct outbox *o, uint64_t now_ms);
void outbox_resend_all(struct outbox *o);

#endif
