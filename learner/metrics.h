/*
 * metrics.h - metrics.jsonl: one JSON object a step, appended in one write.
 *
 * Names are the field's (`reward/mean`, `actor/grad_norm`, ...).  A run that
 * goes on from a checkpoint first drops the lines of steps it will do again.
 */
#ifndef ARGOSY_LEARNER_METRICS_H
#define ARGOSY_LEARNER_METRICS_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/json.h"

#define METRICS_STEP "training/global_step"

struct metrics {
    int fd;
    struct json_writer line; // the step under way
};

// Lines of steps above last_step are dropped (UINT64_MAX: none).
int metrics_open(struct metrics *m, const char *path, uint64_t last_step, struct err *err);
void metrics_close(struct metrics *m);

void metrics_begin(struct metrics *m, uint64_t step);
void metrics_put(struct metrics *m, const char *name, double value);
int metrics_end(struct metrics *m, struct err *err);

// A growing sum with its extremes: for the mean, max, min, std of a name.
struct spread {
    uint64_t n;
    double sum, sum_squares, min, max;
};
void spread_add(struct spread *s, double value);
double spread_mean(const struct spread *s);
double spread_std(const struct spread *s); // sample (n - 1); 0 below 2 values

#endif
