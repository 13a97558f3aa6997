/*
 * ledger.h - what became of every lease, from the journal and nothing else.
 *
 * Records go in, in the journal's order; out comes the sum that has to
 * balance: issued = trained + dropped + returned + in flight, in leases and in
 * samples.  Issued and ended are counted from different records, so the sum
 * proves something.  What must never be (a lease that ends twice, a prompt
 * trained twice in one order, a lease trained without all its samples in the
 * journal) is kept as a violation.
 *
 * A learner that goes on from a checkpoint notes "resume at order N": what was
 * trained or dropped of orders from N on was undone by going back, and those
 * leases are in flight again.
 */
#ifndef ARGOSY_LEARNER_LEDGER_H
#define ARGOSY_LEARNER_LEDGER_H

#include "common/base/err.h"
#include "common/base/json.h"
#include "proto/journal_format.h"

#define LEDGER_RESUME_NOTE "resume at order " // then the number
#define LEDGER_VIOLATIONS_KEPT 16
#define LEDGER_REASONS (LEASE_END_NONFINITE + 1)

enum lease_fate { FATE_IN_FLIGHT, FATE_RETURNED, FATE_TRAINED, FATE_DROPPED };

struct ledger_lease { // the latest known of one lease
    struct lease lease;
    enum lease_fate fate;
    uint32_t reason;           // enum lease_end, of a fate that has one
    uint32_t n_results;        // distinct samples journaled with outcome OK
    unsigned char *has;        // a bit a sample
    struct ledger_lease *next; // in the order they were issued
};

struct ledger_count {
    uint64_t leases, samples;
};
struct ledger_sum {
    struct ledger_count issued, trained, dropped, returned, in_flight;
    struct ledger_count dropped_by[LEDGER_REASONS], returned_by[LEDGER_REASONS]; // by lease_end
    uint64_t n_results, n_faults; // samples journaled; outcomes that were not OK
    uint64_t n_superseded;        // leases trained or dropped, then undone by a resume
    uint64_t n_epochs, n_voids;   // notes
    uint64_t n_violations;
    bool is_balanced; // the sum is right and nothing was violated
};

struct ledger;
struct ledger *ledger_create(void);
void ledger_destroy(struct ledger *l);
// Fails on a record that does not decode; a record that should not be there is
// a violation, not an error.
int ledger_add(struct ledger *l, const struct journal_record *record, struct err *err);
void ledger_sum(struct ledger *l, struct ledger_sum *out);
const char *ledger_violation(const struct ledger *l, size_t i); // NULL: no more are kept

const struct ledger_lease *ledger_first(const struct ledger *l);
bool ledger_is_complete(const struct ledger_lease *l); // all its samples are in the journal
uint64_t ledger_next_lease_id(const struct ledger *l); // none at or above it was ever reserved

// All of RUN/journal.
int ledger_read(struct ledger *l, const char *run_folder, struct err *err);
// The members {issued, trained, dropped, in_flight, returned, balanced, ...} of an object.
void ledger_write_json(const struct ledger_sum *sum, struct json_writer *out);

// argosy-learner ledger RUN [--json], argv[0] being "ledger": prints the sum.  The
// exit status: 1 when it does not balance or cannot be read, 2 for bad usage.
int ledger_verb(int argc, char **argv);

#endif
