/*
 * checkpoint.h - the state of training on disk, all of it or none.
 *
 *   checkpoints/global_step_12/  shard-0000.bin ...  reference.bf16
 *                                previous.bf16  MANIFEST.json
 *   checkpoints/latest_checkpointed_iteration.txt    a hint for people
 *
 * Written into a temporary folder, every file hashed and synced, the manifest
 * last, then renamed: after any crash the newest valid checkpoint is the old or
 * the new one.  Each rank writes its shard (masters, m, v); shards are
 * addressed by element, so any number of ranks can load them.  A checkpoint is
 * used only when every file has the size and hash the manifest says.
 *
 * Collective, all of it.
 */
#ifndef ARGOSY_LEARNER_CHECKPOINT_H
#define ARGOSY_LEARNER_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/hash.h"
#include "learner/adamw.h"

struct checkpoint_state { // what is saved and loaded, in place
    size_t n_elements;    // of the whole block
    struct adamw_state *adam;
    uint16_t *reference; // (n_elements) or NULL: not wanted
    uint16_t *previous;  // (n_elements) or NULL: the weights before these (rank 0)
};

struct checkpoint_meta { // plain bytes: it travels by broadcast
    uint64_t run;        // below 2^63
    uint64_t step;       // of the stage: global_step
    uint64_t n_updates;  // optimiser steps
    uint64_t weights_version;
    uint64_t next_order;    // orders below it are over: the journal's frontier
    uint64_t prompt_cursor; // prompts below it were trained or dropped
    uint64_t seed;
    uint64_t n_nonfinite; // updates left out
    double seconds;       // of training so far
    double max_abs_diff;  // largest rollout_corr/max_abs_diff so far
    struct hash recipe;   // of the resolved stage
};

// Keeps the newest `keep` checkpoints up to this step; those of later steps go,
// a load passed them over.  On failure older ones are untouched and the
// temporary folder is gone.
int checkpoint_save(const char *folder, const struct checkpoint_state *state,
                    const struct checkpoint_meta *meta, uint64_t keep, struct err *err);

// The newest that verifies in full; *found false when there is none.  Damaged
// ones are logged and passed over.
int checkpoint_load(const char *folder, const struct checkpoint_state *state,
                    struct checkpoint_meta *meta, bool *found, struct err *err);

#endif
