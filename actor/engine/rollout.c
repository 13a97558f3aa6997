#include "actor/engine/rollout.h"

#include <stdlib.h>
#include <string.h>

#include "actor/engine/kv_pages.h"

// What a sample has drawn so far; handed out as it is when finished.
struct drawn {
    struct drawn *next; // in the finished queue
    uint64_t ticket;
    uint32_t sample;
    uint32_t n_tokens;
    bool is_stopped;
    bool is_modified; // behaviour differs from logprobs
    float *logprobs;  // (max_new_tokens), as the next two
    float *behaviour;
    uint32_t tokens[]; // the three arrays in one block
};

// A sample under way.
struct slot {
    struct group *group;
    struct slot *next; // in the group's list or the free list
    struct drawn *drawn;
    uint32_t *pages; // (n_pages): the prompt's full ones, then its own
    uint32_t n_pages;
};

struct group {
    struct group *next; // in order of arrival
    struct rollout_group spec;
    uint32_t *prompt;
    uint32_t *pages; // of the prompt; NULL until prefill begins
    uint32_t n_pages;
    uint32_t n_prefilled;
    float *logits; // (V) after the prompt's last token; from prefill until all have started
    uint32_t n_started;
    struct slot *running; // its slots
    uint64_t n_generated;
};

struct rollout {
    struct shape shape;
    struct rollout_limits limits;
    struct pool *pool;
    const struct weights *weights;
    struct kv kv;
    struct kv_pages pages;
    struct group *groups; // oldest first
    struct slot *slots;   // (n_slots)
    struct slot *free_slots;
    uint32_t n_free_slots;
    struct drawn *finished; // oldest first
    struct drawn *popped;   // what the last pop lent out
    // One step's chunk and results.
    struct forward_scratch *scratch;
    uint32_t *tokens;            // (rows_max)
    struct span *spans;          // (rows_max)
    struct slot **row_slot;      // (n_slots): whose decode row it is
    struct group **prefilled;    // (rows_max): groups in the chunk, in span order
    float *hidden;               // (rows_max, C)
    float *logits;               // (n_slots, V)
    struct draw *draws;          // (n_slots)
    unsigned char *draw_scratch; // (threads, sampler_scratch_bytes)
    uint32_t rows_max;
};

static uint32_t pages_for(uint32_t n_positions)
{
    return (n_positions + KV_PAGE - 1) / KV_PAGE;
}

// Pages that one sample adds to its prompt's full ones.  The response's last
// token is never fed back, but a page boundary is not worth the special case.
static uint32_t own_pages(const struct group *g)
{
    return pages_for(g->spec.n_prompt_tokens + g->spec.max_new_tokens) -
           g->spec.n_prompt_tokens / KV_PAGE;
}

uint32_t rollout_pages_needed(uint32_t n_slots, uint32_t n_positions)
{
    return decode_pages(n_slots, n_positions);
}

size_t rollout_bytes(const struct shape *shape, const struct rollout_limits *limits)
{
    return kv_bytes(shape, limits->n_pages) +
           decode_bytes(shape, limits->n_slots, limits->prefill_rows);
}

static void *take(size_t count, size_t item_bytes)
{
    void *memory = calloc(count ? count : 1, item_bytes);
    CHECK(memory != NULL);
    return memory;
}

struct rollout *rollout_create(const struct shape *shape, const struct rollout_limits *limits,
                               struct pool *pool)
{
    CHECK(limits->n_slots > 0 && limits->prefill_rows > 0 && limits->n_pages > 0);
    struct rollout *r = take(1, sizeof *r);
    r->shape = *shape;
    r->limits = *limits;
    r->pool = pool;
    r->rows_max = limits->n_slots + limits->prefill_rows;
    kv_init(&r->kv, shape, limits->n_pages);
    kv_pages_init(&r->pages, limits->n_pages);
    r->slots = take(limits->n_slots, sizeof *r->slots);
    for (uint32_t i = limits->n_slots; i-- > 0;) {
        r->slots[i].next = r->free_slots;
        r->free_slots = &r->slots[i];
    }
    r->n_free_slots = limits->n_slots;
    r->scratch = forward_scratch_create(shape, r->rows_max);
    r->tokens = take(r->rows_max, sizeof *r->tokens);
    r->spans = take(r->rows_max, sizeof *r->spans);
    r->row_slot = take(limits->n_slots, sizeof(struct slot *));
    r->prefilled = take(r->rows_max, sizeof(struct group *));
    r->hidden = take((size_t)r->rows_max * shape->width, sizeof(float));
    r->logits = take((size_t)limits->n_slots * shape->vocab_size, sizeof(float));
    r->draws = take(limits->n_slots, sizeof *r->draws);
    r->draw_scratch = take(pool_thread_count(pool), sampler_scratch_bytes(shape->vocab_size));
    return r;
}

// Gives pages and slot back; what it has drawn is the caller's.
static void slot_release(struct rollout *r, struct slot *s)
{
    for (uint32_t i = 0; i < s->n_pages; i++)
        kv_pages_release(&r->pages, s->pages[i]);
    free(s->pages);
    *s = (struct slot){.next = r->free_slots};
    r->free_slots = s;
    r->n_free_slots++;
}

// The prompt's pages go back (samples hold their own share of the full ones).
static void group_release_prompt(struct rollout *r, struct group *g)
{
    for (uint32_t i = 0; i < g->n_pages; i++)
        kv_pages_release(&r->pages, g->pages[i]);
    free(g->pages);
    g->pages = NULL;
    g->n_pages = 0;
    free(g->logits);
    g->logits = NULL;
}

static void group_destroy(struct rollout *r, struct group *g)
{
    group_release_prompt(r, g);
    for (struct slot *s = g->running; s != NULL;) {
        struct slot *next = s->next;
        free(s->drawn);
        slot_release(r, s);
        s = next;
    }
    free(g->prompt);
    free(g);
}

void rollout_destroy(struct rollout *r)
{
    if (r == NULL) return;
    while (r->groups != NULL) {
        struct group *g = r->groups;
        r->groups = g->next;
        group_destroy(r, g);
    }
    while (r->finished != NULL) {
        struct drawn *d = r->finished;
        r->finished = d->next;
        free(d);
    }
    free(r->popped);
    kv_fini(&r->kv);
    kv_pages_fini(&r->pages);
    forward_scratch_destroy(r->scratch);
    free(r->slots);
    free(r->tokens);
    free(r->spans);
    free(r->row_slot);
    free(r->prefilled);
    free(r->hidden);
    free(r->logits);
    free(r->draws);
    free(r->draw_scratch);
    free(r);
}

void rollout_set_weights(struct rollout *r, const struct weights *weights)
{
    CHECK(r->groups == NULL);
    r->weights = weights;
}

int rollout_add(struct rollout *r, const struct rollout_group *group, struct err *err)
{
    const uint64_t n_positions = (uint64_t)group->n_prompt_tokens + group->max_new_tokens;
    if (group->n_prompt_tokens == 0 || group->max_new_tokens == 0 || group->n_samples == 0)
        return err_set(err, ERR_LIMIT, "an empty prompt, response or group cannot be generated");
    if (n_positions > r->shape.context_length)
        return err_set(err, ERR_LIMIT,
                       "prompt of %u tokens and response of at most %u exceed the model's context "
                       "of %u",
                       group->n_prompt_tokens, group->max_new_tokens, r->shape.context_length);
    if (pages_for((uint32_t)n_positions) + 1 > r->limits.n_pages)
        return err_set(err, ERR_LIMIT, "a sequence of %u tokens needs %u cache pages, there are %u",
                       (uint32_t)n_positions, pages_for((uint32_t)n_positions) + 1,
                       r->limits.n_pages);
    struct group *g = take(1, sizeof *g);
    g->spec = *group;
    g->prompt = take(group->n_prompt_tokens, sizeof *g->prompt);
    memcpy(g->prompt, group->prompt, group->n_prompt_tokens * sizeof *g->prompt);
    g->spec.prompt = g->prompt;
    struct group **tail = &r->groups;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = g;
    return 0;
}

void rollout_cancel(struct rollout *r, uint64_t ticket)
{
    for (struct group **link = &r->groups; *link != NULL;) {
        struct group *g = *link;
        if (g->spec.ticket != ticket) {
            link = &g->next;
            continue;
        }
        *link = g->next;
        group_destroy(r, g);
    }
    for (struct drawn **link = &r->finished; *link != NULL;) {
        struct drawn *d = *link;
        if (d->ticket != ticket) {
            link = &d->next;
            continue;
        }
        *link = d->next;
        free(d);
    }
}

bool rollout_is_idle(const struct rollout *r)
{
    return r->groups == NULL;
}

uint32_t rollout_room(const struct rollout *r)
{
    uint32_t waiting = 0;
    for (const struct group *g = r->groups; g != NULL; g = g->next)
        waiting += g->spec.n_samples - g->n_started;
    return r->n_free_slots > waiting ? r->n_free_slots - waiting : 0;
}

uint64_t rollout_progress(const struct rollout *r, uint64_t ticket)
{
    for (const struct group *g = r->groups; g != NULL; g = g->next)
        if (g->spec.ticket == ticket) return g->n_generated + g->n_prefilled;
    return 0;
}

const uint32_t *rollout_drawn(const struct rollout *r, uint64_t ticket, uint32_t sample,
                              uint32_t *n_tokens)
{
    *n_tokens = 0;
    for (const struct group *g = r->groups; g != NULL; g = g->next) {
        if (g->spec.ticket != ticket) continue;
        for (const struct slot *s = g->running; s != NULL; s = s->next) {
            if (s->drawn->sample != sample) continue;
            *n_tokens = s->drawn->n_tokens;
            return s->drawn->tokens;
        }
    }
    return NULL;
}

static struct drawn *drawn_create(const struct group *g)
{
    const size_t n = g->spec.max_new_tokens;
    struct drawn *d = malloc(sizeof *d + n * (sizeof(uint32_t) + 2 * sizeof(float)));
    CHECK(d != NULL);
    *d = (struct drawn){.ticket = g->spec.ticket,
                        .sample = g->n_started,
                        .is_modified = sampling_modifies(&g->spec.sampling)};
    d->logprobs = (float *)(void *)(d->tokens + n);
    d->behaviour = d->logprobs + n;
    return d;
}

static void finish(struct rollout *r, struct slot *s)
{
    struct drawn **tail = &r->finished;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = s->drawn;
    struct slot **link = &s->group->running;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    slot_release(r, s);
}

static bool is_stop(const struct rollout_group *spec, uint32_t token)
{
    for (size_t i = 0; i < spec->n_stop_ids; i++)
        if (spec->stop_ids[i] == token) return true;
    return false;
}

// Takes one drawn token into a sample; the sample may be over after it.
static void append(struct rollout *r, struct slot *s, const struct draw *draw)
{
    struct group *g = s->group;
    struct drawn *d = s->drawn;
    d->tokens[d->n_tokens] = draw->token;
    d->logprobs[d->n_tokens] = draw->logprob;
    d->behaviour[d->n_tokens] = draw->logprob_behaviour;
    d->n_tokens++;
    g->n_generated++;
    d->is_stopped = is_stop(&g->spec, draw->token);
    if (d->is_stopped || d->n_tokens == g->spec.max_new_tokens) finish(r, s);
}

static struct draw draw_for(const struct rollout *r, const struct slot *s, const float *logits,
                            unsigned thread)
{
    const struct rollout_group *spec = &s->group->spec;
    const struct rng_key key = {spec->seed, RNG_SAMPLE};
    const size_t bytes = sampler_scratch_bytes(r->shape.vocab_size);
    return sampler_draw(
        logits, r->shape.vocab_size, &spec->sampling,
        rng_at(key, spec->prompt_index, spec->first_sample + s->drawn->sample, s->drawn->n_tokens),
        r->draw_scratch + thread * bytes);
}

// Starts one sample of a prefilled group: pages, then its first token from the
// prompt's logits.
static void start_sample(struct rollout *r, struct group *g)
{
    struct slot *s = r->free_slots;
    r->free_slots = s->next;
    r->n_free_slots--;
    const uint32_t n_shared = g->spec.n_prompt_tokens / KV_PAGE;
    const uint32_t n_tail = g->spec.n_prompt_tokens % KV_PAGE;
    *s = (struct slot){.group = g, .drawn = drawn_create(g), .n_pages = n_shared + own_pages(g)};
    s->pages = take(s->n_pages, sizeof *s->pages);
    for (uint32_t i = 0; i < s->n_pages; i++) {
        s->pages[i] = i < n_shared ? g->pages[i] : kv_pages_acquire(&r->pages);
        if (i < n_shared) kv_pages_share(&r->pages, s->pages[i]);
    }
    if (n_tail != 0) kv_copy_page(&r->kv, g->pages[n_shared], s->pages[n_shared], n_tail);
    s->next = g->running;
    g->running = s;
    g->n_started++;
    const struct draw draw = draw_for(r, s, g->logits, 0);
    append(r, s, &draw);
}

// Starts what fits, oldest group first, and gives prompts their pages.  A
// prompt is taken in only when every sample of the groups before it has its
// slot and pages, so at most one group waits with pages in hand and the pages
// of one sample are always to be had: nothing can block for ever.
static void admit(struct rollout *r)
{
    for (struct group *g = r->groups; g != NULL; g = g->next) {
        const bool is_prefilled = g->n_prefilled == g->spec.n_prompt_tokens;
        while (is_prefilled && g->n_started < g->spec.n_samples && r->n_free_slots > 0 &&
               r->pages.n_free >= own_pages(g))
            start_sample(r, g);
        if (g->n_started == g->spec.n_samples && g->pages != NULL) group_release_prompt(r, g);
    }
    uint64_t slots = r->n_free_slots;
    uint64_t pages = r->pages.n_free;
    for (struct group *g = r->groups; g != NULL; g = g->next) {
        const uint64_t n_waiting = g->spec.n_samples - g->n_started;
        const uint64_t n_prompt = pages_for(g->spec.n_prompt_tokens);
        if (n_waiting == 0) continue;
        if (g->pages == NULL) {
            if (slots == 0 || pages < n_prompt + own_pages(g)) return;
            g->pages = take(n_prompt, sizeof *g->pages);
            while (g->n_pages < n_prompt)
                g->pages[g->n_pages++] = kv_pages_acquire(&r->pages);
            pages -= n_prompt;
        }
        if (n_waiting > slots || n_waiting * own_pages(g) > pages) return;
        slots -= n_waiting;
        pages -= n_waiting * own_pages(g);
    }
}

// Rows of the samples under way, then of the prompts coming in.  Samples of a
// group stand next to each other: attention then reads shared pages once.
static struct chunk build_chunk(struct rollout *r, uint32_t *n_decode, uint32_t *n_prefilled)
{
    struct chunk c = {.tokens = r->tokens, .spans = r->spans};
    for (struct group *g = r->groups; g != NULL; g = g->next) {
        for (struct slot *s = g->running; s != NULL; s = s->next) {
            const uint32_t last = s->drawn->n_tokens - 1;
            r->tokens[c.n_rows] = s->drawn->tokens[last];
            r->row_slot[c.n_rows] = s;
            r->spans[c.n_spans++] = (struct span){.row = c.n_rows++,
                                                  .n_rows = 1,
                                                  .position = g->spec.n_prompt_tokens + last,
                                                  .pages = s->pages};
        }
    }
    *n_decode = c.n_rows;
    *n_prefilled = 0;
    uint32_t room = r->limits.prefill_rows;
    for (struct group *g = r->groups; g != NULL && room > 0; g = g->next) {
        uint32_t n = g->spec.n_prompt_tokens - g->n_prefilled;
        if (g->pages == NULL || n == 0) continue;
        if (n > room) n = room;
        memcpy(r->tokens + c.n_rows, g->prompt + g->n_prefilled, n * sizeof *r->tokens);
        r->spans[c.n_spans++] = (struct span){
            .row = c.n_rows, .n_rows = n, .position = g->n_prefilled, .pages = g->pages};
        g->n_prefilled += n;
        c.n_rows += n;
        room -= n;
        r->prefilled[(*n_prefilled)++] = g;
    }
    return c;
}

static void draw_row(void *context, size_t row, unsigned thread)
{
    struct rollout *r = context;
    const float *logits = r->logits + row * r->shape.vocab_size;
    r->draws[row] = draw_for(r, r->row_slot[row], logits, thread);
}

static void forget_finished_groups(struct rollout *r)
{
    for (struct group **link = &r->groups; *link != NULL;) {
        struct group *g = *link;
        if (g->n_started < g->spec.n_samples || g->running != NULL) {
            link = &g->next;
            continue;
        }
        *link = g->next;
        group_destroy(r, g);
    }
}

void rollout_step(struct rollout *r)
{
    CHECK(r->weights != NULL);
    admit(r);
    uint32_t n_decode, n_prefilled;
    const struct chunk chunk = build_chunk(r, &n_decode, &n_prefilled);
    if (chunk.n_rows != 0) {
        forward(r->hidden, r->weights, &r->kv, &chunk, NULL, r->scratch, r->pool);
        if (n_decode != 0) {
            forward_logits(r->logits, r->weights, r->hidden, n_decode, r->pool);
            pool_for(r->pool, n_decode, draw_row, r);
        }
        for (uint32_t i = 0; i < n_prefilled; i++) {
            struct group *g = r->prefilled[i];
            if (g->n_prefilled < g->spec.n_prompt_tokens) continue;
            const struct span *span = &r->spans[n_decode + i];
            const size_t last = span->row + span->n_rows - 1;
            g->logits = take(r->shape.vocab_size, sizeof(float));
            forward_logits(g->logits, r->weights, r->hidden + last * r->shape.width, 1, r->pool);
        }
        for (uint32_t row = 0; row < n_decode; row++)
            append(r, r->row_slot[row], &r->draws[row]);
    }
    forget_finished_groups(r);
}

bool rollout_pop(struct rollout *r, struct rollout_sample *out)
{
    free(r->popped);
    r->popped = r->finished;
    if (r->popped == NULL) return false;
    const struct drawn *d = r->popped;
    r->finished = d->next;
    *out = (struct rollout_sample){.ticket = d->ticket,
                                   .sample = d->sample,
                                   .n_tokens = d->n_tokens,
                                   .is_stopped = d->is_stopped,
                                   .tokens = d->tokens,
                                   .logprobs = d->logprobs,
                                   .logprobs_behaviour = d->is_modified ? d->behaviour : NULL};
    return true;
}
