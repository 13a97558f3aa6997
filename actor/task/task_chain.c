#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/task/task.h"

#define CHAIN_FIELDS_MAX 16

struct task_chain_state {
    char name[SPEC_STRING_BYTES];
    struct chain_parameters parameters;
    struct spec_list levels, eval_levels;
    uint32_t eval_per_level;
    uint64_t seed;
};

static const struct spec_field own_fields[] = {
    {"name", SPEC_STRING, offsetof(struct task_chain_state, name), 0, 0},
    {"levels", SPEC_LIST, offsetof(struct task_chain_state, levels), 1, CHAIN_LEVEL_MAX},
    {"eval_levels", SPEC_LIST, offsetof(struct task_chain_state, eval_levels), 1, CHAIN_LEVEL_MAX},
    {"eval_per_level", SPEC_U32, offsetof(struct task_chain_state, eval_per_level), 1, 1e6},
    {"seed", SPEC_U64, offsetof(struct task_chain_state, seed), 0, 0},
};
enum { N_OWN = sizeof own_fields / sizeof own_fields[0] };

// The task's own keys and those of the chain, as offsets into one struct.
static size_t all_fields(struct spec_field out[CHAIN_FIELDS_MAX])
{
    CHECK(N_OWN + n_chain_fields <= CHAIN_FIELDS_MAX);
    memcpy(out, own_fields, sizeof own_fields);
    for (size_t i = 0; i < n_chain_fields; i++) {
        out[N_OWN + i] = chain_fields[i];
        out[N_OWN + i].offset += offsetof(struct task_chain_state, parameters);
    }
    return N_OWN + n_chain_fields;
}

static void *chain_create(struct json spec, const struct served_files *files, uint64_t seed,
                          struct err *err)
{
    (void)files;
    struct task_chain_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    chain_defaults(&s->parameters);
    s->levels = (struct spec_list){5, {1, 2, 3, 4, 5}};
    s->eval_per_level = 50;
    s->seed = seed;
    struct spec_field fields[CHAIN_FIELDS_MAX];
    size_t n_fields = all_fields(fields);
    if (spec_read(spec, "spec.task", fields, n_fields, s, err) != 0) goto fail;
    if (s->eval_levels.count == 0) s->eval_levels = s->levels;
    if (chain_check(&s->parameters, &s->levels, "spec.task.levels", err) != 0 ||
        chain_check(&s->parameters, &s->eval_levels, "spec.task.eval_levels", err) != 0)
        goto fail;
    return s;

fail:
    free(s);
    return NULL;
}

static uint64_t chain_count(const void *state, enum task_split split)
{
    const struct task_chain_state *s = state;
    return split == TASK_TRAIN ? 0 : (uint64_t)s->eval_per_level * s->eval_levels.count;
}

// Levels take turns, so a batch of a multiple of their number has each equally often.
static int chain_problem(const void *state, enum task_split split, uint64_t n, struct problem *out,
                         struct err *err)
{
    const struct task_chain_state *s = state;
    const struct spec_list *levels = split == TASK_TRAIN ? &s->levels : &s->eval_levels;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){s->seed, RNG_TASK}, n, split);
    struct chain c;
    uint32_t level = levels->items[n % levels->count];
    if (chain_draw(&s->parameters, level, split == TASK_HELD_OUT, &rng, &c, err) != 0) return -1;
    struct text_buffer text;
    text_buffer_init(&text);
    chain_write_problem(&c, &text);
    *out = (struct problem){
        .grader = &grader_exact, .level = level, .n_steps = c.n_ops, .source = "chain"};
    conversation_add(&out->conversation, "user", text_buffer_view(&text));
    text_buffer_clear(&text);
    text_buffer_printf(&text, "%" PRIu32, c.answer);
    out->answer = text_buffer_take(&text);
    return 0;
}

const struct task_kind task_chain = {
    .name = "chain",
    .create = chain_create,
    .destroy = free,
    .count = chain_count,
    .problem = chain_problem,
};

const struct chain_parameters *task_chain_parameters(const struct task *t)
{
    if (t->kind != &task_chain) return NULL;
    const struct task_chain_state *s = t->state;
    return &s->parameters;
}
