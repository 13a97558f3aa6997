#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/engine/sampler.h"
#include "common/base/err.h"
#include "common/math/softmax.h"

#define N 12
#define DRAWS 40000

static const float logits[N] = {0.5f,  -1.0f, 2.0f, 2.0f,  -30.0f, 0.0f,
                                -0.5f, 1.0f,  1.5f, -2.0f, 0.25f,  -INFINITY};

static unsigned char scratch[1024];

static struct draw draw(const struct sampling *s, uint32_t i)
{
    return sampler_draw(logits, N, s, rng_at((struct rng_key){5, RNG_SAMPLE}, i, 0, 0), scratch);
}

static void probabilities(double *out, double temperature)
{
    double sum = 0.0;
    for (int i = 0; i < N; i++)
        sum += out[i] = exp((double)logits[i] / temperature);
    for (int i = 0; i < N; i++)
        out[i] /= sum;
}

// Pearson's statistic of DRAWS draws against expected shares.
static double chi_square(const struct sampling *s, const double *expected)
{
    int counts[N] = {0};
    for (uint32_t i = 0; i < DRAWS; i++)
        counts[draw(s, i).token]++;
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        const double want = expected[i] * DRAWS;
        if (expected[i] == 0.0) assert_int_equal(counts[i], 0);
        if (want < 5.0) continue;
        sum += (counts[i] - want) * (counts[i] - want) / want;
    }
    return sum;
}

static void draws_follow_the_distribution(void **state)
{
    (void)state;
    double p[N];
    const struct sampling plain = {1.0f, 1.0f, 0};
    probabilities(p, 1.0);
    assert_true(chi_square(&plain, p) < 31.3); // 11 degrees of freedom, p = 0.001
    const struct sampling cold = {0.5f, 1.0f, 0};
    probabilities(p, 0.5);
    assert_true(chi_square(&cold, p) < 31.3);
    probabilities(p, 1.0);
    assert_true(chi_square(&cold, p) > 1000.0); // the test can tell them apart
}

static void logprob_is_the_policys_and_behaviour_the_drawn_ones(void **state)
{
    (void)state;
    double p[N], q[N];
    probabilities(p, 1.0);
    probabilities(q, 0.7);
    const struct sampling s = {0.7f, 1.0f, 0};
    for (uint32_t i = 0; i < 200; i++) {
        const struct draw d = draw(&s, i);
        assert_true(fabs((double)d.logprob - log(p[d.token])) < 1e-5);
        assert_true(fabs((double)d.logprob_behaviour - log(q[d.token])) < 1e-5);
    }
}

static void top_k_and_top_p_keep_the_most_probable(void **state)
{
    (void)state;
    double p[N], kept[N] = {0};
    probabilities(p, 1.0);
    const struct sampling three = {1.0f, 1.0f, 3};
    const double mass = p[2] + p[3] + p[8];
    kept[2] = p[2] / mass;
    kept[3] = p[3] / mass;
    kept[8] = p[8] / mass;
    assert_true(chi_square(&three, kept) < 13.8); // 2 degrees of freedom
    // 0.6 of the mass: tokens 2 and 3 hold 0.53 of it, token 8 completes it.
    assert_true(p[2] + p[3] < 0.6 && mass >= 0.6);
    const struct sampling nucleus = {1.0f, 0.6f, 0};
    assert_true(chi_square(&nucleus, kept) < 13.8);
    for (uint32_t i = 0; i < 100; i++) {
        const struct draw d = draw(&nucleus, i);
        assert_true(fabs((double)d.logprob_behaviour - log(kept[d.token])) < 1e-5);
    }
}

struct ranked {
    float probability;
    uint32_t token;
};

static int by_rank(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->probability != b->probability) return a->probability > b->probability ? -1 : 1;
    return a->token < b->token ? -1 : a->token > b->token;
}

// The nucleus by the book: all tokens sorted by comparisons, then walked.
static uint32_t drawn_by_the_book(const float *wide, size_t n, const struct sampling *s,
                                  double unit)
{
    float *p = calloc(n, sizeof *p);
    struct ranked *all = calloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++)
        p[i] = wide[i] / s->temperature;
    softmax_probabilities(p, p, n, softmax_row(p, n).logsumexp);
    for (size_t i = 0; i < n; i++)
        all[i] = (struct ranked){p[i], (uint32_t)i};
    qsort(all, n, sizeof *all, by_rank);
    size_t kept = 0;
    double mass = 0.0, sum = 0.0;
    while (kept < n && mass < (double)s->top_p)
        mass += (double)all[kept++].probability;
    size_t chosen = 0;
    for (size_t i = 0; i < kept; i++) {
        sum += (double)all[i].probability;
        chosen = i;
        if (sum > unit * mass) break;
    }
    const uint32_t token = all[chosen].token;
    free(all);
    free(p);
    return token;
}

static void a_wide_nucleus_with_equals_is_drawn_in_the_order_of_the_book(void **state)
{
    (void)state;
    enum { WIDE = 5000 };
    float *wide = calloc(WIDE, sizeof *wide);
    void *room = malloc(sampler_scratch_bytes(WIDE));
    const struct sampling s = {0.6f, 0.95f, 0};
    for (uint32_t i = 0; i < WIDE; i++)
        wide[i] = (float)(rng_at((struct rng_key){9, RNG_TASK}, i, 0, 0).word[0] % 97) / 50.0f;
    for (uint32_t i = 0; i < 200; i++) {
        const struct rng_words key = rng_at((struct rng_key){5, RNG_SAMPLE}, i, 0, 0);
        const uint64_t bits = ((uint64_t)key.word[0] << 21) ^ (key.word[1] >> 11);
        const double unit = (double)(bits & ((1ull << 53) - 1)) * 0x1p-53;
        assert_int_equal(sampler_draw(wide, WIDE, &s, key, room).token,
                         drawn_by_the_book(wide, WIDE, &s, unit));
    }
    free(room);
    free(wide);
}

static void temperature_zero_takes_the_first_of_the_most_probable(void **state)
{
    (void)state;
    const struct sampling greedy = {0.0f, 1.0f, 0};
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(draw(&greedy, i).token, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(logprob_is_the_policys_and_behaviour_the_drawn_ones),
        cmocka_unit_test(top_k_and_top_p_keep_the_most_probable),
        cmocka_unit_test(a_wide_nucleus_with_equals_is_drawn_in_the_order_of_the_book),
        cmocka_unit_test(temperature_zero_takes_the_first_of_the_most_probable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
