/*
 * evaluation.h - held-out prompts through the fleet: pass@1, cons@n, pass@n.
 *
 * An evaluation is an order like any other (LEASE_EVAL), so it is leased,
 * journaled and accounted for; its groups end dropped(evaluated).  The result
 * is RUN/eval-<step>.json and a line of metrics.
 */
#ifndef ARGOSY_LEARNER_EVALUATION_H
#define ARGOSY_LEARNER_EVALUATION_H

#include "common/math/tally.h"
#include "learner/trainer.h"

#define EVALUATION_SOURCES_MAX 64

struct evaluation_sources {                    // by the number a sample has
    struct text names[EVALUATION_SOURCES_MAX]; // point into the samples
    uint32_t n;
};

// The samples of an order as the tally reads them (malloc'ed, s->n of them);
// n_parts: of the order.
struct tally_sample *evaluation_samples(const struct order_samples *s, uint32_t n_parts,
                                        struct evaluation_sources *sources);

// Of the current weights, after n_steps_done steps, n_ahead training orders
// having been placed beyond that.  0 done, 1 a signal asks to stop, -1 error.
int evaluation_run(struct trainer *t, uint64_t n_steps_done, uint64_t n_ahead, struct err *err);

// Whether the recipe wants one after the step that is just done.
bool evaluation_is_due(const struct trainer *t);

// After a resume from a checkpoint that an evaluation came before: its order is
// open again.  The journal has its samples, so it is only committed again.
int evaluation_settle(struct trainer *t, uint64_t n_ahead, struct err *err);

// A stage of kind eval.
int evaluation_stage(struct trainer *t, struct err *err);

#endif
