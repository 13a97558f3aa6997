#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/expf.h"
#include "common/math/kernels.h"

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Distance from the truth in units of the last place of the result.
static long double ulps(float got, long double want)
{
    float rounded = fabsf((float)want);
    long double unit = (long double)nextafterf(rounded, INFINITY) - (long double)rounded;
    return fabsl((long double)got - want) / unit;
}

static void exp_is_within_2_ulp_over_its_range(void **state)
{
    (void)state;
    long double worst = 0;
    for (int i = 0; i <= 400000; i++) {
        float x = -87.336f + (float)i * ((88.722f + 87.336f) / 400000.0f);
        long double error = ulps(math_exp(x), expl((long double)x));
        if (error > worst) worst = error;
    }
    for (uint32_t bits = 0; bits < 0x3f800000u; bits += 4099) { // small arguments, both signs
        float x = from_bits(bits);
        long double error = ulps(math_exp(x), expl((long double)x));
        if (error > worst) worst = error;
        error = ulps(math_exp(-x), expl(-(long double)x));
        if (error > worst) worst = error;
    }
    assert_true(worst < 2.0L);
}

static void exp_ends_where_the_header_says(void **state)
{
    (void)state;
    assert_true(math_exp(0.0f) == 1.0f);
    assert_true(math_exp(-0.0f) == 1.0f);
    float largest = 0x1.62e42ep+6f, smallest = -0x1.5d589ep+6f;
    assert_true(ulps(math_exp(largest), expl((long double)largest)) < 1.0L);
    assert_true(math_exp(nextafterf(largest, INFINITY)) == INFINITY);
    assert_true(math_exp(INFINITY) == INFINITY);
    assert_true(ulps(math_exp(smallest), expl((long double)smallest)) < 1.0L);
    assert_true(math_exp(nextafterf(smallest, -INFINITY)) == 0.0f);
    assert_true(math_exp(-INFINITY) == 0.0f);
    assert_true(math_exp(-1e30f) == 0.0f);
    assert_true(isnan(math_exp(NAN)));
}

static void exp_many_equals_exp_one_by_one(void **state)
{
    (void)state;
    static float x[4099], many[4100], portable[4100];
    uint32_t seed = 5;
    for (size_t i = 0; i < 4099; i++) {
        seed = seed * 1664525u + 1013904223u;
        // Half over the interesting range, half any bits at all.
        x[i] = i % 2 ? from_bits(seed) : ((float)(seed >> 8) / 8388608.0f - 1.0f) * 95.0f;
        if (isnan(x[i])) x[i] = NAN;
    }
    const size_t counts[] = {0, 1, 7, 8, 9, 15, 17, 4099};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        many[counts[c]] = 3.0f;
        math_exp_many(many, x, counts[c]);
        kernels_force(KERNELS_PORTABLE);
        math_exp_many(portable, x, counts[c]);
        kernels_force(KERNELS_AVX2);
        for (size_t i = 0; i < counts[c]; i++) {
            float one = math_exp(x[i]);
            assert_memory_equal(&one, &many[i], sizeof one);
            assert_memory_equal(&one, &portable[i], sizeof one);
        }
        assert_true(many[counts[c]] == 3.0f);
    }
    memcpy(many, x, sizeof x);
    math_exp_many(many, many, 4099); // in place
    assert_memory_equal(many, portable, sizeof x);
}

static void log_is_within_2_ulp_from_subnormal_to_largest(void **state)
{
    (void)state;
    long double worst = 0;
    for (uint32_t bits = 1; bits < 0x7f800000u; bits += 4093) {
        float x = from_bits(bits);
        long double error = ulps(math_log(x), logl((long double)x));
        if (error > worst) worst = error;
    }
    for (uint32_t bits = 0x3f000000u; bits < 0x40000000u; bits += 37) { // around 1
        float x = from_bits(bits);
        if (x == 1.0f) continue;
        long double error = ulps(math_log(x), logl((long double)x));
        if (error > worst) worst = error;
    }
    assert_true(worst < 2.0L);
}

static void log_knows_the_edges(void **state)
{
    (void)state;
    assert_true(math_log(1.0f) == 0.0f);
    assert_true(math_log(0.0f) == -INFINITY);
    assert_true(math_log(-0.0f) == -INFINITY);
    assert_true(isnan(math_log(-1.0f)));
    assert_true(isnan(math_log(-INFINITY)));
    assert_true(isnan(math_log(NAN)));
    assert_true(math_log(INFINITY) == INFINITY);
}

static void sine_and_cosine_are_within_1e_15(void **state)
{
    (void)state;
    long double worst = 0;
    uint32_t seed = 9;
    for (int i = 0; i < 400000; i++) {
        seed = seed * 1664525u + 1013904223u;
        double range = i % 2 ? 1e6 : 40.0;
        double x = ((double)seed / 2147483648.0 - 1.0) * range;
        if (i % 5 == 0) x = (double)(seed >> 12); // whole positions
        if (fabs(x) >= 1e6) continue;
        long double sine = fabsl((long double)math_sin(x) - sinl((long double)x));
        long double cosine = fabsl((long double)math_cos(x) - cosl((long double)x));
        if (sine > worst) worst = sine;
        if (cosine > worst) worst = cosine;
    }
    assert_true(worst < 1e-15L);
    assert_true(math_sin(0.0) == 0.0);
    assert_true(math_cos(0.0) == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_2_ulp_over_its_range),
        cmocka_unit_test(exp_ends_where_the_header_says),
        cmocka_unit_test(exp_many_equals_exp_one_by_one),
        cmocka_unit_test(log_is_within_2_ulp_from_subnormal_to_largest),
        cmocka_unit_test(log_knows_the_edges),
        cmocka_unit_test(sine_and_cosine_are_within_1e_15),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
