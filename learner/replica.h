/*
 * replica.h - what a rank holds of the model, and one optimiser step of it.
 *
 * Every rank has the whole bf16 weights, ready to compute with, and 1/R of the
 * fp32 masters and Adam moments.  A step: the rank's lanes (lanes.h), the
 * exchange of gradient parts, the global norm, AdamW on the shard, bf16 to all.
 * The result has the same bits for any number of ranks and threads.
 *
 * Functions marked collective are called by all ranks with the same arguments.
 */
#ifndef ARGOSY_LEARNER_REPLICA_H
#define ARGOSY_LEARNER_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/pool.h"
#include "common/model/weights.h"
#include "learner/adamw.h"
#include "learner/batch.h"
#include "learner/gradient.h"
#include "learner/lanes.h"
#include "learner/samples.h"
#include "learner/shard.h"

struct replica_config {
    uint32_t n_lanes, pack_tokens, sequence_max;
    bool recompute, wants_reference;
    bool serves_only; // nothing is trained: `flat` alone is there
    struct adamw_config adamw;
    double grad_clip; // 0: none
};

struct replica {
    struct replica_config config;
    struct params params;
    struct shard_map map;
    struct batch_limits limits;
    struct lanes lanes;
    struct adamw_state adam;
    struct gradient *gradient;
    struct weights *weights, *reference; // reference: NULL when not wanted
    uint16_t *flat, *flat_reference;     // (n_elements) bf16
    double *squares;                     // (n_blocks)
    struct pool *pool;
    uint64_t n_updates; // optimiser steps done
};

// Collective.  Reads the model of a Hugging Face folder.
int replica_open(struct replica *r, const char *folder, const struct replica_config *config,
                 struct pool *pool, struct err *err);
// The same from masters in memory (tests): masters (n_elements of shape).
int replica_open_masters(struct replica *r, const struct shape *shape, const float *masters,
                         const struct replica_config *config, struct pool *pool, struct err *err);
void replica_close(struct replica *r);

struct update {
    struct loss_config loss;
    double lr;
};

struct update_result {
    struct loss_sums sums;
    double grad_norm; // before clipping
    bool is_applied;
    bool is_nonfinite; // so nothing was changed
    uint32_t n_lanes_used;
    uint64_t n_rows; // tokens computed, over all ranks
};

// Collective.
void replica_update(struct replica *r, const struct sample *samples, size_t n,
                    const struct update *update, struct update_result *out);

// Collective: after masters changed, bf16 weights everywhere.
void replica_round(struct replica *r);

// The reference becomes the current policy, or what flat_reference now holds.
void replica_refresh_reference(struct replica *r);
void replica_load_reference(struct replica *r);

#endif
