/*
 * bench_train.c - training speed: forward, loss, backward and AdamW of a batch.
 *
 *   bench_train [PRESET] [REPEATS] [THREADS]
 *
 * Shapes are presets: quickstart (packs of about 2000 tokens of sequences of 60),
 * s15 and m110 (8 x 256 tokens); all of them by default, m110 few times.
 * By name alone, for its 11 GB: qwen2.5-0.5b, with recomputation (4 x 256 tokens).
 * Prints the median tokens/s of the whole step and the milliseconds of its
 * phases.  The timed window holds: rounding masters to bf16, packing them,
 * forward, cross entropy on every position, backward, AdamW.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/preset.h"
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/math/bf16.h"
#include "learner/adamw.h"
#include "learner/gradient.h"

#define REPEATS_MAX 101

static const struct bench {
    const char *preset; // whose shape it is (actor/preset.c)
    uint32_t n_sequences, sequence_length;
    int repeats;
    bool is_large; // only when named; with recomputation
} benches[] = {
    {"quickstart", 33, 60, 30, false},
    {"s15", 8, 256, 7, false},
    {"m110", 8, 256, 2, false},
    {"qwen2.5-0.5b", 4, 256, 1, true},
};

enum phase { PHASE_LOAD, PHASE_FORWARD, PHASE_GRADIENT, PHASE_ADAMW, N_PHASES };

struct bench_run {
    struct params params;
    uint16_t *flat;
    float *grads;
    struct weights *w;
    struct gradient *g;
    struct adamw_state adamw;
    struct pool *pool;
    struct pack pack;
    struct span *spans;
    uint32_t *tokens, *pages;
};

static void *take(size_t count, size_t item_bytes)
{
    void *memory = calloc(count, item_bytes);
    CHECK(memory != NULL);
    return memory;
}

static void make_pack(struct bench_run *r, const struct bench *b)
{
    uint32_t n_rows = b->n_sequences * b->sequence_length;
    uint32_t pages_each = (b->sequence_length + KV_PAGE - 1) / KV_PAGE;
    r->tokens = take(n_rows, sizeof *r->tokens);
    r->spans = take(b->n_sequences, sizeof *r->spans);
    r->pages = take((size_t)b->n_sequences * pages_each, sizeof *r->pages);
    r->pack.items = take(n_rows, sizeof *r->pack.items);
    const struct rng_key key = {.seed = 1, .domain = RNG_TEST};
    for (uint32_t i = 0; i < n_rows; i++)
        r->tokens[i] = rng_at(key, i, 0, 0).word[0] % r->params.shape.vocab_size;
    for (uint32_t i = 0; i < b->n_sequences * pages_each; i++)
        r->pages[i] = i;
    for (uint32_t s = 0; s < b->n_sequences; s++) {
        uint32_t first = s * b->sequence_length;
        r->spans[s] = (struct span){
            .row = first, .n_rows = b->sequence_length, .pages = r->pages + (size_t)s * pages_each};
        for (uint32_t i = 0; i + 1 < b->sequence_length; i++)
            r->pack.items[r->pack.n_items++] = (struct loss_item){
                .row = first + i, .target = r->tokens[first + i + 1], .weight = 1.0f / 2048.0f};
    }
    r->pack.n_pages = b->n_sequences * pages_each;
    r->pack.chunk = (struct chunk){
        .tokens = r->tokens, .n_rows = n_rows, .spans = r->spans, .n_spans = b->n_sequences};
}

static void bench_init(struct bench_run *r, const struct bench *b, unsigned n_threads)
{
    struct err err;
    memset(r, 0, sizeof *r);
    const struct preset *preset = preset_find(b->preset);
    CHECK(preset != NULL);
    const struct shape shape = preset_shape(preset);
    CHECK(params_init(&r->params, &shape, &err) == 0);
    make_pack(r, b);
    size_t n = r->params.n_elements;
    const struct gradient_limits limits = {.n_rows_max = r->pack.chunk.n_rows,
                                           .n_pages_max = r->pack.n_pages,
                                           .recompute = b->is_large};
    r->flat = take(n, sizeof *r->flat);
    r->grads = take(n, sizeof *r->grads);
    r->w = weights_create(&r->params, PANEL_BF16);
    r->g = gradient_create(&r->params, &limits);
    r->pool = pool_create(n_threads);
    adamw_state_init(&r->adamw, 0, n);
    const struct rng_key key = {.seed = 2, .domain = RNG_INIT};
    for (size_t i = 0; i < r->params.count; i++) {
        const struct param *p = &r->params.table[i];
        float spread = sqrtf(3.0f / (float)p->cols);
        for (size_t j = 0; j < (size_t)p->rows * p->cols; j++)
            r->adamw.masters[p->offset + j] =
                p->rows == 1
                    ? 1.0f
                    : spread * (2.0f * rng_unit(rng_at(key, j, (uint32_t)i, 0).word[0]) - 1.0f);
    }
}

static void bench_fini(struct bench_run *r)
{
    pool_destroy(r->pool);
    adamw_state_fini(&r->adamw);
    gradient_destroy(r->g);
    weights_destroy(r->w);
    params_fini(&r->params);
    free(r->flat);
    free(r->grads);
    free(r->tokens);
    free(r->spans);
    free(r->pages);
    free(r->pack.items);
}

static void step(struct bench_run *r, uint64_t number, double seconds[N_PHASES], double *loss)
{
    static const struct adamw_config config = {
        .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};
    static const struct loss_config loss_config = {.kind = LOSS_CROSS_ENTROPY};
    size_t n = r->params.n_elements;
    struct loss_sums sums = {0};
    double at[4];
    at[0] = clock_now_s();
    bf16_round(r->flat, r->adamw.masters, n);
    weights_load(r->w, r->flat, r->pool);
    memset(r->grads, 0, n * sizeof *r->grads);
    at[1] = clock_now_s();
    gradient_of_pack(r->g, r->w, r->flat, &r->pack, &loss_config, r->grads, &sums, r->pool);
    at[2] = clock_now_s();
    adamw_step(&r->adamw, &r->params, &config, 1e-3, number, r->grads, 1.0f, r->pool);
    at[3] = clock_now_s();
    seconds[PHASE_LOAD] = at[1] - at[0];
    seconds[PHASE_GRADIENT] = at[2] - at[1];
    seconds[PHASE_ADAMW] = at[3] - at[2];
    *loss = sums.loss;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    return values[n / 2];
}

static void run_bench(const struct bench *b, int repeats, unsigned n_threads)
{
    static double seconds[N_PHASES + 1][REPEATS_MAX];
    struct bench_run r;
    bench_init(&r, b, n_threads);
    float *logprobs = take(r.pack.n_items, sizeof *logprobs);
    double first_loss = 0, loss = 0;
    for (int i = -1; i < repeats; i++) { // one step to warm up
        double phases[N_PHASES] = {0};
        step(&r, (uint64_t)(i + 2), phases, &loss);
        if (i < 0) {
            first_loss = loss;
            continue;
        }
        // Not part of a step: a forward alone, to tell the phases apart.
        double start = clock_now_s();
        gradient_logprobs(r.g, r.w, &r.pack, logprobs, r.pool);
        seconds[PHASE_FORWARD][i] = clock_now_s() - start;
        seconds[PHASE_LOAD][i] = phases[PHASE_LOAD];
        seconds[PHASE_GRADIENT][i] = phases[PHASE_GRADIENT];
        seconds[PHASE_ADAMW][i] = phases[PHASE_ADAMW];
        seconds[N_PHASES][i] = phases[PHASE_LOAD] + phases[PHASE_GRADIENT] + phases[PHASE_ADAMW];
    }
    double tokens = r.pack.chunk.n_rows, whole = median(seconds[N_PHASES], repeats);
    double fastest = seconds[N_PHASES][0], slowest = seconds[N_PHASES][repeats - 1];
    double forward_s = median(seconds[PHASE_FORWARD], repeats);
    printf("train,%s,params=%.2fM,tokens=%.0f,threads=%u: %.0f tok/s [%.0f-%.0f] n=%d, "
           "%.1f GFLOP/s by 6N; ms: load %.2f, forward+loss %.2f, backward %.2f, adamw %.2f; "
           "loss %.3f -> %.3f\n",
           b->preset, (double)r.params.n_elements / 1e6, tokens, pool_thread_count(r.pool),
           tokens / whole, tokens / slowest, tokens / fastest, repeats,
           6.0 * (double)r.params.n_elements * tokens / whole / 1e9,
           1e3 * median(seconds[PHASE_LOAD], repeats), 1e3 * forward_s,
           1e3 * (median(seconds[PHASE_GRADIENT], repeats) - forward_s),
           1e3 * median(seconds[PHASE_ADAMW], repeats), first_loss, loss);
    fflush(stdout);
    free(logprobs);
    bench_fini(&r);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "all";
    int repeats = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    unsigned n_threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    if (repeats > REPEATS_MAX) repeats = REPEATS_MAX;
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        if ((strcmp(only, "all") == 0 && !benches[i].is_large) ||
            strcmp(only, benches[i].preset) == 0)
            run_bench(&benches[i], repeats > 0 ? repeats : benches[i].repeats, n_threads);
    return 0;
}
