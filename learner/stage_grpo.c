/*
 * Reinforcement learning: rollouts of groups, advantages, clipped updates.
 *
 * Step s trains on order s.  In synchronous mode that order is drawn by the
 * weights that step s starts from; one step off, by those before them, because
 * it was placed before step s - 1 trained.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "learner/evaluation.h"
#include "learner/grpo_batch.h"
#include "learner/grpo_metrics.h"
#include "learner/schedule.h"

static uint64_t ahead(const struct options *o)
{
    return o->mode == MODE_ONE_STEP_OFF ? 1 : 0;
}

// The weights that step `step` starts from; 0 is no version.
static uint64_t version_at(uint64_t step)
{
    return step + 1;
}

static int place(struct trainer *t, uint64_t step, uint64_t version, struct err *err)
{
    const struct options *o = t->options;
    const struct order order = {
        .number = trainer_order_number(step),
        .kind = LEASE_GENERATE,
        .prompt_first = step * o->train_batch_size,
        .n_prompts = (uint32_t)o->train_batch_size,
        .n_samples = (uint32_t)o->rollout_n,
        .weights_version = version,
        .seed = o->seed,
        .temperature = (float)o->rollout_temperature,
        .top_p = (float)o->rollout_top_p,
        .top_k = (uint32_t)o->rollout_top_k,
        .max_new_tokens = (uint32_t)o->max_response_length,
    };

    return gate_order(t->gate, &order, err);
}

// The mini-batches of a rollout, one optimiser step each.
static int update_all(struct trainer *t, const struct grpo_batch *batch, double lr,
                      struct grpo_step *step, struct err *err)
{
    for (uint32_t i = 0; i < batch->n_minis; i++) {
        const struct grpo_mini *mini = &batch->minis[i];
        struct update_result u;

        if (mini->n == 0) continue; // every group was flat: nothing to learn
        if (trainer_update(t, mini->samples, mini->n, lr, &u, err) != 0) return -1;
        grpo_step_add(step, &u);
    }
    return 0;
}

static int publish(struct trainer *t, struct grpo_step *step, struct err *err)
{
    const double started_s = clock_now_s();
    const int status = trainer_publish(t, version_at(t->state.step), err);

    step->publish_s = clock_now_s() - started_s;
    return status;
}

static int train_on(struct trainer *t, const struct order_samples *samples, double lr,
                    struct grpo_step *step, struct err *err)
{
    const struct options *o = t->options;
    const double started_s = clock_now_s();
    struct grpo_batch batch;
    int status;

    if (t->previous != NULL) {
        memcpy(t->previous, t->replica.flat, t->replica.params.n_elements * sizeof *t->previous);
    }
    grpo_batch_make(&batch, samples, o, t->state.step);
    status = update_all(t, &batch, lr, step, err);
    step->update_s = clock_now_s() - started_s;
    if (status == 0) {
        status = gate_commit(t->gate, trainer_order_number(t->state.step), t->state.step + 1,
                             batch.fates, batch.n_groups, err);
    }
    step->n_flat = batch.n_flat;
    step->n_groups = batch.n_groups;
    grpo_batch_fini(&batch);
    return status;
}

static void take_exactness(struct trainer *t, const struct grpo_step *step)
{
    if (t->options->mode == MODE_SYNC && step->first_max_abs_diff > t->state.max_abs_diff) {
        t->state.max_abs_diff = step->first_max_abs_diff;
    }
}

// 0 done, 1 asked to stop, -1 error.
static int train_step(struct trainer *t, const struct schedule *schedule, struct err *err)
{
    const struct options *o = t->options;
    const uint64_t number = t->state.step;
    const bool is_last = number + 1 >= o->total_training_steps;
    struct grpo_step step = {.started_s = clock_now_s(), .lr = schedule_lr(schedule, number)};
    struct order_samples samples;
    int status;

    t->waited_s = 0.0;
    if (ahead(o) && !is_last && place(t, number + 1, version_at(number), err) != 0) return -1;
    status = trainer_await(t, trainer_order_number(number), &samples, err);
    if (status != 0) return status;
    status = train_on(t, &samples, step.lr, &step, err);
    if (status == 0) {
        t->state.step = number + 1;
        take_exactness(t, &step);
        if (options_wants_reference(o) && o->ref_refresh_steps > 0 &&
            t->state.step % o->ref_refresh_steps == 0) {
            team_refresh_reference(&t->team);
        }
        status = publish(t, &step, err);
    }
    if (status == 0 && !ahead(o) && !is_last) {
        status = place(t, number + 1, version_at(number + 1), err);
    }
    if (status == 0) status = grpo_metrics_write(t, &samples, &step, err);
    order_samples_fini(&samples);
    return status;
}

// The orders that are open when step `t->state.step` begins; past the last one
// only an evaluation can be.
static int begin(struct trainer *t, struct err *err)
{
    const uint64_t step = t->state.step;
    const bool is_left = step < t->options->total_training_steps;
    // the order's weights are the older ones
    const bool is_behind = is_left && ahead(t->options) && step > 0;
    const size_t size = t->replica.params.n_elements * sizeof *t->previous;

    // Placed before the newer version comes, the order keeps the older one there.
    if (is_behind && (gate_publish(t->gate, version_at(step - 1), t->previous, size, err) != 0 ||
                      place(t, step, version_at(step - 1), err) != 0)) {
        return -1;
    }
    if (trainer_publish(t, version_at(step), err) != 0) return -1;
    if (step == 0 && t->options->val_before_train && !t->is_resumed) {
        const int status = evaluation_run(t, 0, 0, err);
        if (status != 0) return status;
    }
    if (is_left && !is_behind && place(t, step, version_at(step), err) != 0) return -1;
    return evaluation_settle(t, 1, err);
}

int stage_grpo(struct trainer *t, struct err *err)
{
    const struct options *o = t->options;
    const struct schedule schedule = options_schedule(o);
    int status = begin(t, err);

    while (status == 0 && t->state.step < o->total_training_steps && !trainer_should_stop(t)) {
        status = train_step(t, &schedule, err);
        if (status == 1) return 0;
        if (status == 0 && evaluation_is_due(t)) status = evaluation_run(t, t->state.step, 1, err);
        if (status == 0 && trainer_step_done(t, err) != 0) status = -1;
    }
    return status;
}
