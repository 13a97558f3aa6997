/*
 * schedule.h - the learning rate of a step, as a pure function.
 */
#ifndef ARGOSY_LEARNER_SCHEDULE_H
#define ARGOSY_LEARNER_SCHEDULE_H

#include <stdint.h>

enum schedule_kind {
    SCHEDULE_CONSTANT,
    SCHEDULE_COSINE, // half a cosine from lr to min_lr_ratio * lr
    SCHEDULE_WSD,    // constant until decay_start of the run, then linear to min_lr_ratio * lr
};

struct schedule {
    enum schedule_kind kind;
    double lr;
    double min_lr_ratio;
    double decay_start; // fraction of the run
    uint64_t warmup_steps;
    uint64_t total_steps;
};

// step: 0 for the first.  Warm-up is linear and reaches lr on its last step.
double schedule_lr(const struct schedule *s, uint64_t step);

#endif
