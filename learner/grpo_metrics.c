#include "learner/grpo_metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "learner/evaluation.h"

#define NAME_MAX_BYTES (NAME_BYTES_MAX + 32)

void grpo_step_add(struct grpo_step *s, const struct update_result *u)
{
    const double n = u->sums.n_items > 0 ? (double)u->sums.n_items : 1.0;

    if (s->n_updates == 0) {
        s->first_max_abs_diff = u->sums.max_abs_diff;
        s->first_mean_abs_diff = u->sums.sum_abs_diff / n;
        s->first_kl = u->sums.ppo_kl / n;
    }
    loss_sums_add(&s->sums, &u->sums);
    s->grad_norm += u->grad_norm;
    s->n_updates++;
    s->n_rows += u->n_rows;
    if (u->n_lanes_used > s->n_lanes_used) s->n_lanes_used = u->n_lanes_used;
}

// --- of the samples --------------------------------------------------------------

struct named_spread {
    struct text name;
    struct spread spread;
};

struct spreads {
    struct spread reward, response, prompt, stale;
    uint64_t n_truncated;
    struct named_spread rewards[REWARDS_MAX], metrics[METRICS_MAX];
    uint32_t n_rewards, n_metrics;
};

static void add_named(struct named_spread *table, uint32_t *n, uint32_t max,
                      const struct named_number *v)
{
    uint32_t i = 0;

    while (i < *n && (table[i].name.size_bytes != v->name.size_bytes ||
                      memcmp(table[i].name.bytes, v->name.bytes, v->name.size_bytes) != 0)) {
        i++;
    }
    if (i == max) return;
    if (i == *n) table[(*n)++] = (struct named_spread){.name = v->name};
    spread_add(&table[i].spread, v->value);
}

static bool is_skipped_rows(const struct named_number *n)
{
    static const char name[] = "skipped_rows";

    return n->name.size_bytes == sizeof name - 1 &&
           memcmp(n->name.bytes, name, sizeof name - 1) == 0;
}

double skipped_rows(const struct order_samples *s)
{
    double sum = 0;

    for (size_t i = 0; i < s->n; i++) {
        for (uint32_t k = 0; k < s->results[i].n_metrics; k++) {
            const struct named_number *n = &s->results[i].metrics[k];

            if (is_skipped_rows(n)) sum += n->value;
        }
    }
    return sum;
}

static void gather(struct spreads *out, const struct order_samples *s, uint64_t version)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < s->n; i++) {
        const struct result *r = &s->results[i];

        spread_add(&out->reward, r->reward);
        spread_add(&out->response, r->n_tokens - r->n_prompt_tokens);
        spread_add(&out->prompt, r->n_prompt_tokens);
        out->n_truncated += r->finish_reason == FINISH_LENGTH;
        for (uint32_t k = 0; k < r->n_spans; k++) {
            spread_add(&out->stale, (double)(version - r->spans[k].version));
        }
        for (uint32_t k = 0; k < r->n_rewards; k++) {
            add_named(out->rewards, &out->n_rewards, REWARDS_MAX, &r->rewards[k]);
        }
        for (uint32_t k = 0; k < r->n_metrics; k++) {
            if (is_skipped_rows(&r->metrics[k])) continue;
            add_named(out->metrics, &out->n_metrics, METRICS_MAX, &r->metrics[k]);
        }
    }
}

static void put_spread(struct metrics *m, const char *name, const struct spread *s)
{
    char full[NAME_MAX_BYTES];

    snprintf(full, sizeof full, "%s/mean", name);
    metrics_put(m, full, spread_mean(s));
    snprintf(full, sizeof full, "%s/max", name);
    metrics_put(m, full, s->max);
    snprintf(full, sizeof full, "%s/min", name);
    metrics_put(m, full, s->min);
}

static void put_named(struct metrics *m, const char *group, const struct named_spread *table,
                      uint32_t n)
{
    char full[NAME_MAX_BYTES];

    for (uint32_t i = 0; i < n; i++) {
        const struct text name = table[i].name;

        snprintf(full, sizeof full, "%s/%.*s/mean", group, (int)name.size_bytes, name.bytes);
        metrics_put(m, full, spread_mean(&table[i].spread));
    }
}

// Of each place that prompts come from, as evaluations name theirs.
static void put_sources(struct metrics *m, const struct order_samples *s,
                        const struct tally_sample *samples,
                        const struct evaluation_sources *sources)
{
    for (uint32_t source = 0; source < sources->n; source++) {
        const struct text name = sources->names[source];
        struct spread reward = {0}, response = {0}, right = {0};

        for (size_t i = 0; i < s->n; i++) {
            if (samples[i].source != source) continue;
            spread_add(&reward, s->results[i].reward);
            spread_add(&response, samples[i].n_tokens);
            spread_add(&right, samples[i].is_correct ? 1 : 0);
        }
        const struct {
            const char *what;
            double value;
        } values[] = {{"reward/mean", spread_mean(&reward)},
                      {"response_length/mean", spread_mean(&response)},
                      {"acc/mean", spread_mean(&right)},
                      {"samples", (double)reward.n}};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            char key[NAME_MAX_BYTES + 32];

            snprintf(key, sizeof key, "train-core/%.*s/%s", (int)name.size_bytes, name.bytes,
                     values[i].what);
            metrics_put(m, key, values[i].value);
        }
    }
}

static void put_samples(struct metrics *m, const struct order_samples *s,
                        const struct spreads *spreads)
{
    struct evaluation_sources sources;
    struct tally_sample *samples = evaluation_samples(s, 1, &sources);
    const struct tally all = tally_of(samples, s->n, TALLY_ALL);

    put_sources(m, s, samples, &sources);
    free(samples);
    metrics_put(m, "data/skipped_rows", skipped_rows(s));
    put_spread(m, "reward", &spreads->reward);
    metrics_put(m, "reward/std", spread_std(&spreads->reward));
    put_named(m, "reward", spreads->rewards, spreads->n_rewards);
    put_spread(m, "response_length", &spreads->response);
    metrics_put(m, "response_length/clip_ratio",
                s->n > 0 ? (double)spreads->n_truncated / (double)s->n : 0.0);
    put_spread(m, "prompt_length", &spreads->prompt);
    put_named(m, "custom", spreads->metrics, spreads->n_metrics);
    metrics_put(m, "train/pass@1", all.pass_1);
    metrics_put(m, "train/cons@n", all.cons_n);
    metrics_put(m, "train/pass@n", all.pass_n);
    metrics_put(m, "off_policy/mean", spread_mean(&spreads->stale));
    metrics_put(m, "off_policy/max", spreads->stale.max);
}

// --- of the updates --------------------------------------------------------------

static void put_updates(struct metrics *m, const struct grpo_step *s, const struct options *o)
{
    const double n = s->sums.n_items > 0 ? (double)s->sums.n_items : 1.0;
    const double n_updates = s->n_updates > 0 ? s->n_updates : 1.0;

    metrics_put(m, "actor/pg_loss", s->sums.policy_loss / n_updates);
    if (options_wants_reference(o)) metrics_put(m, "actor/kl_loss", s->sums.kl / n_updates);
    metrics_put(m, "actor/ppo_kl", s->sums.ppo_kl / n);
    metrics_put(m, "actor/pg_clipfrac",
                (double)(s->sums.n_clipped_low + s->sums.n_clipped_high) / n);
    metrics_put(m, "actor/pg_clipfrac_lower", (double)s->sums.n_clipped_low / n);
    metrics_put(m, "actor/entropy", s->sums.entropy / n);
    metrics_put(m, "actor/grad_norm", s->grad_norm / n_updates);
    metrics_put(m, "actor/lr", s->lr);
    metrics_put(m, "rollout_corr/max_abs_diff", s->first_max_abs_diff);
    metrics_put(m, "rollout_corr/mean_abs_diff", s->first_mean_abs_diff);
    metrics_put(m, "rollout_corr/kl", s->first_kl);
    metrics_put(m, "reward/frac_zero_std",
                s->n_groups > 0 ? (double)s->n_flat / (double)s->n_groups : 0.0);
    metrics_put(m, "training/updates", s->n_updates);
    metrics_put(m, "training/lanes_used", s->n_lanes_used);
    metrics_put(m, "training/rows", (double)s->n_rows);
}

static void put_times(struct metrics *m, struct trainer *t, const struct grpo_step *s,
                      double n_tokens, double step_s)
{
    metrics_put(m, "timing_s/gen", t->waited_s);
    metrics_put(m, "timing_s/wait", t->waited_s);
    metrics_put(m, "timing_s/update_actor", s->update_s);
    metrics_put(m, "timing_s/update_weights", s->publish_s);
    metrics_put(m, "timing_s/step", step_s);
    metrics_put(m, "timing_s/checkpoint", t->checkpoint_s);
    t->checkpoint_s = 0.0;
    metrics_put(m, "perf/total_num_tokens", n_tokens);
    metrics_put(m, "perf/throughput", step_s > 0.0 ? n_tokens / step_s : 0.0);
}

int grpo_metrics_write(struct trainer *t, const struct order_samples *samples,
                       const struct grpo_step *step, struct err *err)
{
    struct metrics *m = &t->metrics;
    const double step_s = clock_now_s() - step->started_s;
    struct spreads spreads;

    gather(&spreads, samples, t->state.step); // trained from the version of that number
    const double n_tokens = spreads.response.sum + spreads.prompt.sum;
    metrics_begin(m, t->state.step);
    put_samples(m, samples, &spreads);
    metrics_put(m, "training/samples", (double)samples->n);
    put_updates(m, step, t->options);
    put_times(m, t, step, n_tokens, step_s);
    if (metrics_end(m, err) != 0) return -1;
    const struct progress_line line = {spread_mean(&spreads.reward), (double)NAN,
                                       spread_mean(&spreads.response),
                                       step_s > 0.0 ? n_tokens / step_s : 0.0};
    trainer_progress(t, &line);
    return 0;
}
