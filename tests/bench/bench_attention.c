/*
 * bench_attention.c - attention alone, in the shapes of training and decoding.
 *
 * The window holds attention_forward (or attention_backward) of one layer;
 * keys and values are stored before.  Flops are those of the visible pairs:
 * 4 D a pair and head forward, 10 D backward (the scores computed again).
 * Medians over turns, GFLOP/s, with one thread and with all.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/pool.h"
#include "common/math/attention.h"

enum { TURNS = 9, SPANS_MAX = 512, PAGES_MAX = 64 };
#define TURN_SECONDS 0.01

struct setting {
    const char *name;
    struct attention_shape shape;
    uint32_t n_groups, n_samples; // samples of a group share whole pages of the prompt
    uint32_t n_prompt, n_rows;    // rows of a sample stand after its prompt
    bool backward;
};

static const struct setting settings[] = {
    {"12M train, 8 x 256", {6, 6, 64}, 8, 1, 0, 256, true},
    {"12M decode, 16 of one group at 192", {6, 6, 64}, 1, 16, 191, 1, false},
    {"12M decode, 64 of 4 groups at 192", {6, 6, 64}, 4, 16, 191, 1, false},
    {"12M decode, 64 without a group at 192", {6, 6, 64}, 64, 1, 191, 1, false},
    {"quickstart train, 128 x 80", {4, 2, 32}, 128, 1, 0, 80, true},
    {"quickstart train, 16 x 8 x 60 after 40", {4, 2, 32}, 16, 8, 40, 60, true},
    {"quickstart decode, 128 of 8 groups at 80", {4, 2, 32}, 8, 16, 79, 1, false},
    {"0.5B train, 1 x 1024", {14, 2, 64}, 1, 1, 0, 1024, true},
    {"0.5B decode, 32 of 2 groups at 600", {14, 2, 64}, 2, 16, 599, 1, false},
};

struct bench {
    const struct setting *s;
    struct span spans[SPANS_MAX];
    uint32_t pages[SPANS_MAX][PAGES_MAX];
    uint32_t n_spans, n_pages;
    size_t n_rows;
    struct kv_layer kv, dkv;
    float *q, *out, *lse, *dout, *dq;
    double pairs; // visible (row, position) pairs
};

static float *fill(size_t count)
{
    static uint32_t seed = 1;
    float *x = aligned_alloc(64, (count * sizeof *x + 63) / 64 * 64);
    if (x == NULL) abort();
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

static void lay_out(struct bench *b)
{
    const struct setting *s = b->s;
    uint32_t n_pages = (s->n_prompt + s->n_rows + KV_PAGE - 1) / KV_PAGE;
    uint32_t n_shared = s->n_prompt / KV_PAGE;
    for (uint32_t group = 0; group < s->n_groups; group++) {
        uint32_t shared = b->n_pages;
        b->n_pages += n_shared;
        for (uint32_t sample = 0; sample < s->n_samples; sample++) {
            uint32_t *pages = b->pages[b->n_spans];
            for (uint32_t i = 0; i < n_pages; i++)
                pages[i] = i < n_shared ? shared + i : b->n_pages++;
            b->spans[b->n_spans++] =
                (struct span){(uint32_t)b->n_rows, s->n_rows, s->n_prompt, pages};
            b->n_rows += s->n_rows;
            for (uint32_t row = 0; row < s->n_rows; row++)
                b->pairs += s->n_prompt + row + 1;
        }
    }
    size_t H = s->shape.n_heads, D = s->shape.head_width;
    size_t n_kv = kv_layer_floats(&s->shape, b->n_pages);
    b->kv = (struct kv_layer){fill(n_kv), fill(n_kv), b->n_pages};
    b->dkv = (struct kv_layer){fill(n_kv), fill(n_kv), b->n_pages};
    b->q = fill(b->n_rows * H * D);
    b->out = fill(b->n_rows * H * D);
    b->dout = fill(b->n_rows * H * D);
    b->dq = fill(b->n_rows * H * D);
    b->lse = fill(b->n_rows * H);
}

static void run_once(struct bench *b, bool backward, struct pool *pool)
{
    size_t ld = (size_t)b->s->shape.n_heads * b->s->shape.head_width;
    if (backward)
        attention_backward(b->dq, ld, &b->dkv, b->dout, b->out, b->lse, b->q, ld, &b->kv,
                           &b->s->shape, b->spans, b->n_spans, pool);
    else
        attention_forward(b->out, b->lse, b->q, ld, &b->kv, &b->s->shape, b->spans, b->n_spans,
                          pool);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double gflops(struct bench *b, bool backward, struct pool *pool)
{
    double flops = b->pairs * b->s->shape.n_heads * b->s->shape.head_width * (backward ? 10 : 4);
    double rates[TURNS];
    for (size_t turn = 0; turn < TURNS; turn++) {
        run_once(b, backward, pool);
        double start = clock_now_s(), seconds;
        long n = 0;
        do {
            run_once(b, backward, pool);
            n++;
            seconds = clock_now_s() - start;
        } while (seconds < TURN_SECONDS);
        rates[turn] = flops * (double)n / seconds * 1e-9;
    }
    qsort(rates, TURNS, sizeof *rates, by_value);
    return rates[TURNS / 2];
}

int main(void)
{
    struct pool *one = pool_create(1), *all = pool_create(0);
    printf("%-42s forward: 1 thread, %u | backward: 1 thread, %u (GFLOP/s)\n", "",
           pool_thread_count(all), pool_thread_count(all));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct bench *b = calloc(1, sizeof *b);
        if (b == NULL) abort();
        b->s = &settings[i];
        lay_out(b);
        printf("%-42s %6.1f %6.1f", b->s->name, gflops(b, false, one), gflops(b, false, all));
        if (b->s->backward) printf("    | %6.1f %6.1f", gflops(b, true, one), gflops(b, true, all));
        printf("\n");
        fflush(stdout);
        float *all_memory[] = {b->kv.keys, b->kv.values, b->dkv.keys, b->dkv.values, b->q,
                               b->out,     b->dout,      b->dq,       b->lse};
        for (size_t m = 0; m < sizeof all_memory / sizeof all_memory[0]; m++)
            free(all_memory[m]);
        free(b);
    }
    pool_destroy(one);
    pool_destroy(all);
    return 0;
}
