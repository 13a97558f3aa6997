// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/math/bf16.h"
#include "learner/adamw.h"
#include "learner/gradient.h"
#include "tests/support/golden.h"

// --- packs ------------------------------------------------------------------------------
#define ROWS_MAX 512u
#define SPANS_MAX 32u
#define PAGES_MAX 128u

struct built_pack {
    struct pack pack;
    uint32_t tokens[ROWS_MAX];
    struct span spans[SPANS_MAX];
    uint32_t pages[PAGES_MAX];
    uint32_t n_page_slots; // used of `pages`
    struct page_copy copies[SPANS_MAX];
    struct loss_item items[ROWS_MAX];
};

static struct built_pack *new_pack(void)
{
    struct built_pack *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->pack.chunk.tokens = b->tokens;
    b->pack.chunk.spans = b->spans;
    b->pack.chunk.copies = b->copies;
    b->pack.items = b->items;
    return b;
}

static uint32_t pages_for(uint32_t n_positions)
{
    return (n_positions + KV_PAGE - 1) / KV_PAGE;
}

// A span from `position` on whose first pages are those given.
static struct span *add_span(struct built_pack *b, const uint32_t *tokens, uint32_t n,
                             uint32_t position, const uint32_t *shared, uint32_t n_shared)
{
    struct chunk *chunk = &b->pack.chunk;
    struct span *span = &b->spans[chunk->n_spans++];
    uint32_t *pages = b->pages + b->n_page_slots;
    uint32_t n_pages = pages_for(position + n);
    for (uint32_t i = 0; i < n_pages; i++)
        pages[i] = i < n_shared ? shared[i] : b->pack.n_pages++;
    b->n_page_slots += n_pages;
    assert_true(b->n_page_slots <= PAGES_MAX && chunk->n_rows + n <= ROWS_MAX);
    *span = (struct span){.row = chunk->n_rows, .n_rows = n, .position = position, .pages = pages};
    memcpy(b->tokens + chunk->n_rows, tokens, n * sizeof *tokens);
    chunk->n_rows += n;
    return span;
}

static void add_item(struct built_pack *b, uint32_t row, uint32_t target, float weight)
{
    b->items[b->pack.n_items++] =
        (struct loss_item){.row = row, .target = target, .weight = weight};
}

// A whole sequence, each token predicting the next.
static void add_sequence(struct built_pack *b, const uint32_t *tokens, uint32_t n, float weight)
{
    const struct span *span = add_span(b, tokens, n, 0, NULL, 0);
    for (uint32_t i = 0; i + 1 < n; i++)
        add_item(b, span->row + i, tokens[i + 1], weight);
}

static uint32_t random_token(uint64_t seed, uint32_t i, uint32_t vocab_size)
{
    const struct rng_key key = {.seed = seed, .domain = RNG_TEST};
    return rng_at(key, i, 1, 0).word[0] % vocab_size;
}

// Four sequences, some over a page long.
static struct built_pack *random_pack(const struct shape *s, uint64_t seed)
{
    static const uint32_t lengths[] = {41, 7, 70, 33};
    struct built_pack *b = new_pack();
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t tokens[ROWS_MAX];
        for (uint32_t j = 0; j < lengths[i]; j++)
            tokens[j] = random_token(seed + i, j, s->vocab_size);
        add_sequence(b, tokens, lengths[i], 0.01f * (float)(i + 1));
    }
    return b;
}

// Small, with every feature that the families have between them.
static const struct shape test_shape = {.n_layers = 2,
                                        .width = 40,
                                        .n_heads = 4,
                                        .n_kv_heads = 2,
                                        .head_width = 12,
                                        .ffn_width = 56,
                                        .vocab_size = 50,
                                        .context_length = 128,
                                        .norm_epsilon = 1e-6f,
                                        .rope_theta = 1000.0,
                                        .qk_norm = true};
static const struct loss_config cross_entropy = {.kind = LOSS_CROSS_ENTROPY};

// --- a model and its gradient --------------------------------------------------------------
struct machine {
    struct params params;
    uint16_t *flat;
    struct weights *w;
    struct gradient *g;
    struct pool *pool;
    float *grads;
    struct loss_sums sums;
};

static void machine_init(struct machine *m, const struct shape *shape, bool recompute,
                         unsigned n_threads)
{
    struct err err;
    memset(m, 0, sizeof *m);
    assert_int_equal(params_init(&m->params, shape, &err), 0);
    const struct gradient_limits limits = {
        .n_rows_max = ROWS_MAX, .n_pages_max = PAGES_MAX, .recompute = recompute};
    m->flat = random_flat(&m->params, 3, 1.0f);
    m->w = weights_create(&m->params, PANEL_F32);
    m->g = gradient_create(&m->params, &limits);
    m->pool = pool_create(n_threads);
    m->grads = calloc(m->params.n_elements, sizeof *m->grads);
    weights_load(m->w, m->flat, m->pool);
}

static void machine_fini(struct machine *m)
{
    pool_destroy(m->pool);
    gradient_destroy(m->g);
    weights_destroy(m->w);
    params_fini(&m->params);
    free(m->flat);
    free(m->grads);
}

static void run(struct machine *m, const struct pack *pack, const struct loss_config *config)
{
    memset(m->grads, 0, m->params.n_elements * sizeof *m->grads);
    m->sums = (struct loss_sums){0};
    gradient_of_pack(m->g, m->w, m->flat, pack, config, m->grads, &m->sums, m->pool);
}

// --- against PyTorch ------------------------------------------------------------------------
static struct built_pack *golden_pack(const struct golden *g)
{
    struct built_pack *b = new_pack();
    struct json sequences = json_member(g->root, "sequences"),
                masks = json_member(g->root, "masks");
    uint32_t n_items = 0;
    for (size_t i = 0; i < json_count(sequences); i++) {
        uint32_t tokens[ROWS_MAX], n = (uint32_t)json_count(json_item(sequences, i));
        for (uint32_t j = 0; j < n; j++)
            tokens[j] = (uint32_t)json_to_i64(json_item(json_item(sequences, i), j));
        const struct span *span = add_span(b, tokens, n, 0, NULL, 0);
        for (uint32_t j = 1; j < n; j++)
            if (json_to_i64(json_item(json_item(masks, i), j)) != 0)
                add_item(b, span->row + j - 1, tokens[j], 0.0f), n_items++;
    }
    for (uint32_t i = 0; i < n_items; i++)
        b->items[i].weight = 1.0f / (float)n_items;
    return b;
}

static void compare_arrays(const struct golden *g, const char *kind, const float *flat)
{
    for (size_t i = 0; i < g->params.count; i++) {
        const struct param *p = &g->params.table[i];
        char name[PARAM_NAME_MAX + 16];
        snprintf(name, sizeof name, "%s.%s", kind, p->name);
        size_t count = (size_t)p->rows * p->cols;
        const float *want = golden_array(g, name, count);
        double distance = relative_distance(flat + p->offset, want, count);
        if (!(distance < 1e-4)) fail_msg("%s %s: relative distance %g", g->folder, name, distance);
    }
}

static void train_as_golden(const struct golden *g, struct machine *m, const struct pack *pack)
{
    size_t n = m->params.n_elements;
    const struct adamw_config config = {.beta1 = golden_number(g, "beta1"),
                                        .beta2 = golden_number(g, "beta2"),
                                        .eps = golden_number(g, "eps"),
                                        .weight_decay = golden_number(g, "weight_decay")};
    struct adamw_state state;
    adamw_state_init(&state, 0, n);
    bf16_expand(state.masters, m->flat, n);
    struct json losses = json_member(g->root, "losses");
    assert_int_equal(json_count(losses), 10);
    for (size_t step = 0; step < 10; step++) {
        bf16_round(m->flat, state.masters, n);
        weights_load(m->w, m->flat, m->pool);
        run(m, pack, &cross_entropy);
        double want = json_to_double(json_item(losses, step));
        if (!(fabs(m->sums.loss - want) < 2e-3))
            fail_msg("%s step %zu: loss %.6f, want %.6f", g->folder, step, m->sums.loss, want);
        adamw_step(&state, &m->params, &config, golden_number(g, "lr"), step + 1, m->grads, 1.0f,
                   m->pool);
        if (step == 0) compare_arrays(g, "step1", state.masters);
    }
    assert_true(m->sums.loss < 0.7 * golden_number(g, "loss")); // it did learn
    adamw_state_fini(&state);
}

static void check_golden(const char *name, bool trains)
{
    struct golden g;
    golden_open(&g, name);
    struct machine m;
    machine_init(&m, &g.params.shape, false, 2);
    memcpy(m.flat, g.flat, m.params.n_elements * sizeof *m.flat);
    weights_load(m.w, m.flat, m.pool);
    struct built_pack *b = golden_pack(&g);

    run(&m, &b->pack, &cross_entropy);
    assert_true(fabs(m.sums.loss - golden_number(&g, "loss")) < 1e-5);
    assert_int_equal(m.sums.n_items, b->pack.n_items);
    compare_arrays(&g, "grad", m.grads);
    if (trains) train_as_golden(&g, &m, &b->pack);

    free(b);
    machine_fini(&m);
    golden_close(&g);
}

static void qwen3_gradients_adamw_and_loss_curve_are_pytorchs(void **state)
{
    (void)state;
    check_golden("qwen3", true);
}

static void qwen2_gradients_adamw_and_loss_curve_are_pytorchs(void **state)
{
    (void)state;
    check_golden("qwen2", true);
}

static void llama_gradients_adamw_and_loss_curve_are_pytorchs(void **state)
{
    (void)state;
    check_golden("llama", true);
}

static void gradients_of_the_other_families_and_rope_scalings_are_pytorchs(void **state)
{
    (void)state;
    check_golden("qwen2_tied", false);
    check_golden("mistral", false);
    check_golden("llama31", false);
    check_golden("linear", false);
    check_golden("yarn", false);
}

// --- against itself -------------------------------------------------------------------------
static struct loss_config grpo_config(void)
{
    return (struct loss_config){
        .kind = LOSS_GRPO, .clip_ratio_low = 0.2f, .clip_ratio_high = 0.28f, .kl_loss_coef = 0.05f};
}

// Rollout and reference log-probabilities near the model's own, so that some
// ratios are clipped and most are not.
static void fill_grpo(struct machine *m, struct built_pack *b)
{
    float logprobs[ROWS_MAX];
    gradient_logprobs(m->g, m->w, &b->pack, logprobs, m->pool);
    for (uint32_t i = 0; i < b->pack.n_items; i++) {
        struct loss_item *item = &b->items[i];
        item->advantage = (float)(i % 5) - 2.0f;
        item->logprob_rollout = logprobs[i] + 0.15f * (float)((int)(i % 7) - 3);
        item->logprob_reference = logprobs[i] + 0.3f * (float)((int)(i % 3) - 1);
    }
}

// A central difference between bf16 neighbours of the weights.  The direction is
// random, but where a bit says so turned uphill, so that the difference is large
// beside the rounding of the loss.
static void check_direction(struct machine *m, const struct pack *pack,
                            const struct loss_config *config, uint64_t seed)
{
    size_t n = m->params.n_elements;
    uint16_t *plus = malloc(n * sizeof *plus), *minus = malloc(n * sizeof *minus), *kept = m->flat;
    double predicted = 0;
    run(m, pack, config);
    const struct rng_key key = {.seed = seed, .domain = RNG_TEST};
    for (size_t i = 0; i < n; i++) {
        float at = bf16_to_f32(kept[i]);
        struct rng_words words = rng_at(key, i, 2, 0);
        float step = 4e-3f * (rng_unit(words.word[0]) - 0.5f);
        if (words.word[1] & 1) step = copysignf(step, m->grads[i]);
        plus[i] = bf16_from_f32(at + step);
        minus[i] = bf16_from_f32(at - step);
        predicted +=
            (double)m->grads[i] * ((double)bf16_to_f32(plus[i]) - (double)bf16_to_f32(minus[i]));
    }
    double loss[2];
    for (int side = 0; side < 2; side++) {
        m->flat = side == 0 ? plus : minus;
        weights_load(m->w, m->flat, m->pool);
        run(m, pack, config);
        loss[side] = m->sums.loss;
    }
    m->flat = kept;
    weights_load(m->w, m->flat, m->pool);
    double measured = loss[0] - loss[1];
    if (!(fabs(measured - predicted) < 0.01 * fabs(predicted)))
        fail_msg("seed %d: the loss moved by %g, the gradient says %g", (int)seed, measured,
                 predicted);
    free(plus);
    free(minus);
}

static void the_loss_moves_as_the_gradient_says(void **state)
{
    (void)state;
    struct machine m;
    machine_init(&m, &test_shape, false, 1);
    struct built_pack *b = random_pack(&test_shape, 5);
    for (uint64_t seed = 1; seed <= 4; seed++)
        check_direction(&m, &b->pack, &cross_entropy, seed);
    free(b);
    machine_fini(&m);
}

static void the_grpo_loss_moves_as_the_gradient_says(void **state)
{
    (void)state;
    struct machine m;
    machine_init(&m, &test_shape, false, 1);
    struct built_pack *b = random_pack(&test_shape, 5);
    fill_grpo(&m, b);
    struct loss_config config = grpo_config();
    config.clip_ratio_low = config.clip_ratio_high = 10.0f; // no kinks within the step
    for (uint64_t seed = 1; seed <= 4; seed++)
        check_direction(&m, &b->pack, &config, seed);
    free(b);
    machine_fini(&m);
}

static void grpo_counts_clips_and_reports_the_rollouts_difference(void **state)
{
    (void)state;
    struct machine m;
    machine_init(&m, &test_shape, false, 2);
    struct built_pack *b = random_pack(&test_shape, 5);
    fill_grpo(&m, b);
    struct loss_config config = grpo_config();
    run(&m, &b->pack, &config);
    assert_true(m.sums.n_clipped_low > 0 && m.sums.n_clipped_high > 0);
    assert_true(m.sums.n_clipped_low + m.sums.n_clipped_high < m.sums.n_items);
    assert_true(fabs(m.sums.max_abs_diff - 0.45) < 1e-5);
    assert_int_equal(m.sums.n_nonfinite, 0);

    float logprobs[ROWS_MAX];
    gradient_logprobs(m.g, m.w, &b->pack, logprobs, m.pool);
    for (uint32_t i = 0; i < b->pack.n_items; i++)
        b->items[i].logprob_rollout = logprobs[i];
    run(&m, &b->pack, &config);
    assert_true(m.sums.max_abs_diff == 0.0); // the same bits with and without a backward
    assert_int_equal(m.sums.n_clipped_low + m.sums.n_clipped_high, 0);

    b->items[3].logprob_rollout = NAN;
    run(&m, &b->pack, &config);
    assert_int_equal(m.sums.n_nonfinite, 1);
    free(b);
    machine_fini(&m);
}

static void recomputation_and_threads_change_no_bit(void **state)
{
    (void)state;
    struct machine kept, again, alone;
    machine_init(&kept, &test_shape, false, 2);
    machine_init(&again, &test_shape, true, 3);
    machine_init(&alone, &test_shape, false, 1);
    struct built_pack *b = random_pack(&test_shape, 9);
    size_t n_bytes = kept.params.n_elements * sizeof(float);
    run(&kept, &b->pack, &cross_entropy);
    run(&again, &b->pack, &cross_entropy);
    run(&alone, &b->pack, &cross_entropy);
    assert_memory_equal(kept.grads, again.grads, n_bytes);
    assert_memory_equal(kept.grads, alone.grads, n_bytes);
    assert_memory_equal(&kept.sums, &again.sums, sizeof kept.sums);
    assert_memory_equal(&kept.sums, &alone.sums, sizeof kept.sums);
    const struct gradient_limits full = {.n_rows_max = 4096, .n_pages_max = 256};
    struct gradient_limits thrifty = full;
    thrifty.recompute = true;
    assert_true(gradient_bytes(&kept.params, &thrifty) < gradient_bytes(&kept.params, &full));
    free(b);
    machine_fini(&kept);
    machine_fini(&again);
    machine_fini(&alone);
}

// Prompt of 45 tokens (a whole page and a part), three responses.
static void build_group(struct built_pack *shared, struct built_pack *apart, uint32_t vocab_size)
{
    enum { PROMPT = 45, RESPONSES = 3 };
    static const uint32_t lengths[RESPONSES] = {30, 1, 12};
    uint32_t tokens[ROWS_MAX];
    for (uint32_t i = 0; i < PROMPT; i++)
        tokens[i] = random_token(1, i, vocab_size);
    const struct span *prompt = add_span(shared, tokens, PROMPT, 0, NULL, 0);
    for (uint32_t r = 0; r < RESPONSES; r++) {
        uint32_t *response = tokens + PROMPT, n = lengths[r];
        for (uint32_t i = 0; i < n; i++)
            response[i] = random_token(10 + r, i, vocab_size);
        float weight = 0.02f * (float)(r + 1);
        // The last token of a response predicts nothing, so it needs no row.
        uint32_t n_rows = n - 1;
        const struct span *alone = add_span(apart, tokens, PROMPT + n_rows, 0, NULL, 0);
        for (uint32_t i = 0; i < n; i++)
            add_item(apart, alone->row + PROMPT - 1 + i, response[i], weight);
        add_item(shared, PROMPT - 1, response[0], weight);
        if (n_rows == 0) continue;
        const struct span *span =
            add_span(shared, response, n_rows, PROMPT, prompt->pages, PROMPT / KV_PAGE);
        shared->copies[shared->pack.chunk.n_copies++] =
            (struct page_copy){.from = prompt->pages[PROMPT / KV_PAGE],
                               .to = span->pages[PROMPT / KV_PAGE],
                               .n_positions = PROMPT % KV_PAGE};
        for (uint32_t i = 0; i + 1 < n; i++)
            add_item(shared, span->row + i, response[i + 1], weight);
    }
}

static int compare_items(const void *left, const void *right)
{
    const struct loss_item *a = left, *b = right;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    return (a->target > b->target) - (a->target < b->target);
}

static void a_shared_prompt_gives_the_gradient_of_separate_sequences(void **state)
{
    (void)state;
    struct machine m;
    machine_init(&m, &test_shape, false, 2);
    struct built_pack *shared = new_pack(), *apart = new_pack();
    build_group(shared, apart, test_shape.vocab_size);
    qsort(shared->items, shared->pack.n_items, sizeof *shared->items, compare_items);
    assert_int_equal(shared->pack.n_items, apart->pack.n_items);
    assert_true(shared->pack.chunk.n_rows < apart->pack.chunk.n_rows - 80);

    run(&m, &apart->pack, &cross_entropy);
    size_t n = m.params.n_elements;
    float *want = malloc(n * sizeof *want);
    memcpy(want, m.grads, n * sizeof *want);
    double loss = m.sums.loss;
    run(&m, &shared->pack, &cross_entropy);
    assert_true(fabs(m.sums.loss - loss) < 1e-9); // the same log-probabilities, another order
    for (size_t i = 0; i < m.params.count; i++) {
        const struct param *p = &m.params.table[i];
        double d =
            relative_distance(m.grads + p->offset, want + p->offset, (size_t)p->rows * p->cols);
        if (!(d < 1e-5)) fail_msg("%s: relative distance %g", p->name, d);
    }
    free(want);
    free(shared);
    free(apart);
    machine_fini(&m);
}

static void gradients_add_to_what_is_there(void **state)
{
    (void)state;
    struct machine m;
    machine_init(&m, &test_shape, false, 2);
    struct built_pack *b = random_pack(&test_shape, 2);
    run(&m, &b->pack, &cross_entropy);
    size_t n = m.params.n_elements;
    float *once = malloc(n * sizeof *once), *twice = malloc(n * sizeof *twice);
    memcpy(once, m.grads, n * sizeof *once);
    gradient_of_pack(m.g, m.w, m.flat, &b->pack, &cross_entropy, m.grads, &m.sums, m.pool);
    for (size_t i = 0; i < n; i++)
        twice[i] = 2.0f * once[i];
    assert_true(relative_distance(m.grads, twice, n) < 1e-6);
    assert_int_equal(m.sums.n_items, 2 * b->pack.n_items);
    free(once);
    free(twice);
    free(b);
    machine_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qwen3_gradients_adamw_and_loss_curve_are_pytorchs),
        cmocka_unit_test(qwen2_gradients_adamw_and_loss_curve_are_pytorchs),
        cmocka_unit_test(llama_gradients_adamw_and_loss_curve_are_pytorchs),
        cmocka_unit_test(gradients_of_the_other_families_and_rope_scalings_are_pytorchs),
        cmocka_unit_test(the_loss_moves_as_the_gradient_says),
        cmocka_unit_test(the_grpo_loss_moves_as_the_gradient_says),
        cmocka_unit_test(grpo_counts_clips_and_reports_the_rollouts_difference),
        cmocka_unit_test(recomputation_and_threads_change_no_bit),
        cmocka_unit_test(a_shared_prompt_gives_the_gradient_of_separate_sequences),
        cmocka_unit_test(gradients_add_to_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
