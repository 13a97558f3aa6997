/*
 * grpo_batch.h - an order's samples as mini-batches of training samples.
 *
 * Advantages are per group; mini-batches are a keyed shuffle of the groups, so
 * a function of (seed, step) alone; token weights are per mini-batch, as the
 * loss aggregation says.  A flat group (all rewards equal) is trained on or
 * dropped as the recipe says; when it is trained on without a KL term its
 * gradient is 0, so it counts in the means and is not computed.
 */
#ifndef ARGOSY_LEARNER_GRPO_BATCH_H
#define ARGOSY_LEARNER_GRPO_BATCH_H

#include "learner/gate.h"
#include "learner/options.h"
#include "learner/samples.h"

struct grpo_mini {
    struct sample *samples; // point into the order's arrays and `weights`
    float *weights;
    size_t n;
};

struct grpo_batch {
    struct grpo_mini *minis;
    uint32_t n_minis;
    struct order_fate *fates; // (n_groups), of the prompts that came complete
    uint32_t n_groups, n_flat;
};

// The order's samples outlive the batch.
void grpo_batch_make(struct grpo_batch *b, const struct order_samples *samples,
                     const struct options *options, uint64_t step);
void grpo_batch_fini(struct grpo_batch *b);

#endif
