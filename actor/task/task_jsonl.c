#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/jsonl.h"
#include "actor/data/permutation.h"
#include "actor/data/row_fields.h"
#include "actor/grading/answer.h"
#include "actor/task/task.h"

struct task_jsonl_state {
    char name[SPEC_STRING_BYTES];
    char prompt_key[SPEC_STRING_BYTES], answer_key[SPEC_STRING_BYTES];
    char level_key[SPEC_STRING_BYTES];
    bool holds_out;
    uint64_t seed;
    struct jsonl train, held_out; // n_rows 0: no such file
};

static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct task_jsonl_state, name), 0, 0},
    {"prompt_key", SPEC_STRING, offsetof(struct task_jsonl_state, prompt_key), 0, 0},
    {"answer_key", SPEC_STRING, offsetof(struct task_jsonl_state, answer_key), 0, 0},
    {"level_key", SPEC_STRING, offsetof(struct task_jsonl_state, level_key), 0, 0},
    {"hold_out", SPEC_BOOL, offsetof(struct task_jsonl_state, holds_out), 0, 0},
    {"seed", SPEC_U64, offsetof(struct task_jsonl_state, seed), 0, 0},
};

static void jsonl_destroy(void *state)
{
    struct task_jsonl_state *s = state;
    jsonl_fini(&s->train);
    jsonl_fini(&s->held_out);
    free(s);
}

static void *jsonl_create(struct json spec, const struct served_files *files, uint64_t seed,
                          struct err *err)
{
    struct task_jsonl_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->seed = seed;
    memcpy(s->level_key, "level", sizeof "level");
    if (spec_read(spec, "spec.task", fields, sizeof fields / sizeof fields[0], s, err) != 0 ||
        row_split(files, s->holds_out, &s->train, &s->held_out, err) != 0) {
        jsonl_destroy(s);
        return NULL;
    }
    return s;
}

static uint64_t jsonl_count(const void *state, enum task_split split)
{
    const struct task_jsonl_state *s = state;
    return split == TASK_TRAIN ? s->train.n_rows : s->held_out.n_rows;
}

static int read_row(const struct task_jsonl_state *s, struct json row, struct problem *out,
                    struct err *err)
{
    static const char *const prompt_keys[] = {"prompt", "question", "problem", "quiz", NULL};
    static const char *const answer_keys[] = {"answer", "label", "solution", NULL};
    char *prompt, *raw;
    if (row_text(row, s->prompt_key, prompt_keys, "prompt_key", &prompt, err) != 0) return -1;
    conversation_add(&out->conversation, "user", (struct view){prompt, strlen(prompt)});
    free(prompt);
    if (row_text(row, s->answer_key, answer_keys, "answer_key", &raw, err) != 0) return -1;
    // the reference may be a worked solution: GSM8K ends it in "#### 18", MATH has a box
    struct view answer = {raw, strlen(raw)};
    struct view inside;
    if (answer_find_marked(answer, &inside) || answer_find_boxed(answer, &inside)) answer = inside;
    answer = text_trim(answer);
    out->answer = text_copy(answer.bytes, answer.size_bytes);
    free(raw);
    if (answer.size_bytes == 0) return err_set(err, ERR_FORMAT, "the reference answer is empty");
    out->grader = &grader_exact;
    out->level = row_level(row, s->level_key);
    return 0;
}

static int jsonl_problem(const void *state, enum task_split split, uint64_t n, struct problem *out,
                         struct err *err)
{
    const struct task_jsonl_state *s = state;
    const struct jsonl *rows = split == TASK_TRAIN ? &s->train : &s->held_out;
    *out = (struct problem){0};
    uint64_t row;
    struct json_document *document = row_read(rows, split == TASK_TRAIN, s->seed, n, &row, err);
    if (document == NULL) return -1;
    out->source = jsonl_file_name(rows, row);
    int result = read_row(s, json_root(document), out, err);
    json_destroy(document);
    if (result == 0) return 0;
    problem_fini(out);
    return jsonl_blame(rows, row, err);
}

const struct task_kind task_jsonl = {
    .name = "jsonl",
    .create = jsonl_create,
    .destroy = jsonl_destroy,
    .count = jsonl_count,
    .problem = jsonl_problem,
};
