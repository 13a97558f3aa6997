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
#include "actor/task/chain.h"
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
    if (served_files_init(&f->files, json_root(f->roles), &f->file, data != NULL, err) != 0)
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

// --- chains --------------------------------------------------------------------------------------

// Works a problem out from its text alone; returns the answer and what decides
// its side of the split: start and operations, in order.
static int solve(const char *text, char *key)
{
    char letters[26], ops[26], asked = 0;
    int operands[26];
    int n = 0;
    for (const char *p = text; *p != '\0';) {
        if (p[1] == '?') {
            asked = p[0];
            break;
        }
        letters[n] = p[0];
        ops[n] = p[1];
        char *end;
        operands[n++] = (int)strtol(p + 2, &end, 10);
        assert_int_equal(*end, ';');
        p = end + 1;
    }
    int value = -1, key_bytes = 0;
    char at = 0;
    for (int i = 0; i < n; i++)
        if (ops[i] == '=') {
            at = letters[i];
            value = operands[i];
        }
    key_bytes += snprintf(key, KEY_BYTES, "%d", value);
    while (at != asked) {
        at++;
        for (int i = 0; i < n; i++) {
            if (letters[i] != at) continue;
            value = ops[i] == '+'   ? value + operands[i]
                    : ops[i] == '-' ? value - operands[i] + 10
                                    : value * operands[i];
            value %= 10;
            key_bytes += snprintf(key + key_bytes, KEY_BYTES - (size_t)key_bytes, "%c%d", ops[i],
                                  operands[i]);
        }
    }
    return value;
}

static void a_chains_answer_is_what_its_text_says(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"chain\"}", "null", NULL);
    int counts[6] = {0}, answers[10] = {0};
    for (uint64_t n = 0; n < 2000; n++) {
        struct problem p = problem_of(&f, n % 2 ? TASK_HELD_OUT : TASK_TRAIN, n);
        char key[KEY_BYTES], answer[16];
        int value = solve(problem_text(&p), key);
        snprintf(answer, sizeof answer, "%d", value);
        assert_string_equal(answer, p.answer);
        assert_true(is_right(&f, &p, answer));
        assert_false(is_right(&f, &p, value == 3 ? "4" : "3"));
        assert_in_range(p.n_steps, 2 * p.level - 1, 2 * p.level);
        counts[p.level]++;
        answers[value]++;
        problem_fini(&p);
    }
    for (int level = 1; level <= 5; level++)
        assert_int_equal(counts[level], 400); // levels take turns
    for (int value = 0; value < 10; value++)
        assert_in_range(answers[value], 140, 260); // a guess is right one time in ten
    close_task(&f);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void held_out_chains_are_never_trained_on(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"chain\",\"levels\":[1,2]}", "null", NULL);
    enum { N = 4000 };
    static char trained[N][KEY_BYTES];
    for (uint64_t n = 0; n < N; n++) {
        struct problem p = problem_of(&f, TASK_TRAIN, n);
        solve(problem_text(&p), trained[n]);
        problem_fini(&p);
    }
    qsort(trained, N, sizeof trained[0], compare_keys);
    int n_repeated = 0;
    for (int n = 1; n < N; n++)
        n_repeated += strcmp(trained[n], trained[n - 1]) == 0;
    assert_true(n_repeated > 500); // so a leak would show
    for (uint64_t n = 0; n < N; n++) {
        struct problem p = problem_of(&f, TASK_HELD_OUT, n);
        char key[KEY_BYTES];
        solve(problem_text(&p), key);
        if (bsearch(key, trained, N, sizeof trained[0], compare_keys) != NULL)
            fail_msg("%s is on both sides", key);
        problem_fini(&p);
    }
    close_task(&f);
}

static void problem_n_is_the_same_whenever_it_is_asked_for(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"chain\"}", "null", NULL);
    struct fixture g;
    opened(&g, "{\"name\":\"chain\",\"seed\":8}", "null", NULL);
    int n_same = 0;
    for (uint64_t n = 0; n < 50; n++) {
        struct problem a = problem_of(&f, TASK_TRAIN, n), b = problem_of(&f, TASK_TRAIN, n);
        struct problem other = problem_of(&g, TASK_TRAIN, n);
        assert_string_equal(problem_text(&a), problem_text(&b));
        n_same += strcmp(problem_text(&a), problem_text(&other)) == 0;
        problem_fini(&a);
        problem_fini(&b);
        problem_fini(&other);
    }
    assert_true(n_same < 5);
    assert_int_equal(f.task.kind->count(f.task.state, TASK_TRAIN), 0);
    assert_int_equal(f.task.kind->count(f.task.state, TASK_HELD_OUT), 250);
    close_task(&f);
    close_task(&g);
}

static void wrong_chain_settings_are_refused_by_key(void **state)
{
    (void)state;
    expect_refused("{\"name\":\"chain\",\"lvels\":[1]}", "null", NULL, "unknown key 'lvels'");
    expect_refused("{\"name\":\"chain\",\"levels\":[0]}", "null", NULL, "spec.task.levels");
    expect_refused("{\"name\":\"chain\",\"levels\":[]}", "null", NULL, "no levels");
    expect_refused("{\"name\":\"chain\",\"levels\":[12]}", "null", NULL, "letters");
    expect_refused("{\"name\":\"chain\",\"modulus\":1}", "null", NULL, "spec.task.modulus");
    expect_refused("{\"name\":\"chain\",\"add\":[],\"subtract\":[],\"multiply\":[]}", "null", NULL,
                   "all empty");
    expect_refused("{\"name\":\"chains\"}", "null", NULL, "got 'chains'");
    expect_refused("{\"name\":\"chain\",\"shuffle\":1}", "null", NULL, "true or false");
}

static void a_chain_set_too_small_to_be_held_out_is_an_error_not_a_hang(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f,
           "{\"name\":\"chain\",\"modulus\":2,\"add\":[1],\"subtract\":[],"
           "\"multiply\":[],\"levels\":[1],\"ops_spread\":0}",
           "null", NULL);
    int n_failed = 0;
    for (int split = 0; split < 2; split++) {
        struct problem p;
        struct err err;
        if (f.task.kind->problem(f.task.state, (enum task_split)split, 0, &p, &err) == 0) {
            problem_fini(&p);
        } else {
            assert_non_null(strstr(err.text, "draws"));
            n_failed++;
        }
    }
    assert_int_equal(n_failed, 1); // two chains in all: they fall on one side
    close_task(&f);
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
    assert_int_equal(p.level, 2);
    problem_fini(&p);
    struct err err;
    assert_int_equal(f.task.kind->problem(f.task.state, TASK_HELD_OUT, 1, &p, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, "data/rows.jsonl:3: "));
    assert_int_equal(f.task.kind->problem(f.task.state, TASK_TRAIN, 0, &p, &err), -1);
    close_task(&f);
}

// Any way to combine the numbers that reaches the target.
static bool can_reach(const struct fraction *pool, int n, int64_t target)
{
    if (n == 1) return pool[0].under != 0 && pool[0].over == target * pool[0].under;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            if (i == j) continue;
            struct fraction rest[NUMBERS_MAX];
            int m = 0;
            for (int k = 0; k < n; k++)
                if (k != i && k != j) rest[m++] = pool[k];
            struct fraction a = pool[i], b = pool[j];
            const struct fraction results[] = {
                {a.over * b.under + b.over * a.under, a.under * b.under},
                {a.over * b.under - b.over * a.under, a.under * b.under},
                {a.over * b.over, a.under * b.under},
                {a.over * b.under, a.under * b.over}};
            for (int r = 0; r < 4; r++) {
                if (results[r].under == 0) continue;
                rest[m] = results[r];
                if (can_reach(rest, n - 1, target)) return true;
            }
        }
    }
    return false;
}

static void generated_countdowns_have_a_solution_and_are_split(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"countdown\",\"number_max\":12}", "null", NULL);
    enum { N = 600 };
    static char trained[N][KEY_BYTES];
    for (uint64_t n = 0; n < 2 * N; n++) {
        struct problem p = problem_of(&f, n < N ? TASK_TRAIN : TASK_HELD_OUT, n % N);
        struct numbers numbers = numbers_of(&p);
        assert_int_equal(numbers.count, p.level + 2);
        assert_in_range(numbers.target, 10, 100);
        struct fraction pool[NUMBERS_MAX];
        uint32_t counts[13] = {0};
        for (uint32_t i = 0; i < numbers.count; i++) {
            pool[i] = (struct fraction){numbers.at[i], 1};
            counts[numbers.at[i]]++;
        }
        assert_true(can_reach(pool, (int)numbers.count, numbers.target));
        char key[KEY_BYTES];
        int at = snprintf(key, sizeof key, "%d", (int)numbers.target);
        for (uint32_t i = 1; i < 13; i++)
            for (; counts[i] > 0; counts[i]--)
                at += snprintf(key + at, sizeof key - (size_t)at, ",%u", i);
        if (n < N) memcpy(trained[n], key, sizeof key);
        if (n == N) qsort(trained, N, sizeof trained[0], compare_keys);
        if (n >= N && bsearch(key, trained, N, sizeof trained[0], compare_keys) != NULL)
            fail_msg("%s is on both sides", key);
        problem_fini(&p);
    }
    close_task(&f);
}

// --- rows ----------------------------------------------------------------------------------------

static void rows_are_read_by_the_usual_columns_or_by_those_named(void **state)
{
    (void)state;
    const char *rows = "{\"question\":\"How many?\",\"answer\":\"6*3 is 18\\n#### 1,018\"}\n"
                       "{\"problem\":\"Half?\",\"answer\":0.5,\"level\":\"Level 4\"}\n"
                       "{\"problem\":\"Box?\",\"solution\":\"so \\\\boxed{x+1}\",\"level\":2}\n"
                       "{\"problem\":\"Whole?\",\"answer\":27.0}";
    struct fixture f;
    opened(&f, "{\"name\":\"jsonl\"}", "{\"eval\":[\"data/rows.jsonl\"]}", rows);
    static const char *const prompts[] = {"How many?", "Half?", "Box?", "Whole?"};
    static const char *const answers[] = {"1018", "0.5", "x+1", "27"};
    static const uint32_t levels[] = {0, 4, 2, 0};
    for (uint64_t n = 0; n < 4; n++) {
        struct problem p = problem_of(&f, TASK_HELD_OUT, n);
        assert_string_equal(problem_text(&p), prompts[n]);
        assert_string_equal(p.answer, answers[n]);
        assert_int_equal(p.level, levels[n]);
        assert_string_equal(p.source, "data/rows.jsonl");
        problem_fini(&p);
    }
    close_task(&f);

    opened(&f, "{\"name\":\"jsonl\",\"prompt_key\":\"p\",\"answer_key\":\"a\",\"level_key\":\"l\"}",
           "{\"train\":\"data/rows.jsonl\"}", "{\"p\":\"1+1\",\"a\":2,\"l\":\"3\"}\n");
    struct problem p = problem_of(&f, TASK_TRAIN, 9);
    assert_string_equal(problem_text(&p), "1+1");
    assert_int_equal(p.level, 3);
    assert_true(is_right(&f, &p, "$2.00"));
    assert_false(is_right(&f, &p, "3"));
    problem_fini(&p);
    close_task(&f);
}

static void a_bad_row_names_file_line_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *row, *why;
    } cases[] = {
        {"{\"question\":\"x\"", "row"},
        {"[1]", "want an object"},
        {"{\"question\":\"x\"}", "answer_key"},
        {"{\"question\":[1],\"answer\":1}", "column 'question'"},
        {"{\"question\":\"x\",\"answer\":\" \"}", "empty"},
        {"{\"question\":\"x\",\"answer\":\"a\\u0000b\"}", "column 'answer'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char rows[256];
        snprintf(rows, sizeof rows, "{\"question\":\"q\",\"answer\":\"1\"}\n%s\n", cases[i].row);
        struct fixture f;
        opened(&f, "{\"name\":\"jsonl\"}", "{\"eval\":\"data/rows.jsonl\"}", rows);
        struct problem p = problem_of(&f, TASK_HELD_OUT, 0);
        problem_fini(&p);
        struct err err = {0};
        assert_int_equal(f.task.kind->problem(f.task.state, TASK_HELD_OUT, 1, &p, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        if (strstr(err.text, "data/rows.jsonl:2: ") == NULL ||
            strstr(err.text, cases[i].why) == NULL)
            fail_msg("%s gave: %s", cases[i].row, err.text);
        close_task(&f);
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
        cmocka_unit_test(a_chains_answer_is_what_its_text_says),
        cmocka_unit_test(held_out_chains_are_never_trained_on),
        cmocka_unit_test(problem_n_is_the_same_whenever_it_is_asked_for),
        cmocka_unit_test(wrong_chain_settings_are_refused_by_key),
        cmocka_unit_test(a_chain_set_too_small_to_be_held_out_is_an_error_not_a_hang),
        cmocka_unit_test(countdown_is_graded_by_value_and_numbers),
        cmocka_unit_test(countdown_reads_nested_columns_and_names_a_bad_row),
        cmocka_unit_test(generated_countdowns_have_a_solution_and_are_split),
        cmocka_unit_test(rows_are_read_by_the_usual_columns_or_by_those_named),
        cmocka_unit_test(a_bad_row_names_file_line_and_reason),
        cmocka_unit_test(missing_files_and_unknown_roles_are_refused),
        cmocka_unit_test(each_epoch_has_every_row_once_in_another_order),
        cmocka_unit_test(a_permutation_hits_every_place_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
