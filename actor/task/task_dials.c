#include <stdlib.h>
#include <string.h>

#include "actor/task/task.h"

#define DIALS_FIELDS_MAX 16

struct task_dials_state {
    char name[SPEC_STRING_BYTES];
    struct dials_parameters parameters;
    struct spec_list levels, eval_levels;
    uint32_t eval_per_level;
    uint64_t seed;
};

static const struct spec_field own_fields[] = {
    {"name", SPEC_STRING, offsetof(struct task_dials_state, name), 0, 0},
    {"levels", SPEC_LIST, offsetof(struct task_dials_state, levels), 1, DIALS_LEVEL_MAX},
    {"eval_levels", SPEC_LIST, offsetof(struct task_dials_state, eval_levels), 1, DIALS_LEVEL_MAX},
    {"eval_per_level", SPEC_U32, offsetof(struct task_dials_state, eval_per_level), 1, 1e6},
    {"seed", SPEC_U64, offsetof(struct task_dials_state, seed), 0, 0},
};
enum { N_OWN = sizeof own_fields / sizeof own_fields[0] };

// The task's own keys and those of the puzzle, as offsets into one struct.
static size_t all_fields(struct spec_field out[DIALS_FIELDS_MAX])
{
    CHECK(N_OWN + n_dials_fields <= DIALS_FIELDS_MAX);
    memcpy(out, own_fields, sizeof own_fields);
    for (size_t i = 0; i < n_dials_fields; i++) {
        out[N_OWN + i] = dials_fields[i];
        out[N_OWN + i].offset += offsetof(struct task_dials_state, parameters);
    }
    return N_OWN + n_dials_fields;
}

static void *dials_create(struct json spec, const struct served_files *files, uint64_t seed,
                          struct err *err)
{
    (void)files;
    struct task_dials_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    dials_defaults(&s->parameters);
    s->levels = (struct spec_list){5, {1, 2, 3, 4, 5}};
    s->eval_per_level = 50;
    s->seed = seed;
    struct spec_field fields[DIALS_FIELDS_MAX];
    size_t n_fields = all_fields(fields);
    if (spec_read(spec, "spec.task", fields, n_fields, s, err) != 0) goto fail;
    if (s->levels.count == 0) {
        err_set(err, ERR_USAGE, "spec.task.levels: no levels");
        goto fail;
    }
    if (s->eval_levels.count == 0) s->eval_levels = s->levels;
    return s;

fail:
    free(s);
    return NULL;
}

static uint64_t dials_count(const void *state, enum task_split split)
{
    const struct task_dials_state *s = state;
    return split == TASK_TRAIN ? 0 : (uint64_t)s->eval_per_level * s->eval_levels.count;
}

// Levels take turns, so a batch of a multiple of their number has each equally often.
static int dials_problem(const void *state, enum task_split split, uint64_t n, struct problem *out,
                         struct err *err)
{
    const struct task_dials_state *s = state;
    const struct spec_list *levels = split == TASK_TRAIN ? &s->levels : &s->eval_levels;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){s->seed, RNG_TASK}, n, split);
    struct dials d;
    uint32_t level = levels->items[n % levels->count];
    if (dials_draw(&s->parameters, level, split == TASK_HELD_OUT, &rng, &d, err) != 0) return -1;
    struct text_buffer text;
    text_buffer_init(&text);
    dials_write_problem(&d, &text);
    *out = (struct problem){
        .grader = &grader_exact, .level = level, .n_steps = d.n_turns, .source = "dials"};
    conversation_add(&out->conversation, "user", text_buffer_view(&text));
    text_buffer_clear(&text);
    dials_write_values(dials_answer(&d), &text);
    out->answer = text_buffer_take(&text);
    return 0;
}

const struct task_kind task_dials = {
    .name = "dials",
    .create = dials_create,
    .destroy = free,
    .count = dials_count,
    .problem = dials_problem,
};

const struct dials_parameters *task_dials_parameters(const struct task *t)
{
    if (t->kind != &task_dials) return NULL;
    const struct task_dials_state *s = t->state;
    return &s->parameters;
}
