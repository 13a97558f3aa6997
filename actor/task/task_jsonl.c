#include <stdlib.h>
#include <string.h>

#include "actor/data/dataset.h"
#include "actor/grading/answer.h"
#include "actor/task/task.h"

// Problems out of data files, whatever their convention (convention.h).

struct task_jsonl_state {
    char name[SPEC_STRING_BYTES];
    struct data_options usual;
    bool holds_out;
    uint64_t seed;
    struct dataset train, held_out; // without rows: no such file
};

#define OPTION(key)                                                                                \
    {                                                                                              \
#key, SPEC_STRING, offsetof(struct task_jsonl_state, usual.key), 0, 0                      \
    }
static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct task_jsonl_state, name), 0, 0},
    OPTION(convention),
    OPTION(grader),
    OPTION(prompt_key),
    OPTION(answer_key),
    OPTION(level_key),
    OPTION(source_key),
    {"hold_out", SPEC_BOOL, offsetof(struct task_jsonl_state, holds_out), 0, 0},
    {"seed", SPEC_U64, offsetof(struct task_jsonl_state, seed), 0, 0},
};

// --- what a row must have ------------------------------------------------------------------------

static int grade_nothing(const struct grading *g, struct grade *out, struct err *err)
{
    (void)g;
    (void)out;
    return err_set(err, ERR_FORMAT,
                   "no grader is known for this row: set data.grader, or score with rewards that "
                   "need none");
}

// Of rows that a scorer judges by their metadata: code, a judge's rubric.
static const struct grader grader_of_none = {
    .name = "none", .help = "refuses to grade", .grade = grade_nothing};

static int refuse_grader(const char *name, struct err *err)
{
    struct text_buffer list;
    text_buffer_init(&list);
    for (size_t i = 0; i < n_graders; i++)
        text_buffer_printf(&list, "%s%s", i == 0 ? "" : ", ", graders[i]->name);
    err_set(err, ERR_USAGE, "grader: there is none called '%s'; there are %s", name, list.bytes);
    text_buffer_fini(&list);
    return -1;
}

// What no grader judges, code say, has a name of a reward instead.
static const struct grader *find_grader(const char *name)
{
    if (name == NULL || strcmp(name, "code") == 0) return &grader_of_none;
    return grader_find(name);
}

// Rows of reasoning-gym: what is not generated here is compared as that library
// compares by itself.
static const char *grader_of_maker(const char *name)
{
    const struct generator *generator = generator_find(name);
    return generator == NULL ? "exact" : generator->grader->name;
}

// A problem ends where an answer is to begin.
static int end_at_user(struct conversation *c, struct err *err)
{
    while (c->n_turns > 0 && strcmp(c->turns[c->n_turns - 1].role, "assistant") == 0) {
        c->n_turns--;
        free(c->turns[c->n_turns].role);
        free(c->turns[c->n_turns].content);
    }
    if (c->n_turns > 0 && strcmp(c->turns[c->n_turns - 1].role, "user") == 0) return 0;
    return err_set(err, ERR_FORMAT, "the prompt does not end with a turn of the user");
}

// The reference may be a worked solution: GSM8K ends it in "#### 18", MATH has a box.
static void take_final_answer(char **reference)
{
    struct view answer = {*reference, strlen(*reference)};
    struct view inside;
    if (answer_find_marked(answer, &inside) || answer_find_boxed(answer, &inside))
        answer = inside;
    else if (text_find(answer, "####", 0) != TEXT_NOWHERE)
        answer.size_bytes = 0; // a mark, and nothing after it
    answer = text_trim(answer);
    char *out = text_copy(answer.bytes, answer.size_bytes);
    free(*reference);
    *reference = out;
}

// A reference that cannot be graded against is found when the row is read.
static int try_reference(const struct grader *grader, const struct row_content *c, struct err *err)
{
    const struct view gold = {c->answer, c->answer == NULL ? 0 : strlen(c->answer)};
    const struct view metadata = {c->metadata, c->metadata == NULL ? 0 : strlen(c->metadata)};
    const struct view answer = gold.size_bytes > 0 ? gold : (struct view){"0", 1};
    const struct grading g = {
        .response = answer, .answer = answer, .gold = gold, .metadata = metadata};
    struct grade grade;
    return grader_judge(grader, &g, &grade, err);
}

static int accept(struct row_content *c, struct err *err)
{
    if (c->text != NULL)
        return err_set(err, ERR_FORMAT, "a document to learn from, not a problem to solve");
    if (end_at_user(&c->conversation, err) != 0) return -1;
    if (c->grader == NULL && c->maker != NULL) c->grader = grader_of_maker(c->maker);
    const struct grader *grader = find_grader(c->grader);
    if (grader == NULL) return refuse_grader(c->grader, err);
    // what no grader reads, tests of code say, stays as it is
    if (c->answer != NULL && grader != &grader_of_none) take_final_answer(&c->answer);
    if (c->answer != NULL && c->answer[0] == '\0')
        return err_set(err, ERR_FORMAT, "the reference answer is empty");
    if (c->answer == NULL && c->metadata == NULL)
        return err_set(err, ERR_FORMAT, "there is no reference answer: set answer_key");
    return grader == &grader_of_none ? 0 : try_reference(grader, c, err);
}

// --- opening -------------------------------------------------------------------------------------

static void jsonl_destroy(void *state)
{
    struct task_jsonl_state *s = state;
    dataset_close(&s->train);
    dataset_close(&s->held_out);
    free(s);
}

// What a file's rows are all graded by is looked for before any row is read.
static int check_graders(const struct dataset *d, struct err *err)
{
    for (size_t i = 0; i < d->rows.n_files; i++) {
        const struct convention *convention = d->conventions[i];
        const char *name = d->options[i].grader;
        if (name[0] == '\0') name = convention == NULL ? "exact" : convention->grader;
        if (find_grader(name) == NULL) return refuse_grader(name, err);
    }
    return 0;
}

static int open_part(struct task_jsonl_state *s, const struct served_files *files,
                     enum file_role role, enum jsonl_part part, struct dataset *out,
                     struct err *err)
{
    const struct dataset_setting setting = {.files = files,
                                            .role = role,
                                            .part = part,
                                            .is_shuffled = out == &s->train,
                                            .seed = s->seed,
                                            .usual = s->usual,
                                            .accept = accept};
    if (dataset_open(out, &setting, err) != 0) return -1;
    return check_graders(out, err);
}

static int open_parts(struct task_jsonl_state *s, const struct served_files *files, struct err *err)
{
    const bool has_train = files->roles[FILES_TRAIN].count > 0;
    const bool has_eval = files->roles[FILES_EVAL].count > 0;
    if (s->holds_out && has_eval)
        return err_set(err, ERR_USAGE, "spec.task.hold_out: there is an eval file already");
    if (!has_train && !has_eval)
        return err_set(err, ERR_USAGE, "spec.files: neither train nor eval names a file");
    const enum jsonl_part part = s->holds_out ? JSONL_KEPT : JSONL_ALL;
    if (has_train && open_part(s, files, FILES_TRAIN, part, &s->train, err) != 0) return -1;
    if (has_eval) return open_part(s, files, FILES_EVAL, JSONL_ALL, &s->held_out, err);
    if (s->holds_out) return open_part(s, files, FILES_TRAIN, JSONL_HELD_OUT, &s->held_out, err);
    return 0;
}

static void *jsonl_create(struct json spec, const struct served_files *files, uint64_t seed,
                          struct err *err)
{
    struct task_jsonl_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->seed = seed;
    if (spec_read(spec, "spec.task", fields, sizeof fields / sizeof fields[0], s, err) != 0 ||
        open_parts(s, files, err) != 0) {
        jsonl_destroy(s);
        return NULL;
    }
    return s;
}

static uint64_t jsonl_count(const void *state, enum task_split split)
{
    const struct task_jsonl_state *s = state;
    return dataset_count(split == TASK_TRAIN ? &s->train : &s->held_out);
}

// --- problems ------------------------------------------------------------------------------------

static int read_problem(const struct dataset *d, uint64_t n, uint32_t attempt, struct problem *out,
                        struct err *err)
{
    struct row_content c;
    *out = (struct problem){0};
    if (dataset_read(d, n, attempt, &c, err) != 0) return -1;
    *out = (struct problem){.conversation = c.conversation,
                            .answer = c.answer,
                            .metadata = c.metadata,
                            .grader = find_grader(c.grader),
                            .level = c.level,
                            .source = c.source,
                            .own_source = c.source,
                            .n_skipped = attempt};
    c.conversation = (struct conversation){0};
    c.answer = c.metadata = c.source = NULL;
    row_content_fini(&c);
    return 0;
}

static int jsonl_problem(const void *state, enum task_split split, uint64_t n, struct problem *out,
                         struct err *err)
{
    const struct task_jsonl_state *s = state;
    return read_problem(split == TASK_TRAIN ? &s->train : &s->held_out, n, 0, out, err);
}

static int jsonl_substitute(const void *state, uint64_t n, uint32_t attempt, struct problem *out,
                            struct err *err)
{
    const struct task_jsonl_state *s = state;
    return read_problem(&s->train, n, attempt, out, err);
}

const struct task_kind task_jsonl = {
    .name = "jsonl",
    .create = jsonl_create,
    .destroy = jsonl_destroy,
    .count = jsonl_count,
    .problem = jsonl_problem,
    .substitute = jsonl_substitute,
};
