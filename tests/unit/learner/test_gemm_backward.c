// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/math/bf16.h"
#include "learner/gemm_backward.h"
#include "tests/support/golden.h"

// Sizes with ragged panels and tiles, and more than one tile across.
static const struct {
    uint32_t n_rows, n_outputs, n_inputs;
} cases[] = {{1, 2, 2}, {7, 16, 16}, {50, 33, 19}, {130, 300, 40}, {97, 40, 1100}, {300, 129, 130}};
#define N_CASES (sizeof cases / sizeof *cases)

static float *random_floats(size_t count, uint32_t stream)
{
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    const struct rng_key key = {.seed = 2, .domain = RNG_TEST};
    for (size_t i = 0; i < count; i++)
        x[i] = rng_unit(rng_at(key, i, stream, 0).word[0]) - 0.5f;
    return x;
}

static void dx_is_dy_times_w(void **state)
{
    (void)state;
    for (size_t c = 0; c < N_CASES; c++) {
        uint32_t M = cases[c].n_rows, N = cases[c].n_outputs, K = cases[c].n_inputs;
        float *dy = random_floats((size_t)M * N, 0), *w = random_floats((size_t)N * K, 1);
        float *dx = calloc((size_t)M * K, sizeof *dx), *want = calloc((size_t)M * K, sizeof *want);
        uint16_t *bf16 = malloc((size_t)N * K * sizeof *bf16);
        bf16_round(bf16, w, (size_t)N * K);
        for (uint32_t m = 0; m < M; m++)
            for (uint32_t k = 0; k < K; k++) {
                double sum = 0;
                for (uint32_t n = 0; n < N; n++)
                    sum += (double)dy[m * N + n] * (double)bf16_to_f32(bf16[n * K + k]);
                want[m * K + k] = (float)sum;
            }
        void *data = aligned_alloc(64, (panels_bytes(PANEL_BF16, K, N) + 63) / 64 * 64);
        struct panels panels = gemm_backward_panels(N, K, data);
        gemm_backward_pack(&panels, bf16, NULL);
        gemm(dx, K, dy, N, M, &panels, NULL, NULL);
        assert_true(relative_distance(dx, want, (size_t)M * K) < 1e-6);
        free(dy);
        free(w);
        free(dx);
        free(want);
        free(bf16);
        free(data);
    }
}

// dw of a case after one call, starting from `dw` as it is.
static void run_case(size_t c, float *dw, const float *dy, size_t lddy, const float *x, size_t ldx,
                     struct pool *pool)
{
    const struct weight_gradient job = {.dw = dw,
                                        .dy = dy,
                                        .lddy = lddy,
                                        .x = x,
                                        .ldx = ldx,
                                        .n_outputs = cases[c].n_outputs,
                                        .n_inputs = cases[c].n_inputs};
    gemm_backward_weights(&job, 1, cases[c].n_rows, pool);
}

static void dw_gains_the_sum_of_outer_products(void **state)
{
    (void)state;
    gemm_backward_init();
    for (size_t c = 0; c < N_CASES; c++) {
        uint32_t M = cases[c].n_rows, N = cases[c].n_outputs, K = cases[c].n_inputs;
        size_t lddy = N + 3, ldx = K + 5; // rows of something wider
        float *dy = random_floats(M * lddy, 3), *x = random_floats(M * ldx, 4);
        float *dw = random_floats((size_t)N * K, 5), *want = malloc((size_t)N * K * sizeof *want);
        for (uint32_t n = 0; n < N; n++)
            for (uint32_t k = 0; k < K; k++) {
                double sum = (double)dw[n * K + k];
                for (uint32_t m = 0; m < M; m++)
                    sum += (double)dy[m * lddy + n] * (double)x[m * ldx + k];
                want[n * K + k] = (float)sum;
            }
        run_case(c, dw, dy, lddy, x, ldx, NULL);
        assert_true(relative_distance(dw, want, (size_t)N * K) < 1e-5);
        free(dy);
        free(x);
        free(dw);
        free(want);
    }
}

static void threads_and_company_change_no_bit(void **state)
{
    (void)state;
    gemm_backward_init();
    struct pool *pool = pool_create(3);
    enum { M = 260, N = 300, K = 1100 };
    float *dy = random_floats((size_t)M * N, 6), *x = random_floats((size_t)M * K, 7);
    size_t bytes = (size_t)N * K * sizeof(float);
    float *alone = calloc(1, bytes), *shared = calloc(1, bytes), *second = calloc(1, bytes);
    const struct weight_gradient jobs[] = {{shared, dy, N, x, K, N, K},
                                           {second, x, K, dy, N, K, N}};
    gemm_backward_weights(jobs, 2, M, pool);
    struct weight_gradient job = jobs[0];
    job.dw = alone;
    gemm_backward_weights(&job, 1, M, NULL);
    assert_memory_equal(alone, shared, bytes);
    for (size_t n = 0; n < N; n += 17) // the second is the first's transpose, up to rounding
        for (size_t k = 0; k < K; k += 13) {
            float d = second[k * N + n] - alone[n * K + k];
            assert_true(d < 1e-4f && d > -1e-4f);
        }
    free(dy);
    free(x);
    free(alone);
    free(shared);
    free(second);
    pool_destroy(pool);
}

static void the_library_says_which_kernels_it_chose(void **state)
{
    (void)state;
    assert_non_null(gemm_backward_core());
    assert_true(strlen(gemm_backward_core()) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dx_is_dy_times_w),
        cmocka_unit_test(dw_gains_the_sum_of_outer_products),
        cmocka_unit_test(threads_and_company_change_no_bit),
        cmocka_unit_test(the_library_says_which_kernels_it_chose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
