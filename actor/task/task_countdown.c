#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/row_fields.h"
#include "actor/task/task.h"
#include "common/base/hash.h"
#include "common/base/rng.h"

#define NUMBERS_MAX 8
#define HOLDOUT 8
#define DRAWS_MAX 100000

struct countdown {
    uint32_t n_numbers;
    int64_t numbers[NUMBERS_MAX];
    int64_t target;
};

struct countdown_state {
    char name[SPEC_STRING_BYTES];
    struct spec_list levels, eval_levels; // level L: L + 2 numbers
    uint32_t number_max, target_min, target_max;
    uint32_t eval_per_level;
    bool holds_out;
    uint64_t seed;
    bool has_files;
    struct jsonl train, held_out;
};

static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct countdown_state, name), 0, 0},
    {"levels", SPEC_LIST, offsetof(struct countdown_state, levels), 1, NUMBERS_MAX - 2},
    {"eval_levels", SPEC_LIST, offsetof(struct countdown_state, eval_levels), 1, NUMBERS_MAX - 2},
    {"number_max", SPEC_U32, offsetof(struct countdown_state, number_max), 2, 1000},
    {"target_min", SPEC_U32, offsetof(struct countdown_state, target_min), 1, 1e6},
    {"target_max", SPEC_U32, offsetof(struct countdown_state, target_max), 1, 1e6},
    {"eval_per_level", SPEC_U32, offsetof(struct countdown_state, eval_per_level), 1, 1e6},
    {"hold_out", SPEC_BOOL, offsetof(struct countdown_state, holds_out), 0, 0},
    {"seed", SPEC_U64, offsetof(struct countdown_state, seed), 0, 0},
};

static void countdown_destroy(void *state)
{
    struct countdown_state *s = state;
    jsonl_fini(&s->train);
    jsonl_fini(&s->held_out);
    free(s);
}

static void *countdown_create(struct json spec, const struct served_files *files, uint64_t seed,
                              struct err *err)
{
    struct countdown_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->levels = (struct spec_list){2, {1, 2}};
    s->number_max = 99;
    s->target_min = 10;
    s->target_max = 100;
    s->eval_per_level = 100;
    s->seed = seed;
    if (spec_read(spec, "spec.task", fields, sizeof fields / sizeof fields[0], s, err) != 0)
        goto fail;
    if (s->eval_levels.count == 0) s->eval_levels = s->levels;
    if (s->levels.count == 0 || s->target_min > s->target_max) {
        err_set(err, ERR_USAGE, "spec.task: no levels, or target_min over target_max");
        goto fail;
    }
    s->has_files = files->roles[FILES_TRAIN].count + files->roles[FILES_EVAL].count > 0;
    if (s->has_files && row_split(files, s->holds_out, &s->train, &s->held_out, err) != 0)
        goto fail;
    return s;

fail:
    countdown_destroy(s);
    return NULL;
}

static uint64_t countdown_count(const void *state, enum task_split split)
{
    const struct countdown_state *s = state;
    if (s->has_files) return split == TASK_TRAIN ? s->train.n_rows : s->held_out.n_rows;
    return split == TASK_TRAIN ? 0 : (uint64_t)s->eval_per_level * s->eval_levels.count;
}

// --- a problem that has a solution, because it is made backwards from one ------------------------

// One random operation whose result is a whole number that is not negative.
static bool combine(struct rng_stream *rng, int64_t a, int64_t b, int64_t *out)
{
    switch (rng_below(rng, 4)) {
    case 0:
        *out = a + b;
        return true;
    case 1:
        *out = a > b ? a - b : b - a;
        return true;
    case 2:
        *out = a * b;
        return *out <= 1000000;
    default:
        if (b == 0 || a % b != 0) return false;
        *out = a / b;
        return true;
    }
}

static bool draw_target(const struct countdown_state *s, struct rng_stream *rng,
                        struct countdown *p)
{
    int64_t pool[NUMBERS_MAX];
    uint32_t n = p->n_numbers;
    memcpy(pool, p->numbers, n * sizeof pool[0]);
    while (n > 1) {
        uint32_t i = rng_below(rng, n);
        int64_t a = pool[i];
        pool[i] = pool[--n];
        uint32_t j = rng_below(rng, n);
        if (!combine(rng, a, pool[j], &pool[j])) return false;
    }
    p->target = pool[0];
    return p->target >= s->target_min && p->target <= s->target_max;
}

static int compare_numbers(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static bool is_held_out(const struct countdown *p)
{
    int64_t key[NUMBERS_MAX + 1];
    memcpy(key, p->numbers, p->n_numbers * sizeof key[0]);
    qsort(key, p->n_numbers, sizeof key[0], compare_numbers);
    key[p->n_numbers] = p->target;
    return checksum_of(key, (p->n_numbers + 1) * sizeof key[0]) % HOLDOUT == 0;
}

static int draw_numbers(const struct countdown_state *s, enum task_split split, uint64_t n,
                        struct countdown *out, struct err *err)
{
    const struct spec_list *levels = split == TASK_TRAIN ? &s->levels : &s->eval_levels;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){s->seed, RNG_TASK}, n, split);
    uint32_t level = levels->items[n % levels->count];
    out->n_numbers = level + 2;
    for (int draw = 0; draw < DRAWS_MAX; draw++) {
        for (uint32_t i = 0; i < out->n_numbers; i++)
            out->numbers[i] = 1 + rng_below(&rng, s->number_max);
        if (draw_target(s, &rng, out) && is_held_out(out) == (split == TASK_HELD_OUT)) return 0;
    }
    return err_set(err, ERR_USAGE, "countdown: no problem of level %" PRIu32 " in %d draws", level,
                   DRAWS_MAX);
}

// --- from rows: nums and target, or metadata.numbers and metadata.target -------------------------

static int take_numbers(struct json row, struct countdown *out, struct err *err)
{
    struct json numbers = json_member(row, "nums"), target = json_member(row, "target");
    struct json metadata = json_member(row, "metadata");
    if (!json_is_present(numbers)) numbers = json_member(metadata, "numbers");
    if (!json_is_present(target)) target = json_member(metadata, "target");
    size_t n = json_count(numbers);
    if (!json_is_array(numbers) || n < 1 || n > NUMBERS_MAX)
        return err_set(err, ERR_FORMAT, "column 'nums': want a list of 1 to %d numbers",
                       NUMBERS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct json number = json_item(numbers, i);
        if (!json_is_integer(number) || json_to_i64(number) < 0)
            return err_set(err, ERR_FORMAT, "column 'nums': want whole numbers from 0");
        out->numbers[i] = json_to_i64(number);
    }
    if (!json_is_integer(target))
        return err_set(err, ERR_FORMAT, "column 'target': want a whole number");
    out->n_numbers = (uint32_t)n;
    out->target = json_to_i64(target);
    return 0;
}

static int read_numbers(const struct countdown_state *s, enum task_split split, uint64_t n,
                        struct countdown *out, const char **source, struct err *err)
{
    const struct jsonl *rows = split == TASK_TRAIN ? &s->train : &s->held_out;
    uint64_t row;
    struct json_document *document = row_read(rows, split == TASK_TRAIN, s->seed, n, &row, err);
    if (document == NULL) return -1;
    *source = jsonl_file_name(rows, row);
    int result = take_numbers(json_root(document), out, err);
    json_destroy(document);
    return result == 0 ? 0 : jsonl_blame(rows, row, err);
}

static void write_problem(const struct countdown *c, struct problem *out)
{
    struct text_buffer text, list;
    text_buffer_init(&text);
    text_buffer_init(&list);
    for (uint32_t i = 0; i < c->n_numbers; i++)
        text_buffer_printf(&list, "%s%" PRId64, i == 0 ? "" : ", ", c->numbers[i]);
    text_buffer_printf(&text,
                       "Use the numbers %s, each of them exactly once, with + - * / and brackets, "
                       "to write an expression whose value is %" PRId64
                       ". Answer with the expression alone, for example (1 + 2) * 3",
                       list.bytes, c->target);
    conversation_add(&out->conversation, "user", text_buffer_view(&text));
    text_buffer_clear(&text);
    text_buffer_printf(&text, "{\"numbers\": [%s], \"target\": %" PRId64 "}", list.bytes,
                       c->target);
    out->metadata = text_buffer_take(&text);
    text_buffer_fini(&list);
}

static int countdown_problem(const void *state, enum task_split split, uint64_t n,
                             struct problem *out, struct err *err)
{
    const struct countdown_state *s = state;
    struct countdown c = {0};
    *out = (struct problem){.source = "countdown", .grader = &grader_countdown};
    int result = s->has_files ? read_numbers(s, split, n, &c, &out->source, err)
                              : draw_numbers(s, split, n, &c, err);
    if (result != 0) return -1;
    out->level = c.n_numbers > 2 ? c.n_numbers - 2 : 1;
    out->n_steps = c.n_numbers - 1;
    write_problem(&c, out);
    return 0;
}

const struct task_kind task_countdown = {
    .name = "countdown",
    .create = countdown_create,
    .destroy = countdown_destroy,
    .count = countdown_count,
    .problem = countdown_problem,
};
