#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/grading/answer.h"
#include "actor/grading/grader.h"
#include "actor/grading/math_compare.h"
#include "common/base/json.h"
#include "common/base/rng.h"
#include "tests/support/golden.h"

static struct view view_of(const char *text)
{
    return (struct view){text, strlen(text)};
}

static bool is_same(const char *gold, const char *answer)
{
    struct math_verdict verdict;
    math_compare(view_of(gold), view_of(answer), &verdict);
    assert_int_not_equal(verdict.hash, 0);
    return verdict.is_same;
}

static uint64_t hash_of_answer(const char *answer)
{
    struct math_verdict verdict;
    math_compare(view_of("0"), view_of(answer), &verdict);
    return verdict.hash;
}

// --- the table of pairs --------------------------------------------------------------------------

enum { LINE_MAX = 1 << 16 };

// Calls `each` with every row of a file of JSON lines; how many there were.
static size_t for_each_row(const char *path, void (*each)(struct json row, void *context),
                           void *context)
{
    static char line[LINE_MAX];
    FILE *file = fopen(path, "r");
    if (file == NULL) fail_msg("%s is not there", path);
    size_t n = 0;
    for (; fgets(line, sizeof line, file) != NULL; n++) {
        struct err err;
        struct json_document *document = json_parse(line, strlen(line), path, &err);
        if (document == NULL) fail_msg("%s", err.text);
        each(json_root(document), context);
        json_destroy(document);
    }
    fclose(file);
    return n;
}

static void check_pair(struct json row, void *context)
{
    size_t *n_same = context;
    const char *gold = json_to_string(json_member(row, "gold"), NULL);
    const char *pred = json_to_string(json_member(row, "pred"), NULL);
    bool want = json_to_i64(json_member(row, "same")) == 1;
    if (is_same(gold, pred) != want)
        fail_msg("'%s' and '%s': want %s", gold, pred, want ? "the same" : "two answers");
    if (!is_same(gold, gold)) fail_msg("'%s' is not itself", gold);
    *n_same += want;
}

static void the_table_of_pairs_is_judged_as_it_says(void **state)
{
    (void)state;
    size_t n_same = 0;
    size_t n = for_each_row("tests/golden/math_cases.jsonl", check_pair, &n_same);
    assert_true(n >= 600 && n_same >= 300 && n - n_same >= 150);
}

// --- hashes --------------------------------------------------------------------------------------

static void answers_that_are_one_have_one_hash(void **state)
{
    (void)state;
    static const char *const groups[][8] = {
        {"5", "5.0", "\\frac{10}{2}", "x = 5", "$5$", "5\\text{ cm}", "\\sqrt{25}", "2 + 3 = 5"},
        {"\\frac{1}{2}", "0.5", "1/2", "½", "\\sin 30^\\circ", "\\frac{\\sqrt{2}\\sqrt{2}}{4}"},
        {"2\\sqrt{2}", "\\sqrt{8}", "\\frac{4}{\\sqrt{2}}", "2^{3/2}"},
        {"(1,2)", "\\left( 1, 2 \\right)", "1 < x < 2", "x \\in (1,2)", "(1.0, \\frac42)"},
        {"1, 2", "2, 1", "\\{1, 2\\}", "1 \\text{ and } 2", "x = 1, x = 2"},
        {"(x+1)^2", "x^2+2x+1", "(x+1)(1+x)", "y = x^2 + 2x + 1"},
        {"\\text{Tuesday}", "tuesday", " Tuesday. "},
        {"2x+3y<6", "6 > 2x + 3y", "4x + 6y < 12"},
        {"\\pm\\sqrt{3}", "\\sqrt3, -\\sqrt3"},
        {"2^{1000}", "4^{500}"},
        {"10\\%", "10"},
    };
    enum { GROUPS = sizeof groups / sizeof groups[0] };
    uint64_t hashes[GROUPS];
    for (size_t i = 0; i < GROUPS; i++) {
        hashes[i] = hash_of_answer(groups[i][0]);
        for (size_t j = 1; j < 8 && groups[i][j] != NULL; j++)
            if (hash_of_answer(groups[i][j]) != hashes[i])
                fail_msg("%s and %s", groups[i][0], groups[i][j]);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(hashes[i], hashes[j]);
    }
    assert_int_not_equal(hash_of_answer("(1,2)"), hash_of_answer("(2,1)"));
    assert_int_not_equal(hash_of_answer("(1,2)"), hash_of_answer("[1,2)"));
    assert_int_not_equal(hash_of_answer("2^{1000}"), hash_of_answer("2^{1000}+1"));
    assert_int_not_equal(hash_of_answer("\\sqrt{2}"),
                         hash_of_answer("1.41421356237309504880168872"));
}

static void an_answers_hash_does_not_depend_on_the_reference(void **state)
{
    (void)state;
    static const char *const golds[] = {"1", "\\text{no}", "x^{2^{2^{2^{30}}}}", "", "(((("};
    struct math_verdict first, verdict;
    math_compare(view_of("7"), view_of("\\sqrt{50}"), &first);
    for (size_t i = 0; i < sizeof golds / sizeof *golds; i++) {
        math_compare(view_of(golds[i]), view_of("\\sqrt{50}"), &verdict);
        assert_int_equal(verdict.hash, first.hash);
    }
}

// --- numbers that differ -------------------------------------------------------------------------

static void numbers_that_differ_are_never_the_same(void **state)
{
    (void)state;
    struct rng_stream stream;
    rng_stream_init(&stream, (struct rng_key){.seed = 11, .domain = RNG_TEST}, 0, 0);
    for (int i = 0; i < 3000; i++) {
        long a = (long)(rng_next(&stream) % 2000) - 1000;
        long b = (long)(rng_next(&stream) % 2000) - 1000;
        long under = (long)(rng_next(&stream) % 50) + 1;
        char gold[96], answer[96];
        snprintf(gold, sizeof gold, "\\frac{%ld}{%ld}", a, under);
        snprintf(answer, sizeof answer, "%ld/%ld", b, under);
        assert_int_equal(is_same(gold, answer), a == b);
        snprintf(gold, sizeof gold, "%ld", a);
        snprintf(answer, sizeof answer, "%ld.%03ld", b, under);
        assert_false(is_same(gold, answer));
        if (a <= 0 || b <= 0) continue;
        snprintf(gold, sizeof gold, "%ld\\sqrt{%ld}", a, b);
        snprintf(answer, sizeof answer, "\\sqrt{%ld}", a * a * b + i % 2);
        assert_int_equal(is_same(gold, answer), i % 2 == 0);
    }
}

// Each symbol's value is fixed, so this is the same on every run.
static void polynomials_are_the_same_when_their_coefficients_are(void **state)
{
    (void)state;
    for (int i = -40; i < 40; i++) {
        char gold[96], answer[128];
        snprintf(gold, sizeof gold, "(x%+d)(x%+d)(y+1)", i, i + 3);
        snprintf(answer, sizeof answer, "x^2 y %+dxy %+dy + x^2 %+dx %+d", 2 * i + 3, i * (i + 3),
                 2 * i + 3, i * (i + 3));
        if (!is_same(gold, answer)) fail_msg("%s is not %s", gold, answer);
        snprintf(answer, sizeof answer, "x^2 y %+dxy %+dy + x^2 %+dx %+d", 2 * i + 3, i * (i + 3),
                 2 * i + 3, i * (i + 3) + 1);
        if (is_same(gold, answer)) fail_msg("%s is %s", gold, answer);
    }
}

// --- bounds --------------------------------------------------------------------------------------

static char *repeated(const char *unit, size_t size_bytes)
{
    size_t n = strlen(unit);
    char *text = malloc(size_bytes + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size_bytes; i++)
        text[i] = unit[i % n];
    text[size_bytes] = 0;
    return text;
}

static void hostile_answers_take_bounded_work(void **state)
{
    (void)state;
    static const char *const units[] = {
        "(",
        "{",
        "\\frac{1}{",
        "\\sqrt{",
        "x^",
        "2^",
        "9!",
        "-",
        "|",
        "\\boxed{",
        "[1,",
        "\\{",
        "\\pm 1",
        "sin",
        "1,234",
        "answer is ",
        "####",
        "</answer>",
        "<answer>",
        "</think>",
        "\\text{",
        "\\\\",
        "\xff",
        "99999^99999+",
        "%s%n",
        "\\sin x",
        "(x+1)!",
        "e^{",
        "\\begin{pmatrix}",
        "\\log_{10}",
        "$",
        "\xe2\x80\xae",
    };
    static const size_t sizes[] = {300, 4000, 5000, 1 << 20};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            char *text = repeated(units[i], sizes[j]);
            struct view all = {text, sizes[j]}, found;
            struct math_verdict verdict;
            math_compare(all, all, &verdict);
            assert_true(verdict.is_same);
            assert_true(verdict.n_steps <= 3 * MATH_STEPS_MAX);
            math_compare(view_of("5"), all, &verdict);
            assert_true(verdict.n_steps <= 3 * MATH_STEPS_MAX);
            if (answer_find(all, &found)) assert_true(found.size_bytes <= sizes[j]);
            free(text);
        }
    }
}

static void towers_of_powers_are_not_computed(void **state)
{
    (void)state;
    struct math_verdict verdict;
    math_compare(view_of("1"), view_of("10^{10^{10^{10}}}"), &verdict);
    assert_false(verdict.is_same);
    assert_true(verdict.n_steps < 5000);
    math_compare(view_of("1"), view_of("(10^{10})!"), &verdict);
    assert_true(verdict.n_steps < 5000);
    assert_false(is_same("3^{10^{20}}", "3^{10^{20}+1}"));
}

static void an_empty_answer_is_nothing_but_itself(void **state)
{
    (void)state;
    assert_false(is_same("5", ""));
    assert_false(is_same("5", "   "));
    assert_false(is_same("\\emptyset", ""));
    assert_false(is_same("5", "$$"));
}

// --- the grader ----------------------------------------------------------------------------------

static void judge(const char *gold, const char *response, struct grade *grade)
{
    struct view answer = {"", 0};
    answer_find(view_of(response), &answer);
    struct grading g = {.response = view_of(response), .answer = answer, .gold = view_of(gold)};
    struct err err;
    const struct grader *grader = grader_find("math");
    assert_non_null(grader);
    if (grader_judge(grader, &g, grade, &err) != 0) fail_msg("%s", err.text);
}

static void responses_are_graded_by_their_last_answer(void **state)
{
    (void)state;
    static const struct {
        const char *gold, *response;
        bool is_right;
    } cases[] = {
        {"\\frac{1}{2}", "<think>\\boxed{3}</think> So $\\boxed{0.5}$.", true},
        {"\\frac{1}{2}", "<think>\\boxed{0.5}</think> So $\\boxed{3}$.", false},
        {"025", "<think>…</think><answer>25</answer>", true},
        {"27.0", "Therefore the answer is \\boxed{27}.", true},
        {"so they pay 3*6=18\n#### 18", "They pay $18.\n#### 18", true},
        {"1,200", "#### 1200", true},
        {"thus $\\boxed{\\frac{3}{4}}$.", "The final answer is $0.75$.", true},
        {"-2, 1", "\\boxed{1} and \\boxed{-2}", true},
        {"7", "I believe it is 7", false},
        {"7", "\\boxed{7} is wrong, so \\boxed{8}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grade grade;
        judge(cases[i].gold, cases[i].response, &grade);
        if (grade.is_correct != cases[i].is_right) fail_msg("%s", cases[i].response);
        assert_true(grade.value == (cases[i].is_right ? 1.0 : 0.0));
    }
    struct grade grade;
    struct err err;
    struct grading empty = {.answer = view_of("5"), .gold = view_of(" ")};
    assert_int_equal(grader_judge(grader_find("math"), &empty, &grade, &err), -1);
}

struct golds {
    const char *key;
    bool is_solution; // the reference is in it
    size_t n;
};

static void check_gold(struct json row, void *context)
{
    struct golds *golds = context;
    struct json value = json_member(row, golds->key);
    char number[64];
    const char *gold = json_to_string(value, NULL);
    if (json_is_number(value)) {
        snprintf(number, sizeof number, json_is_integer(value) ? "%.0f" : "%.1f",
                 json_to_double(value));
        gold = number;
    }
    if (gold == NULL || text_is_blank(view_of(gold))) return; // two rows of MATH have none
    struct grade grade;
    char response[1 << 13];
    const char *mark = golds->is_solution ? strstr(gold, "####") : NULL;
    snprintf(response, sizeof response, "\\boxed{%s}", mark == NULL ? gold : mark + 4);
    judge(gold, response, &grade);
    if (!grade.is_correct) fail_msg("%s", gold);
    golds->n++;
}

static void every_reference_of_the_datasets_is_itself(void **state)
{
    (void)state;
    static const struct {
        const char *path, *key;
        bool is_solution;
        size_t n_min;
    } sets[] = {
        {"math500/math500.jsonl", "answer", false, 500},
        {"math_train/math_train.jsonl", "answer", false, 7000},
        {"aime2024/aime24.jsonl", "answer", false, 30},
        {"aime2025/aime25.jsonl", "answer", false, 30},
        {"aime_train/aime_1983_2023.jsonl", "answer", false, 900},
        {"amc23/amc23.jsonl", "answer", false, 40},
        {"gsm8k/test.jsonl", "answer", true, 1319},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const char *path = outside_data(sets[i].path);
        if (path == NULL) continue;
        struct golds golds = {sets[i].key, sets[i].is_solution, 0};
        for_each_row(path, check_gold, &golds);
        if (golds.n < sets[i].n_min) fail_msg("%s: %zu golds", path, golds.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_pairs_is_judged_as_it_says),
        cmocka_unit_test(answers_that_are_one_have_one_hash),
        cmocka_unit_test(an_answers_hash_does_not_depend_on_the_reference),
        cmocka_unit_test(numbers_that_differ_are_never_the_same),
        cmocka_unit_test(polynomials_are_the_same_when_their_coefficients_are),
        cmocka_unit_test(hostile_answers_take_bounded_work),
        cmocka_unit_test(towers_of_powers_are_not_computed),
        cmocka_unit_test(an_empty_answer_is_nothing_but_itself),
        cmocka_unit_test(responses_are_graded_by_their_last_answer),
        cmocka_unit_test(every_reference_of_the_datasets_is_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
