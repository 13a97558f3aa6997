/*
 * lease_book.h - who works on what: orders cut into leases, leases to peers.
 *
 * A state machine without clocks, sockets or files: (state, now_ms, event) ->
 * actions.  Every prompt of an order is at any moment in one state (pending,
 * leased, done, void, settled), and every lease that was issued ends once:
 * returned, dropped or trained.  Leases go out in order of (order, prompt); a
 * prompt whose lease ended without its samples is pending again, under a new
 * id, in its old place.  Peers choose nothing.
 *
 * A silent peer gets no further leases, but keeps those it has for the lease
 * timeout: it may be in a long step, and a connection that is gone is told of by
 * lease_book_leave().  A peer is hung when it speaks and none of its leases makes
 * progress for that time, so the timeout has to be longer than an actor's longest
 * step.  A hung peer gets work again when nobody else works, and else one lease
 * now and then, ever more rarely.  Time in which the learner itself did not run
 * counts against nobody.
 *
 * A lease no message of its holder has named yet may still be under way to it:
 * it counts against the credit the holder reports.  One that several CREDITs in
 * a row do not name, the holder has not got.
 *
 * One thread.
 */
#ifndef ARGOSY_LEARNER_LEASE_BOOK_H
#define ARGOSY_LEARNER_LEASE_BOOK_H

#include "common/base/err.h"
#include "learner/gate.h"
#include "proto/journal_format.h"
#include "proto/messages.h"

#define ORDERS_OPEN_MAX 256
#define ORDER_PROMPTS_MAX (1u << 20)
#define LEASE_IDS_RESERVED 256 // at a time, in the journal

struct lease_book_config {
    uint32_t lease_timeout_ms; // a peer whose leases make no progress for this long is hung
    uint32_t progress_ms;      // peers speak this often; who was silent three times is not asked
    uint32_t prompts_per_lease;
    uint32_t fault_retries; // of a prompt, before its order fails or the prompt is void
    bool void_on_fault;
};

struct lease_book;
struct book_peer; // one connection

enum book_action_type {
    BOOK_RESERVE, // journal: lease ids first .. first + count
    BOOK_ISSUE,   // journal, then send the lease to the peer
    BOOK_END,     // journal: the lease is over; its samples can be forgotten
    BOOK_NOTE,    // journal: text
};
struct book_action {
    enum book_action_type type;
    uint64_t first, count;
    struct lease lease;         // ISSUE, END
    void *peer;                 // ISSUE: whom to send it; END: whom to tell, or NULL.  The
                                // `owner` the peer was made with
    enum journal_type end_type; // END: RETURNED, DROPPED or TRAINED
    struct journal_end end;     // END
    char text[TEXT_BYTES_MAX];  // NOTE
};

struct lease_book *lease_book_create(const struct lease_book_config *config,
                                     uint64_t first_lease_id);
void lease_book_destroy(struct lease_book *b);

// The next thing to do; call until false after every event, before the peer it
// names can be gone.
bool lease_book_next(struct lease_book *b, struct book_action *out);

// --- orders --------------------------------------------------------------------
int lease_book_order(struct lease_book *b, uint64_t now_ms, const struct order *order,
                     struct err *err);
// A complete lease of an earlier life, before the orders are placed again: it
// serves its order if that comes back identical, else it is returned.
void lease_book_hold(struct lease_book *b, const struct lease *lease);

enum order_state { ORDER_UNKNOWN, ORDER_OPEN, ORDER_COMPLETE, ORDER_FAILED };
// ORDER_FAILED: the reason is in *err.
enum order_state lease_book_order_state(const struct lease_book *b, uint64_t number,
                                        struct err *err);
const struct order *lease_book_order_find(const struct lease_book *b, uint64_t number);
// The lease that holds the order's i-th prompt; 0: void, or settled.
uint64_t lease_book_order_lease(const struct lease_book *b, uint64_t number, uint32_t i);
// Nothing is changed when it fails.
int lease_book_commit(struct lease_book *b, uint64_t number, uint64_t step,
                      const struct order_fate *fates, size_t n, struct err *err);
// The version that the first prompt waiting for weights wants; false: none waits.
bool lease_book_wanted_version(const struct lease_book *b, uint64_t *version);
bool lease_book_needs_version(const struct lease_book *b, uint64_t version);
void lease_book_oldest(const struct lease_book *b, uint64_t *samples_done,
                       uint64_t *samples_wanted);
void lease_book_cancel_all(struct lease_book *b); // the run is over

// --- peers ---------------------------------------------------------------------
struct book_peer *lease_book_join(struct lease_book *b, uint64_t now_ms, void *owner);
void lease_book_leave(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                      enum lease_end reason); // returns its leases and frees it
// The same actor on a new connection: its leases go over.
void lease_book_move(struct lease_book *b, uint64_t now_ms, struct book_peer *from,
                     struct book_peer *to);
void lease_book_heard(struct lease_book *b, uint64_t now_ms, struct book_peer *peer);
void lease_book_credit(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                       const struct credit *credit);
// Leases named that are not this peer's any more are listed for a CANCEL.
void lease_book_progress(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                         const struct progress *progress, struct lease_list *unknown);
void lease_book_give_back(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                          const struct lease_list *leases);
void lease_book_works(struct book_peer *peer); // it is not hung: something came of its work
bool lease_book_peer_is_alive(const struct book_peer *peer); // heard of lately
void lease_book_tick(struct lease_book *b, uint64_t now_ms);

// --- results -------------------------------------------------------------------
// NULL: over, or never issued.
const struct lease *lease_book_lease(const struct lease_book *b, uint64_t id);
bool lease_book_is_holder(const struct lease_book *b, uint64_t id, const struct book_peer *peer);
void lease_book_received(struct lease_book *b, uint64_t now_ms, uint64_t id); // a new sample
void lease_book_complete(struct lease_book *b, uint64_t now_ms, uint64_t id); // all of them
// The actor could not make a sample of this prompt; a lasting fault is not tried again.
void lease_book_fault(struct lease_book *b, uint64_t now_ms, uint64_t id, uint64_t prompt,
                      bool is_lasting, const char *what);

#endif
