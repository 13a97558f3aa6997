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

#define N_GROUPS 10u
#define PER_GROUP 4u
#define N_PROMPT 3u
#define N_TOKENS_MAX 12u
#define N (N_GROUPS * PER_GROUP)

// An order of ten groups; the third and the eighth are flat.
struct fixture {
    struct result results[N];
    uint32_t tokens[N][N_TOKENS_MAX];
    float masks[N][N_TOKENS_MAX], logprobs[N][N_TOKENS_MAX];
    struct order_samples order;
    struct options options;
};

static bool is_flat(uint32_t group)
{
    return group == 2 || group == 7;
}

static void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t group = i / PER_GROUP, n_response = 2 + i % 7;

        for (uint32_t t = 0; t < N_PROMPT + n_response; t++) {
            f->tokens[i][t] = 100 * i + t;
            // One token of each response is masked out.
            f->masks[i][t] = t >= N_PROMPT && t != N_PROMPT + 1 ? 1.0f : 0.0f;
        }
        f->results[i] = (struct result){
            .prompt_index = 50 + group,
            .sample = i % PER_GROUP,
            .n_prompt_tokens = N_PROMPT,
            .n_tokens = N_PROMPT + n_response,
            .tokens = f->tokens[i],
            .loss_mask = f->masks[i],
            .logprobs = f->logprobs[i],
            .reward = is_flat(group) ? 0.25 : (double)(i % PER_GROUP == 0),
        };
    }
    f->order = (struct order_samples){.n = N, .results = f->results};
    f->options = (struct options){.kind = STAGE_GRPO,
                                  .seed = 5,
                                  .norm_adv_by_std = true,
                                  .ppo_mini_batch_size = 4,
                                  .max_response_length = 20};
}

static uint32_t result_of(const struct fixture *f, const struct sample *s)
{
    for (uint32_t i = 0; i < N; i++) {
        if (s->tokens == f->tokens[i]) return i;
    }
    fail_msg("a sample of no result");
    return 0;
}

static size_t count_samples(const struct grpo_batch *b)
{
    size_t n = 0;

    for (uint32_t i = 0; i < b->n_minis; i++)
        n += b->minis[i].n;
    return n;
}

static void every_group_is_whole_in_one_mini_batch(void **state)
{
    struct fixture f;
    struct grpo_batch b;
    unsigned seen[N] = {0};

    (void)state;
    fixture_init(&f);
    f.options.use_kl_loss = true; // so flat groups are computed too
    f.options.kl_loss_coef = 0.1;
    grpo_batch_make(&b, &f.order, &f.options, 3);
    assert_int_equal(b.n_groups, N_GROUPS);
    assert_int_equal(b.n_minis, 3);
    assert_int_equal(b.minis[0].n, 4 * PER_GROUP);
    assert_int_equal(b.minis[2].n, 2 * PER_GROUP);
    for (uint32_t m = 0; m < b.n_minis; m++) {
        for (size_t i = 0; i < b.minis[m].n; i++) {
            const struct sample *s = &b.minis[m].samples[i];
            uint32_t r = result_of(&f, s);

            seen[r]++;
            assert_int_equal(s->n_prompt_tokens, N_PROMPT);
            assert_int_equal(s->n_tokens, f.results[r].n_tokens);
            assert_ptr_equal(s->logprobs, f.logprobs[r]);
            // The group's samples stand together, in their order.
            if (i % PER_GROUP != 0) {
                assert_int_equal(r, result_of(&f, s - 1) + 1);
                assert_int_equal(s->group, s[-1].group);
            } else if (i > 0) {
                assert_int_not_equal(s->group, s[-1].group);
            }
        }
    }
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(seen[i], 1);
    grpo_batch_fini(&b);
}

// The prompts in the order in which they are trained.
static void order_of(struct fixture *f, uint64_t seed, uint64_t step, uint32_t *out)
{
    struct grpo_batch b;
    uint32_t n = 0;

    f->options.seed = seed;
    f->options.use_kl_loss = true;
    f->options.kl_loss_coef = 0.1;
    grpo_batch_make(&b, &f->order, &f->options, step);
    for (uint32_t m = 0; m < b.n_minis; m++) {
        for (size_t i = 0; i < b.minis[m].n; i += PER_GROUP)
            out[n++] = result_of(f, &b.minis[m].samples[i]) / PER_GROUP;
    }
    assert_int_equal(n, N_GROUPS);
    grpo_batch_fini(&b);
}

static void mini_batches_are_a_function_of_seed_and_step(void **state)
{
    struct fixture f;
    uint32_t one[N_GROUPS], again[N_GROUPS], step[N_GROUPS], seed[N_GROUPS];

    (void)state;
    fixture_init(&f);
    order_of(&f, 5, 3, one);
    for (uint32_t i = 0; i < N; i++)
        f.results[i].reward += i; // nothing of the results moves them
    order_of(&f, 5, 3, again);
    order_of(&f, 5, 4, step);
    order_of(&f, 6, 3, seed);
    assert_memory_equal(one, again, sizeof one);
    assert_memory_not_equal(one, step, sizeof one);
    assert_memory_not_equal(one, seed, sizeof one);
}

static void advantages_are_against_the_own_group(void **state)
{
    struct fixture f;
    struct grpo_batch b;

    (void)state;
    for (int norm = 0; norm <= 1; norm++) {
        fixture_init(&f);
        f.options.norm_adv_by_std = norm == 1;
        grpo_batch_make(&b, &f.order, &f.options, 3);
        for (uint32_t m = 0; m < b.n_minis; m++) {
            for (size_t i = 0; i < b.minis[m].n; i++) {
                const struct sample *s = &b.minis[m].samples[i];
                // Rewards 1, 0, 0, 0: mean 1/4, sample variance 1/4.
                double want = f.results[result_of(&f, s)].reward - 0.25;

                if (norm == 1) want /= 0.5 + 1e-6;
                assert_true(fabs((double)s->advantage - want) < 1e-6);
            }
        }
        grpo_batch_fini(&b);
    }
}

static void flat_groups_are_kept_or_dropped_as_told(void **state)
{
    struct fixture f;
    struct grpo_batch b;

    (void)state;
    for (int drop = 0; drop <= 1; drop++) {
        for (int kl = 0; kl <= 1; kl++) {
            fixture_init(&f);
            f.options.zero_variance = drop ? ZERO_VARIANCE_DROP : ZERO_VARIANCE_KEEP;
            f.options.use_kl_loss = kl == 1;
            f.options.kl_loss_coef = 0.1;
            grpo_batch_make(&b, &f.order, &f.options, 3);
            assert_int_equal(b.n_flat, 2);
            // Kept without a KL term they have no gradient and are not computed.
            assert_int_equal(count_samples(&b), drop || !kl ? N - 2 * PER_GROUP : N);
            for (uint32_t g = 0; g < N_GROUPS; g++) {
                bool is_dropped = drop && is_flat(g);

                assert_int_equal(b.fates[g].prompt_index, 50 + g);
                assert_int_equal(b.fates[g].reason, is_dropped ? LEASE_END_ZERO_VARIANCE : 0);
            }
            grpo_batch_fini(&b);
        }
    }
}

// What a token of the result weighs in a mini-batch, from the definition.
static double weight_wanted(const struct fixture *f, const bool *is_member, uint32_t r, int mode)
{
    double n_tokens = 0, n_sequences = 0, own = f->results[r].n_tokens - N_PROMPT - 1;

    for (uint32_t i = 0; i < N; i++) {
        if (!is_member[i / PER_GROUP]) continue;
        n_sequences++;
        n_tokens += f->results[i].n_tokens - N_PROMPT - 1;
    }
    switch (mode) {
    case LOSS_AGG_TOKEN_MEAN:
        return 1 / n_tokens;
    case LOSS_AGG_SEQ_MEAN_TOKEN_SUM:
        return 1 / n_sequences;
    case LOSS_AGG_SEQ_MEAN_TOKEN_MEAN:
        return 1 / (n_sequences * own);
    default:
        return 1 / (n_sequences * (double)f->options.max_response_length);
    }
}

static void check_weights(struct fixture *f, int mode, bool is_dropping)
{
    uint32_t order[N_GROUPS];
    struct grpo_batch b;

    order_of(f, 5, 3, order);
    f->options.use_kl_loss = false;
    f->options.loss_agg_mode = mode;
    f->options.zero_variance = is_dropping ? ZERO_VARIANCE_DROP : ZERO_VARIANCE_KEEP;
    grpo_batch_make(&b, &f->order, &f->options, 3);
    for (uint32_t m = 0; m < b.n_minis; m++) {
        bool is_member[N_GROUPS] = {false};

        // A flat group that is kept counts in the means, though not computed.
        for (uint32_t g = 4 * m; g < 4 * m + 4 && g < N_GROUPS; g++)
            is_member[order[g]] = !(is_dropping && is_flat(order[g]));
        for (size_t i = 0; i < b.minis[m].n; i++) {
            const struct sample *s = &b.minis[m].samples[i];
            uint32_t r = result_of(f, s);
            double want = weight_wanted(f, is_member, r, mode);

            assert_true(is_member[r / PER_GROUP]);
            for (uint32_t t = 0; t < s->n_tokens; t++) {
                double here = (double)f->masks[r][t] * want;

                assert_true(fabs((double)s->weights[t] - here) <= 1e-6 * want);
            }
        }
    }
    grpo_batch_fini(&b);
}

static void weights_follow_the_aggregation(void **state)
{
    (void)state;
    for (int mode = LOSS_AGG_TOKEN_MEAN; mode <= LOSS_AGG_SEQ_MEAN_TOKEN_SUM_NORM; mode++) {
        for (int drop = 0; drop <= 1; drop++) {
            struct fixture f;

            fixture_init(&f);
            check_weights(&f, mode, drop == 1);
        }
    }
}

static void cut_samples_are_left_out_of_the_loss_when_told(void **state)
{
    struct fixture f;
    struct grpo_batch b;
    uint32_t n_cut = 0, n_whole = 0;

    (void)state;
    fixture_init(&f);
    for (uint32_t i = 0; i < N; i += 3) {
        f.results[i].finish_reason = FINISH_LENGTH;
    }
    f.options.overlong_filtering = true;
    f.options.loss_agg_mode = LOSS_AGG_TOKEN_MEAN;
    grpo_batch_make(&b, &f.order, &f.options, 3);
    for (uint32_t m = 0; m < b.n_minis; m++) {
        for (size_t i = 0; i < b.minis[m].n; i++) {
            const struct sample *s = &b.minis[m].samples[i];
            const uint32_t r = result_of(&f, s);
            const bool is_cut = f.results[r].finish_reason == FINISH_LENGTH;
            double sum = 0.0;

            for (uint32_t t = 0; t < s->n_tokens; t++) {
                sum += (double)s->weights[t];
            }
            assert_int_equal(sum > 0.0, !is_cut);
            n_cut += is_cut;
            n_whole += !is_cut;
        }
    }
    assert_true(n_cut > 0 && n_whole > 0);
    grpo_batch_fini(&b);
}

static void a_group_that_a_fault_left_out_is_missed_by_nobody(void **state)
{
    struct fixture f;
    struct grpo_batch b;

    (void)state;
    fixture_init(&f);
    f.order.results += PER_GROUP;
    f.order.n -= PER_GROUP;
    grpo_batch_make(&b, &f.order, &f.options, 3);
    assert_int_equal(b.n_groups, N_GROUPS - 1);
    assert_int_equal(b.fates[0].prompt_index, 51);
    assert_int_equal(count_samples(&b), N - 3 * PER_GROUP);
    grpo_batch_fini(&b);
    f.order.n = 0;
    grpo_batch_make(&b, &f.order, &f.options, 3);
    assert_int_equal(b.n_minis, 0);
    assert_int_equal(b.n_groups, 0);
    grpo_batch_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_group_is_whole_in_one_mini_batch),
        cmocka_unit_test(mini_batches_are_a_function_of_seed_and_step),
        cmocka_unit_test(advantages_are_against_the_own_group),
        cmocka_unit_test(flat_groups_are_kept_or_dropped_as_told),
        cmocka_unit_test(weights_follow_the_aggregation),
        cmocka_unit_test(cut_samples_are_left_out_of_the_loss_when_told),
        cmocka_unit_test(a_group_that_a_fault_left_out_is_missed_by_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
