/*
 * bench_rollout - decode speed of the rollout engine.
 *
 * Timed: from the moment every sample has its first token to the end of the
 * last one: forward passes, sampling and log-probabilities, KV bookkeeping.
 * Not timed: making the weights, prefill (shown on its own).  One group of B
 * samples shares a prompt of 128 tokens; 128 new tokens each; no stop id.
 *
 *   bench_rollout PRESET(s15|m110|quickstart|qwen2.5-0.5b) [THREADS] [f32|bf16] [REPEATS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/engine/rollout.h"
#include "actor/preset.h"
#include "common/base/clock.h"
#include "common/math/bf16.h"

#define N_PROMPT 128u
#define N_NEW 128u

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

struct rates {
    double prefill, decode; // tokens per second
};

static struct rates run(struct rollout *r, uint32_t n_samples, uint32_t vocab_size)
{
    uint32_t prompt[N_PROMPT];
    struct err err;
    struct rollout_sample s;
    for (uint32_t i = 0; i < N_PROMPT; i++)
        prompt[i] = (i * 37u + 11u) % vocab_size;
    const struct rollout_group g = {.ticket = 1,
                                    .prompt = prompt,
                                    .n_prompt_tokens = N_PROMPT,
                                    .n_samples = n_samples,
                                    .max_new_tokens = N_NEW,
                                    .sampling = {1.0f, 1.0f, 0},
                                    .seed = 1};
    CHECK(rollout_add(r, &g, &err) == 0);
    const double start = clock_now_s();
    rollout_step(r); // prefill
    const double filled = clock_now_s();
    while (!rollout_is_idle(r))
        rollout_step(r);
    const double end = clock_now_s();
    while (rollout_pop(r, &s)) {
    }
    return (struct rates){N_PROMPT / (filled - start),
                          n_samples * (double)(N_NEW - 1) / (end - filled)};
}

static void bench(const struct shape *shape, const struct weights *w, uint32_t n_samples,
                  struct pool *pool, int repeats)
{
    const struct rollout_limits limits = {
        n_samples, rollout_pages_needed(n_samples, N_PROMPT + N_NEW), N_PROMPT};
    struct rollout *r = rollout_create(shape, &limits, pool);
    double prefill[64], decode[64];
    rollout_set_weights(r, w);
    (void)run(r, n_samples, shape->vocab_size); // touch every page once
    for (int i = 0; i < repeats; i++) {
        const struct rates rates = run(r, n_samples, shape->vocab_size);
        prefill[i] = rates.prefill;
        decode[i] = rates.decode;
    }
    qsort(prefill, (size_t)repeats, sizeof *prefill, by_value);
    qsort(decode, (size_t)repeats, sizeof *decode, by_value);
    printf("%4u samples  decode %8.0f tok/s [%.0f-%.0f]  prefill %8.0f tok/s\n", n_samples,
           decode[repeats / 2], decode[0], decode[repeats - 1], prefill[repeats / 2]);
    fflush(stdout);
    rollout_destroy(r);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "s15";
    const unsigned n_threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
    const bool is_bf16 = argc > 3 && strcmp(argv[3], "bf16") == 0;
    const int repeats = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 5;
    const struct preset *preset = preset_find(name);
    if (preset == NULL || preset_shape(preset).vocab_size == 0 || repeats < 1 || repeats > 64) {
        fprintf(stderr, "usage: bench_rollout s15|m110|quickstart|qwen2.5-0.5b [THREADS] "
                        "[f32|bf16] [REPEATS]\n");
        return 2;
    }
    struct shape shape = preset_shape(preset);
    shape.context_length = N_PROMPT + N_NEW;
    struct params params;
    struct err err;
    CHECK(params_init(&params, &shape, &err) == 0);
    struct pool *pool = pool_create(n_threads);
    struct weights *w = weights_create(&params, is_bf16 ? PANEL_BF16 : PANEL_F32);
    uint16_t *flat = malloc(params.n_elements * sizeof *flat);
    CHECK(flat != NULL);
    struct rng_stream s;
    rng_stream_init(&s, (struct rng_key){1, RNG_TEST}, 0, 0);
    for (size_t i = 0; i < params.n_elements; i++)
        flat[i] = bf16_from_f32(0.02f * rng_next_normal(&s));
    weights_load(w, flat, pool);
    free(flat);
    printf("%s: %.1f M parameters, %u threads, %s weights; prompt %u shared, %u new\n", name,
           (double)params.n_elements * 1e-6, pool_thread_count(pool), is_bf16 ? "bf16" : "f32",
           N_PROMPT, N_NEW);
    const uint32_t batches[] = {1, 8, 16, 32, 64};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        bench(&shape, w, batches[i], pool, repeats);
    weights_destroy(w);
    pool_destroy(pool);
    params_fini(&params);
    return 0;
}
