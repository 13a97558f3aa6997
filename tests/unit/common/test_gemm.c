#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/bf16.h"
#include "common/math/gemm.h"
#include "common/math/kernels.h"

static uint32_t seed = 1;

static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return ((float)(seed >> 8) - 8388608.0f) / 8388608.0f;
}

struct product_case {
    size_t M, N, K;
    float *x, *bias; // (M, K), (N)
    uint16_t *w;     // (N, K)
    struct panels f32, bf16;
};

static void *aligned(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0xff, bytes); // NaN: what is not written shows
    return memory;
}

static struct panels packed(enum panel_type type, const struct product_case *c)
{
    struct panels p = {type, (uint32_t)c->N, (uint32_t)c->K, NULL};
    p.data = aligned(panels_bytes(type, p.n_outputs, p.n_inputs));
    panels_pack(&p, c->w, NULL);
    return p;
}

static struct product_case make_case(size_t M, size_t N, size_t K)
{
    struct product_case c = {.M = M, .N = N, .K = K};
    c.x = aligned(M * K * sizeof(float));
    c.bias = aligned(N * sizeof(float));
    c.w = aligned(N * K * sizeof(uint16_t));
    for (size_t i = 0; i < M * K; i++)
        c.x[i] = uniform();
    for (size_t i = 0; i < N; i++)
        c.bias[i] = uniform();
    for (size_t i = 0; i < N * K; i++)
        c.w[i] = bf16_from_f32(uniform());
    c.f32 = packed(PANEL_F32, &c);
    c.bf16 = packed(PANEL_BF16, &c);
    return c;
}

static void free_case(struct product_case *c)
{
    free(c->x);
    free(c->bias);
    free(c->w);
    free(c->f32.data);
    free(c->bf16.data);
}

// The contract, literally.
static float chain(const struct product_case *c, size_t m, size_t n, bool with_bias)
{
    float sum = 0.0f;
    for (size_t k = 0; k < c->K; k++)
        sum = fmaf(c->x[m * c->K + k], bf16_to_f32(c->w[n * c->K + k]), sum);
    return with_bias ? sum + c->bias[n] : sum;
}

static const size_t shapes[][3] = {
    {1, 1, 1},    {1, 16, 7},    {1, 64, 33},   {1, 100, 65},   {1, 400, 130}, {2, 17, 5},
    {2, 48, 9},   {3, 33, 21},   {3, 80, 64},   {4, 32, 128},   {5, 15, 31},   {6, 16, 384},
    {7, 40, 385}, {8, 24, 40},   {11, 50, 3},   {12, 16, 16},   {13, 35, 500}, {16, 128, 100},
    {17, 31, 17}, {64, 48, 800}, {97, 70, 390}, {200, 130, 50}, {385, 20, 12}, {4, 8, 0},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static void check_against_contract(enum kernels which)
{
    if (!kernels_force(which)) skip();
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct product_case c = make_case(shapes[s][0], shapes[s][1], shapes[s][2]);
        size_t ldy = c.N + 3;
        float *y = aligned(c.M * ldy * sizeof(float));
        for (int variant = 0; variant < 4; variant++) {
            bool with_bias = variant & 1;
            gemm(y, ldy, c.x, c.K, c.M, variant & 2 ? &c.bf16 : &c.f32, with_bias ? c.bias : NULL,
                 NULL);
            for (size_t m = 0; m < c.M; m++) {
                for (size_t n = 0; n < c.N; n++) {
                    float want = chain(&c, m, n, with_bias);
                    assert_memory_equal(&y[m * ldy + n], &want, sizeof want);
                }
                // Nothing is written between rows.
                for (size_t n = c.N; n < ldy && m + 1 < c.M; n++)
                    assert_true(isnan(y[m * ldy + n]));
            }
        }
        free(y);
        free_case(&c);
    }
    kernels_force(KERNELS_AVX2);
}

static void portable_gemm_is_one_chain_over_ascending_k(void **state)
{
    (void)state;
    check_against_contract(KERNELS_PORTABLE);
}

static void avx2_gemm_is_the_same_chain_bit_for_bit(void **state)
{
    (void)state;
    check_against_contract(KERNELS_AVX2);
}

static void a_row_alone_equals_the_row_in_any_batch(void **state)
{
    (void)state;
    struct product_case c = make_case(64, 150, 400);
    float *one = aligned(c.N * sizeof(float)), *all = aligned(c.M * c.N * sizeof(float));
    for (size_t m = 1; m <= c.M; m++) {
        gemm(all, c.N, c.x, c.K, m, &c.f32, NULL, NULL);
        size_t row = m * 7 % m;
        gemm(one, c.N, c.x + row * c.K, c.K, 1, &c.f32, NULL, NULL);
        assert_memory_equal(one, all + row * c.N, c.N * sizeof(float));
        gemm(one, c.N, c.x + (m - 1) * c.K, c.K, 1, &c.bf16, NULL, NULL);
        assert_memory_equal(one, all + (m - 1) * c.N, c.N * sizeof(float));
    }
    free(one);
    free(all);
    free_case(&c);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    static const size_t large[][3] = {
        {1, 5000, 200}, {3, 700, 300}, {64, 900, 128}, {700, 200, 400}};
    for (unsigned n_threads = 2; n_threads <= 3; n_threads++) {
        struct pool *pool = pool_create(n_threads);
        for (size_t s = 0; s < sizeof large / sizeof large[0]; s++) {
            struct product_case c = make_case(large[s][0], large[s][1], large[s][2]);
            size_t bytes = c.M * c.N * sizeof(float);
            float *serial = aligned(bytes), *threaded = aligned(bytes);
            gemm(serial, c.N, c.x, c.K, c.M, &c.f32, c.bias, NULL);
            gemm(threaded, c.N, c.x, c.K, c.M, &c.f32, c.bias, pool);
            assert_memory_equal(serial, threaded, bytes);
            gemm(threaded, c.N, c.x, c.K, c.M, &c.bf16, c.bias, pool);
            assert_memory_equal(serial, threaded, bytes);
            free(serial);
            free(threaded);
            free_case(&c);
        }
        pool_destroy(pool);
    }
}

static void packing_is_the_same_from_every_kernel_and_thread_count(void **state)
{
    (void)state;
    struct pool *pool = pool_create(2);
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct product_case c = make_case(1, shapes[s][1], shapes[s][2]);
        for (int type = PANEL_F32; type <= PANEL_BF16; type++) {
            struct panels *p = type == PANEL_F32 ? &c.f32 : &c.bf16;
            size_t bytes = panels_bytes(p->type, p->n_outputs, p->n_inputs);
            struct panels other = *p;
            other.data = aligned(bytes);
            kernels_force(KERNELS_PORTABLE);
            panels_pack(&other, c.w, pool);
            kernels_force(KERNELS_AVX2);
            assert_memory_equal(other.data, p->data, bytes);
            free(other.data);
        }
        free_case(&c);
    }
    pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(portable_gemm_is_one_chain_over_ascending_k),
        cmocka_unit_test(avx2_gemm_is_the_same_chain_bit_for_bit),
        cmocka_unit_test(a_row_alone_equals_the_row_in_any_batch),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(packing_is_the_same_from_every_kernel_and_thread_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
