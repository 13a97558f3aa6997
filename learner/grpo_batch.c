#include "learner/grpo_batch.h"

#include <stdlib.h>

#include "common/base/rng.h"
#include "learner/advantage.h"
#include "proto/journal_format.h"

struct group {
    const struct result *results;
    uint32_t n;
    bool is_flat;
    double *advantages; // (n)
};

static void *take(size_t count, size_t item_bytes)
{
    void *memory = calloc(count ? count : 1, item_bytes);

    CHECK(memory != NULL);
    return memory;
}

// Samples of one prompt stand next to each other.
static uint32_t find_groups(struct group *groups, const struct order_samples *s, double *advantages,
                            const struct options *o)
{
    const struct advantage_config config = {.kind = ADVANTAGE_GRPO,
                                            .norm_by_std = o->norm_adv_by_std};
    double *rewards = take(s->n, sizeof *rewards);
    uint32_t n_groups = 0;

    for (size_t first = 0; first < s->n;) {
        struct group *g = &groups[n_groups++];
        size_t end = first;

        while (end < s->n && s->results[end].prompt_index == s->results[first].prompt_index) {
            rewards[end] = s->results[end].reward;
            end++;
        }
        *g = (struct group){.results = &s->results[first],
                            .n = (uint32_t)(end - first),
                            .is_flat = advantage_is_flat(&rewards[first], end - first),
                            .advantages = &advantages[first]};
        advantage_of_group(g->advantages, &rewards[first], g->n, &config);
        first = end;
    }
    free(rewards);
    return n_groups;
}

static void shuffle(uint32_t *order, uint32_t n, uint64_t seed, uint64_t step)
{
    struct rng_stream s;

    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    rng_stream_init(&s, (struct rng_key){seed, RNG_SHUFFLE}, step, 0);
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = rng_below(&s, i), kept = order[i - 1];

        order[i - 1] = order[j];
        order[j] = kept;
    }
}

// Without a target a sample weighs nothing, whatever the aggregation.
static uint32_t count_targets(const struct result *r, const struct options *o)
{
    uint32_t n = 0;

    if (o->overlong_filtering && r->finish_reason == FINISH_LENGTH) return 0;
    for (uint32_t k = r->n_prompt_tokens; k < r->n_tokens; k++) {
        n += r->loss_mask[k] > 0.0f;
    }
    return n;
}

static bool is_in_loss(const struct group *g, const struct options *o)
{
    return !(g->is_flat && o->zero_variance == ZERO_VARIANCE_DROP);
}

static bool has_gradient(const struct group *g, const struct options *o)
{
    return is_in_loss(g, o) && (!g->is_flat || options_wants_reference(o));
}

// The weight of a token of every sequence of the mini-batch that is in the loss.
static double *sequence_weights(const struct group *groups, const uint32_t *members, uint32_t n,
                                const struct options *o)
{
    uint32_t *n_targets;
    double *weights;
    size_t n_sequences = 0, at = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (is_in_loss(&groups[members[i]], o)) n_sequences += groups[members[i]].n;
    }
    n_targets = take(n_sequences, sizeof *n_targets);
    weights = take(n_sequences, sizeof *weights);
    for (uint32_t i = 0; i < n; i++) {
        const struct group *g = &groups[members[i]];

        if (!is_in_loss(g, o)) continue;
        for (uint32_t k = 0; k < g->n; k++) {
            n_targets[at++] = count_targets(&g->results[k], o);
        }
    }
    loss_agg_weights(weights, n_targets, n_sequences, (enum loss_agg_mode)o->loss_agg_mode,
                     (uint32_t)o->max_response_length);
    free(n_targets);
    return weights;
}

static void make_mini(struct grpo_mini *mini, const struct group *groups, const uint32_t *members,
                      uint32_t n, const struct options *o)
{
    double *of_sequence = sequence_weights(groups, members, n, o);
    size_t n_tokens = 0, n_samples = 0, at = 0, sequence = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct group *g = &groups[members[i]];

        if (!has_gradient(g, o)) continue;
        n_samples += g->n;
        for (uint32_t k = 0; k < g->n; k++) {
            n_tokens += g->results[k].n_tokens;
        }
    }
    mini->samples = take(n_samples, sizeof *mini->samples);
    mini->weights = take(n_tokens, sizeof *mini->weights);
    for (uint32_t i = 0; i < n; i++) {
        const struct group *g = &groups[members[i]];

        if (!has_gradient(g, o)) {
            if (is_in_loss(g, o)) sequence += g->n;
            continue;
        }
        for (uint32_t k = 0; k < g->n; k++) {
            const struct result *r = &g->results[k];
            const double weight = of_sequence[sequence++];

            for (uint32_t j = r->n_prompt_tokens; j < r->n_tokens; j++) {
                mini->weights[at + j] = (float)(weight * (double)r->loss_mask[j]);
            }
            mini->samples[mini->n++] = (struct sample){.group = members[i],
                                                       .n_prompt_tokens = r->n_prompt_tokens,
                                                       .n_tokens = r->n_tokens,
                                                       .advantage = (float)g->advantages[k],
                                                       .tokens = r->tokens,
                                                       .weights = mini->weights + at,
                                                       .logprobs = r->logprobs};
            at += r->n_tokens;
        }
    }
    free(of_sequence);
}

void grpo_batch_make(struct grpo_batch *b, const struct order_samples *samples,
                     const struct options *options, uint64_t step)
{
    struct group *groups = take(samples->n, sizeof *groups);
    double *advantages = take(samples->n, sizeof *advantages);
    const uint32_t per_mini = (uint32_t)options->ppo_mini_batch_size;
    uint32_t *order;

    *b = (struct grpo_batch){0};
    b->n_groups = find_groups(groups, samples, advantages, options);
    b->fates = take(b->n_groups, sizeof *b->fates);
    for (uint32_t i = 0; i < b->n_groups; i++) {
        b->n_flat += groups[i].is_flat;
        b->fates[i] = (struct order_fate){
            .prompt_index = groups[i].results[0].prompt_index,
            .reason = is_in_loss(&groups[i], options) ? 0 : LEASE_END_ZERO_VARIANCE};
    }
    order = take(b->n_groups, sizeof *order);
    shuffle(order, b->n_groups, options->seed, step);
    b->n_minis = (b->n_groups + per_mini - 1) / per_mini;
    b->minis = take(b->n_minis, sizeof *b->minis);
    for (uint32_t i = 0; i < b->n_minis; i++) {
        const uint32_t first = i * per_mini;
        const uint32_t left = b->n_groups - first;

        make_mini(&b->minis[i], groups, order + first, left < per_mini ? left : per_mini, options);
    }
    free(order);
    free(groups);
    free(advantages);
}

void grpo_batch_fini(struct grpo_batch *b)
{
    for (uint32_t i = 0; i < b->n_minis; i++) {
        free(b->minis[i].samples);
        free(b->minis[i].weights);
    }
    free(b->minis);
    free(b->fates);
    *b = (struct grpo_batch){0};
}
