/*
 * bench_sgemm.c - OpenBLAS' sgemm on square matrices, 2 threads: the yardstick
 * by which figures of another machine are scaled to this one.
 *
 *   bench_sgemm [REFERENCE_GFLOPS]   of the other machine at N = 2048; prints the ratio
 *
 * Timed: the product alone, matrices warm.  Medians of 9.
 */
#include <stdio.h>
#include <stdlib.h>

#include <cblas.h>

#include "common/base/clock.h"

#define REPEATS 9

void openblas_set_num_threads(int n);

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double rate(int n, const float *a, const float *b, float *c)
{
    double rates[REPEATS];
    for (int i = -1; i < REPEATS; i++) { // the first is a warm-up
        const double started_s = clock_now_s();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, a, n, b, n, 0.0f, c,
                    n);
        if (i >= 0) rates[i] = 2e-9 * n * n * (double)n / (clock_now_s() - started_s);
    }
    qsort(rates, REPEATS, sizeof *rates, by_value);
    return rates[REPEATS / 2];
}

int main(int argc, char **argv)
{
    const double reference = argc > 1 ? strtod(argv[1], NULL) : 0.0;
    const size_t n_max = 2048;
    float *memory = malloc(3 * n_max * n_max * sizeof *memory);
    if (memory == NULL) return 1;
    for (size_t i = 0; i < 3 * n_max * n_max; i++)
        memory[i] = (float)(i % 7) * 0.25f - 0.5f;
    openblas_set_num_threads(2);
    double last = 0.0;
    for (int n = 1024; n <= (int)n_max; n *= 2) {
        last = rate(n, memory, memory + n_max * n_max, memory + 2 * n_max * n_max);
        printf("sgemm %d x %d, 2 threads: %.1f GFLOP/s\n", n, n, last);
    }
    if (reference > 0.0) printf("ratio %.3f\n", last / reference);
    free(memory);
    return 0;
}
