/*
 * grpo_metrics.h - what one GRPO step says of itself, in the field's names.
 */
#ifndef ARGOSY_LEARNER_GRPO_METRICS_H
#define ARGOSY_LEARNER_GRPO_METRICS_H

#include "learner/trainer.h"

struct grpo_step {
    double started_s, update_s, publish_s; // monotonic seconds
    double lr;
    uint32_t n_groups, n_flat;
    // Sums over the mini-batches.
    struct loss_sums sums;
    double grad_norm; // sum
    uint32_t n_updates, n_lanes_used;
    uint64_t n_rows;
    // Of the first mini-batch, whose weights are those that drew its samples.
    double first_max_abs_diff, first_mean_abs_diff, first_kl;
};

// Rows of data files that were passed over for these samples, because they are bad.
double skipped_rows(const struct order_samples *s);

void grpo_step_add(struct grpo_step *s, const struct update_result *u);

// Writes the line of the step that t->state.step now counts, and the progress.
int grpo_metrics_write(struct trainer *t, const struct order_samples *samples,
                       const struct grpo_step *step, struct err *err);

#endif
