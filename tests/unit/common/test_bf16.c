#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/bf16.h"
#include "common/math/kernels.h"

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void rounding_goes_to_the_nearest_and_ties_to_even(void **state)
{
    (void)state;
    assert_int_equal(bf16_from_f32(1.0f), 0x3f80);
    assert_int_equal(bf16_from_f32(from_bits(0x3f807fff)), 0x3f80);
    assert_int_equal(bf16_from_f32(from_bits(0x3f808000)), 0x3f80); // tie, even below
    assert_int_equal(bf16_from_f32(from_bits(0x3f808001)), 0x3f81);
    assert_int_equal(bf16_from_f32(from_bits(0x3f818000)), 0x3f82); // tie, even above
    assert_int_equal(bf16_from_f32(-0.0f), 0x8000);
    assert_int_equal(bf16_from_f32(from_bits(0x7f7fffff)), 0x7f80); // past the largest: inf
    assert_int_equal(bf16_from_f32(-INFINITY), 0xff80);
    assert_int_equal(bf16_from_f32(from_bits(0x7f800001)), 0x7fc0); // NaN stays NaN
    assert_int_equal(bf16_from_f32(from_bits(0xffc12345)), 0xffc1);
}

static void every_half_survives_the_round_trip(void **state)
{
    (void)state;
    static uint16_t halves[65536], back[65536];
    static float wide[65536];
    for (size_t i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    bf16_expand(wide, halves, 65536);
    bf16_round(back, wide, 65536);
    for (size_t i = 0; i < 65536; i++) {
        float one = bf16_to_f32(halves[i]);
        assert_memory_equal(&one, &wide[i], sizeof one);
        uint16_t quiet = isnan(one) ? halves[i] | 0x40 : halves[i];
        assert_int_equal(back[i], quiet);
    }
}

static void many_equal_one_by_one_for_any_count_and_kernel(void **state)
{
    (void)state;
    uint32_t seed = 3;
    float in[70];
    for (size_t count = 0; count <= 70; count++) {
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            in[i] = from_bits(seed);
        }
        for (int which = KERNELS_PORTABLE; which <= KERNELS_AVX2; which++) {
            if (!kernels_force((enum kernels)which)) continue;
            uint16_t out[71];
            out[count] = 0x1234;
            bf16_round(out, in, count);
            for (size_t i = 0; i < count; i++)
                assert_int_equal(out[i], bf16_from_f32(in[i]));
            assert_int_equal(out[count], 0x1234);
            float wide[71];
            wide[count] = 5.0f;
            bf16_expand(wide, out, count);
            for (size_t i = 0; i < count; i++) {
                float one = bf16_to_f32(out[i]);
                assert_memory_equal(&one, &wide[i], sizeof one);
            }
            assert_true(wide[count] == 5.0f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_goes_to_the_nearest_and_ties_to_even),
        cmocka_unit_test(every_half_survives_the_round_trip),
        cmocka_unit_test(many_equal_one_by_one_for_any_count_and_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
