#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/kernels.h"
#include "common/math/softmax.h"

enum { N_MAX = 32000 };

static float logits[N_MAX + 1], probabilities[N_MAX + 1], other[N_MAX + 1];
static const size_t counts[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 100, 1003, 4096, 32000};
enum { N_COUNTS = sizeof counts / sizeof counts[0] };

static void fill(size_t n, float width)
{
    static uint32_t seed = 11;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        logits[i] = ((float)(seed >> 8) / 8388608.0f - 1.0f) * width;
    }
    logits[n] = 1e9f; // past the end: must not count
}

static void a_row_follows_a_double_reference(void **state)
{
    (void)state;
    static const float widths[] = {0.1f, 3.0f, 40.0f, 300.0f};
    for (size_t c = 0; c < N_COUNTS; c++) {
        for (size_t w = 0; w < 4; w++) {
            size_t n = counts[c];
            fill(n, widths[w]);
            double max = -HUGE_VAL, total = 0.0, entropy = 0.0;
            for (size_t i = 0; i < n; i++)
                max = fmax(max, (double)logits[i]);
            for (size_t i = 0; i < n; i++)
                total += exp((double)logits[i] - max);
            double lse = max + log(total);
            for (size_t i = 0; i < n; i++)
                entropy -= exp((double)logits[i] - lse) * ((double)logits[i] - lse);
            struct softmax_stats s = softmax_row(logits, n);
            assert_true((double)s.max == max);
            assert_true(fabs((double)s.logsumexp - lse) < 2e-6 + 1e-7 * fabs(lse));
            assert_true(fabs((double)s.entropy - entropy) < 2e-5);
            softmax_probabilities(probabilities, logits, n, s.logsumexp);
            for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)probabilities[i] - exp((double)logits[i] - lse)) < 4e-5);
        }
    }
}

static void portable_and_avx2_agree_bit_for_bit(void **state)
{
    (void)state;
    for (size_t c = 0; c < N_COUNTS; c++) {
        size_t n = counts[c];
        fill(n, 12.0f);
        struct softmax_stats avx2 = softmax_row(logits, n);
        probabilities[n] = other[n] = 2.0f;
        softmax_probabilities(probabilities, logits, n, avx2.logsumexp);
        kernels_force(KERNELS_PORTABLE);
        struct softmax_stats portable = softmax_row(logits, n);
        softmax_probabilities(other, logits, n, portable.logsumexp);
        if (!kernels_force(KERNELS_AVX2)) skip();
        assert_memory_equal(&avx2, &portable, sizeof avx2);
        assert_memory_equal(probabilities, other, (n + 1) * sizeof(float));
    }
}

static void equal_logits_have_the_entropy_of_a_die(void **state)
{
    (void)state;
    for (size_t i = 0; i < 24; i++)
        logits[i] = -5.0f;
    struct softmax_stats s = softmax_row(logits, 24);
    assert_true(fabsf(s.entropy - logf(24.0f)) < 1e-6f);
    assert_true(fabsf(s.logsumexp - (logf(24.0f) - 5.0f)) < 1e-6f);
}

static void a_logit_of_minus_infinity_has_no_share(void **state)
{
    (void)state;
    fill(21, 2.0f);
    logits[3] = logits[20] = -INFINITY;
    struct softmax_stats s = softmax_row(logits, 21);
    assert_true(isfinite(s.entropy) && isfinite(s.logsumexp));
    softmax_probabilities(logits, logits, 21, s.logsumexp); // in place
    assert_true(logits[3] == 0.0f && logits[20] == 0.0f);
}

static void not_a_number_is_not_hidden(void **state)
{
    (void)state;
    for (size_t at = 0; at < 21; at++) {
        fill(21, 2.0f);
        logits[at] = NAN;
        struct softmax_stats s = softmax_row(logits, 21);
        assert_true(isnan(s.logsumexp) && isnan(s.entropy));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_follows_a_double_reference),
        cmocka_unit_test(portable_and_avx2_agree_bit_for_bit),
        cmocka_unit_test(equal_logits_have_the_entropy_of_a_die),
        cmocka_unit_test(a_logit_of_minus_infinity_has_no_share),
        cmocka_unit_test(not_a_number_is_not_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
