/*
 * stage.h - one stage of a run on this machine: a learner under mpirun and some
 * actors, started, watched and ended.
 *
 * A dead actor is replaced if the recipe says so; a dead learner ends the run
 * with its reason.  Nothing is left running.
 */
#ifndef ARGOSY_DEPLOY_STAGE_H
#define ARGOSY_DEPLOY_STAGE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define STAGE_ACTORS_MAX 256
#define STAGE_REQUEUE 75 // the learner's exit status when a signal stopped it after a checkpoint

struct stage_plan {
    const char *name;
    const char *run_folder; // of the stage
    const char *recipe_path;
    const char *recipe_stage;     // its name in the recipe
    const char *const *overrides; // n_overrides of key=value
    size_t n_overrides;
    uint32_t n_ranks, n_actors, actor_threads, actor_slots;
    uint32_t actor_cache_mib; // 0: what an actor takes by itself
    bool separate_weights;    // each actor has its own
    bool restart_actors;
    bool is_quiet; // nothing of the learner's on standard output
};

// 0 when the stage is done.  *stop makes it end the stage: an error that says so.
int stage_run(const struct stage_plan *plan, const volatile sig_atomic_t *stop, struct err *err);

#endif
