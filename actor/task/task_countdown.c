#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/row_fields.h"
#include "actor/task/task.h"

// Countdown from rows of numbers and targets, TinyZero's {"nums", "target"} or
// with metadata.numbers and metadata.target, in words of our own.  Without data
// files the generator of this name makes them.

#define NUMBERS_MAX 12

struct countdown_row {
    uint32_t n_numbers;
    int64_t numbers[NUMBERS_MAX];
    int64_t target;
};

struct countdown_state {
    char name[SPEC_STRING_BYTES];
    bool holds_out;
    uint64_t seed;
    struct jsonl train, held_out;
};

static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct countdown_state, name), 0, 0},
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
    s->seed = seed;
    if (spec_read(spec, "spec.task", fields, sizeof fields / sizeof fields[0], s, err) != 0 ||
        row_split(files, s->holds_out, &s->train, &s->held_out, err) != 0) {
        countdown_destroy(s);
        return NULL;
    }
    return s;
}

static uint64_t countdown_count(const void *state, enum task_split split)
{
    const struct countdown_state *s = state;
    return split == TASK_TRAIN ? s->train.n_rows : s->held_out.n_rows;
}

static int take_numbers(struct json row, struct countdown_row *out, struct err *err)
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
                        struct countdown_row *out, const char **source, struct err *err)
{
    const struct jsonl *rows = split == TASK_TRAIN ? &s->train : &s->held_out;
    struct jsonl_line line;
    struct json_document *document = row_read(rows, split == TASK_TRAIN, s->seed, n, &line, err);
    if (document == NULL) return -1;
    *source = rows->files[line.file].data->file->name;
    int result = take_numbers(json_root(document), out, err);
    json_destroy(document);
    return result == 0 ? 0 : jsonl_blame(rows, &line, err);
}

static void write_problem(const struct countdown_row *c, struct problem *out)
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
    struct countdown_row c = {0};
    *out = (struct problem){.source = "countdown", .grader = &grader_countdown};
    if (read_numbers(s, split, n, &c, &out->source, err) != 0) return -1;
    out->level = c.n_numbers - 1;
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
