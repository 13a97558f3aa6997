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
#include "learner/loss.h"
#include "tests/support/golden.h"

#define SEQUENCES_MAX 64u
#define TOKENS_MAX 16u

static void assert_near(double found, double want, double tolerance, const char *what)
{
    if (!(fabs(found - want) <= tolerance))
        fail_msg("%s: found %.9g, want %.9g", what, found, want);
}

// --- vectors computed by another implementation ---------------------------------------------
static struct json_document *open_vectors(void)
{
    const char *path = outside_data("grpo/vectors.json");
    if (path == NULL) return NULL;
    struct err err;
    struct json_document *document = json_read_file(path, (size_t)1 << 24, &err);
    if (document == NULL) fail_msg("%s", err.text);
    return document;
}

static const char *text_of(struct json object, const char *key)
{
    return json_to_string(json_member(object, key), NULL);
}

static double number_at(struct json rows, size_t i, size_t j)
{
    return json_to_double(json_item(json_item(rows, i), j));
}

static enum loss_agg_mode agg_mode_of(const char *name)
{
    static const char *const names[] = {"token-mean", "seq-mean-token-sum", "seq-mean-token-mean",
                                        "seq-mean-token-sum-norm", "token-sum"};
    for (int i = 0; i < 5; i++)
        if (strcmp(names[i], name) == 0) return (enum loss_agg_mode)i;
    fail_msg("unknown loss_agg_mode %s", name);
    return LOSS_AGG_TOKEN_MEAN;
}

static void check_advantages(struct json c, enum advantage_kind kind)
{
    struct advantage_config config = {.kind = kind};
    if (kind == ADVANTAGE_GRPO) config.norm_by_std = json_to_bool(json_member(c, "norm_by_std"));
    struct json sizes = json_member(c, "group_sizes"), want = json_member(c, "advantages");
    struct json masks = json_member(c, "response_mask"), all = json_member(c, "rewards");
    size_t first = 0;
    for (size_t g = 0; g < json_count(sizes); g++) {
        double rewards[SEQUENCES_MAX], advantages[SEQUENCES_MAX];
        size_t n = (size_t)json_to_i64(json_item(sizes, g));
        assert_true(n <= SEQUENCES_MAX);
        for (size_t i = 0; i < n; i++)
            rewards[i] = json_to_double(json_item(all, first + i));
        advantage_of_group(advantages, rewards, n, &config);
        for (size_t i = 0; i < n; i++)
            for (size_t t = 0; t < json_count(json_item(masks, first + i)); t++)
                assert_near(advantages[i] * number_at(masks, first + i, t),
                            number_at(want, first + i, t), 1e-6, text_of(c, "name"));
        first += n;
    }
    assert_int_equal(first, json_count(all));
}

// Weights of a case's tokens by its mask and aggregation.
static void case_weights(struct json c, double *weights)
{
    struct json masks = json_member(c, "response_mask");
    size_t n = json_count(masks), horizon = json_count(json_item(masks, 0));
    uint32_t n_tokens[SEQUENCES_MAX] = {0};
    assert_true(n <= SEQUENCES_MAX && horizon <= TOKENS_MAX);
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < horizon; t++)
            n_tokens[i] += number_at(masks, i, t) != 0.0;
    loss_agg_weights(weights, n_tokens, n, agg_mode_of(text_of(c, "loss_agg_mode")),
                     (uint32_t)horizon);
}

// Loss and gradient of a case; `item_at` fills what the kind of case needs.
static void check_losses(struct json c, const struct loss_config *config, const char *logprob_key,
                         void (*fill)(struct loss_item *, struct json, size_t, size_t),
                         struct loss_sums *sums)
{
    struct json masks = json_member(c, "response_mask"), logprobs = json_member(c, logprob_key);
    struct json grads = json_member(c, "grad_log_prob");
    double weights[SEQUENCES_MAX];
    case_weights(c, weights);
    for (size_t i = 0; i < json_count(masks); i++)
        for (size_t t = 0; t < json_count(json_item(masks, i)); t++) {
            if (number_at(masks, i, t) == 0.0) continue;
            struct loss_item item = {.weight = (float)weights[i]};
            fill(&item, c, i, t);
            float logprob = (float)number_at(logprobs, i, t);
            struct token_loss token = loss_of_token(config, &item, logprob);
            loss_sums_add_item(sums, config, &item, &token, logprob, 0.0f);
            if (json_is_present(grads))
                assert_near((double)token.slope * weights[i], number_at(grads, i, t), 1e-5,
                            "grad_log_prob");
        }
}

static void fill_policy(struct loss_item *item, struct json c, size_t i, size_t t)
{
    item->advantage = (float)number_at(json_member(c, "advantages"), i, t);
    item->logprob_rollout = (float)number_at(json_member(c, "old_log_prob"), i, t);
}

static void fill_reference(struct loss_item *item, struct json c, size_t i, size_t t)
{
    item->logprob_reference = (float)number_at(json_member(c, "ref_log_prob"), i, t);
}

static void check_policy_loss(struct json c)
{
    struct json metrics = json_member(c, "metrics");
    struct loss_config config = {
        .kind = LOSS_GRPO,
        .clip_ratio_low = (float)json_to_double(json_member(c, "clip_low")),
        .clip_ratio_high = (float)json_to_double(json_member(c, "clip_high")),
        .clip_ratio_c = (float)json_to_double(json_member(c, "dual_clip_c"))};
    struct loss_sums sums = {0};
    check_losses(c, &config, "log_prob", fill_policy, &sums);
    double n = (double)sums.n_items;
    assert_near(sums.loss, json_to_double(json_member(c, "loss")), 1e-4, "policy loss");
    assert_near((double)(sums.n_clipped_low + sums.n_clipped_high) / n,
                json_to_double(json_member(metrics, "actor/pg_clipfrac")), 1e-6, "clip fraction");
    assert_near(sums.ppo_kl / n, json_to_double(json_member(metrics, "actor/ppo_kl")), 1e-6,
                "ppo_kl");
}

static void check_kl(struct json c)
{
    static const char *const names[] = {"k3", "k1", "k2", "abs", "k3+"};
    struct loss_config config = {.kind = LOSS_GRPO, .kl_loss_coef = 1.0f};
    const char *kind = text_of(c, "kind");
    int found = -1;
    for (int i = 0; i < 5; i++)
        if (strcmp(names[i], kind) == 0) found = i;
    assert_true(found >= 0);
    config.kl_kind = (enum kl_kind)found;
    struct loss_sums sums = {0};
    check_losses(c, &config, "log_prob", fill_reference, &sums); // advantage 0: KL alone
    assert_near(sums.loss, json_to_double(json_member(c, "loss")), 1e-4, kind);
    assert_near(sums.kl, json_to_double(json_member(c, "loss")), 1e-4, kind);
}

static void every_published_vector_is_reproduced(void **state)
{
    (void)state;
    struct json_document *document = open_vectors();
    if (document == NULL) return;
    struct json cases = json_member(json_root(document), "cases");
    size_t n_checked = 0;
    for (size_t i = 0; i < json_count(cases); i++, n_checked++) {
        struct json c = json_item(cases, i);
        const char *fn = text_of(c, "fn");
        if (strcmp(fn, "grpo_advantage") == 0)
            check_advantages(c, ADVANTAGE_GRPO);
        else if (strcmp(fn, "rloo_advantage") == 0)
            check_advantages(c, ADVANTAGE_RLOO);
        else if (strcmp(fn, "ppo_clip_policy_loss") == 0)
            check_policy_loss(c);
        else if (strcmp(fn, "kl_penalty") == 0)
            check_kl(c);
        else
            fail_msg("unknown function %s", fn);
    }
    assert_true(n_checked >= 45);
    json_destroy(document);
}

// --- cases worked by hand -------------------------------------------------------------------
static void advantages_are_rewards_in_units_of_the_groups_spread(void **state)
{
    (void)state;
    const double rewards[] = {1, 0, 0, 1};
    double advantages[4];
    struct advantage_config config = {.kind = ADVANTAGE_GRPO, .norm_by_std = true};
    advantage_of_group(advantages, rewards, 4, &config);
    // mean 1/2, sample variance 1/3
    assert_near(advantages[0], 0.5 / (sqrt(1.0 / 3.0) + 1e-6), 1e-12, "with std");
    assert_near(advantages[1], -advantages[0], 1e-12, "the others");
    config.norm_by_std = false;
    advantage_of_group(advantages, rewards, 4, &config);
    assert_near(advantages[3], 0.5, 1e-12, "without std");
    config.kind = ADVANTAGE_RLOO;
    advantage_of_group(advantages, rewards, 4, &config);
    assert_near(advantages[0], 1.0 - 1.0 / 3.0, 1e-12, "leave one out");
}

static void a_flat_group_has_advantage_exactly_zero(void **state)
{
    (void)state;
    const double rewards[] = {0.1, 0.1, 0.1};
    double advantages[3] = {9, 9, 9};
    struct advantage_config config = {.kind = ADVANTAGE_GRPO, .norm_by_std = true};
    assert_true(advantage_is_flat(rewards, 3));
    advantage_of_group(advantages, rewards, 3, &config);
    for (int i = 0; i < 3; i++)
        assert_true(advantages[i] == 0.0);
}

static void aggregation_weights_add_up_to_what_their_names_say(void **state)
{
    (void)state;
    const uint32_t n_tokens[] = {4, 0, 6};
    double w[3];
    loss_agg_weights(w, n_tokens, 3, LOSS_AGG_TOKEN_MEAN, 0);
    assert_near(w[0], 0.1, 1e-15, "token-mean");
    assert_true(w[1] == 0.0);
    loss_agg_weights(w, n_tokens, 3, LOSS_AGG_SEQ_MEAN_TOKEN_SUM, 0);
    assert_near(w[2], 0.5, 1e-15, "seq-mean-token-sum");
    loss_agg_weights(w, n_tokens, 3, LOSS_AGG_SEQ_MEAN_TOKEN_MEAN, 0);
    assert_near(w[0] * 4 + w[2] * 6, 1.0, 1e-15, "seq-mean-token-mean");
    loss_agg_weights(w, n_tokens, 3, LOSS_AGG_SEQ_MEAN_TOKEN_SUM_NORM, 8);
    assert_near(w[0], 1.0 / 16, 1e-15, "seq-mean-token-sum-norm");
}

static void the_ratio_is_clipped_on_the_side_where_it_gains_nothing(void **state)
{
    (void)state;
    const struct loss_config config = {
        .kind = LOSS_GRPO, .clip_ratio_low = 0.2f, .clip_ratio_high = 0.3f};
    struct loss_item item = {.weight = 1.0f, .advantage = 2.0f};
    float above = logf(1.5f), below = logf(0.5f);

    struct token_loss token = loss_of_token(&config, &item, above);
    assert_near((double)token.loss, -2.6, 1e-6, "clipped above");
    assert_true(token.slope == 0.0f && token.is_clipped_high && !token.is_clipped_low);
    token = loss_of_token(&config, &item, below);
    assert_near((double)token.loss, -1.0, 1e-6, "free below");
    assert_near((double)token.slope, -1.0, 1e-6, "its slope");

    item.advantage = -2.0f;
    token = loss_of_token(&config, &item, below);
    assert_near((double)token.loss, 1.6, 1e-6, "clipped below");
    assert_true(token.slope == 0.0f && token.is_clipped_low);
    token = loss_of_token(&config, &item, above);
    assert_near((double)token.slope, 3.0, 1e-6, "free above");

    struct loss_config bounded = config;
    bounded.clip_ratio_c = 3.0f;
    token = loss_of_token(&bounded, &item, logf(5.0f));
    assert_near((double)token.loss, 6.0, 1e-5, "bounded by c");
    assert_true(token.slope == 0.0f);
}

static void no_log_ratio_overflows(void **state)
{
    (void)state;
    const struct loss_config config = {.kind = LOSS_GRPO,
                                       .clip_ratio_low = 10.0f,
                                       .clip_ratio_high = 10.0f,
                                       .kl_loss_coef = 0.001f};
    struct loss_item item = {.weight = 1.0f, .advantage = -1.0f, .logprob_rollout = -300.0f};
    item.logprob_reference = 200.0f;
    struct token_loss token = loss_of_token(&config, &item, -1.0f);
    assert_true(isfinite(token.loss) && isfinite(token.slope));
}

static void kl_is_zero_at_the_reference_and_positive_beside_it(void **state)
{
    (void)state;
    const struct loss_config config = {.kind = LOSS_GRPO, .kl_loss_coef = 0.5f};
    struct loss_item item = {.weight = 1.0f, .logprob_reference = -1.0f};
    struct token_loss at = loss_of_token(&config, &item, -1.0f);
    assert_true(at.kl == 0.0f && at.slope == 0.0f);
    struct token_loss above = loss_of_token(&config, &item, -0.5f);
    assert_true(above.kl > 0.0f && above.slope > 0.0f); // pulls back down
    struct token_loss below = loss_of_token(&config, &item, -1.5f);
    assert_true(below.kl > 0.0f && below.slope < 0.0f);
}

static void sums_of_two_parts_are_the_sums_of_the_whole(void **state)
{
    (void)state;
    const struct loss_config config = {
        .kind = LOSS_GRPO, .clip_ratio_low = 0.2f, .clip_ratio_high = 0.2f, .kl_loss_coef = 0.1f};
    struct loss_sums whole = {0}, parts[2];
    memset(parts, 0, sizeof parts);
    for (int i = 0; i < 8; i++) {
        struct loss_item item = {.weight = 0.5f, .advantage = (float)(i - 4)};
        item.logprob_rollout = -0.25f * (float)i; // sums of these are exact
        struct token_loss token = loss_of_token(&config, &item, -1.0f);
        loss_sums_add_item(&whole, &config, &item, &token, -1.0f, 0.5f);
        loss_sums_add_item(&parts[i / 4], &config, &item, &token, -1.0f, 0.5f);
    }
    loss_sums_add(&parts[0], &parts[1]);
    assert_int_equal(parts[0].n_items, 8);
    assert_int_equal(parts[0].n_clipped_low, whole.n_clipped_low);
    assert_int_equal(parts[0].n_clipped_high, whole.n_clipped_high);
    assert_true(parts[0].max_abs_diff == 1.0 && parts[0].ppo_kl == whole.ppo_kl);
    assert_true(parts[0].weight == 4.0 && parts[0].entropy == 4.0 && parts[0].nll == 4.0);
    assert_near(parts[0].loss, whole.loss, 1e-12, "loss");
    assert_near(parts[0].kl, whole.kl, 1e-12, "kl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_vector_is_reproduced),
        cmocka_unit_test(advantages_are_rewards_in_units_of_the_groups_spread),
        cmocka_unit_test(a_flat_group_has_advantage_exactly_zero),
        cmocka_unit_test(aggregation_weights_add_up_to_what_their_names_say),
        cmocka_unit_test(the_ratio_is_clipped_on_the_side_where_it_gains_nothing),
        cmocka_unit_test(no_log_ratio_overflows),
        cmocka_unit_test(kl_is_zero_at_the_reference_and_positive_beside_it),
        cmocka_unit_test(sums_of_two_parts_are_the_sums_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
