#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/task/generator.h"
#include "actor/task/task.h"

#define DRAWS_MAX 100000
#define FIELDS_MAX 24

struct generated_state {
    const struct generator *generator;
    char name[SPEC_STRING_BYTES];
    struct spec_list levels, eval_levels;
    uint32_t size;
    uint64_t seed;
    max_align_t parameters[]; // the generator's own
};

static const struct spec_field own_fields[] = {
    {"name", SPEC_STRING, offsetof(struct generated_state, name), 0, 0},
    {"levels", SPEC_LIST, offsetof(struct generated_state, levels), 1, 1000},
    {"eval_levels", SPEC_LIST, offsetof(struct generated_state, eval_levels), 1, 1000},
    {"size", SPEC_U32, offsetof(struct generated_state, size), 1, 1e9},
    {"seed", SPEC_U64, offsetof(struct generated_state, seed), 0, 0},
};
enum { N_OWN = sizeof own_fields / sizeof own_fields[0] };

// The keys that all generators have and those of this one, as offsets into one struct.
static size_t all_fields(const struct generator *g, struct spec_field out[FIELDS_MAX])
{
    CHECK(N_OWN + g->n_fields <= FIELDS_MAX);
    memcpy(out, own_fields, sizeof own_fields);
    for (size_t i = 0; i < g->n_fields; i++) {
        out[N_OWN + i] = g->fields[i];
        out[N_OWN + i].offset += offsetof(struct generated_state, parameters);
    }
    return N_OWN + g->n_fields;
}

static int check_levels(const struct generated_state *s, const struct spec_list *levels,
                        const char *what, struct err *err)
{
    uint32_t min, max;
    s->generator->level_range(s->parameters, &min, &max);
    for (uint32_t i = 0; i < levels->count; i++)
        if (levels->items[i] < min || levels->items[i] > max)
            return err_set(err, ERR_USAGE,
                           "spec.task.%s: level %" PRIu32 " of %s (%s) is outside %" PRIu32
                           "..%" PRIu32 ", which is what its other keys can make",
                           what, levels->items[i], s->name, s->generator->level_is, min, max);
    return 0;
}

static void *generated_create(struct json spec, const struct served_files *files, uint64_t seed,
                              struct err *err)
{
    (void)files;
    const struct generator *g = generator_find(json_to_string(json_member(spec, "name"), NULL));
    CHECK(g != NULL); // task_init looked it up
    struct generated_state *s = calloc(1, sizeof *s + g->parameters_bytes);
    CHECK(s != NULL);
    s->generator = g;
    s->size = 500;
    s->seed = seed;
    g->defaults(s->parameters);
    struct spec_field fields[FIELDS_MAX];
    size_t n_fields = all_fields(g, fields);
    if (spec_read(spec, "spec.task", fields, n_fields, s, err) != 0 ||
        (g->read != NULL && g->read(spec, s->parameters, err) != 0))
        goto fail;
    if (s->eval_levels.count == 0) s->eval_levels = s->levels;
    if (check_levels(s, &s->levels, "levels", err) != 0 ||
        check_levels(s, &s->eval_levels, "eval_levels", err) != 0)
        goto fail;
    return s;

fail:
    free(s);
    return NULL;
}

static uint64_t generated_count(const void *state, enum task_split split)
{
    const struct generated_state *s = state;
    return split == TASK_TRAIN ? 0 : s->size;
}

static int draw(const struct generated_state *s, enum task_split split, uint64_t n,
                struct rng_stream *rng, void *drawn, struct err *err)
{
    const struct spec_list *levels = split == TASK_TRAIN ? &s->levels : &s->eval_levels;
    // levels take turns, so a batch of a multiple of their number has each equally often
    uint32_t level = levels->count == 0 ? 0 : levels->items[n % levels->count];
    rng_stream_init(rng, (struct rng_key){s->seed, RNG_TASK}, n, split);
    for (int i = 0; i < DRAWS_MAX; i++) {
        uint64_t side;
        memset(drawn, 0, s->generator->drawn_bytes);
        if (s->generator->draw(s->parameters, level, rng, drawn, &side) &&
            (side % GENERATOR_HOLDOUT == 0) == (split == TASK_HELD_OUT))
            return 0;
    }
    return err_set(err, ERR_USAGE, "%s: no %s problem in %d draws: its ranges leave too few",
                   s->name, split == TASK_HELD_OUT ? "held-out" : "training", DRAWS_MAX);
}

static void write_problem(const struct generated_state *s, uint64_t n, const void *drawn,
                          struct rng_stream *rng, const struct working *working,
                          struct problem *out)
{
    struct generated g = {.working = working};
    text_buffer_init(&g.question);
    text_buffer_init(&g.answer);
    json_writer_init(&g.metadata);
    json_open(&g.metadata, NULL, '{');
    json_put_string(&g.metadata, "source_dataset", s->generator->name);
    json_put_u64(&g.metadata, "source_index", n);
    s->generator->write(s->parameters, drawn, rng, &g);
    json_open(&g.metadata, "difficulty", '{');
    s->generator->write_difficulty(s->parameters, &g.metadata);
    json_close(&g.metadata, '}');
    json_close(&g.metadata, '}');
    *out = (struct problem){.answer = text_buffer_take(&g.answer),
                            .metadata = g.metadata.bytes,
                            .grader = s->generator->grader,
                            .level = g.level,
                            .n_steps = g.n_steps,
                            .source = s->generator->name};
    conversation_add(&out->conversation, "user", text_buffer_view(&g.question));
    text_buffer_fini(&g.question);
}

static int make(const struct generated_state *s, enum task_split split, uint64_t n,
                const struct working *working, struct problem *out, struct err *err)
{
    struct rng_stream rng;
    void *drawn = malloc(s->generator->drawn_bytes);
    CHECK(drawn != NULL);
    int result = draw(s, split, n, &rng, drawn, err);
    if (result == 0) write_problem(s, n, drawn, &rng, working, out);
    free(drawn);
    return result;
}

static int generated_problem(const void *state, enum task_split split, uint64_t n,
                             struct problem *out, struct err *err)
{
    return make(state, split, n, NULL, out, err);
}

static int generated_work_out(const void *state, uint64_t n, const struct working *working,
                              struct problem *out, struct err *err)
{
    return make(state, TASK_TRAIN, n, working, out, err);
}

const struct task_kind task_generated = {
    .name = "generated",
    .create = generated_create,
    .destroy = free,
    .count = generated_count,
    .problem = generated_problem,
    .work_out = generated_work_out,
};
