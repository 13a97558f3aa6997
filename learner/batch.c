#include "learner/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

static uint32_t pages_for(uint32_t n_positions)
{
    return (n_positions + KV_PAGE - 1) / KV_PAGE;
}

struct batch_limits batch_limits_for(uint32_t n_lanes, uint32_t pack_tokens,
                                     uint32_t n_sequence_max)
{
    uint32_t n_rows = pack_tokens > n_sequence_max ? pack_tokens : n_sequence_max;

    // Pages end with their sequence; short ones leave them half empty.
    return (struct batch_limits){n_lanes, n_rows, 2 * pages_for(n_rows) + 8, 2 * n_rows};
}

struct gradient_limits batch_gradient_limits(const struct batch_limits *limits, bool recompute)
{
    return (struct gradient_limits){
        .n_rows_max = limits->n_rows_max,
        .n_pages_max = limits->n_pages_max,
        .n_items_max = limits->n_items_max,
        .recompute = recompute,
    };
}

static uint32_t prompt_rows(const struct sample *s)
{
    return s->n_prompt_tokens;
}

// Nothing is predicted from the last token of a sequence, so it has no row.
static uint32_t response_rows(const struct sample *s)
{
    uint32_t n = s->n_tokens - s->n_prompt_tokens;

    return n > 0 ? n - 1 : 0;
}

// Own pages of a response: it shares the prompt's full pages and copies the last.
static uint32_t response_pages(const struct sample *s)
{
    uint32_t n_rows = response_rows(s);
    uint32_t n_shared = prompt_rows(s) / KV_PAGE;

    return n_rows == 0 ? 0 : pages_for(prompt_rows(s) + n_rows) - n_shared;
}

static uint32_t items_of(const struct sample *s)
{
    uint32_t n = 0;

    for (uint32_t t = 1; t < s->n_tokens; t++)
        n += s->weights[t] != 0.0f;
    return n;
}

// Takes samples from `at` on while they share a prompt and fit.
static struct unit next_unit(const struct batch *b, uint32_t at, uint32_t n_rows_max)
{
    const struct sample *first = &b->samples[at];
    struct unit unit = {.first = at, .n_rows = prompt_rows(first)};

    unit.n_pages = pages_for(unit.n_rows);
    for (uint32_t i = at; i < b->n_samples; i++) {
        const struct sample *s = &b->samples[i];
        uint32_t n_rows = response_rows(s), n_pages = response_pages(s), n_items = items_of(s);
        bool is_alone = i == at;

        if (!is_alone &&
            (s->group != first->group || s->n_prompt_tokens == 0 ||
             s->n_prompt_tokens != first->n_prompt_tokens || unit.n_rows + n_rows > n_rows_max ||
             unit.n_pages + n_pages > b->limits.n_pages_max ||
             unit.n_items + n_items > b->limits.n_items_max)) {
            break;
        }
        unit.n_rows += n_rows;
        unit.n_pages += n_pages;
        unit.n_items += n_items;
        unit.count++;
    }
    CHECK(unit.n_rows <= b->limits.n_rows_max && unit.n_pages <= b->limits.n_pages_max);
    return unit;
}

static int by_length(const void *left, const void *right)
{
    const struct unit *a = left, *b = right;

    if (a->n_rows != b->n_rows) return a->n_rows > b->n_rows ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

// A group may fill a lane's fair share of all rows, not more, or lanes stay idle.
static uint32_t fair_share(const struct batch *b)
{
    uint64_t n_rows = 0;
    uint64_t share;

    for (size_t i = 0; i < b->n_samples; i++) {
        const struct sample *s = &b->samples[i];

        if (i == 0 || s->group != s[-1].group || s->n_prompt_tokens == 0) n_rows += prompt_rows(s);
        n_rows += response_rows(s);
    }
    share = n_rows / b->limits.n_lanes + 1;
    return share < b->limits.n_rows_max ? (uint32_t)share : b->limits.n_rows_max;
}

static void make_units(struct batch *b)
{
    uint32_t n_rows_max = fair_share(b);

    b->units = calloc(b->n_samples > 0 ? b->n_samples : 1, sizeof *b->units);
    CHECK(b->units != NULL);
    for (uint32_t at = 0; at < b->n_samples;) {
        struct unit unit = next_unit(b, at, n_rows_max);

        at += unit.count;
        if (unit.n_items == 0) continue;
        b->units[b->n_units++] = unit;
        b->n_rows += unit.n_rows;
    }
    qsort(b->units, b->n_units, sizeof *b->units, by_length);
}

static void spread_over_lanes(struct batch *b)
{
    uint64_t *n_rows = calloc(b->limits.n_lanes, sizeof *n_rows);

    CHECK(n_rows != NULL);
    for (uint32_t u = 0; u < b->n_units; u++) {
        uint32_t best = 0;

        for (uint32_t lane = 1; lane < b->limits.n_lanes; lane++) {
            if (n_rows[lane] < n_rows[best]) best = lane;
        }
        b->units[u].lane = best;
        n_rows[best] += b->units[u].n_rows;
    }
    free(n_rows);
}

struct room {
    uint32_t n_rows, n_pages, n_items; // left
};

static void fill_packs(struct batch *b, uint32_t lane, struct room *rooms)
{
    uint32_t n_packs = 0;

    for (uint32_t u = 0; u < b->n_units; u++) {
        struct unit *unit = &b->units[u];
        uint32_t best = n_packs;

        if (unit->lane != lane) continue;
        for (uint32_t p = 0; p < n_packs; p++) {
            if (rooms[p].n_rows < unit->n_rows || rooms[p].n_pages < unit->n_pages ||
                rooms[p].n_items < unit->n_items) {
                continue;
            }
            if (best == n_packs || rooms[p].n_rows < rooms[best].n_rows) best = p;
        }
        if (best == n_packs) {
            rooms[n_packs++] =
                (struct room){b->limits.n_rows_max, b->limits.n_pages_max, b->limits.n_items_max};
        }
        rooms[best].n_rows -= unit->n_rows;
        rooms[best].n_pages -= unit->n_pages;
        rooms[best].n_items -= unit->n_items;
        unit->pack = best;
    }
    b->n_packs[lane] = n_packs;
}

void batch_plan(struct batch *b, const struct sample *samples, size_t n_samples,
                const struct batch_limits *limits)
{
    struct room *rooms;

    CHECK(n_samples < UINT32_MAX && limits->n_lanes > 0);
    *b = (struct batch){.samples = samples, .n_samples = n_samples, .limits = *limits};
    make_units(b);
    spread_over_lanes(b);
    b->n_packs = calloc(limits->n_lanes, sizeof *b->n_packs);
    rooms = calloc(b->n_units > 0 ? b->n_units : 1, sizeof *rooms);
    CHECK(b->n_packs != NULL && rooms != NULL);
    for (uint32_t lane = 0; lane < limits->n_lanes; lane++)
        fill_packs(b, lane, rooms);
    free(rooms);
}

void batch_fini(struct batch *b)
{
    free(b->units);
    free(b->n_packs);
    *b = (struct batch){0};
}

uint32_t batch_lanes_used(const struct batch *b)
{
    uint32_t n = 0;

    for (uint32_t lane = 0; lane < b->limits.n_lanes; lane++)
        n += b->n_packs[lane] > 0;
    return n;
}

// --- making packs ------------------------------------------------------------

// Cursors into the arrays of a pack under construction.
struct pack_builder {
    uint32_t *tokens;
    struct span *spans;
    struct page_copy *copies;
    struct loss_item *items;
    uint32_t *page_lists;
    uint32_t n_rows, n_spans, n_copies, n_items, n_page_lists, n_pages;
};

static void put_item(struct pack_builder *p, const struct sample *s, uint32_t index, uint32_t row,
                     uint32_t t)
{
    if (s->weights[t] == 0.0f) return;
    p->items[p->n_items++] = (struct loss_item){
        .row = row,
        .target = s->tokens[t],
        .sample = index,
        .weight = s->weights[t],
        .advantage = s->advantage,
        .logprob_rollout =
            s->logprobs && t >= s->n_prompt_tokens ? s->logprobs[t - s->n_prompt_tokens] : 0.0f,
    };
}

// Pages [0, n_shared) of `shared`, then fresh ones for the rest of n_positions.
static const uint32_t *put_pages(struct pack_builder *p, const uint32_t *shared, uint32_t n_shared,
                                 uint32_t n_positions)
{
    uint32_t *list = p->page_lists + p->n_page_lists;
    uint32_t n = pages_for(n_positions);

    for (uint32_t i = 0; i < n; i++)
        list[i] = i < n_shared ? shared[i] : p->n_pages++;
    p->n_page_lists += n;
    return list;
}

static void put_span(struct pack_builder *p, const struct sample *s, uint32_t position,
                     uint32_t n_rows, const uint32_t *pages)
{
    memcpy(p->tokens + p->n_rows, s->tokens + position, n_rows * sizeof *p->tokens);
    p->spans[p->n_spans++] = (struct span){p->n_rows, n_rows, position, pages};
    p->n_rows += n_rows;
}

static void put_response(struct pack_builder *p, const struct sample *s, uint32_t index,
                         const uint32_t *prompt_pages)
{
    uint32_t n_prompt = s->n_prompt_tokens, n_rows = response_rows(s);
    uint32_t n_shared = n_prompt / KV_PAGE, n_tail = n_prompt % KV_PAGE;
    const uint32_t *pages;
    uint32_t row = p->n_rows;

    if (n_rows == 0) return;
    pages = put_pages(p, prompt_pages, n_shared, n_prompt + n_rows);
    if (n_tail > 0) {
        p->copies[p->n_copies++] =
            (struct page_copy){prompt_pages[n_shared], pages[n_shared], n_tail};
    }
    put_span(p, s, n_prompt, n_rows, pages);
    for (uint32_t i = 0; i < n_rows; i++)
        put_item(p, s, index, row + i, n_prompt + i + 1);
}

static void put_unit(struct pack_builder *p, const struct batch *b, const struct unit *unit)
{
    const struct sample *first = &b->samples[unit->first];
    uint32_t n_prompt = prompt_rows(first), row = p->n_rows;
    const uint32_t *pages = NULL;

    if (n_prompt > 0) {
        pages = put_pages(p, NULL, 0, n_prompt);
        put_span(p, first, 0, n_prompt, pages);
        // Items of prompt tokens themselves (rare: a mask that covers them).
        for (uint32_t i = 0; i < unit->count; i++) {
            for (uint32_t t = 1; t < n_prompt; t++)
                put_item(p, first + i, unit->first + i, row + t - 1, t);
        }
        for (uint32_t i = 0; i < unit->count; i++) {
            const struct sample *s = first + i;

            if (n_prompt < s->n_tokens)
                put_item(p, s, unit->first + i, row + n_prompt - 1, n_prompt);
        }
    }
    for (uint32_t i = 0; i < unit->count; i++)
        put_response(p, first + i, unit->first + i, pages);
}

static int by_row(const void *left, const void *right)
{
    const struct loss_item *a = left, *b = right;

    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

static size_t reserve(size_t *total_bytes, size_t count, size_t item_bytes)
{
    size_t at = *total_bytes;

    *total_bytes += (count * item_bytes + 15) / 16 * 16;
    return at;
}

// One block for all arrays; the items are its start.
static void make_room(struct pack_builder *p, const struct batch *b, uint32_t lane, uint32_t number)
{
    size_t n_rows = 0, n_spans = 0, n_items = 0, n_page_lists = 0;
    size_t total_bytes = 0, items, spans, copies, tokens, page_lists;
    unsigned char *memory;

    for (uint32_t u = 0; u < b->n_units; u++) {
        const struct unit *unit = &b->units[u];

        if (unit->lane != lane || unit->pack != number) continue;
        n_rows += unit->n_rows;
        n_spans += unit->count + 1;
        n_page_lists += pages_for(prompt_rows(&b->samples[unit->first]));
        for (uint32_t i = unit->first; i < unit->first + unit->count; i++) {
            n_items += b->samples[i].n_tokens;
            n_page_lists += pages_for(b->samples[i].n_tokens);
        }
    }
    items = reserve(&total_bytes, n_items, sizeof *p->items);
    spans = reserve(&total_bytes, n_spans, sizeof *p->spans);
    copies = reserve(&total_bytes, n_spans, sizeof *p->copies);
    tokens = reserve(&total_bytes, n_rows, sizeof *p->tokens);
    page_lists = reserve(&total_bytes, n_page_lists, sizeof *p->page_lists);
    memory = malloc(total_bytes + 1);
    CHECK(memory != NULL);
    p->items = (void *)(memory + items);
    p->spans = (void *)(memory + spans);
    p->copies = (void *)(memory + copies);
    p->tokens = (void *)(memory + tokens);
    p->page_lists = (void *)(memory + page_lists);
}

void batch_make_pack(const struct batch *b, uint32_t lane, uint32_t number, struct pack *pack)
{
    struct pack_builder p = {0};

    make_room(&p, b, lane, number);
    for (uint32_t u = 0; u < b->n_units; u++) {
        const struct unit *unit = &b->units[u];

        if (unit->lane == lane && unit->pack == number) put_unit(&p, b, unit);
    }
    CHECK(p.n_rows <= b->limits.n_rows_max && p.n_pages <= b->limits.n_pages_max);
    qsort(p.items, p.n_items, sizeof *p.items, by_row);
    *pack = (struct pack){
        .chunk = {.tokens = p.tokens,
                  .n_rows = p.n_rows,
                  .spans = p.spans,
                  .n_spans = p.n_spans,
                  .copies = p.copies,
                  .n_copies = p.n_copies},
        .n_pages = p.n_pages,
        .items = p.items,
        .n_items = p.n_items,
    };
}

void pack_fini(struct pack *pack)
{
    free(pack->items);
    *pack = (struct pack){0};
}
