/*
 * Pre-training and supervised fine-tuning: documents from text, cross entropy.
 *
 * Orders are placed ahead: documents depend on nothing that training does.
 * Weights go out only when the recipe asks for evaluations on the way.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "learner/evaluation.h"
#include "learner/grpo_metrics.h"
#include "learner/schedule.h"
#include "proto/journal_format.h"

static int place(struct trainer *t, uint64_t step, struct err *err)
{
    const struct options *o = t->options;
    const struct order order = {
        .number = trainer_order_number(step),
        .kind = LEASE_FEED,
        .prompt_first = step * o->train_batch_size,
        .n_prompts = (uint32_t)o->train_batch_size,
        .n_samples = 1,
        .seed = o->seed,
        .temperature = 1.0f,
        .top_p = 1.0f,
        .max_new_tokens = 1,
    };

    return gate_order(t->gate, &order, err);
}

struct feed_batch {
    struct sample *samples;
    float *weights; // all samples' one after the other
    size_t n;
    uint64_t n_tokens, n_targets;
};

// The loss of a step is the mean over its weighted targets.
static void make_batch(struct feed_batch *b, const struct order_samples *s)
{
    double sum = 0.0;
    size_t at = 0;

    *b = (struct feed_batch){.n = s->n};
    for (size_t i = 0; i < s->n; i++) {
        const struct result *r = &s->results[i];

        b->n_tokens += r->n_tokens;
        for (uint32_t k = 1; k < r->n_tokens; k++) {
            sum += (double)r->loss_mask[k];
            b->n_targets += r->loss_mask[k] > 0.0f;
        }
    }
    b->samples = calloc(s->n ? s->n : 1, sizeof *b->samples);
    b->weights = calloc(b->n_tokens ? (size_t)b->n_tokens : 1, sizeof *b->weights);
    CHECK(b->samples != NULL && b->weights != NULL);
    for (size_t i = 0; i < s->n; i++) {
        const struct result *r = &s->results[i];

        for (uint32_t k = 1; k < r->n_tokens; k++) {
            b->weights[at + k] = sum > 0.0 ? (float)((double)r->loss_mask[k] / sum) : 0.0f;
        }
        b->samples[i] = (struct sample){.group = (uint32_t)i,
                                        .n_tokens = r->n_tokens,
                                        .tokens = r->tokens,
                                        .weights = b->weights + at};
        at += r->n_tokens;
    }
}

static int commit(struct trainer *t, uint64_t step, bool is_nonfinite, struct err *err)
{
    const size_t n = (size_t)t->options->train_batch_size;
    struct order_fate *fates = calloc(n, sizeof *fates);
    int status;

    CHECK(fates != NULL);
    for (size_t i = 0; i < n; i++) {
        fates[i] = (struct order_fate){step * n + i, is_nonfinite ? LEASE_END_NONFINITE : 0};
    }
    status = gate_commit(t->gate, trainer_order_number(step), step + 1, fates, n, err);
    free(fates);
    return status;
}

static int write_metrics(struct trainer *t, const struct feed_batch *b, double n_skipped,
                         const struct update_result *u, double lr, double step_s, struct err *err)
{
    struct metrics *m = &t->metrics;

    metrics_begin(m, t->state.step);
    metrics_put(m, "actor/nll", u->sums.nll);
    metrics_put(m, "actor/entropy",
                u->sums.n_items > 0 ? u->sums.entropy / (double)u->sums.n_items : 0.0);
    metrics_put(m, "actor/grad_norm", u->grad_norm);
    metrics_put(m, "actor/lr", lr);
    metrics_put(m, "training/lanes_used", u->n_lanes_used);
    metrics_put(m, "training/samples", (double)b->n);
    metrics_put(m, "data/skipped_rows", n_skipped);
    metrics_put(m, "timing_s/wait", t->waited_s);
    metrics_put(m, "timing_s/step", step_s);
    metrics_put(m, "timing_s/checkpoint", t->checkpoint_s);
    t->checkpoint_s = 0.0;
    metrics_put(m, "perf/total_num_tokens", (double)b->n_tokens);
    metrics_put(m, "perf/throughput", (double)b->n_tokens / step_s);
    return metrics_end(m, err);
}

// 0 done, 1 asked to stop, -1 error.
static int train_step(struct trainer *t, const struct schedule *schedule, struct err *err)
{
    const uint64_t step = t->state.step;
    const double started_s = clock_now_s();
    const double lr = schedule_lr(schedule, step);
    struct order_samples samples;
    struct feed_batch batch;
    struct update_result u;
    int status;

    t->waited_s = 0.0;
    status = trainer_await(t, trainer_order_number(step), &samples, err);
    if (status != 0) return status;
    make_batch(&batch, &samples);
    status = trainer_update(t, batch.samples, batch.n, lr, &u, err);
    if (status == 0) status = commit(t, step, u.is_nonfinite, err);
    if (status == 0) {
        t->state.step = step + 1;
        const double step_s = clock_now_s() - started_s;
        const struct progress_line line = {(double)NAN, u.sums.nll,
                                           (double)batch.n_tokens / (double)(batch.n ? batch.n : 1),
                                           (double)batch.n_tokens / step_s};
        status = write_metrics(t, &batch, skipped_rows(&samples), &u, lr, step_s, err);
        trainer_progress(t, &line);
    }
    free(batch.samples);
    free(batch.weights);
    order_samples_fini(&samples);
    return status;
}

static int evaluate(struct trainer *t, struct err *err)
{
    if (!evaluation_is_due(t)) return 0;
    if (trainer_publish(t, t->state.step + 1, err) != 0) return -1; // 0 is no version
    return evaluation_run(t, t->state.step, t->options->prefetch_steps, err);
}

// Orders of steps before `end`, as far as the stage goes.
static int place_until(struct trainer *t, uint64_t *placed, uint64_t end, struct err *err)
{
    for (; *placed < end && *placed < t->options->total_training_steps; (*placed)++) {
        if (place(t, *placed, err) != 0) return -1;
    }
    return 0;
}

static int begin(struct trainer *t, uint64_t *placed, struct err *err)
{
    const struct options *o = t->options;
    int status = 0;

    *placed = t->state.step;
    if (options_wants_eval(o)) status = trainer_publish(t, t->state.step + 1, err);
    if (status == 0 && t->state.step == 0 && o->val_before_train && !t->is_resumed) {
        status = evaluation_run(t, 0, 0, err);
    }
    if (status == 0) status = place_until(t, placed, t->state.step + o->prefetch_steps, err);
    if (status == 0) status = evaluation_settle(t, o->prefetch_steps, err);
    return status;
}

int stage_feed(struct trainer *t, struct err *err)
{
    const struct options *o = t->options;
    const struct schedule schedule = options_schedule(o);
    uint64_t placed = 0;
    int status = begin(t, &placed, err);

    while (status == 0 && t->state.step < o->total_training_steps && !trainer_should_stop(t)) {
        if (place_until(t, &placed, t->state.step + o->prefetch_steps + 1, err) != 0) return -1;
        status = train_step(t, &schedule, err);
        if (status == 1) return 0;
        if (status == 0) status = evaluate(t, err);
        if (status == 0 && trainer_step_done(t, err) != 0) status = -1;
    }
    return status;
}
