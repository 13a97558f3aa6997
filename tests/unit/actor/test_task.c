#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/data/permutation.h"
#include "actor/grading/expression.h"
#include "actor/task/task.h"

#define KEY_BYTES 128

// Made from a spec and, perhaps, one data file as {"train": ...} or {"eval": ...}.
struct fixture {
    struct served_file file;
    struct json_document *spec, *roles;
    struct served_files files;
    struct task task;
};

static int open_task(struct fixture *f, const char *spec, const char *roles, const char *data,
                     struct err *err)
{
    *f = (struct fixture){0};
    snprintf(f->file.name, sizeof f->file.name, "data/rows.jsonl");
    f->file.bytes = (unsigned char *)(uintptr_t)data;
    f->file.size_bytes = data == NULL ? 0 : strlen(data);
    f->spec = json_parse(spec, strlen(spec), "spec", err);
    f->roles = json_parse(roles, strlen(roles), "roles", err);
    assert_non_null(f->spec);
    assert_non_null(f->roles);
    if (served_files_init(&f->files, json_root(f->roles), (struct json){0}, &f->file, data != NULL,
                          err) != 0)
        return -1;
    return task_init(&f->task, json_root(f->spec), &f->files, 7, err);
}

static void close_task(struct fixture *f)
{
    task_fini(&f->task);
    json_destroy(f->spec);
    json_destroy(f->roles);
}

static void opened(struct fixture *f, const char *spec, const char *roles, const char *data)
{
    struct err err;
    if (open_task(f, spec, roles, data, &err) != 0) fail_msg("%s", err.text);
}

static void expect_refused(const char *spec, const char *roles, const char *data, const char *why)
{
    struct fixture f;
    struct err err = {0};
    if (open_task(&f, spec, roles, data, &err) == 0) fail_msg("not refused: %s", spec);
    if (strstr(err.text, why) == NULL) fail_msg("want %s, got: %s", why, err.text);
    close_task(&f);
}

static const char *problem_text(const struct problem *p)
{
    return conversation_last(&p->conversation, "user");
}

static struct problem problem_of(const struct fixture *f, enum task_split split, uint64_t n)
{
    struct problem p;
    struct err err;
    if (f->task.kind->problem(f->task.state, split, n, &p, &err) != 0) fail_msg("%s", err.text);
    return p;
}

#define NUMBERS_MAX 8

struct numbers {
    uint32_t count;
    int64_t at[NUMBERS_MAX];
    int64_t target;
};

// What a countdown problem's metadata says.
static struct numbers numbers_of(const struct problem *p)
{
    struct err err;
    struct numbers out = {0};
    struct json_document *document = json_parse(p->metadata, strlen(p->metadata), "metadata", &err);
    if (document == NULL) fail_msg("%s", err.text);
    struct json list = json_member(json_root(document), "numbers");
    out.count = (uint32_t)json_count(list);
    assert_in_range(out.count, 1, NUMBERS_MAX);
    for (uint32_t i = 0; i < out.count; i++)
        out.at[i] = json_to_i64(json_item(list, i));
    out.target = json_to_i64(json_member(json_root(document), "target"));
    json_destroy(document);
    return out;
}

static bool is_right(const struct fixture *f, const struct problem *p, const char *answer)
{
    (void)f;
    struct grade grade = {0};
    struct err err;
    const struct grading g = {
        .answer = {answer, strlen(answer)},
        .gold = {p->answer, p->answer == NULL ? 0 : strlen(p->answer)},
        .metadata = {p->metadata, p->metadata == NULL ? 0 : strlen(p->metadata)},
    };
    if (grader_judge(p->grader, &g, &grade, &err) != 0) fail_msg("%s", err.text);
    assert_int_not_equal(grade.hash, 0);
    return grade.is_correct;
}

// --- countdown -----------------------------------------------------------------------------------

static void countdown_is_graded_by_value_and_numbers(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"countdown\"}", "{\"train\":\"data/rows.jsonl\"}",
           "{\"nums\":[95,14,18],\"target\":99}\n");
    struct problem p = problem_of(&f, TASK_TRAIN, 5);
    assert_non_null(strstr(problem_text(&p), "95, 14, 18"));
    assert_non_null(strstr(problem_text(&p), "99"));
    assert_true(is_right(&f, &p, "18 + 95 - 14"));
    assert_true(is_right(&f, &p, "(95 - 14) + 18 = 99"));
    assert_false(is_right(&f, &p, "99"));           // other numbers
    assert_false(is_right(&f, &p, "95 + 14 - 18")); // another value
    assert_false(is_right(&f, &p, "95 + 18 - 14 + 14 - 14"));
    assert_false(is_right(&f, &p, "18 + 95 - 14 = 98"));
    assert_false(is_right(&f, &p, "I do not know"));
    problem_fini(&p);
    close_task(&f);
}

static void countdown_reads_nested_columns_and_names_a_bad_row(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"countdown\"}", "{\"eval\":\"data/rows.jsonl\"}",
           "{\"metadata\":{\"numbers\":[1,2,3,4],\"target\":10}}\n\n"
           "{\"nums\":[1,\"x\"],\"target\":3}\n");
    assert_int_equal(f.task.kind->count(f.task.state, TASK_HELD_OUT), 2);
    struct problem p = problem_of(&f, TASK_HELD_OUT, 2); // around again
    struct numbers numbers = numbers_of(&p);
    assert_int_equal(numbers.count, 4);
    assert_int_equal(numbers.target, 10);
    assert_int_equal(p.level, 3);
    problem_fini(&p);
    struct err err;
    assert_int_equal(f.task.kind->problem(f.task.state, TASK_HELD_OUT, 1, &p, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, "data/rows.jsonl:3: "));
    assert_int_equal(f.task.kind->problem(f.task.state, TASK_TRAIN, 0, &p, &err), -1);
    close_task(&f);
}

// --- mixtures ------------------------------------------------------------------------------------

static void a_mix_keeps_its_proportions_and_each_tasks_own_order(void **state)
{
    (void)state;
    struct fixture f, alone;
    opened(&f,
           "{\"name\":\"mix\",\"of\":[{\"task\":{\"name\":\"chain_sum\"},\"weight\":3},"
           "{\"task\":{\"name\":\"gcd\",\"size\":7}},"
           "{\"task\":{\"name\":\"dials\",\"eval_per_level\":2},\"weight\":2}]}",
           "null", NULL);
    opened(&alone, "{\"name\":\"chain_sum\"}", "null", NULL);
    int n_sums = 0, n_gcd = 0, longest_run = 0, run = 0;
    for (uint64_t n = 0; n < 600; n++) {
        struct problem p = problem_of(&f, TASK_TRAIN, n);
        bool is_sum = strcmp(p.source, "chain_sum") == 0;
        if (is_sum) {
            struct problem own = problem_of(&alone, TASK_TRAIN, (uint64_t)n_sums++);
            assert_string_equal(problem_text(&p), problem_text(&own));
            problem_fini(&own);
        }
        n_gcd += strcmp(p.source, "gcd") == 0;
        run = is_sum ? run + 1 : 0;
        if (run > longest_run) longest_run = run;
        problem_fini(&p);
    }
    assert_int_equal(n_sums, 300);
    assert_int_equal(n_gcd, 100);
    assert_in_range(longest_run, 1, 2); // spread, not in blocks
    assert_int_equal(f.task.kind->count(f.task.state, TASK_TRAIN), 0);
    // 500 held-out sums at 3 of every 6 take the most rounds
    assert_int_equal(f.task.kind->count(f.task.state, TASK_HELD_OUT), 167 * 6);
    close_task(&f);
    close_task(&alone);
}

static void wrong_mixtures_and_bare_names_are_refused(void **state)
{
    (void)state;
    expect_refused("\"countdown\"", "null", NULL, "want {name: countdown}");
    expect_refused("{\"name\":\"mix\"}", "null", NULL, "spec.task.of");
    expect_refused("{\"name\":\"mix\",\"of\":[]}", "null", NULL, "spec.task.of");
    expect_refused("{\"name\":\"mix\",\"of\":[{\"task\":{\"name\":\"gcd\"},\"weight\":0}]}", "null",
                   NULL, "weight");
    expect_refused("{\"name\":\"mix\",\"of\":[{\"name\":\"gcd\"}]}", "null", NULL,
                   "unknown key 'name'");
    expect_refused("{\"name\":\"mix\",\"of\":[{\"task\":{\"name\":\"gdc\"}}]}", "null", NULL,
                   "got 'gdc'");
    expect_refused("{\"name\":\"mix\",\"of\":[{\"task\":{\"name\":\"mix\"}}]}", "null", NULL,
                   "may not hold a mix");
}

// --- rows ----------------------------------------------------------------------------------------

// As `argosy generate` writes them.
static void rows_made_here_are_read_back_with_the_grader_that_knows_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_generators; i++) {
        char spec[64];
        struct fixture made, read;
        snprintf(spec, sizeof spec, "{\"name\":\"%s\"}", generators[i]->name);
        opened(&made, spec, "null", NULL);
        struct problem p = problem_of(&made, TASK_TRAIN, 4);
        struct json_writer row;
        json_writer_init(&row);
        json_open(&row, NULL, '{');
        json_put_string(&row, "question", problem_text(&p));
        json_put_string(&row, "answer", p.answer);
        json_put_json(&row, "metadata", p.metadata);
        json_close(&row, '}');
        opened(&read, "{\"name\":\"jsonl\"}", "{\"train\":\"data/rows.jsonl\"}", row.bytes);
        struct problem again = problem_of(&read, TASK_TRAIN, 0);
        assert_string_equal(problem_text(&again), problem_text(&p));
        assert_ptr_equal(again.grader, p.grader);
        assert_true(is_right(&read, &again, p.answer));
        assert_false(is_right(&read, &again, "no idea"));
        problem_fini(&again);
        problem_fini(&p);
        close_task(&read);
        close_task(&made);
        free(row.bytes);
    }
}

static void missing_files_and_unknown_roles_are_refused(void **state)
{
    (void)state;
    const char *row = "{\"question\":\"q\",\"answer\":1}\n";
    expect_refused("{\"name\":\"jsonl\"}", "null", NULL, "spec.files");
    expect_refused("{\"name\":\"jsonl\"}", "{\"train\":\"other\"}", row, "'other'");
    expect_refused("{\"name\":\"jsonl\"}", "{\"test\":\"data/rows.jsonl\"}", row,
                   "unknown key 'test'");
    expect_refused("{\"name\":\"jsonl\"}", "{\"train\":\"data/rows.jsonl\"}", "\n \n", "no row");
}

static void each_epoch_has_every_row_once_in_another_order(void **state)
{
    (void)state;
    enum { N = 37 };
    char rows[N * 40];
    int at = 0;
    for (int i = 0; i < N; i++)
        at += snprintf(rows + at, sizeof rows - (size_t)at, "{\"question\":\"q\",\"answer\":%d}\n",
                       i);
    struct fixture f;
    opened(&f, "{\"name\":\"jsonl\"}", "{\"train\":\"data/rows.jsonl\"}", rows);
    int order[2][N];
    for (int epoch = 0; epoch < 2; epoch++) {
        bool seen[N] = {false};
        for (int i = 0; i < N; i++) {
            struct problem p = problem_of(&f, TASK_TRAIN, (uint64_t)(epoch * N + i));
            order[epoch][i] = (int)strtol(p.answer, NULL, 10);
            assert_false(seen[order[epoch][i]]);
            seen[order[epoch][i]] = true;
            problem_fini(&p);
        }
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    close_task(&f);

    opened(&f, "{\"name\":\"jsonl\",\"hold_out\":true}", "{\"train\":\"data/rows.jsonl\"}", rows);
    uint64_t n_train = f.task.kind->count(f.task.state, TASK_TRAIN);
    uint64_t n_held_out = f.task.kind->count(f.task.state, TASK_HELD_OUT);
    assert_int_equal(n_train + n_held_out, N);
    assert_true(n_train > 0 && n_held_out > 0);
    close_task(&f);
}

static void a_permutation_hits_every_place_once(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 1000, 4097};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint64_t n = sizes[s], n_fixed = 0;
        bool *seen = calloc(n, sizeof *seen);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t at = permutation_at(3, 1, n, i);
            assert_true(at < n && !seen[at]);
            seen[at] = true;
            n_fixed += at == i;
        }
        if (n >= 1000) assert_true(n_fixed < 12);
        free(seen);
    }
    assert_true(permutation_at(1, 0, (uint64_t)1 << 40, 12345) < (uint64_t)1 << 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(countdown_is_graded_by_value_and_numbers),
        cmocka_unit_test(countdown_reads_nested_columns_and_names_a_bad_row),
        cmocka_unit_test(a_mix_keeps_its_proportions_and_each_tasks_own_order),
        cmocka_unit_test(wrong_mixtures_and_bare_names_are_refused),
        cmocka_unit_test(rows_made_here_are_read_back_with_the_grader_that_knows_them),
        cmocka_unit_test(missing_files_and_unknown_roles_are_refused),
        cmocka_unit_test(each_epoch_has_every_row_once_in_another_order),
        cmocka_unit_test(a_permutation_hits_every_place_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
