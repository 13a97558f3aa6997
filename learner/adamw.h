/*
 * adamw.h - one AdamW step over a range of the flat parameter block.
 *
 * Loshchilov and Hutter's decoupled decay, on matrices only, with the bias
 * corrections and the place of epsilon that PyTorch has.  Elementwise, so a
 * shard's result does not depend on where the shard ends.
 */
#ifndef ARGOSY_LEARNER_ADAMW_H
#define ARGOSY_LEARNER_ADAMW_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/pool.h"
#include "common/model/params.h"

struct adamw_config {
    double beta1, beta2, eps, weight_decay;
};

struct adamw_state { // of elements [first, first + count) of the flat block
    size_t first, count;
    float *masters, *m, *v; // (count)
};
void adamw_state_init(struct adamw_state *s, size_t first, size_t count); // all zero
void adamw_state_fini(struct adamw_state *s);

// step: 1 for the first.  grads: the whole flat array; each is multiplied by
// grad_scale (the clip) first.
void adamw_step(struct adamw_state *s, const struct params *params,
                const struct adamw_config *config, double lr, uint64_t step, const float *grads,
                float grad_scale, struct pool *pool);

#endif
