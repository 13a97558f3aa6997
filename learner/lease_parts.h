/*
 * lease_parts.h - the inside of lease_book.h, shared by its two halves:
 * lease_book.c (orders and what becomes of them) and lease_peers.c (who holds
 * what, and for how long).
 */
#ifndef ARGOSY_LEARNER_LEASE_PARTS_H
#define ARGOSY_LEARNER_LEASE_PARTS_H

#include "learner/id_map.h"
#include "learner/lease_book.h"

enum prompt_state { PROMPT_PENDING, PROMPT_LEASED, PROMPT_DONE, PROMPT_VOID, PROMPT_SETTLED };

struct book_prompt {
    uint64_t lease; // LEASED, DONE
    uint32_t n_faults;
    enum prompt_state state;
};

struct book_order {
    struct order order;
    struct book_prompt *prompts;
    uint32_t n_pending, n_leased, n_unsettled;
    uint32_t first_pending; // no prompt before it is pending
    uint64_t samples_done;
    bool is_failed;
    struct err failure;
};

struct book_lease {
    struct lease lease;
    struct book_order *order; // NULL: held from an earlier life, its order not placed yet
    struct book_peer *holder; // NULL: complete
    uint64_t progress_ms;
    uint64_t named_ms;  // issued, named by its holder, or a sample of it received
    uint32_t n_unnamed; // CREDITs since then
    uint64_t n_tokens;
    uint32_t n_received, n_unsettled; // samples; prompts
    uint64_t step;                    // of the latest commit
    uint32_t reason;                  // of the drop, if no prompt was trained
    bool is_seen;                     // its holder is known to have it
    bool is_moved;                    // to another connection of its holder, and not named since
    bool is_complete, is_trained;
    struct book_lease **list; // the one it is in: its holder's, or the book's
    struct book_lease *next, *prev;
};

struct book_peer {
    void *owner;
    uint64_t heard_ms, progress_ms;
    struct book_lease *leases;
    uint32_t n_leases;
    uint32_t credit;      // samples
    uint32_t outstanding; // samples leased and not received
    bool has_weights, is_alive;
    bool has_spoken;                  // of its credit
    bool is_suspect;                  // a lease of it expired and nothing moved since
    uint64_t trial_ms, trial_wait_ms; // a suspect gets one lease then, to show what it can
    uint64_t version;
    struct book_peer *next, *prev;
};

struct lease_book {
    struct lease_book_config config;
    struct book_order *orders[ORDERS_OPEN_MAX]; // ascending by number
    uint32_t n_orders;
    uint64_t last_order;
    bool has_ordered;
    struct id_map by_id;
    struct book_lease *whole; // complete, of an order
    struct book_lease *held;  // complete, of an order yet to be placed again
    struct book_peer *peers;
    uint64_t next_id, reserved_end;
    uint64_t last_ms, deaf_ms;   // see book_time()
    struct book_action *actions; // a queue, emptied after every event
    size_t n_actions, next_action, actions_capacity;
};

struct book_action *book_action_add(struct lease_book *b, enum book_action_type type);

uint32_t lease_samples(const struct lease *lease);
struct book_prompt *lease_prompt(const struct book_lease *l, uint32_t i);
struct book_lease *lease_add(struct lease_book *b, const struct lease *lease,
                             struct book_lease **list);
void lease_put(struct book_lease *l, struct book_lease **list); // out of its list, into another
// The holder has nothing more to do with it: it goes to a list of the book.
void lease_release(struct book_lease *l, struct book_lease **list);
// Journals the end of a lease and forgets it.  `told`: the peer to send a CANCEL.
void lease_finish(struct lease_book *b, struct book_lease *l, enum journal_type type,
                  enum lease_end reason, const struct book_peer *told);
// Without its samples: what it still had to do is pending again.
void lease_return(struct lease_book *b, struct book_lease *l, enum journal_type type,
                  enum lease_end reason, const struct book_peer *told);

// The time as far as somebody listened.  While the learner was not running (a
// slow disk, a suspended machine) nobody could be heard, which is nobody's fault.
uint64_t book_time(struct lease_book *b, uint64_t now_ms);
// Hands out all that can be handed out.  now_ms: book_time()'s.
void book_assign(struct lease_book *b, uint64_t now_ms);
bool order_wants_weights(const struct order *o);

#endif
