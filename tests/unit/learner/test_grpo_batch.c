// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learner/advantage.h"
#include "learner/grpo_batch.h"
#include "proto/journal_format.h"

#define N_GROUPS 6u
#define N_SAMPLES 4u // of a group
#define N_PROMPT 3u
#define TOKENS_MAX 16u

// An order of six groups; every other group has equal rewards.
struct rollout {
    struct result results[N_GROUPS * N_SAMPLES];
    uint32_t tokens[TOKENS_MAX];
    float mask[TOKENS_MAX], logprobs[TOKENS_MAX];
    struct order_samples order;
};

static bool is_flat(uint64_t prompt)
{
    return prompt % 2 == 1;
}

static uint32_t response_tokens(uint32_t i)
{
    return 1 + i % 5;
}

static void make_rollout(struct rollout *r)
{
    memset(r, 0, sizeof *r);
    for (uint32_t t = 0; t < TOKENS_MAX; t++) {
        r->tokens[t] = t;
        r->mask[t] = t < N_PROMPT ? 0.0f : 1.0f;
    }
    for (uint32_t i = 0; i < N_GROUPS * N_SAMPLES; i++) {
        const uint64_t prompt = i / N_SAMPLES;

        r->results[i] = (struct result){.prompt_index = 100 + prompt,
                                        .sample = i % N_SAMPLES,
                                        .n_prompt_tokens = N_PROMPT,
                                        .n_tokens = N_PROMPT + response_tokens(i),
                                        .tokens = r->tokens,
                                        .loss_mask = r->mask,
                                        .logprobs = r->logprobs,
                                        .reward = is_flat(prompt) ? 1.0 : i % N_SAMPLES == 0};
    }
    r->order = (struct order_samples){.n = N_GROUPS * N_SAMPLES, .results = r->results};
}

static struct options some_options(void)
{
    return (struct options){.kind = STAGE_GRPO,
                            .seed = 5,
                            .max_response_length = 10,
                            .ppo_mini_batch_size = 2,
                            .norm_adv_by_std = true,
                            .loss_agg_mode = LOSS_AGG_SEQ_MEAN_TOKEN_MEAN};
}

static double sum_of_weights(const struct grpo_mini *mini)
{
    double sum = 0.0;

    for (size_t i = 0; i < mini->n; i++) {
        for (uint32_t t = 0; t < mini->samples[i].n_tokens; t++)
            sum += (double)mini->samples[i].weights[t];
    }
    return sum;
}

static void every_group_is_in_one_mini_batch(void **state)
{
    struct rollout r;
    struct grpo_batch b;
    struct options o = some_options();
    uint32_t seen[N_GROUPS] = {0};

    (void)state;
    o.use_kl_loss = true; // so that flat groups have a gradient
    o.kl_loss_coef = 0.1;
    make_rollout(&r);
    grpo_batch_make(&b, &r.order, &o, 7);
    assert_int_equal(b.n_groups, N_GROUPS);
    assert_int_equal(b.n_flat, N_GROUPS / 2);
    assert_int_equal(b.n_minis, 3);
    for (uint32_t m = 0; m < b.n_minis; m++) {
        assert_int_equal(b.minis[m].n, 2 * N_SAMPLES);
        for (size_t i = 0; i < b.minis[m].n; i++)
            seen[b.minis[m].samples[i].group]++;
        // The mean over sequences of the mean over tokens.
        assert_true(fabs(sum_of_weights(&b.minis[m]) - 1.0) < 1e-6);
    }
    for (uint32_t g = 0; g < N_GROUPS; g++) {
        assert_int_equal(seen[g], N_SAMPLES);
        assert_int_equal(b.fates[g].prompt_index, 100 + g);
        assert_int_equal(b.fates[g].reason, 0);
    }
    grpo_batch_fini(&b);
}

static void a_flat_group_that_is_kept_counts_in_the_mean_and_is_not_computed(void **state)
{
    struct rollout r;
    struct grpo_batch b;
    struct options o = some_options();

    (void)state;
    o.ppo_mini_batch_size = N_GROUPS;
    make_rollout(&r);
    grpo_batch_make(&b, &r.order, &o, 7);
    assert_int_equal(b.n_minis, 1);
    assert_int_equal(b.minis[0].n, N_GROUPS / 2 * N_SAMPLES);
    assert_true(fabs(sum_of_weights(&b.minis[0]) - 0.5) < 1e-6);
    for (uint32_t g = 0; g < N_GROUPS; g++)
        assert_int_equal(b.fates[g].reason, 0);
    grpo_batch_fini(&b);
}

static void a_flat_group_that_is_dropped_counts_in_nothing(void **state)
{
    struct rollout r;
    struct grpo_batch b;
    struct options o = some_options();

    (void)state;
    o.ppo_mini_batch_size = N_GROUPS;
    o.zero_variance = ZERO_VARIANCE_DROP;
    make_rollout(&r);
    grpo_batch_make(&b, &r.order, &o, 7);
    assert_int_equal(b.minis[0].n, N_GROUPS / 2 * N_SAMPLES);
    assert_true(fabs(sum_of_weights(&b.minis[0]) - 1.0) < 1e-6);
    for (uint32_t g = 0; g < N_GROUPS; g++)
        assert_int_equal(b.fates[g].reason, is_flat(g) ? LEASE_END_ZERO_VARIANCE : 0);
    grpo_batch_fini(&b);
}

static void advantages_are_the_groups_own(void **state)
{
    // Rewards 1, 0, 0, 0: mean 1/4, sample deviation 1/2.
    const float high = (float)(0.75 / (0.5 + 1e-6)), low = (float)(-0.25 / (0.5 + 1e-6));
    struct rollout r;
    struct grpo_batch b;
    struct options o = some_options();

    (void)state;
    make_rollout(&r);
    grpo_batch_make(&b, &r.order, &o, 7);
    for (uint32_t m = 0; m < b.n_minis; m++) {
        for (size_t i = 0; i < b.minis[m].n; i++)
            assert_true(fabsf(b.minis[m].samples[i].advantage - (i % N_SAMPLES == 0 ? high : low)) <
                        1e-6f);
    }
    grpo_batch_fini(&b);
}

static void order_of_groups(uint64_t seed, uint64_t step, uint32_t *out)
{
    struct rollout r;
    struct grpo_batch b;
    struct options o = some_options();
    uint32_t n = 0;

    o.seed = seed;
    o.use_kl_loss = true;
    o.kl_loss_coef = 0.1;
    make_rollout(&r);
    grpo_batch_make(&b, &r.order, &o, step);
    for (uint32_t m = 0; m < b.n_minis; m++) {
        for (size_t i = 0; i < b.minis[m].n; i += N_SAMPLES)
            out[n++] = b.minis[m].samples[i].group;
    }
    assert_int_equal(n, N_GROUPS);
    grpo_batch_fini(&b);
}

static void the_shuffle_is_a_function_of_seed_and_step(void **state)
{
    uint32_t first[N_GROUPS], again[N_GROUPS], other[N_GROUPS];
    uint32_t n_different = 0;

    (void)state;
    order_of_groups(1, 0, first);
    order_of_groups(1, 0, again);
    assert_memory_equal(first, again, sizeof first);
    for (uint64_t step = 1; step <= 20; step++) {
        order_of_groups(1, step, other);
        n_different += memcmp(first, other, sizeof first) != 0;
    }
    assert_true(n_different >= 18); // of 720 orders
    order_of_groups(2, 0, other);
    assert_memory_not_equal(first, other, sizeof first);
}

static void the_horizon_of_the_norm_is_the_longest_response_asked_for(void **state)
{
    struct rollout r;
    struct grpo_batch b;
    struct options o = some_options();

    (void)state;
    o.ppo_mini_batch_size = N_GROUPS;
    o.loss_agg_mode = LOSS_AGG_SEQ_MEAN_TOKEN_SUM_NORM;
    make_rollout(&r);
    grpo_batch_make(&b, &r.order, &o, 7);
    const float want = 1.0f / (N_GROUPS * N_SAMPLES * 10.0f);
    for (size_t i = 0; i < b.minis[0].n; i++)
        assert_true(fabsf(b.minis[0].samples[i].weights[N_PROMPT] - want) < 1e-8f);
    grpo_batch_fini(&b);
}

static void a_group_that_a_fault_left_out_is_missed_by_nobody(void **state)
{
    struct rollout r;
    struct grpo_batch b;
    struct options o = some_options();

    (void)state;
    o.ppo_mini_batch_size = N_GROUPS;
    make_rollout(&r);
    r.order.results += N_SAMPLES;
    r.order.n -= N_SAMPLES;
    grpo_batch_make(&b, &r.order, &o, 7);
    assert_int_equal(b.n_groups, N_GROUPS - 1);
    assert_int_equal(b.fates[0].prompt_index, 101);
    assert_int_equal(b.minis[0].n, (N_GROUPS / 2 - 1) * N_SAMPLES);
    grpo_batch_fini(&b);
    r.order.n = 0;
    grpo_batch_make(&b, &r.order, &o, 7);
    assert_int_equal(b.n_groups, 0);
    assert_int_equal(b.n_minis, 0);
    grpo_batch_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_group_is_in_one_mini_batch),
        cmocka_unit_test(a_flat_group_that_is_kept_counts_in_the_mean_and_is_not_computed),
        cmocka_unit_test(a_flat_group_that_is_dropped_counts_in_nothing),
        cmocka_unit_test(advantages_are_the_groups_own),
        cmocka_unit_test(the_shuffle_is_a_function_of_seed_and_step),
        cmocka_unit_test(the_horizon_of_the_norm_is_the_longest_response_asked_for),
        cmocka_unit_test(a_group_that_a_fault_left_out_is_missed_by_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
