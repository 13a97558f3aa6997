#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/task/task.h"

// A jsonl task over one data file, served as the training or as the held-out set.
struct fixture {
    struct served_file file;
    struct json_document *spec, *roles, *data;
    struct served_files files;
    struct task task;
};

static int open_task(struct fixture *f, const char *spec, const char *roles, const char *data,
                     const char *rows, struct err *err)
{
    *f = (struct fixture){.file = {.name = "data/rows.jsonl"}};
    f->file.bytes = (unsigned char *)(uintptr_t)rows;
    f->file.size_bytes = strlen(rows);
    f->spec = json_parse(spec, strlen(spec), "spec", err);
    f->roles = json_parse(roles, strlen(roles), "roles", err);
    f->data = json_parse(data, strlen(data), "data", err);
    assert_non_null(f->spec);
    assert_non_null(f->roles);
    assert_non_null(f->data);
    if (served_files_init(&f->files, json_root(f->roles), json_root(f->data), &f->file, 1, err) !=
        0)
        return -1;
    return task_init(&f->task, json_root(f->spec), &f->files, 7, err);
}

static void close_task(struct fixture *f)
{
    task_fini(&f->task);
    json_destroy(f->spec);
    json_destroy(f->roles);
    json_destroy(f->data);
}

#define TASK "{\"name\":\"jsonl\"}"
#define TRAIN "{\"train\":\"data/rows.jsonl\"}"
#define EVAL "{\"eval\":\"data/rows.jsonl\"}"

static void opened(struct fixture *f, const char *roles, const char *data, const char *rows)
{
    struct err err;
    if (open_task(f, TASK, roles, data, rows, &err) != 0) fail_msg("%s", err.text);
}

static struct problem problem_of(const struct fixture *f, enum task_split split, uint64_t n)
{
    struct problem p;
    struct err err;
    if (f->task.kind->problem(f->task.state, split, n, &p, &err) != 0) fail_msg("%s", err.text);
    return p;
}

static bool is_right(const struct problem *p, const char *answer)
{
    struct grade grade = {0};
    struct err err;
    const struct grading g = {
        .response = {answer, strlen(answer)},
        .answer = {answer, strlen(answer)},
        .gold = {p->answer, p->answer == NULL ? 0 : strlen(p->answer)},
        .metadata = {p->metadata, p->metadata == NULL ? 0 : strlen(p->metadata)},
    };
    if (grader_judge(p->grader, &g, &grade, &err) != 0) fail_msg("%s", err.text);
    return grade.is_correct;
}

static void rows_are_graded_as_their_convention_says(void **state)
{
    (void)state;
    static const struct {
        const char *row, *grader, *right, *wrong, *gold, *source;
    } cases[] = {
        {"{\"question\":\"q\",\"answer\":\"6*3\\n#### 1,018\"}", "math", "1018", "1019", "1,018",
         "rows.jsonl"},
        {"{\"problem\":\"q\",\"solution\":\"so \\\\boxed{\\\\frac{1}{2}}.\"}", "math", "0.5", "2",
         "\\frac{1}{2}", "rows.jsonl"},
        {"{\"problem\":\"q\",\"answer\":27.0}", "math", "27", "28", "27", "rows.jsonl"},
        {"{\"nums\":[95,14,18],\"target\":99}", "countdown", "95 - 14 + 18", "99", NULL,
         "rows.jsonl"},
        {"{\"question\":\"q\",\"answer\":\"18 + 95 - 14\",\"metadata\":{\"source_dataset\":"
         "\"countdown\",\"numbers\":[95,14,18],\"target\":99}}",
         "countdown", "(95-14)+18", "95 + 18", "18 + 95 - 14", "countdown"},
        {"{\"question\":\"q\",\"answer\":\"maybe\",\"metadata\":{\"source_dataset\":\"unheard\"}}",
         "exact", "maybe", "perhaps", "maybe", "unheard"},
        {"{\"question\":\"q\",\"choices\":[\"x\",\"y\"],\"answer\":1}", "choice", "B", "A", "B",
         "rows.jsonl"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        opened(&f, EVAL, "{}", cases[i].row);
        struct problem p = problem_of(&f, TASK_HELD_OUT, 0);
        assert_string_equal(p.grader->name, cases[i].grader);
        if (cases[i].gold == NULL)
            assert_null(p.answer);
        else
            assert_string_equal(p.answer, cases[i].gold);
        if (!is_right(&p, cases[i].right))
            fail_msg("%s: %s is wrong", cases[i].row, cases[i].right);
        if (is_right(&p, cases[i].wrong)) fail_msg("%s: %s is right", cases[i].row, cases[i].wrong);
        assert_string_equal(p.source, cases[i].source);
        problem_fini(&p);
        close_task(&f);
    }
}

static void a_prompt_ends_with_the_user(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, EVAL, "{}",
           "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
           "\"q\"},{\"role\":\"assistant\",\"content\":\"r\"}],\"ground_truth\":\"5\","
           "\"dataset\":\"gsm8k\"}\n"
           "{\"messages\":[{\"role\":\"assistant\",\"content\":\"r\"}],\"ground_truth\":\"5\","
           "\"dataset\":\"gsm8k\"}\n");
    struct problem p = problem_of(&f, TASK_HELD_OUT, 0);
    assert_int_equal(p.conversation.n_turns, 2);
    assert_string_equal(p.conversation.turns[1].content, "q");
    assert_string_equal(p.source, "gsm8k");
    problem_fini(&p);
    struct err err;
    assert_int_equal(f.task.kind->problem(f.task.state, TASK_HELD_OUT, 1, &p, &err), -1);
    assert_non_null(strstr(err.text, "data/rows.jsonl:2: the prompt does not end with a turn"));
    close_task(&f);
}

static void rows_without_a_usable_reference_are_bad(void **state)
{
    (void)state;
    static const struct {
        const char *row, *why;
    } cases[] = {
        {"{\"question\":\"q\",\"answer\":\" \"}", "reference answer is empty"},
        {"{\"question\":\"q\",\"answer\":\"#### \"}", "reference answer is empty"},
        {"{\"problem\":\"q\",\"answer\":null}", "answer: want text or a number, it is absent"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}", "no reference answer"},
        {"{\"text\":\"once\"}", "a document to learn from"},
        {"{\"question\":\"q\",\"answer\":\"1\",\"metadata\":{\"source_dataset\":\"countdown\","
         "\"numbers\":[1,\"x\"],\"target\":3}}",
         "countdown: numbers: want whole numbers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rows[512];
        struct fixture f;
        struct err err = {0};
        struct problem p;
        snprintf(rows, sizeof rows, "{\"a\":\n%s\n", cases[i].row);
        if (open_task(&f, TASK, EVAL, "{}", rows, &err) == 0)
            assert_int_equal(f.task.kind->problem(f.task.state, TASK_HELD_OUT, 1, &p, &err), -1);
        if (strstr(err.text, "data/rows.jsonl:2: ") == NULL ||
            strstr(err.text, cases[i].why) == NULL)
            fail_msg("%s gave: %s", cases[i].row, err.text);
        close_task(&f);
    }
}

static void code_has_no_grader_and_says_so_when_graded(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, EVAL, "{}", "{\"prompt\":\"def f():\",\"test\":\"t\",\"entry_point\":\"f\"}");
    struct problem p = problem_of(&f, TASK_HELD_OUT, 0);
    assert_non_null(strstr(p.metadata, "\"entry_point\":\"f\""));
    struct grade grade;
    struct err err;
    const struct grading g = {.answer = {"1", 1}, .gold = {"1", 1}};
    assert_int_equal(grader_judge(p.grader, &g, &grade, &err), -1);
    assert_non_null(strstr(err.text, "set data.grader"));
    problem_fini(&p);
    close_task(&f);
    // its tests are not taken for a worked solution
    opened(&f, EVAL, "{}",
           "{\"data_source\":\"code_contests\",\"prompt\":\"q\",\"reward_model\":{"
           "\"ground_truth\":\"{\\\"inputs\\\": [\\\"#### 1\\\"]}\"}}");
    p = problem_of(&f, TASK_HELD_OUT, 0);
    assert_string_equal(p.answer, "{\"inputs\": [\"#### 1\"]}");
    problem_fini(&p);
    close_task(&f);
}

static void an_unknown_grader_is_refused_with_those_there_are(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    const char *row = "{\"prompt\":\"q\",\"answer\":1}";
    assert_int_equal(open_task(&f, TASK, EVAL, "{\"grader\":\"sums\"}", row, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "none called 'sums'"));
    assert_non_null(strstr(err.text, "countdown"));
    close_task(&f);
    opened(&f, EVAL, "{\"grader\":\"exact\"}", row);
    struct problem p = problem_of(&f, TASK_HELD_OUT, 0);
    assert_string_equal(p.grader->name, "exact");
    problem_fini(&p);
    close_task(&f);
}

static void a_substitute_is_a_problem_that_says_what_it_stands_for(void **state)
{
    (void)state;
    struct text_buffer rows;
    text_buffer_init(&rows);
    for (int i = 0; i < 40; i++)
        text_buffer_printf(&rows, "{\"prompt\":\"q\",\"answer\":%d}\n", i);
    struct fixture f;
    opened(&f, TRAIN, "{\"on_bad_row\":\"skip\"}", rows.bytes);
    struct problem first = problem_of(&f, TASK_TRAIN, 3), p;
    struct err err;
    assert_int_equal(first.n_skipped, 0);
    int n_other = 0;
    for (uint32_t attempt = 1; attempt <= 5; attempt++) {
        assert_int_equal(f.task.kind->substitute(f.task.state, 3, attempt, &p, &err), 0);
        assert_int_equal(p.n_skipped, attempt);
        n_other += strcmp(p.answer, first.answer) != 0;
        problem_fini(&p);
    }
    assert_true(n_other >= 3);
    problem_fini(&first);
    close_task(&f);
    text_buffer_fini(&rows);
}

static void files_are_split_by_row_when_asked_and_only_then(void **state)
{
    (void)state;
    struct text_buffer rows;
    text_buffer_init(&rows);
    for (int i = 0; i < 200; i++)
        text_buffer_printf(&rows, "{\"prompt\":\"q\",\"answer\":%d}\n", i);
    struct fixture f;
    struct err err = {0};
    const char *held_out = "{\"name\":\"jsonl\",\"hold_out\":true}";
    if (open_task(&f, held_out, TRAIN, "{}", rows.bytes, &err) != 0) fail_msg("%s", err.text);
    const uint64_t n_train = f.task.kind->count(f.task.state, TASK_TRAIN);
    const uint64_t n_held_out = f.task.kind->count(f.task.state, TASK_HELD_OUT);
    assert_int_equal(n_train + n_held_out, 200);
    assert_in_range(n_held_out, 10, 45);
    bool seen[200] = {false};
    for (uint64_t n = 0; n < n_train + n_held_out; n++) {
        struct problem p = n < n_train ? problem_of(&f, TASK_TRAIN, n)
                                       : problem_of(&f, TASK_HELD_OUT, n - n_train);
        const long answer = strtol(p.answer, NULL, 10);
        assert_false(seen[answer]);
        seen[answer] = true;
        problem_fini(&p);
    }
    close_task(&f);
    assert_int_equal(open_task(&f, held_out, EVAL, "{}", rows.bytes, &err), -1);
    assert_non_null(strstr(err.text, "there is an eval file already"));
    close_task(&f);
    text_buffer_fini(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_graded_as_their_convention_says),
        cmocka_unit_test(a_prompt_ends_with_the_user),
        cmocka_unit_test(rows_without_a_usable_reference_are_bad),
        cmocka_unit_test(code_has_no_grader_and_says_so_when_graded),
        cmocka_unit_test(an_unknown_grader_is_refused_with_those_there_are),
        cmocka_unit_test(a_substitute_is_a_problem_that_says_what_it_stands_for),
        cmocka_unit_test(files_are_split_by_row_when_asked_and_only_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
