/*
 * trainer.h - one stage of a recipe, from an empty run folder (or a checkpoint
 * of it) to an exported model.
 *
 * trainer_run() is called by every rank.  Rank 0 opens the run folder and the
 * gate and runs the stage's loop (stage_grpo.c, stage_feed.c, evaluation.c);
 * the others follow it (team.h).
 */
#ifndef ARGOSY_LEARNER_TRAINER_H
#define ARGOSY_LEARNER_TRAINER_H

#include <signal.h>
#include <stdbool.h>

#include "learner/gate.h"
#include "learner/metrics.h"
#include "learner/options.h"
#include "learner/run_folder.h"
#include "learner/team.h"

struct trainer {
    const struct options *options;
    const char *stage; // its name
    const volatile sig_atomic_t *stop;
    struct replica replica;
    struct team team;
    struct checkpoint_meta state; // where the stage is; saved as it stands

    // Rank 0 only.
    struct run_folder folder;
    struct gate *gate;
    struct metrics metrics;
    uint16_t *previous; // one_step_off: the weights before the newest
    bool is_resumed;
    double started_s, seconds_before;
    double waited_s;     // in trainer_await, of this step
    double checkpoint_s; // of a checkpoint since the last line of metrics
    uint32_t n_nonfinite_in_row;
    uint64_t first_step; // of this life
    uint64_t saved_step; // of the newest checkpoint
    uint64_t shown_ms;   // when an evaluation's progress was printed last
};

enum trainer_end { TRAINER_DONE, TRAINER_STOPPED };

// 0: *end says whether the stage is done or was stopped by a signal, with a
// checkpoint written.  -1: err has the reason, the same on every rank.
int trainer_run(const struct options *options, const char *stage, const char *run_folder,
                const volatile sig_atomic_t *stop, enum trainer_end *end, struct err *err);

// --- for the stages ------------------------------------------------------------

// Order numbers are a function of the step, so that a resumed run asks for the
// same ones.  n_ahead: how many training orders are placed beyond the step.
uint64_t trainer_order_number(uint64_t step);                          // of training step (from 0)
uint64_t trainer_eval_number(uint64_t n_steps_done, uint64_t n_ahead); // after so many steps

// Waits for an order: 0 it is here, 1 a signal asks to stop, -1 an error that
// names what is missing.
int trainer_await(struct trainer *t, uint64_t number, struct order_samples *out, struct err *err);

// How many held-out prompts there are, once an actor is ready to say; 0, 1 and
// -1 as above.
int trainer_held_out(struct trainer *t, uint64_t *n, struct err *err);

// Announces the current weights as a version.
int trainer_publish(struct trainer *t, uint64_t version, struct err *err);

// One optimiser step; counts what is not finite and fails after three in a row.
int trainer_update(struct trainer *t, const struct sample *samples, size_t n, double lr,
                   struct update_result *out, struct err *err);

// After a step is committed and state.step counts it: checkpoint if it is time
// or a signal came.
int trainer_step_done(struct trainer *t, struct err *err);
bool trainer_should_stop(const struct trainer *t);

double trainer_seconds(const struct trainer *t); // of training, lives before included

struct progress_line {  // what a person wants to see of a step
    double reward, nll; // NaN: does not apply
    double response_length, tokens_per_s;
};
void trainer_progress(struct trainer *t, const struct progress_line *line);

// The loops.  Each returns 0 when the stage is done or a stop was asked for, 1
// when that was within an evaluation, which is then still to be done.
int stage_grpo(struct trainer *t, struct err *err);
int stage_feed(struct trainer *t, struct err *err);

#endif
