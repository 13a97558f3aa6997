#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/kernels.h"
#include "common/math/swiglu.h"

enum { ELEMENTS_MAX = 40 * 1024 };

static uint32_t seed = 19;
static float gate_up[2 * ELEMENTS_MAX], y[ELEMENTS_MAX], dy[ELEMENTS_MAX];
static float gradient[2 * ELEMENTS_MAX], other[2 * ELEMENTS_MAX];
static const size_t shapes[][2] = {{1, 1}, {3, 5}, {2, 8}, {7, 33}, {40, 1024}, {900, 40}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static void fill(float *x, size_t n, float width)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = ((float)(seed >> 8) / 8388608.0f - 1.0f) * width;
    }
}

static double reference(double gate, double up)
{
    return gate / (1.0 + exp(-gate)) * up;
}

static void the_forward_follows_a_double_reference(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SHAPES; s++) {
        size_t rows = shapes[s][0], F = shapes[s][1];
        fill(gate_up, rows * 2 * F, 9.0f);
        swiglu_forward(y, gate_up, rows, F, NULL);
        for (size_t row = 0; row < rows; row++) {
            for (size_t i = 0; i < F; i++) {
                const float *at = gate_up + row * 2 * F + i;
                double want = reference((double)at[0], (double)at[F]);
                assert_true(fabs((double)y[row * F + i] - want) < 5e-7 * (1.0 + fabs(want)));
            }
        }
    }
}

static void the_backward_follows_finite_differences(void **state)
{
    (void)state;
    const double h = 1e-5;
    for (size_t s = 0; s < N_SHAPES; s++) {
        size_t rows = shapes[s][0], F = shapes[s][1];
        fill(gate_up, rows * 2 * F, 6.0f);
        fill(dy, rows * F, 1.0f);
        swiglu_backward(gradient, dy, gate_up, rows, F, NULL);
        for (size_t row = 0; row < rows; row++) {
            for (size_t i = 0; i < F; i++) {
                size_t at = row * 2 * F + i;
                double g = (double)gate_up[at], u = (double)gate_up[at + F];
                double d = (double)dy[row * F + i] / (2 * h);
                double dg = d * (reference(g + h, u) - reference(g - h, u));
                double du = d * (reference(g, u + h) - reference(g, u - h));
                assert_true(fabs((double)gradient[at] - dg) < 2e-6 * (1.0 + fabs(dg)));
                assert_true(fabs((double)gradient[at + F] - du) < 2e-6 * (1.0 + fabs(du)));
            }
        }
    }
}

static void far_gates_saturate_without_nan(void **state)
{
    (void)state;
    const float gates[] = {-1e30f, -200.0f, -88.0f, 88.0f, 200.0f, 1e30f};
    float rows[12], out[6], d[12];
    const float ones[] = {1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < 6; i++) {
        rows[i] = gates[i];
        rows[6 + i] = 2.0f;
    }
    swiglu_forward(out, rows, 1, 6, NULL);
    swiglu_backward(d, ones, rows, 1, 6, NULL);
    for (size_t i = 0; i < 6; i++) {
        float want = gates[i] < 0 ? 0.0f : 2.0f * gates[i];
        assert_true(fabsf(out[i] - want) < 1e-30f + 1e-6f * fabsf(want));
        assert_false(isnan(d[i]) || isnan(d[6 + i]));
    }
}

static void kernels_threads_and_place_change_no_bit(void **state)
{
    (void)state;
    struct pool *pool = pool_create(2);
    static float portable[ELEMENTS_MAX];
    for (size_t s = 0; s < N_SHAPES; s++) {
        size_t rows = shapes[s][0], F = shapes[s][1], n = rows * F;
        fill(gate_up, 2 * n, 50.0f);
        fill(dy, n, 1.0f);
        swiglu_forward(y, gate_up, rows, F, pool);
        swiglu_backward(gradient, dy, gate_up, rows, F, pool);
        memcpy(other, gate_up, 2 * n * sizeof(float));
        kernels_force(KERNELS_PORTABLE);
        swiglu_forward(portable, gate_up, rows, F, NULL);
        swiglu_backward(other, dy, other, rows, F, NULL); // in place
        if (!kernels_force(KERNELS_AVX2)) skip();
        assert_memory_equal(y, portable, n * sizeof(float));
        assert_memory_equal(gradient, other, 2 * n * sizeof(float));
        swiglu_backward(gate_up, dy, gate_up, rows, F, pool);
        assert_memory_equal(gradient, gate_up, 2 * n * sizeof(float));
    }
    pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forward_follows_a_double_reference),
        cmocka_unit_test(the_backward_follows_finite_differences),
        cmocka_unit_test(far_gates_saturate_without_nan),
        cmocka_unit_test(kernels_threads_and_place_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
