/*
 * bench_gemm.c - gemm against the processor's own limit, and against OpenBLAS.
 *
 * The limit is what a loop of nothing but fused multiply-adds reaches here, on
 * as many threads.  The window holds the product alone: weights are packed
 * before, and stay in cache where they fit.  The variants of a line run in
 * turns; numbers are medians of the turns, in GFLOP/s (percent of the limit).
 *
 *   bench_gemm [K N]   one shape instead of all
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>
#include <immintrin.h>

#include "common/base/clock.h"
#include "common/base/pool.h"
#include "common/math/bf16.h"
#include "common/math/gemm.h"

enum { TURNS = 7, M_MAX = 2048, VARIANTS = 6 };
#define TURN_SECONDS 0.012
#define FLOPS_MAX 2.5e10 // of one product: larger ones are left out

static const size_t shapes[][2] = {
    {128, 256},  {128, 704},  {352, 128},  {384, 384},   {384, 1024}, {1024, 384},  {384, 4096},
    {512, 2048}, {768, 2048}, {2048, 768}, {2048, 2048}, {896, 4864}, {768, 32000},
};
static const size_t row_counts[] = {1, 4, 8, 16, 32, 64, 512, 2048};

static void *take(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory == NULL) abort();
    memset(memory, 0, bytes);
    return memory;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

#define PEAK_STEPS 2000000
#define PEAK_FLOPS (PEAK_STEPS * 10.0 * 16.0)

__attribute__((target("avx2,fma"))) static void peak_task(void *context, size_t task,
                                                          unsigned thread)
{
    (void)thread;
    // Ten chains: two units with a latency of four or five are never idle.
    __m256 f = _mm256_set1_ps(0.999f), a = f, b = f, c = f, d = f, e = f;
    __m256 g = f, h = f, i = f, j = f, k = f;
    for (long step = 0; step < PEAK_STEPS; step++) {
        a = _mm256_fmadd_ps(a, f, f);
        b = _mm256_fmadd_ps(b, f, f);
        c = _mm256_fmadd_ps(c, f, f);
        d = _mm256_fmadd_ps(d, f, f);
        e = _mm256_fmadd_ps(e, f, f);
        g = _mm256_fmadd_ps(g, f, f);
        h = _mm256_fmadd_ps(h, f, f);
        i = _mm256_fmadd_ps(i, f, f);
        j = _mm256_fmadd_ps(j, f, f);
        k = _mm256_fmadd_ps(k, f, f);
        __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e));
        __asm__ volatile("" : "+x"(g), "+x"(h), "+x"(i), "+x"(j), "+x"(k));
    }
    a = _mm256_add_ps(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)), e);
    g = _mm256_add_ps(_mm256_add_ps(_mm256_add_ps(g, h), _mm256_add_ps(i, j)), k);
    a = _mm256_add_ps(a, g);
    ((float *)context)[task * 16] = _mm256_cvtss_f32(a);
}

static double peak_gflops(struct pool *pool)
{
    float sink[16 * 64];
    double rates[9];
    unsigned n = pool_thread_count(pool);
    for (size_t turn = 0; turn < 9; turn++) {
        double start = clock_now_s();
        pool_for(pool, n, peak_task, sink);
        rates[turn] = PEAK_FLOPS * n / (clock_now_s() - start) * 1e-9;
    }
    return median(rates, 9);
}

struct bench {
    struct pool *pools[2]; // 1 thread, all
    double peak[2];
    float *x, *y, *w_f32;
    struct panels f32, bf16;
    size_t M, N, K;
};

// Variants: f32, bf16, sgemm with one thread, then with all.
static void run_once(const struct bench *b, size_t variant)
{
    struct pool *pool = b->pools[variant / 3];
    if (variant % 3 == 2)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)b->M, (int)b->N, (int)b->K, 1.0f,
                    b->x, (int)b->K, b->w_f32, (int)b->K, 0.0f, b->y, (int)b->N);
    else
        gemm(b->y, b->N, b->x, b->K, b->M, variant % 3 ? &b->bf16 : &b->f32, NULL, pool);
}

static double turn_gflops(const struct bench *b, size_t variant)
{
    if (variant % 3 == 2) openblas_set_num_threads((int)pool_thread_count(b->pools[variant / 3]));
    run_once(b, variant);
    double start = clock_now_s(), seconds;
    long n = 0;
    do {
        run_once(b, variant);
        n++;
        seconds = clock_now_s() - start;
    } while (seconds < TURN_SECONDS);
    return 2.0 * (double)(b->M * b->N * b->K) * (double)n / seconds * 1e-9;
}

static void bench_line(const struct bench *b)
{
    double rates[VARIANTS][TURNS];
    for (size_t turn = 0; turn < TURNS; turn++)
        for (size_t v = 0; v < VARIANTS; v++)
            rates[v][turn] = turn_gflops(b, v);
    printf("%5zu %6zu %5zu ", b->K, b->N, b->M);
    for (size_t v = 0; v < VARIANTS; v++) {
        double rate = median(rates[v], TURNS);
        printf(" %7.1f (%3.0f)", rate, 100.0 * rate / b->peak[v / 3]);
    }
    printf("\n");
    fflush(stdout);
}

static void bench_shape(struct bench *b, size_t K, size_t N)
{
    b->K = K;
    b->N = N;
    uint16_t *w = take(N * K * sizeof *w);
    for (size_t i = 0; i < N * K; i++)
        w[i] = bf16_from_f32((float)(i * 2654435761u % 1000) / 500.0f - 1.0f);
    b->w_f32 = take(N * K * sizeof(float));
    bf16_expand(b->w_f32, w, N * K);
    b->f32 = (struct panels){PANEL_F32, (uint32_t)N, (uint32_t)K, NULL};
    b->bf16 = (struct panels){PANEL_BF16, (uint32_t)N, (uint32_t)K, NULL};
    b->f32.data = take(panels_bytes(PANEL_F32, (uint32_t)N, (uint32_t)K));
    b->bf16.data = take(panels_bytes(PANEL_BF16, (uint32_t)N, (uint32_t)K));
    panels_pack(&b->f32, w, NULL);
    panels_pack(&b->bf16, w, NULL);
    b->x = take(M_MAX * K * sizeof(float));
    for (size_t i = 0; i < M_MAX * K; i++)
        b->x[i] = (float)(i * 40503u % 1000) / 500.0f - 1.0f;
    size_t n_rows_max = 1;
    for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++)
        if (2.0 * (double)(row_counts[i] * N * K) <= FLOPS_MAX) n_rows_max = row_counts[i];
    b->y = take(n_rows_max * N * sizeof(float));
    for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++) {
        b->M = row_counts[i];
        if (b->M <= n_rows_max) bench_line(b);
    }
    free(w);
    free(b->w_f32);
    free(b->f32.data);
    free(b->bf16.data);
    free(b->x);
    free(b->y);
}

int main(int argc, char **argv)
{
    struct bench b = {.pools = {pool_create(1), pool_create(0)}};
    for (size_t i = 0; i < 2; i++)
        b.peak[i] = peak_gflops(b.pools[i]);
    printf("FMA peak: 1 thread %.1f GFLOP/s, %u threads %.1f\n", b.peak[0],
           pool_thread_count(b.pools[1]), b.peak[1]);
    printf("    K      N     M  | 1 thread: f32, bf16, sgemm | all threads: f32, bf16, sgemm\n");
    if (argc == 3) {
        bench_shape(&b, strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
    } else {
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            bench_shape(&b, shapes[s][0], shapes[s][1]);
    }
    pool_destroy(b.pools[0]);
    pool_destroy(b.pools[1]);
    return 0;
}
