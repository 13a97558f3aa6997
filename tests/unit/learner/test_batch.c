// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "learner/batch.h"
#include "tests/support/random_samples.h"

#define N_LANES 4u
#define PACK_TOKENS 200u
#define SEQUENCE_MAX 150u
#define VOCAB 1000u

static const struct sample_dials dials[] = {
    {12, 8, 90, 60, VOCAB}, // groups that share a long prompt
    {5, 3, 4, 20, VOCAB},   // short ones
    {1, 16, 40, 60, VOCAB}, // one group, to be cut for the lanes
    {40, 1, 0, 150, VOCAB}, // documents
    {1, 1, 1, 1, VOCAB},
};
#define N_DIALS (sizeof dials / sizeof *dials)

static const struct batch_limits *limits(void)
{
    static struct batch_limits l;

    l = batch_limits_for(N_LANES, PACK_TOKENS, SEQUENCE_MAX);
    return &l;
}

static uint32_t items_wanted(const struct sample *s)
{
    uint32_t n = 0;

    for (uint32_t t = 1; t < s->n_tokens; t++)
        n += s->weights[t] != 0;
    return n;
}

typedef void (*pack_fn)(void *context, const struct pack *pack);

static void for_each_pack(const struct batch *b, pack_fn fn, void *context)
{
    for (uint32_t lane = 0; lane < N_LANES; lane++) {
        for (uint32_t i = 0; i < b->n_packs[lane]; i++) {
            struct pack pack;

            batch_make_pack(b, lane, i, &pack);
            fn(context, &pack);
            pack_fini(&pack);
        }
    }
}

// --- the plan ----------------------------------------------------------------------------
static void limits_hold_the_longest_sequence(void **state)
{
    const struct batch_limits small = batch_limits_for(2, 16, 300);

    (void)state;
    assert_int_equal(small.n_rows_max, 300);
    assert_true(small.n_pages_max >= (300 + KV_PAGE - 1) / KV_PAGE);
    assert_true(small.n_items_max >= 300);
    assert_int_equal(batch_limits_for(2, 400, 300).n_rows_max, 400);
}

static void every_sample_with_a_loss_is_in_exactly_one_unit(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DIALS; d++) {
        struct random_samples samples;
        struct batch b;
        uint64_t n_rows = 0;

        random_samples_init(&samples, d, &dials[d]);
        batch_plan(&b, samples.samples, samples.n, limits());
        unsigned *seen = calloc(samples.n, sizeof *seen);
        assert_non_null(seen);
        for (uint32_t u = 0; u < b.n_units; u++) {
            const struct unit *unit = &b.units[u];

            assert_true(u == 0 || unit->n_rows <= b.units[u - 1].n_rows); // longest first
            assert_true(unit->lane < N_LANES && unit->pack < b.n_packs[unit->lane]);
            for (uint32_t i = unit->first; i < unit->first + unit->count; i++) {
                seen[i]++;
                assert_int_equal(samples.samples[i].group, samples.samples[unit->first].group);
            }
            n_rows += unit->n_rows;
        }
        for (size_t i = 0; i < samples.n; i++) {
            if (items_wanted(&samples.samples[i]) > 0) assert_int_equal(seen[i], 1);
            assert_true(seen[i] <= 1);
        }
        assert_int_equal(n_rows, b.n_rows);
        free(seen);
        batch_fini(&b);
        random_samples_fini(&samples);
    }
}

static void lanes_get_about_the_same_rows(void **state)
{
    struct random_samples samples;
    struct batch b;
    uint64_t n_rows[N_LANES] = {0};

    (void)state;
    random_samples_init(&samples, 1, &dials[0]);
    batch_plan(&b, samples.samples, samples.n, limits());
    assert_int_equal(batch_lanes_used(&b), N_LANES);
    for (uint32_t u = 0; u < b.n_units; u++)
        n_rows[b.units[u].lane] += b.units[u].n_rows;
    for (uint32_t lane = 1; lane < N_LANES; lane++) {
        uint64_t more =
            n_rows[lane] > n_rows[0] ? n_rows[lane] - n_rows[0] : n_rows[0] - n_rows[lane];

        assert_true(more <= PACK_TOKENS); // the length of one unit
    }
    batch_fini(&b);
    random_samples_fini(&samples);
}

static void one_group_is_cut_so_that_no_lane_is_idle(void **state)
{
    struct random_samples samples;
    struct batch b;

    (void)state;
    random_samples_init(&samples, 2, &dials[2]);
    batch_plan(&b, samples.samples, samples.n, limits());
    assert_int_equal(batch_lanes_used(&b), N_LANES);
    batch_fini(&b);
    random_samples_fini(&samples);
}

static void the_plan_is_a_function_of_the_batch_alone(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DIALS; d++) {
        struct random_samples one, two; // equal in content, at other addresses
        struct batch a, b;

        random_samples_init(&one, d, &dials[d]);
        random_samples_init(&two, d, &dials[d]);
        batch_plan(&a, one.samples, one.n, limits());
        batch_plan(&b, two.samples, two.n, limits());
        assert_int_equal(a.n_units, b.n_units);
        assert_memory_equal(a.units, b.units, a.n_units * sizeof *a.units);
        assert_memory_equal(a.n_packs, b.n_packs, N_LANES * sizeof *a.n_packs);
        batch_fini(&a);
        batch_fini(&b);
        random_samples_fini(&one);
        random_samples_fini(&two);
    }
}

static void samples_without_a_loss_are_not_computed(void **state)
{
    static const uint32_t tokens[] = {5, 6, 7, 8};
    static const float none[4] = {0}, last[] = {0, 0, 0, 0.5f};
    const struct sample samples[] = {
        {.group = 0, .n_prompt_tokens = 2, .n_tokens = 4, .tokens = tokens, .weights = none},
        {.group = 1, .n_prompt_tokens = 2, .n_tokens = 4, .tokens = tokens, .weights = last},
        {.group = 2, .n_prompt_tokens = 4, .n_tokens = 4, .tokens = tokens, .weights = none},
    };
    struct batch b;

    (void)state;
    batch_plan(&b, samples, 3, limits());
    assert_int_equal(b.n_units, 1);
    assert_int_equal(b.units[0].first, 1);
    assert_int_equal(b.n_rows, 3);
    assert_int_equal(batch_lanes_used(&b), 1);
    batch_fini(&b);
    batch_plan(&b, samples, 0, limits());
    assert_int_equal(b.n_units, 0);
    assert_int_equal(batch_lanes_used(&b), 0);
    batch_fini(&b);
}

// --- packs -------------------------------------------------------------------------------
static void check_limits(void *context, const struct pack *pack)
{
    uint64_t *n_rows = context;
    uint32_t next = 0;

    assert_true(pack->chunk.n_rows > 0 && pack->chunk.n_rows <= limits()->n_rows_max);
    assert_true(pack->n_pages <= limits()->n_pages_max);
    assert_true(pack->n_items > 0 && pack->n_items <= limits()->n_items_max);
    for (uint32_t i = 0; i < pack->chunk.n_spans; i++) {
        const struct span *span = &pack->chunk.spans[i];
        uint32_t n_pages = (span->position + span->n_rows + KV_PAGE - 1) / KV_PAGE;

        assert_int_equal(span->row, next); // every row once
        next += span->n_rows;
        for (uint32_t p = 0; p < n_pages; p++)
            assert_true(span->pages[p] < pack->n_pages);
    }
    assert_int_equal(next, pack->chunk.n_rows);
    *n_rows += pack->chunk.n_rows;
}

static void packs_keep_their_limits_and_cover_their_rows(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DIALS; d++) {
        struct random_samples samples;
        struct batch b;
        uint64_t n_rows = 0;

        random_samples_init(&samples, d + 10, &dials[d]);
        batch_plan(&b, samples.samples, samples.n, limits());
        for_each_pack(&b, check_limits, &n_rows);
        assert_int_equal(n_rows, b.n_rows);
        batch_fini(&b);
        random_samples_fini(&samples);
    }
}

struct item_check {
    const struct random_samples *samples;
    uint32_t *n_items;     // (n)
    unsigned char *tokens; // (n, SEQUENCE_MAX) targets seen
};

static const struct span *span_of(const struct pack *pack, uint32_t row)
{
    for (uint32_t i = 0; i < pack->chunk.n_spans; i++) {
        const struct span *span = &pack->chunk.spans[i];

        if (row >= span->row && row < span->row + span->n_rows) return span;
    }
    fail_msg("no span has row %u", row);
    return NULL;
}

// The item's row has the token before its target, at that token's position, so
// that the row's logits predict the target.
static void check_items(void *context, const struct pack *pack)
{
    struct item_check *check = context;

    for (uint32_t i = 0; i < pack->n_items; i++) {
        const struct loss_item *item = &pack->items[i];
        const struct sample *s = &check->samples->samples[item->sample];
        const struct span *span = span_of(pack, item->row);
        uint32_t t = span->position + (item->row - span->row) + 1;

        assert_true(i == 0 || pack->items[i - 1].row <= item->row);
        assert_true(t < s->n_tokens);
        assert_int_equal(pack->chunk.tokens[item->row], s->tokens[t - 1]);
        assert_int_equal(item->target, s->tokens[t]);
        assert_true(item->weight == s->weights[t] && item->advantage == s->advantage);
        assert_true(item->logprob_rollout ==
                    (s->logprobs != NULL ? s->logprobs[t - s->n_prompt_tokens] : 0.0f));
        assert_int_equal(check->tokens[item->sample * SEQUENCE_MAX + t], 0);
        check->tokens[item->sample * SEQUENCE_MAX + t] = 1;
        check->n_items[item->sample]++;
    }
}

static void every_weighted_token_has_one_item_at_the_row_before_it(void **state)
{
    (void)state;
    for (size_t d = 0; d < N_DIALS; d++) {
        struct random_samples samples;
        struct batch b;

        random_samples_init(&samples, d + 20, &dials[d]);
        batch_plan(&b, samples.samples, samples.n, limits());
        struct item_check check = {&samples, calloc(samples.n, sizeof(uint32_t)),
                                   calloc(samples.n, SEQUENCE_MAX)};
        for_each_pack(&b, check_items, &check);
        for (size_t i = 0; i < samples.n; i++)
            assert_int_equal(check.n_items[i], items_wanted(&samples.samples[i]));
        free(check.n_items);
        free(check.tokens);
        batch_fini(&b);
        random_samples_fini(&samples);
    }
}

static void a_group_s_prompt_is_computed_once_and_its_last_page_copied(void **state)
{
    static const float weights[] = {[40] = 1, [41] = 1, [42] = 1};
    uint32_t tokens[2][43];
    struct sample samples[2];
    struct batch_limits one_lane = batch_limits_for(1, PACK_TOKENS, SEQUENCE_MAX);
    struct batch b;
    struct pack pack;

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t t = 0; t < 43; t++)
            tokens[i][t] = t < 40 ? t : 100 * (i + 1) + t;
        samples[i] = (struct sample){
            .n_prompt_tokens = 40, .n_tokens = 43, .tokens = tokens[i], .weights = weights};
    }
    batch_plan(&b, samples, 2, &one_lane);
    assert_int_equal(b.n_rows, 40 + 2 + 2); // nothing is asked of a last token
    batch_make_pack(&b, 0, 0, &pack);
    assert_int_equal(pack.chunk.n_spans, 3);
    assert_int_equal(pack.chunk.n_copies, 2);
    assert_int_equal(pack.n_pages, 4);
    for (uint32_t i = 0; i < 2; i++) {
        const struct span *prompt = &pack.chunk.spans[0], *span = &pack.chunk.spans[1 + i];

        assert_int_equal(span->position, 40);
        assert_int_equal(span->pages[0], prompt->pages[0]);     // 32 positions, shared
        assert_int_not_equal(span->pages[1], prompt->pages[1]); // 8 of the prompt, its own after
        assert_int_equal(pack.chunk.copies[i].from, prompt->pages[1]);
        assert_int_equal(pack.chunk.copies[i].to, span->pages[1]);
        assert_int_equal(pack.chunk.copies[i].n_positions, 8);
        // The prompt's last row predicts each response's first token.
        assert_int_equal(pack.items[i].row, 39);
        assert_int_equal(pack.items[i].sample, i);
        assert_int_equal(pack.items[i].target, tokens[i][40]);
    }
    assert_int_equal(pack.n_items, 6);
    pack_fini(&pack);
    batch_fini(&b);
}

static void a_prompt_of_whole_pages_is_shared_without_a_copy(void **state)
{
    static const uint32_t tokens[KV_PAGE + 3];
    static const float weights[KV_PAGE + 3] = {[KV_PAGE] = 1, [KV_PAGE + 2] = 1};
    const struct sample sample = {
        .n_prompt_tokens = KV_PAGE, .n_tokens = KV_PAGE + 3, .tokens = tokens, .weights = weights};
    const struct sample samples[] = {sample, sample};
    struct batch_limits one_lane = batch_limits_for(1, PACK_TOKENS, SEQUENCE_MAX);
    struct batch b;
    struct pack pack;

    (void)state;
    batch_plan(&b, samples, 2, &one_lane);
    batch_make_pack(&b, 0, 0, &pack);
    assert_int_equal(pack.chunk.n_copies, 0);
    assert_int_equal(pack.n_pages, 3);
    pack_fini(&pack);
    batch_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold_the_longest_sequence),
        cmocka_unit_test(every_sample_with_a_loss_is_in_exactly_one_unit),
        cmocka_unit_test(lanes_get_about_the_same_rows),
        cmocka_unit_test(one_group_is_cut_so_that_no_lane_is_idle),
        cmocka_unit_test(the_plan_is_a_function_of_the_batch_alone),
        cmocka_unit_test(samples_without_a_loss_are_not_computed),
        cmocka_unit_test(packs_keep_their_limits_and_cover_their_rows),
        cmocka_unit_test(every_weighted_token_has_one_item_at_the_row_before_it),
        cmocka_unit_test(a_group_s_prompt_is_computed_once_and_its_last_page_copied),
        cmocka_unit_test(a_prompt_of_whole_pages_is_shared_without_a_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
