// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/batch.h"

// --- random batches ----------------------------------------------------------

#define TOKENS_MAX 96u

struct crowd {
    struct sample *samples;
    uint32_t (*tokens)[TOKENS_MAX];
    float (*weights)[TOKENS_MAX];
    float (*logprobs)[TOKENS_MAX];
    uint32_t n;
};

static void crowd_init(struct crowd *c, uint32_t n)
{
    c->n = n;
    c->samples = calloc(n, sizeof *c->samples);
    c->tokens = calloc(n, sizeof *c->tokens);
    c->weights = calloc(n, sizeof *c->weights);
    c->logprobs = calloc(n, sizeof *c->logprobs);
    assert_true(c->samples && c->tokens && c->weights && c->logprobs);
}

static void crowd_fini(struct crowd *c)
{
    free(c->samples);
    free(c->tokens);
    free(c->weights);
    free(c->logprobs);
}

// Token t of sample i is a number that says both, so a row can be recognised.
static uint32_t name_of(uint32_t i, uint32_t t)
{
    return i * 1000 + t;
}

static void set_sample(struct crowd *c, uint32_t i, uint32_t group, uint32_t n_prompt,
                       uint32_t n_tokens)
{
    for (uint32_t t = 0; t < n_tokens; t++) {
        c->tokens[i][t] = t < n_prompt ? 900000 + group * 1000 + t : name_of(i, t);
        c->weights[i][t] = t < n_prompt ? 0.0f : (float)name_of(i, t);
        c->logprobs[i][t] = -(float)(t + 1);
    }
    c->samples[i] = (struct sample){.group = group,
                                    .n_prompt_tokens = n_prompt,
                                    .n_tokens = n_tokens,
                                    .advantage = (float)i + 0.5f,
                                    .tokens = c->tokens[i],
                                    .weights = c->weights[i],
                                    .logprobs = c->logprobs[i]};
}

// Groups of 1 to 9 samples; prompts and responses of any length, 0 included.
static void random_groups(struct crowd *c, uint64_t seed)
{
    struct rng_stream s;

    rng_stream_init(&s, (struct rng_key){seed, RNG_TEST}, 0, 0);
    for (uint32_t i = 0, group = 0; i < c->n; group++) {
        const uint32_t n = 1 + rng_below(&s, 9), n_prompt = 1 + rng_below(&s, 45);

        for (uint32_t k = 0; k < n && i < c->n; k++, i++)
            set_sample(c, i, group, n_prompt, n_prompt + rng_below(&s, 50));
    }
}

static void random_documents(struct crowd *c, uint64_t seed)
{
    struct rng_stream s;

    rng_stream_init(&s, (struct rng_key){seed, RNG_TEST}, 1, 0);
    for (uint32_t i = 0; i < c->n; i++) {
        set_sample(c, i, i, 0, rng_below(&s, TOKENS_MAX));
        c->samples[i].logprobs = NULL;
    }
}

// --- what a pack must be -----------------------------------------------------

// Reads the pack as attention would: for each span, the token at every position
// back to 0, through its pages, the copies done first.
struct cell {
    uint32_t token;
    bool is_set;
};

static void check_cells(const struct pack *pack)
{
    struct cell(*pages)[KV_PAGE] = calloc(pack->n_pages + 1, sizeof *pages);
    const struct chunk *chunk = &pack->chunk;
    uint32_t next_row = 0, next_copy = 0;

    assert_non_null(pages);
    for (uint32_t i = 0; i < chunk->n_spans; i++) {
        const struct span *span = &chunk->spans[i];

        assert_int_equal(span->row, next_row);
        assert_true(span->n_rows > 0);
        next_row += span->n_rows;
        // Copies are listed in the order of the spans that need them.
        if (next_copy < chunk->n_copies && span->position > 0 && span->position % KV_PAGE != 0) {
            const struct page_copy *copy = &chunk->copies[next_copy++];

            assert_int_equal(copy->to, span->pages[span->position / KV_PAGE]);
            assert_int_equal(copy->n_positions, span->position % KV_PAGE);
            memcpy(pages[copy->to], pages[copy->from], copy->n_positions * sizeof **pages);
        }
        for (uint32_t k = 0; k < span->n_rows; k++) {
            const uint32_t position = span->position + k;
            struct cell *cell = &pages[span->pages[position / KV_PAGE]][position % KV_PAGE];

            assert_true(span->pages[position / KV_PAGE] < pack->n_pages);
            assert_false(cell->is_set); // nobody's page is written over
            *cell = (struct cell){chunk->tokens[span->row + k], true};
        }
        for (uint32_t position = 0; position < span->position; position++) {
            const struct cell *cell = &pages[span->pages[position / KV_PAGE]][position % KV_PAGE];

            assert_true(cell->is_set);
            assert_int_equal(cell->token % 1000, position);
        }
    }
    assert_int_equal(next_row, chunk->n_rows);
    assert_int_equal(next_copy, chunk->n_copies);
    free(pages);
}

// Every weighted token of every sample is an item once, at the row of the token
// before it, with what belongs to it.
static void check_items(const struct crowd *c, const struct pack *pack, uint32_t *seen)
{
    for (uint32_t i = 0; i < pack->n_items; i++) {
        const struct loss_item *item = &pack->items[i];
        const uint32_t t = item->target % 1000;
        const struct sample *s = &c->samples[item->sample];

        assert_true(item->sample < c->n && item->row < pack->chunk.n_rows);
        assert_true(i == 0 || item[-1].row <= item->row);
        assert_int_equal(item->target, s->tokens[t]);
        assert_int_equal(pack->chunk.tokens[item->row], s->tokens[t - 1]);
        assert_true(item->weight == s->weights[t]);
        assert_true(item->advantage == s->advantage);
        assert_true(item->logprob_rollout ==
                    (s->logprobs ? s->logprobs[t - s->n_prompt_tokens] : 0.0f));
        seen[item->sample]++;
    }
}

static uint32_t items_wanted(const struct sample *s)
{
    uint32_t n = 0;

    for (uint32_t t = 1; t < s->n_tokens; t++)
        n += s->weights[t] != 0.0f;
    return n;
}

static void check_batch(const struct crowd *c, const struct batch_limits *limits)
{
    uint32_t *seen = calloc(c->n, sizeof *seen);
    uint64_t n_rows = 0;
    struct batch b;

    assert_non_null(seen);
    batch_plan(&b, c->samples, c->n, limits);
    for (uint32_t lane = 0; lane < limits->n_lanes; lane++) {
        for (uint32_t i = 0; i < b.n_packs[lane]; i++) {
            struct pack pack;

            batch_make_pack(&b, lane, i, &pack);
            assert_true(pack.chunk.n_rows > 0 && pack.chunk.n_rows <= limits->n_rows_max);
            assert_true(pack.n_pages <= limits->n_pages_max);
            assert_true(pack.n_items > 0 && pack.n_items <= limits->n_items_max);
            check_cells(&pack);
            check_items(c, &pack, seen);
            n_rows += pack.chunk.n_rows;
            pack_fini(&pack);
        }
    }
    assert_int_equal(n_rows, b.n_rows);
    for (uint32_t i = 0; i < c->n; i++)
        assert_int_equal(seen[i], items_wanted(&c->samples[i]));
    batch_fini(&b);
    free(seen);
}

static void packs_of_groups_hold_every_target_once_with_its_context(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        const uint32_t n_lanes = 1u << seed % 4;
        const struct batch_limits limits =
            batch_limits_for(n_lanes, 64 + 37 * (uint32_t)seed, TOKENS_MAX);
        struct crowd c;

        crowd_init(&c, 1 + (uint32_t)seed * 2);
        random_groups(&c, seed);
        check_batch(&c, &limits);
        crowd_fini(&c);
    }
}

static void packs_of_documents_hold_every_target_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        const struct batch_limits limits =
            batch_limits_for(1u << seed % 4, 20 + 37 * (uint32_t)seed, TOKENS_MAX);
        struct crowd c;

        crowd_init(&c, 1 + (uint32_t)seed);
        random_documents(&c, seed);
        check_batch(&c, &limits);
        crowd_fini(&c);
    }
}

static void a_prompt_is_computed_once_for_its_group(void **state)
{
    const struct batch_limits limits = batch_limits_for(1, 1024, TOKENS_MAX);
    struct crowd c;
    struct batch b;

    (void)state;
    crowd_init(&c, 8);
    for (uint32_t i = 0; i < 8; i++)
        set_sample(&c, i, 5, 40, 40 + 11);
    batch_plan(&b, c.samples, c.n, &limits);
    assert_int_equal(b.n_units, 1);
    assert_int_equal(b.n_rows, 40 + 8 * 10); // the last token predicts nothing
    batch_fini(&b);
    crowd_fini(&c);
}

static void lanes_get_like_shares_and_a_large_group_is_divided(void **state)
{
    const struct batch_limits limits = batch_limits_for(4, 4096, TOKENS_MAX);
    struct crowd c;
    struct batch b;
    uint64_t rows[4] = {0};

    (void)state;
    crowd_init(&c, 64);
    for (uint32_t i = 0; i < 64; i++)
        set_sample(&c, i, i / 32, 10, 10 + 60);
    batch_plan(&b, c.samples, c.n, &limits);
    assert_int_equal(batch_lanes_used(&b), 4);
    for (uint32_t u = 0; u < b.n_units; u++)
        rows[b.units[u].lane] += b.units[u].n_rows;
    for (uint32_t lane = 0; lane < 4; lane++)
        assert_true(rows[lane] * 4 > b.n_rows * 3 / 4 && rows[lane] * 4 < b.n_rows * 5 / 4);
    batch_fini(&b);
    crowd_fini(&c);
}

static void a_sample_without_loss_is_not_computed(void **state)
{
    const struct batch_limits limits = batch_limits_for(2, 256, TOKENS_MAX);
    struct crowd c;
    struct batch b;

    (void)state;
    crowd_init(&c, 3);
    set_sample(&c, 0, 0, 10, 30);
    memset(c.weights[0], 0, sizeof c.weights[0]);
    set_sample(&c, 1, 1, 10, 10); // an empty response
    set_sample(&c, 2, 2, 0, 1);   // a document of one token
    batch_plan(&b, c.samples, c.n, &limits);
    assert_int_equal(b.n_units, 0);
    assert_int_equal(batch_lanes_used(&b), 0);
    batch_fini(&b);
    batch_plan(&b, c.samples, 0, &limits);
    assert_int_equal(b.n_units, 0);
    batch_fini(&b);
    crowd_fini(&c);
}

static void weighted_prompt_tokens_are_items_too(void **state)
{
    const struct batch_limits limits = batch_limits_for(1, 256, TOKENS_MAX);
    struct crowd c;
    struct batch b;
    struct pack pack;

    (void)state;
    crowd_init(&c, 2);
    set_sample(&c, 0, 0, 20, 25);
    set_sample(&c, 1, 0, 20, 22);
    c.weights[1][7] = 2.0f;
    batch_plan(&b, c.samples, c.n, &limits);
    batch_make_pack(&b, 0, 0, &pack);
    assert_int_equal(pack.n_items, 5 + 2 + 1);
    assert_int_equal(pack.items[0].row, 6);
    assert_int_equal(pack.items[0].sample, 1);
    assert_int_equal(pack.items[0].target, c.tokens[1][7]);
    pack_fini(&pack);
    batch_fini(&b);
    crowd_fini(&c);
}

// --- between ranks -----------------------------------------------------------

static void samples_survive_the_way_to_another_rank(void **state)
{
    struct crowd c;
    struct sample *copy;
    size_t size_bytes, n;

    (void)state;
    crowd_init(&c, 50);
    random_groups(&c, 99);
    c.samples[3].logprobs = NULL;
    void *bytes = samples_encode(c.samples, c.n, &size_bytes);
    samples_decode(bytes, size_bytes, &copy, &n);
    assert_int_equal(n, c.n);
    for (size_t i = 0; i < n; i++) {
        const struct sample *a = &c.samples[i], *b = &copy[i];
        const uint32_t n_response = a->n_tokens - a->n_prompt_tokens;

        assert_int_equal(a->group, b->group);
        assert_int_equal(a->n_prompt_tokens, b->n_prompt_tokens);
        assert_int_equal(a->n_tokens, b->n_tokens);
        assert_true(a->advantage == b->advantage);
        assert_memory_equal(a->tokens, b->tokens, a->n_tokens * sizeof *a->tokens);
        assert_memory_equal(a->weights, b->weights, a->n_tokens * sizeof *a->weights);
        assert_int_equal(a->logprobs == NULL, b->logprobs == NULL);
        if (a->logprobs) assert_memory_equal(a->logprobs, b->logprobs, n_response * sizeof(float));
    }
    free(copy);
    free(bytes);
    crowd_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_of_groups_hold_every_target_once_with_its_context),
        cmocka_unit_test(packs_of_documents_hold_every_target_once),
        cmocka_unit_test(a_prompt_is_computed_once_for_its_group),
        cmocka_unit_test(lanes_get_like_shares_and_a_large_group_is_divided),
        cmocka_unit_test(a_sample_without_loss_is_not_computed),
        cmocka_unit_test(weighted_prompt_tokens_are_items_too),
        cmocka_unit_test(samples_survive_the_way_to_another_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
