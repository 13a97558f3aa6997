/*
 * The engine's promise: what is drawn depends on weights, prompt and key alone.
 * Every comparison here is of bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/engine/rollout.h"
#include "common/math/bf16.h"

#define N_GROUPS 5
#define N_SAMPLES 6
#define MAX_NEW 40
#define STOP_ID 3u

static const struct shape shape = {.n_layers = 2,
                                   .width = 32,
                                   .n_heads = 4,
                                   .n_kv_heads = 2,
                                   .head_width = 8,
                                   .ffn_width = 64,
                                   .vocab_size = 23,
                                   .context_length = 160,
                                   .norm_epsilon = 1e-6f,
                                   .rope_theta = 1000.0,
                                   .qk_norm = true};

struct model {
    struct params params;
    struct weights *weights;
};

static void model_init(struct model *m, uint64_t seed)
{
    struct err err;
    assert_int_equal(params_init(&m->params, &shape, &err), 0);
    m->weights = weights_create(&m->params, PANEL_F32);
    uint16_t *flat = malloc(m->params.n_elements * sizeof *flat);
    struct rng_stream s;
    rng_stream_init(&s, (struct rng_key){seed, RNG_TEST}, 0, 0);
    for (size_t i = 0; i < m->params.n_elements; i++)
        flat[i] = bf16_from_f32(0.3f * rng_next_normal(&s));
    weights_load(m->weights, flat, NULL);
    free(flat);
}

static void model_fini(struct model *m)
{
    weights_destroy(m->weights);
    params_fini(&m->params);
}

struct outcome_of_sample {
    uint32_t n_tokens;
    uint32_t tokens[MAX_NEW];
    float logprobs[MAX_NEW];
    bool is_stopped;
};
struct outcomes {
    struct outcome_of_sample of[N_GROUPS][N_SAMPLES];
    uint32_t n;
};

static uint32_t prompt_length(uint32_t group)
{
    static const uint32_t lengths[N_GROUPS] = {1, 32, 33, 70, 64};
    return lengths[group];
}

static void add_group(struct rollout *r, uint32_t group, uint64_t seed)
{
    static const uint32_t stop = STOP_ID;
    uint32_t prompt[128];
    struct err err;
    for (uint32_t i = 0; i < prompt_length(group); i++)
        prompt[i] = (group * 7 + i * 5) % shape.vocab_size;
    const struct rollout_group g = {.ticket = 100 + group,
                                    .prompt = prompt,
                                    .n_prompt_tokens = prompt_length(group),
                                    .n_samples = N_SAMPLES,
                                    .max_new_tokens = MAX_NEW,
                                    .sampling = {1.0f, 1.0f, 0},
                                    .seed = seed,
                                    .prompt_index = group,
                                    .stop_ids = &stop,
                                    .n_stop_ids = 1};
    assert_int_equal(rollout_add(r, &g, &err), 0);
}

static void collect(struct rollout *r, struct outcomes *out)
{
    struct rollout_sample s;
    while (rollout_pop(r, &s)) {
        struct outcome_of_sample *o = &out->of[s.ticket - 100][s.sample];
        assert_int_equal(o->n_tokens, 0); // each sample comes back once
        assert_in_range(s.n_tokens, 1, MAX_NEW);
        assert_null(s.logprobs_behaviour);
        o->n_tokens = s.n_tokens;
        o->is_stopped = s.is_stopped;
        memcpy(o->tokens, s.tokens, s.n_tokens * sizeof *s.tokens);
        memcpy(o->logprobs, s.logprobs, s.n_tokens * sizeof *s.logprobs);
        out->n++;
    }
}

// Runs the groups of `mask` through an engine of this size.
static void generate(const struct model *m, uint32_t n_slots, uint32_t n_pages,
                     uint32_t prefill_rows, unsigned n_threads, unsigned mask, uint64_t seed,
                     struct outcomes *out)
{
    struct pool *pool = n_threads > 1 ? pool_create(n_threads) : NULL;
    const struct rollout_limits limits = {n_slots, n_pages, prefill_rows};
    struct rollout *r = rollout_create(&shape, &limits, pool);
    rollout_set_weights(r, m->weights);
    memset(out, 0, sizeof *out);
    for (uint32_t g = 0; g < N_GROUPS; g++)
        if (mask >> g & 1u) add_group(r, g, seed);
    for (int step = 0; !rollout_is_idle(r); step++) {
        assert_true(step < 100000); // nothing blocks for ever
        rollout_step(r);
        collect(r, out);
    }
    collect(r, out);
    rollout_destroy(r);
    pool_destroy(pool);
}

static void samples_do_not_depend_on_slots_pages_threads_or_neighbours(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, 1);
    static struct outcomes wide, other;
    generate(&m, 64, 1000, 512, 1, 31, 9, &wide);
    assert_int_equal(wide.n, N_GROUPS * N_SAMPLES);
    static const struct {
        uint32_t slots, pages, prefill;
        unsigned threads;
    } sizes[] = {{1, 5, 7, 1}, {3, 9, 16, 2}, {7, 20, 33, 2}, {64, 1000, 512, 2}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        generate(&m, sizes[i].slots, sizes[i].pages, sizes[i].prefill, sizes[i].threads, 31, 9,
                 &other);
        assert_memory_equal(&wide, &other, sizeof wide);
    }
    for (unsigned g = 0; g < N_GROUPS; g++) {
        generate(&m, 64, 1000, 512, 1, 1u << g, 9, &other);
        assert_memory_equal(&wide.of[g], &other.of[g], sizeof wide.of[g]);
    }
    model_fini(&m);
}

static void another_seed_draws_other_samples(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, 1);
    static struct outcomes a, b;
    generate(&m, 64, 1000, 512, 1, 31, 9, &a);
    generate(&m, 64, 1000, 512, 1, 31, 10, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
    model_fini(&m);
}

static void a_sample_ends_at_a_stop_id_or_at_its_length(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, 1);
    static struct outcomes o;
    generate(&m, 64, 1000, 512, 1, 31, 9, &o);
    int n_stopped = 0;
    for (int g = 0; g < N_GROUPS; g++) {
        for (int i = 0; i < N_SAMPLES; i++) {
            const struct outcome_of_sample *s = &o.of[g][i];
            for (uint32_t t = 0; t + 1 < s->n_tokens; t++)
                assert_int_not_equal(s->tokens[t], STOP_ID);
            assert_int_equal(s->is_stopped, s->tokens[s->n_tokens - 1] == STOP_ID);
            if (!s->is_stopped) assert_int_equal(s->n_tokens, MAX_NEW);
            n_stopped += s->is_stopped;
        }
    }
    assert_in_range(n_stopped, 1, N_GROUPS * N_SAMPLES - 1); // both ends were reached
    model_fini(&m);
}

// The same rows computed as one training-like chunk give the same log-probabilities.
static void logprobs_are_those_of_one_chunk_over_the_whole_sequence(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, 1);
    static struct outcomes o;
    generate(&m, 64, 1000, 512, 1, 31, 9, &o);
    struct kv kv;
    kv_init(&kv, &shape, 8);
    const uint32_t pages[8] = {5, 2, 7, 0, 1, 3, 4, 6};
    struct forward_scratch *scratch = forward_scratch_create(&shape, 160);
    float *hidden = malloc(160 * shape.width * sizeof *hidden);
    float *logits = malloc(160 * shape.vocab_size * sizeof *logits);
    for (uint32_t g = 0; g < N_GROUPS; g++) {
        const struct outcome_of_sample *s = &o.of[g][2];
        const uint32_t n_prompt = prompt_length(g), n = n_prompt + s->n_tokens - 1;
        uint32_t tokens[160];
        for (uint32_t i = 0; i < n_prompt; i++)
            tokens[i] = (g * 7 + i * 5) % shape.vocab_size;
        memcpy(tokens + n_prompt, s->tokens, (s->n_tokens - 1) * sizeof *tokens);
        const struct span span = {.row = 0, .n_rows = n, .position = 0, .pages = pages};
        const struct chunk chunk = {.tokens = tokens, .n_rows = n, .spans = &span, .n_spans = 1};
        forward(hidden, m.weights, &kv, &chunk, NULL, scratch, NULL);
        forward_logits(logits, m.weights, hidden, n, NULL);
        for (uint32_t t = 0; t < s->n_tokens; t++) {
            unsigned char draw_scratch[1024];
            const struct sampling plain = {1.0f, 1.0f, 0};
            const struct rng_words key = rng_at((struct rng_key){9, RNG_SAMPLE}, g, 2, t);
            const struct draw d =
                sampler_draw(logits + (size_t)(n_prompt - 1 + t) * shape.vocab_size,
                             shape.vocab_size, &plain, key, draw_scratch);
            assert_int_equal(d.token, s->tokens[t]);
            assert_memory_equal(&d.logprob, &s->logprobs[t], sizeof d.logprob);
        }
    }
    free(hidden);
    free(logits);
    forward_scratch_destroy(scratch);
    kv_fini(&kv);
    model_fini(&m);
}

static void a_cancelled_group_vanishes_and_leaves_the_others_alone(void **state)
{
    (void)state;
    struct model m;
    model_init(&m, 1);
    static struct outcomes all, rest;
    generate(&m, 64, 1000, 512, 1, 31, 9, &all);
    const struct rollout_limits limits = {4, 30, 64};
    struct rollout *r = rollout_create(&shape, &limits, NULL);
    rollout_set_weights(r, m.weights);
    memset(&rest, 0, sizeof rest);
    for (uint32_t g = 0; g < N_GROUPS; g++)
        add_group(r, g, 9);
    for (int i = 0; i < 6; i++)
        rollout_step(r);
    rollout_cancel(r, 101);
    rollout_cancel(r, 104);
    for (int step = 0; !rollout_is_idle(r); step++) {
        assert_true(step < 100000);
        rollout_step(r);
    }
    collect(r, &rest);
    assert_int_equal(rest.n, 3 * N_SAMPLES);
    for (int g = 0; g < N_GROUPS; g++)
        if (g != 1 && g != 4) assert_memory_equal(&all.of[g], &rest.of[g], sizeof all.of[g]);
    assert_int_equal(rollout_room(r), 4);
    rollout_destroy(r);
    model_fini(&m);
}

static void what_exceeds_the_context_is_refused_with_the_numbers(void **state)
{
    (void)state;
    const struct rollout_limits limits = {4, 8, 64};
    struct rollout *r = rollout_create(&shape, &limits, NULL);
    static uint32_t prompt[200];
    struct err err;
    struct rollout_group g = {.prompt = prompt,
                              .n_prompt_tokens = 150,
                              .n_samples = 1,
                              .max_new_tokens = 11,
                              .sampling = {1.0f, 1.0f, 0}};
    assert_int_equal(rollout_add(r, &g, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "150"));
    assert_non_null(strstr(err.text, "160"));
    g.max_new_tokens = 10;
    assert_int_equal(rollout_add(r, &g, &err), 0);
    rollout_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_do_not_depend_on_slots_pages_threads_or_neighbours),
        cmocka_unit_test(another_seed_draws_other_samples),
        cmocka_unit_test(a_sample_ends_at_a_stop_id_or_at_its_length),
        cmocka_unit_test(logprobs_are_those_of_one_chunk_over_the_whole_sequence),
        cmocka_unit_test(a_cancelled_group_vanishes_and_leaves_the_others_alone),
        cmocka_unit_test(what_exceeds_the_context_is_refused_with_the_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
