// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/math/kernels.h"
#include "common/model/forward.h"
#include "common/model/safetensors.h"
#include "tests/support/golden.h"

#define PAGES_MAX 64u

// A model, its pages, and room for chunks of any size used here.
struct engine {
    struct params params;
    uint16_t *flat;
    struct weights *w;
    struct kv kv;
    struct forward_scratch *scratch;
    struct pool *pool;
};

static void engine_init(struct engine *e, const struct shape *shape, uint16_t *flat,
                        enum panel_type type, unsigned n_threads)
{
    struct err err;
    assert_int_equal(params_init(&e->params, shape, &err), 0);
    e->flat = flat != NULL ? flat : random_flat(&e->params, 8, 1.0f);
    e->w = weights_create(&e->params, type);
    kv_init(&e->kv, shape, PAGES_MAX);
    e->scratch = forward_scratch_create(shape, 1024);
    e->pool = pool_create(n_threads);
    weights_load(e->w, e->flat, e->pool);
}

static void engine_fini(struct engine *e)
{
    pool_destroy(e->pool);
    forward_scratch_destroy(e->scratch);
    kv_fini(&e->kv);
    weights_destroy(e->w);
    params_fini(&e->params);
    free(e->flat);
}

// Logits of every row of a chunk: (n_rows, V).
static void logits_of(struct engine *e, const struct chunk *chunk, struct saved *saved,
                      float *logits)
{
    float *hidden = malloc(chunk->n_rows * e->params.shape.width * sizeof *hidden);
    assert_non_null(hidden);
    forward(hidden, e->w, &e->kv, chunk, saved, e->scratch, e->pool);
    forward_logits(logits, e->w, hidden, chunk->n_rows, e->pool);
    free(hidden);
}

// --- against transformers ---------------------------------------------------------------------
static void check_golden_logits(const char *name)
{
    struct golden g;
    golden_open(&g, name);
    struct engine e;
    engine_init(&e, &g.params.shape, g.flat, PANEL_BF16, 2);
    uint32_t tokens[256], n = 0, pages[PAGES_MAX], n_pages = 0;
    struct span spans[8];
    struct json sequences = json_member(g.root, "sequences");
    uint32_t n_spans = (uint32_t)json_count(sequences);
    for (uint32_t i = 0; i < n_spans; i++) {
        struct json sequence = json_item(sequences, i);
        spans[i] = (struct span){.row = n, .n_rows = (uint32_t)json_count(sequence)};
        spans[i].pages = pages + n_pages;
        for (uint32_t j = 0; j < spans[i].n_rows; j++) {
            if (j % KV_PAGE == 0) pages[n_pages] = n_pages, n_pages++;
            tokens[n++] = (uint32_t)json_to_i64(json_item(sequence, j));
        }
    }
    const struct chunk chunk = {.tokens = tokens, .n_rows = n, .spans = spans, .n_spans = n_spans};
    size_t count = (size_t)n * e.params.shape.vocab_size;
    float *logits = malloc(count * sizeof *logits);
    logits_of(&e, &chunk, NULL, logits);
    double difference = largest_difference(logits, golden_array(&g, "logits", count), count);
    if (!(difference < 1e-4)) fail_msg("%s: logits differ by %g", name, difference);
    free(logits);
    g.flat = NULL; // the engine's now
    engine_fini(&e);
    golden_close(&g);
}

static void logits_are_those_of_transformers_for_each_family(void **state)
{
    (void)state;
    check_golden_logits("qwen3");
    check_golden_logits("qwen2");
    check_golden_logits("llama");
    check_golden_logits("qwen2_tied");
    check_golden_logits("mistral");
}

static void logits_are_those_of_transformers_for_each_rope_scaling(void **state)
{
    (void)state;
    check_golden_logits("llama31");
    check_golden_logits("linear");
    check_golden_logits("yarn");
}

// --- the same bits however it is computed --------------------------------------------------------
enum { PROMPT = 45, RESPONSE = 24, LENGTH = PROMPT + RESPONSE };

static const struct shape features = {.n_layers = 3,
                                      .width = 40,
                                      .n_heads = 6,
                                      .n_kv_heads = 2,
                                      .head_width = 12,
                                      .ffn_width = 52,
                                      .vocab_size = 67,
                                      .context_length = 128,
                                      .norm_epsilon = 1e-6f,
                                      .rope_theta = 1000.0,
                                      .qk_norm = true};

static uint32_t token_at(uint32_t sequence, uint32_t position)
{
    const struct rng_key key = {.seed = 7, .domain = RNG_TEST};
    // All sequences begin with one prompt.
    uint32_t stream = position < PROMPT ? 0 : sequence + 1;
    return rng_at(key, position, stream, 0).word[0] % features.vocab_size;
}

// One sequence alone, a token at a time, as an actor decodes.
static void decode_alone(struct engine *e, uint32_t sequence, float *logits)
{
    uint32_t pages[] = {9, 4, 31}; // anywhere
    for (uint32_t position = 0; position < LENGTH; position++) {
        uint32_t token = token_at(sequence, position);
        const struct span span = {.row = 0, .n_rows = 1, .position = position, .pages = pages};
        const struct chunk chunk = {.tokens = &token, .n_rows = 1, .spans = &span, .n_spans = 1};
        logits_of(e, &chunk, NULL, logits + position * features.vocab_size);
    }
}

// As a training pack: the prompt once, then responses on its pages.
static void pack_group(struct engine *e, uint32_t n_sequences, uint32_t wanted, bool save,
                       float *logits)
{
    uint32_t tokens[PROMPT + 8 * RESPONSE], pages[8][3];
    struct span spans[9];
    struct page_copy copies[8];
    const uint32_t prompt_pages[] = {0, 1};
    uint32_t n = 0;
    for (; n < PROMPT; n++)
        tokens[n] = token_at(0, n);
    spans[0] = (struct span){.row = 0, .n_rows = PROMPT, .pages = prompt_pages};
    for (uint32_t s = 0; s < n_sequences; s++) {
        pages[s][0] = 0;
        pages[s][1] = 2 + 2 * s;
        pages[s][2] = 3 + 2 * s;
        copies[s] = (struct page_copy){.from = 1, .to = pages[s][1], .n_positions = PROMPT % 32};
        spans[1 + s] =
            (struct span){.row = n, .n_rows = RESPONSE, .position = PROMPT, .pages = pages[s]};
        for (uint32_t i = 0; i < RESPONSE; i++)
            tokens[n++] = token_at(s, PROMPT + i);
    }
    const struct chunk chunk = {.tokens = tokens,
                                .n_rows = n,
                                .spans = spans,
                                .n_spans = 1 + n_sequences,
                                .copies = copies,
                                .n_copies = n_sequences};
    size_t V = features.vocab_size;
    float *all = malloc(n * V * sizeof *all);
    struct saved saved;
    if (save) saved_init(&saved, &features, n, false);
    logits_of(e, &chunk, save ? &saved : NULL, all);
    if (save) saved_fini(&saved);
    memcpy(logits, all, PROMPT * V * sizeof *all);
    memcpy(logits + PROMPT * V, all + spans[1 + wanted].row * V, RESPONSE * V * sizeof *all);
    free(all);
}

// A batch of sequences at different places, one token of each at a time.
static void decode_batch(struct engine *e, uint32_t n_sequences, uint32_t wanted, float *logits)
{
    float *all = malloc(n_sequences * features.vocab_size * sizeof *all);
    uint32_t pages[8][3];
    for (uint32_t step = 0; step < LENGTH + n_sequences; step++) {
        uint32_t tokens[8], n = 0, wanted_row = UINT32_MAX;
        struct span spans[8];
        for (uint32_t s = 0; s < n_sequences; s++) {
            if (step < s || step - s >= LENGTH) continue; // joins late, leaves early
            for (uint32_t i = 0; i < 3; i++)
                pages[s][i] = 3 * s + i;
            if (s == wanted) wanted_row = n;
            spans[n] =
                (struct span){.row = n, .n_rows = 1, .position = step - s, .pages = pages[s]};
            tokens[n++] = token_at(s, step - s);
        }
        if (n == 0) continue;
        const struct chunk chunk = {.tokens = tokens, .n_rows = n, .spans = spans, .n_spans = n};
        logits_of(e, &chunk, NULL, all);
        if (wanted_row == UINT32_MAX) continue;
        size_t V = features.vocab_size;
        memcpy(logits + (step - wanted) * V, all + wanted_row * V, V * sizeof *all);
    }
    free(all);
}

static void a_row_is_the_same_bits_in_every_batch(void **state)
{
    (void)state;
    struct engine e, wide;
    engine_init(&e, &features, NULL, PANEL_BF16, 2);
    engine_init(&wide, &features, NULL, PANEL_F32, 1);
    size_t count = (size_t)LENGTH * features.vocab_size, bytes = count * sizeof(float);
    float *alone = malloc(bytes), *other = malloc(bytes);
    decode_alone(&e, 3, alone);
    assert_true(alone[count - 1] != 0.0f);

    static const struct {
        uint32_t n_sequences;
        bool save;
    } packs[] = {{4, true}, {4, false}, {8, true}};
    for (size_t i = 0; i < 3; i++) {
        memset(other, 0, bytes);
        pack_group(&e, packs[i].n_sequences, 3, packs[i].save, other);
        assert_memory_equal(alone, other, bytes);
    }
    memset(other, 0, bytes);
    decode_batch(&e, 8, 3, other);
    assert_memory_equal(alone, other, bytes);
    memset(other, 0, bytes);
    pack_group(&wide, 8, 3, true, other); // other panels, other number of threads
    assert_memory_equal(alone, other, bytes);
    decode_alone(&e, 2, other);
    assert_memory_not_equal(alone, other, bytes);
    free(alone);
    free(other);
    engine_fini(&e);
    engine_fini(&wide);
}

// A chunk large enough for rows to be split among threads.
static void the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    enum { ROWS = 700, SPAN = 70 };
    float *logits[3];
    uint32_t tokens[ROWS], pages[ROWS / SPAN][3];
    struct span spans[ROWS / SPAN];
    for (uint32_t i = 0; i < ROWS; i++)
        tokens[i] = token_at(i / SPAN, i);
    for (uint32_t s = 0; s < ROWS / SPAN; s++) {
        for (uint32_t i = 0; i < 3; i++)
            pages[s][i] = 3 * s + i;
        spans[s] = (struct span){.row = s * SPAN, .n_rows = SPAN, .pages = pages[s]};
    }
    const struct chunk chunk = {
        .tokens = tokens, .n_rows = ROWS, .spans = spans, .n_spans = ROWS / SPAN};
    size_t bytes = (size_t)ROWS * features.vocab_size * sizeof(float);
    for (unsigned t = 0; t < 3; t++) {
        struct engine e;
        engine_init(&e, &features, NULL, PANEL_BF16, t + 1);
        logits[t] = malloc(bytes);
        logits_of(&e, &chunk, NULL, logits[t]);
        engine_fini(&e);
    }
    assert_memory_equal(logits[0], logits[1], bytes);
    assert_memory_equal(logits[0], logits[2], bytes);
    for (unsigned t = 0; t < 3; t++)
        free(logits[t]);
}

static void the_fingerprint_does_not_depend_on_the_kernels(void **state)
{
    (void)state;
    enum kernels before = kernels_in_use();
    struct hash found = forward_fingerprint();
    assert_false(hash_is_zero(&found));
    assert_true(kernels_force(KERNELS_PORTABLE));
    struct hash portable = forward_fingerprint();
    assert_true(hash_is_equal(&found, &portable));
    assert_true(kernels_force(before));
}

// The hash itself: if it moves, runs recorded before no longer replay.
static void the_fingerprint_is_the_one_on_record(void **state)
{
    (void)state;
    char hex[HASH_HEX_BYTES];
    struct hash found = forward_fingerprint();
    hash_hex(&found, hex);
    assert_string_equal(hex, "9f99a1e0235c77714203db23ed7ce0cbfdd639e175bca6b4435b05719172ff9e");
}

static void sizes_are_reported_as_they_are_taken(void **state)
{
    (void)state;
    struct kv kv;
    kv_init(&kv, &features, 7);
    assert_true(kv.block.size_bytes >= kv_bytes(&features, 7));
    assert_true(kv_bytes(&features, 14) > kv_bytes(&features, 7));
    kv_fini(&kv);
    struct saved saved;
    saved_init(&saved, &features, 100, false);
    assert_int_equal(saved.block.used_bytes, saved_bytes(&features, 100, false));
    saved_fini(&saved);
    assert_true(saved_bytes(&features, 100, true) < saved_bytes(&features, 100, false) / 3);
}

// --- a model that somebody trained
// ------------------------------------------------------------------
static void check_greedy(struct engine *e, struct json c)
{
    struct json prompt = json_member(c, "prompt"), greedy = json_member(c, "greedy");
    uint32_t n_prompt = (uint32_t)json_count(prompt), V = e->params.shape.vocab_size;
    uint32_t tokens[512], pages[512 / KV_PAGE];
    float *logits = malloc(512 * V * sizeof *logits);
    for (uint32_t i = 0; i < n_prompt; i++)
        tokens[i] = (uint32_t)json_to_i64(json_item(prompt, i));
    for (uint32_t i = 0; i < 512 / KV_PAGE; i++)
        pages[i] = i;
    uint32_t done = 0, n = n_prompt;
    for (size_t i = 0; i < json_count(greedy); i++) {
        const struct span span = {.row = 0, .n_rows = n - done, .position = done, .pages = pages};
        const struct chunk chunk = {
            .tokens = tokens + done, .n_rows = n - done, .spans = &span, .n_spans = 1};
        logits_of(e, &chunk, NULL, logits);
        const float *last = logits + (size_t)(n - done - 1) * V;
        uint32_t best = 0;
        for (uint32_t v = 1; v < V; v++)
            if (last[v] > last[best]) best = v;
        if (best != (uint32_t)json_to_i64(json_item(greedy, i)))
            fail_msg("token %zu after the prompt is %u, not %lld", i, best,
                     (long long)json_to_i64(json_item(greedy, i)));
        done = n;
        tokens[n++] = best;
    }
    free(logits);
}

static void stories_are_told_as_an_independent_implementation_tells_them(void **state)
{
    (void)state;
    const char *folder = outside_data("models/stories260K");
    if (folder == NULL) return;
    struct shape shape;
    struct params params;
    struct err err;
    if (shape_read(&shape, folder, &err) != 0 || params_init(&params, &shape, &err) != 0)
        fail_msg("%s", err.text);
    uint16_t *flat = malloc(params.n_elements * sizeof *flat);
    if (safetensors_read_model(folder, &params, flat, &err) != 0) fail_msg("%s", err.text);
    params_fini(&params);
    struct engine e;
    engine_init(&e, &shape, flat, PANEL_BF16, 2);
    struct json_document *golden =
        json_read_file("tests/golden/stories260K.json", (size_t)1 << 20, &err);
    if (golden == NULL) fail_msg("%s", err.text);
    struct json cases = json_member(json_root(golden), "cases");
    assert_true(json_count(cases) >= 4);
    for (size_t i = 0; i < json_count(cases); i++)
        check_greedy(&e, json_item(cases, i));
    json_destroy(golden);
    engine_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_transformers_for_each_family),
        cmocka_unit_test(logits_are_those_of_transformers_for_each_rope_scaling),
        cmocka_unit_test(a_row_is_the_same_bits_in_every_batch),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(the_fingerprint_does_not_depend_on_the_kernels),
        cmocka_unit_test(the_fingerprint_is_the_one_on_record),
        cmocka_unit_test(sizes_are_reported_as_they_are_taken),
        cmocka_unit_test(stories_are_told_as_an_independent_implementation_tells_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
