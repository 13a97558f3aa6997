#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/kernels.h"
#include "common/math/rope.h"

enum { N_POSITIONS = 300, ROWS = 90, HEADS = 3, WIDTH_MAX = 128, LD = HEADS * WIDTH_MAX + 2 };

static uint32_t seed = 17;
static float x[ROWS * LD], kept[ROWS * LD], other[ROWS * LD], dy[ROWS * LD];
static uint32_t positions[ROWS];
static const uint32_t widths[] = {2, 8, 20, 32, 64, 128};
enum { N_WIDTHS = sizeof widths / sizeof widths[0] };

static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1.0f;
}

static struct rope make_rope(uint32_t width)
{
    double frequency[WIDTH_MAX / 2];
    for (uint32_t i = 0; i < width / 2; i++)
        frequency[i] = pow(10000.0, -2.0 * i / width);
    struct rope r;
    rope_init(&r, N_POSITIONS, width, frequency, 1.0);
    for (size_t i = 0; i < ROWS; i++)
        positions[i] = (uint32_t)(i * 37 % N_POSITIONS);
    for (size_t i = 0; i < ROWS * LD; i++)
        x[i] = uniform();
    memcpy(kept, x, sizeof x);
    return r;
}

static void the_rotation_follows_libm_in_double(void **state)
{
    (void)state;
    for (size_t w = 0; w < N_WIDTHS; w++) {
        struct rope r = make_rope(widths[w]);
        size_t half = widths[w] / 2;
        rope_forward(x, LD, ROWS, HEADS, positions, &r, NULL);
        for (size_t row = 0; row < ROWS; row++) {
            for (size_t i = 0; i < HEADS * half; i++) {
                size_t at = row * LD + i / half * widths[w] + i % half;
                double angle =
                    positions[row] * pow(10000.0, -2.0 * (double)(i % half) / (double)widths[w]);
                double a = (double)kept[at], b = (double)kept[at + half];
                assert_true(fabs((double)x[at] - (a * cos(angle) - b * sin(angle))) < 3e-7);
                assert_true(fabs((double)x[at + half] - (b * cos(angle) + a * sin(angle))) < 3e-7);
            }
            for (size_t i = HEADS * widths[w]; i < LD; i++)
                assert_true(x[row * LD + i] == kept[row * LD + i]);
        }
        rope_fini(&r);
    }
}

// The loss sum(dy * y) is linear, so a difference of any size is exact.
static void the_backward_follows_finite_differences(void **state)
{
    (void)state;
    for (size_t w = 0; w < N_WIDTHS; w++) {
        struct rope r = make_rope(widths[w]);
        for (size_t i = 0; i < ROWS * LD; i++)
            dy[i] = uniform();
        memcpy(other, dy, sizeof dy);
        rope_backward(other, LD, ROWS, HEADS, positions, &r, NULL);
        for (size_t row = 0; row < ROWS; row++) {
            size_t change = row * 11 % (HEADS * widths[w]);
            float bumped[LD];
            memcpy(bumped, kept + row * LD, sizeof bumped);
            bumped[change] += 1.0f;
            memcpy(x, kept + row * LD, sizeof bumped);
            rope_forward(bumped, LD, 1, HEADS, &positions[row], &r, NULL);
            rope_forward(x, LD, 1, HEADS, &positions[row], &r, NULL);
            double want = 0.0;
            for (size_t i = 0; i < HEADS * widths[w]; i++)
                want += ((double)bumped[i] - (double)x[i]) * (double)dy[row * LD + i];
            assert_true(fabs(want - (double)other[row * LD + change]) < 2e-6);
        }
        rope_fini(&r);
    }
}

static void the_backward_undoes_the_forward(void **state)
{
    (void)state;
    struct rope r = make_rope(64);
    rope_forward(x, LD, ROWS, HEADS, positions, &r, NULL);
    rope_backward(x, LD, ROWS, HEADS, positions, &r, NULL);
    for (size_t i = 0; i < ROWS * LD; i++)
        assert_true(fabsf(x[i] - kept[i]) < 5e-7f);
    rope_fini(&r);
}

static void a_magnitude_stretches_what_is_turned(void **state)
{
    (void)state;
    struct rope r = make_rope(64), longer;
    double frequency[32];
    for (uint32_t i = 0; i < 32; i++)
        frequency[i] = pow(10000.0, -2.0 * i / 64);
    rope_init(&longer, N_POSITIONS, 64, frequency, 1.25);
    memcpy(other, x, sizeof x);
    rope_forward(x, LD, ROWS, HEADS, positions, &r, NULL);
    rope_forward(other, LD, ROWS, HEADS, positions, &longer, NULL);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < HEADS * 64; i++)
            assert_true(fabsf(other[row * LD + i] - 1.25f * x[row * LD + i]) < 1e-6f);
    rope_fini(&r);
    rope_fini(&longer);
}

static void kernels_and_threads_change_no_bit(void **state)
{
    (void)state;
    struct pool *pool = pool_create(2);
    for (size_t w = 0; w < N_WIDTHS; w++) {
        struct rope r = make_rope(widths[w]);
        for (int direction = 0; direction < 2; direction++) {
            void (*turn)(float *, size_t, size_t, size_t, const uint32_t *, const struct rope *,
                         struct pool *) = direction ? rope_backward : rope_forward;
            memcpy(x, kept, sizeof x);
            memcpy(other, kept, sizeof x);
            turn(x, LD, ROWS, HEADS, positions, &r, pool);
            kernels_force(KERNELS_PORTABLE);
            turn(other, LD, ROWS, HEADS, positions, &r, NULL);
            if (!kernels_force(KERNELS_AVX2)) skip();
            assert_memory_equal(x, other, sizeof x);
        }
        rope_fini(&r);
    }
    pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rotation_follows_libm_in_double),
        cmocka_unit_test(the_backward_follows_finite_differences),
        cmocka_unit_test(the_backward_undoes_the_forward),
        cmocka_unit_test(a_magnitude_stretches_what_is_turned),
        cmocka_unit_test(kernels_and_threads_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
