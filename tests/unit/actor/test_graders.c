#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "actor/grading/expression.h"
#include "actor/grading/grader.h"
#include "actor/text/text_buffer.h"
#include "common/base/file.h"
#include "tests/support/golden.h"

static struct view view_of(const char *text)
{
    return (struct view){text, text == NULL ? 0 : strlen(text)};
}

static struct grade judged(const struct grader *grader, const char *answer, const char *gold,
                           const char *metadata)
{
    struct grade grade;
    struct err err;
    const struct grading g = {.response = view_of(answer),
                              .answer = view_of(answer),
                              .gold = view_of(gold),
                              .metadata = view_of(metadata)};
    if (grader_judge(grader, &g, &grade, &err) != 0) fail_msg("%s: %s", grader->name, err.text);
    assert_true(grade.hash != 0 && grade.value >= 0 && grade.value <= 1);
    assert_int_equal(grade.is_correct, grade.value == 1);
    return grade;
}

static void expect(const struct grader *grader, const char *answer, const char *gold,
                   const char *metadata, double value)
{
    struct grade grade = judged(grader, answer, gold, metadata);
    if (grade.value < value - 1e-9 || grade.value > value + 1e-9)
        fail_msg("%s: '%s' for '%s' is worth %g, want %g", grader->name, answer,
                 gold == NULL ? metadata : gold, grade.value, value);
}

static void expect_refused(const struct grader *grader, const char *gold, const char *metadata)
{
    struct grade grade;
    struct err err = {0};
    const struct grading g = {
        .answer = view_of("1"), .gold = view_of(gold), .metadata = view_of(metadata)};
    if (grader_judge(grader, &g, &grade, &err) == 0)
        fail_msg("%s graded against '%s' %s", grader->name, gold == NULL ? "" : gold,
                 metadata == NULL ? "" : metadata);
    assert_true(err.code == ERR_FORMAT && err.text[0] != '\0');
}

// --- numbers -------------------------------------------------------------------------------------

static void a_number_is_right_however_it_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *gold;
        bool is_right;
    } cases[] = {
        {"12", "12", true},
        {" +12.0 ", "12", true},
        {"012", "12", true},
        {"$1,234.50", "1234.5", true},
        {"x = 12", "12", true},
        {"47 + 85 = 132", "132", true},
        {"24/2", "12", true},
        {"\\frac{1}{4}", "0.25", true},
        {"-\\dfrac{3}{6}", "-0.5", true},
        {"1.5e3", "1500", true},
        {"25E-2", "0.25", true},
        {"−7", "-7", true},
        {"$-7$", "-7", true},
        {"-0", "0", true},
        {"123456789012345678901234567890", "123456789012345678901234567890", true},
        {"123456789012345678901234567890.0", "123456789012345678901234567890", true},
        {"123456789012345678901234567891", "123456789012345678901234567890", false},
        {"0.1000000000000000055", "0.1", false},
        {"13", "12", false},
        {"-12", "12", false},
        {"1 12", "12", false},
        {"11 12 13", "12", false},
        {"12 or 13", "12", false},
        {"12/0", "12", false},
        {"twelve", "12", false},
        {"=", "12", false},
        {"1e999", "12", false},
        {"10 + 2", "12", false}, // to be worked out
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&grader_number, cases[i].answer, cases[i].gold, NULL, cases[i].is_right ? 1 : 0);
    assert_true(judged(&grader_number, "x = 0.50", "1", NULL).hash ==
                judged(&grader_number, "1/2", "1", NULL).hash);
    assert_true(judged(&grader_number, "1/3", "1", NULL).hash !=
                judged(&grader_number, "1/2", "1", NULL).hash);
    expect_refused(&grader_number, "", NULL);
    expect_refused(&grader_number, "none", NULL);
}

// --- countdown -----------------------------------------------------------------------------------

static void countdown_wants_each_number_once_and_the_exact_value(void **state)
{
    (void)state;
    const char *rule = "{\"numbers\":[3,8,3,8],\"target\":24}";
    static const struct {
        const char *answer;
        double value;
    } cases[] = {
        {"8 / (3 - 8 / 3)", 1},
        {"8/(3-8/3) = 24", 1},
        {"$\\frac{8}{3 - \\frac{8}{3}}$", 1},
        {"\\[8 \\div \\left(3 - 8 \\div 3\\right)\\]", 1},
        {"8 ÷ [3 − 8 ÷ 3]", 1},
        {"{8} / {(3 - (8 / 3))}", 1},
        {"8 / (3 - 8 / 3) = 25", 0},
        {"3 * 8", 0.05},              // not all of them
        {"3 * 8 + 3 * 8 - 24", 0.05}, // one more
        {"8 / 3 * 3 + 8 + 8", 0.05},  // one twice too often
        {"8 + 8 + 3 + 3", 0.05},      // another value
        {"8.0 / (3 - 8 / 3)", 0},     // decimals are not the numbers given
        {"8 / (3 - 8 / 3", 0},
        {"8 / (3 - 8 / 3]", 0},
        {"\\frac{8}(3 - 8 / 3)", 0},
        {"3 ** 3 - 8 / 8", 0},
        {"8 / (3 - 3) * 8", 0}, // no value
        {"38 - 38", 0.05},
        {"24", 0.05},
        {"eight", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&grader_countdown, cases[i].answer, NULL, rule, cases[i].value);
    // TinyZero's names, and a reference that is the rule itself
    expect(&grader_countdown, "(1 + 2) * 3", NULL, "{\"nums\":[1,2,3],\"target\":9}", 1);
    expect(&grader_countdown, "(1 + 2) * 3", "{\"numbers\":[1,2,3],\"target\":9}", NULL, 1);
    assert_true(
        judged(&grader_countdown, "1 + 8 / 8", NULL, "{\"nums\":[1,8,8],\"target\":2}").hash ==
        judged(&grader_countdown, "8 / 8 + 1", NULL, "{\"nums\":[1,8,8],\"target\":3}").hash);
    expect_refused(&grader_countdown, NULL, "{\"numbers\":[],\"target\":1}");
    expect_refused(&grader_countdown, NULL, "{\"numbers\":[1.5],\"target\":1}");
    expect_refused(&grader_countdown, NULL, "{\"numbers\":[1]}");
    expect_refused(&grader_countdown, "6", NULL);
}

// --- knights and knaves --------------------------------------------------------------------------

static void knights_and_knaves_are_read_as_people_write_them(void **state)
{
    (void)state;
    const char *gold = "{\"names\":[\"Zoey\",\"Jack\",\"Mia\"],\"solution\":[true,false,false]}";
    static const struct {
        const char *answer;
        double value;
    } cases[] = {
        {"(1) Zoey is a knight\n(2) Jack is a knave\n(3) Mia is a knave", 1},
        {"Zoey is a knight, Jack and Mia are knaves.", 1},
        {"Mia is a knave, and ZOEY is a Knight, and jack is a KNAVE.", 1},
        {"Zoey: knight\nJack: knave\nMia: knave", 1},
        {"- **Zoey**: Knight\n- **Jack**: Knave\n- **Mia**: Knave", 1},
        {"{\"Zoey\": \"knight\", \"Jack\": \"knave\", \"Mia\": \"knave\"}", 1},
        {"{\"Zoey\": true, \"Jack\": false, \"Mia\": false}", 1},
        {"Knights: Zoey. Knaves: Jack, Mia", 1},
        {"{\"knights\": [\"Zoey\"], \"knaves\": [\"Jack\", \"Mia\"]}", 1},
        {"The only knight is Zoey; the knaves are Mia and Jack.", 1},
        {"The knights and knaves are: Zoey is a knight, Jack is a knave, Mia is a knave", 1},
        {"Zoey is not a knave, Jack isn't a knight, Mia is a knave", 1},
        {"Zoey is a knight, not a knave. Jack (knave), Mia (knave).", 1},
        {"Zoey = knight; Jack = knave; Mia = liar", 1},
        {"| Zoey | knight |\n| Jack | knave |\n| Mia | knave |", 1},
        {"Zoey is a knight, Jack is a knight, Mia is a knave", 0.3 + 0.7 * 2 / 3},
        {"Knights: Zoey, Jack, Mia. Knaves: none", 0.3 + 0.7 / 3},
        {"Knights: nobody. Knaves: Zoey, Jack, Mia", 0.3 + 0.7 * 2 / 3},
        {"{\"knights\": [\"Zoey\", \"Jack\", \"Mia\"], \"knaves\": []}", 0.3 + 0.7 / 3},
        {"Zoey is a knave, Jack and Mia are knights", 0},
        {"Zoey is a knight, Jack is a knave", 0}, // one is left out
        {"Zoey is a knight, Jack is a knave, Mia", 0},
        {"Zoey is a knight, Jack is a knave, Mia is a knave, Mia is a knight", 0},
        {"Zoey is a knight, Zoey is a knight, Jack is a knave, Mia is a knave", 0},
        {"Zoey is a knight or a knave, Jack is a knave, Mia is a knave", 0},
        {"Zoey is a knight/knave, Jack is a knave, Mia is a knave", 0},
        {"If Zoey is a knight, Jack is a knave, Mia is a knave", 0},
        {"Zoey is a knight, not a knight. Jack and Mia are knaves", 0},
        {"Zoey is a knight, Jack and Mia are knaves or knights", 0},
        {"knight, knave, knave", 0},
        {"Zoeys is a knight, Jack is a knave, Mia is a knave", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&grader_knights_knaves, cases[i].answer, NULL, gold, cases[i].value);
    assert_true(judged(&grader_knights_knaves, cases[0].answer, NULL, gold).hash ==
                judged(&grader_knights_knaves, cases[7].answer, NULL, gold).hash);
    // reasoning-gym's rows call them something else; a reference may be text alone
    expect(&grader_knights_knaves, "Ava is a sinner, and Liam is a saint.",
           "Ava is a sinner, and Liam is a saint.", NULL, 1);
    expect(&grader_knights_knaves, "Ava is a saint, and Liam is a saint.",
           "Ava is a sinner, and Liam is a saint.", NULL, 0.65);
    expect(&grader_knights_knaves, "saints: Liam, sinners: Ava",
           "(1) Ava is a sinner\n(2) Liam is a saint", NULL, 1);
    expect(&grader_knights_knaves, "Ann is an altruist; Bo is an egoist", NULL,
           "{\"names\":[\"Ann\",\"Bo\"],\"solution\":[true,false],\"knight_knave_terms\":"
           "{\"knight\":\"altruist\",\"knave\":\"egoist\"}}",
           1);
    // a name within a name
    expect(&grader_knights_knaves, "Ann Lee is a knight and Ann is a knave", NULL,
           "{\"names\":[\"Ann\",\"Ann Lee\"],\"solution\":[false,true]}", 1);
    expect_refused(&grader_knights_knaves, "", "{\"names\":[\"A\"],\"solution\":[]}");
    expect_refused(&grader_knights_knaves, "",
                   "{\"names\":[\"A\",\"a\"],\"solution\":[true,true]}");
    expect_refused(&grader_knights_knaves, "", "{\"names\":[\"A\"],\"solution\":[1]}");
    expect_refused(&grader_knights_knaves, "who knows", NULL);
    expect_refused(&grader_knights_knaves, "", "{");
}

// --- multiple choice -----------------------------------------------------------------------------

static void a_choice_is_a_letter_or_its_text(void **state)
{
    (void)state;
    static const char *const right[] = {
        "B",
        "b",
        "(B)",
        "[B]",
        "B.",
        "B)",
        "**B**",
        "$B$",
        "\\boxed{B}",
        "\\text{(B)}",
        "$\\text{B}$",
        "Answer: B",
        "option B",
        "Option (B).",
        "The answer is B",
        "The correct answer is: (B)",
        "B. Paris",
        "B) the city",
        "(B) Paris",
        "B: Paris",
        "B - Paris",
        "B because it is",
        "I choose (B)",
        "'B'",
        "\\textbf{(B)}\\ ",
        "The final answer is \\boxed{B}.",
        "B. Vitamin A",
    };
    static const char *const wrong[] = {
        "C",     "A or B",   "B or C",     "(A) or (B)", "B, C",    "B/C",     "A dog",     "I do",
        "not B", "Paris",    "AB",         "BC",         "B and C", "neither", "b because", "",
        "K",     "(B), (C)", "B; no, (C)", "42",         "not (B)", "Beta",
    };
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        expect(&grader_choice, right[i], "B", NULL, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (wrong[i][0] != '\0') expect(&grader_choice, wrong[i], "(B)", NULL, 0);

    const char *listed = "{\"choices\":[\"Rome\",\"Paris\",\"Vitamin A\",\"A\",\"a dog.\"]}";
    expect(&grader_choice, "Paris", "B", listed, 1);
    expect(&grader_choice, "the answer is paris.", "B", listed, 1);
    expect(&grader_choice, "B. Paris", "Paris", listed, 1);
    expect(&grader_choice, "B. Rome", "B", listed, 0); // says two things
    expect(&grader_choice, "A. Paris", "B", listed, 0);
    expect(&grader_choice, "C. Vitamin A", "C", listed, 1);
    expect(&grader_choice, "Vitamin A", "C", listed, 1);
    expect(&grader_choice, "A", "A", listed, 1); // the letter, not the text of D
    expect(&grader_choice, "A dog", "E", listed, 1);
    expect(&grader_choice, "F", "B", listed, 0);
    const char *map = "{\"options\":{\"A\":\"1\",\"B\":\"2\",\"C\":\"1\"}}";
    expect(&grader_choice, "2", "B", map, 1);
    expect(&grader_choice, "1", "A", map, 0); // the text of two
    assert_true(judged(&grader_choice, "paris", "B", listed).hash ==
                judged(&grader_choice, "(B)", "B", listed).hash);
    expect_refused(&grader_choice, "F", listed);
    expect_refused(&grader_choice, "London", listed);
    expect_refused(&grader_choice, "", NULL);
    expect_refused(&grader_choice, "B", "{\"choices\":[]}");
    expect_refused(&grader_choice, "B", "{\"choices\":[1]}");
    expect_refused(&grader_choice, "B", "{\"options\":{\"A\":\"x\",\"C\":\"y\"}}");
    expect_refused(&grader_choice, "B",
                   "{\"choices\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}");
}

// --- primes --------------------------------------------------------------------------------------

static void primes_come_in_any_order_and_notation(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        double value;
    } cases[] = {
        {"2 × 2 × 3", 1},
        {"3 * 2 * 2", 1},
        {"2^2 * 3", 1},
        {"2^{2} \\times 3", 1},
        {"2² · 3", 1},
        {"2**2 * 3", 1},
        {"12 = 2 x 2 x 3.", 1},
        {"[2, 2, 3]", 1},
        {"$2^2 \\cdot 3$", 1},
        {"2×2×3", 1},
        {"4 × 3", 0.5},
        {"12", 0.5},
        {"1 × 2 × 2 × 3", 0.5},
        {"2 × 3", 0},
        {"2 × 2 × 2 × 3", 0},
        {"13 = 2 × 2 × 3", 0},
        {"2 + 2 + 3", 0},
        {"2 × 2 × 3 × ", 0},
        {"2 × 2 × 3 and so on", 0},
        {"2^999 × 3", 0},
        {"0 × 12", 0},
        {"99999999999999999999", 0},
        {"-2 × -2 × 3", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect(&grader_prime_factorization, cases[i].answer, "2 × 2 × 3", NULL, cases[i].value);
        expect(&grader_prime_factorization, cases[i].answer, NULL, "{\"factors\":[2,2,3]}",
               cases[i].value);
    }
    expect_refused(&grader_prime_factorization, "two", NULL);
    expect_refused(&grader_prime_factorization, NULL, "{\"factors\":[]}");
    expect_refused(&grader_prime_factorization, NULL, "{\"factors\":[2,\"3\"]}");
}

// --- the table -----------------------------------------------------------------------------------

static void graders_are_found_by_name_and_by_data_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_graders; i++) {
        assert_ptr_equal(grader_find(graders[i]->name), graders[i]);
        assert_true(strlen(graders[i]->help) > 0);
    }
    assert_null(grader_find("guess"));
    assert_ptr_equal(grader_of_dataset("chain_sum"), &grader_number);
    assert_ptr_equal(grader_of_dataset("countdown"), &grader_countdown);
    assert_ptr_equal(grader_of_dataset("knights_knaves"), &grader_knights_knaves);
    assert_ptr_equal(grader_of_dataset("prime_factorization"), &grader_prime_factorization);
    assert_null(grader_of_dataset("rubiks_cube"));
}

static void an_answer_not_given_is_wrong_and_has_no_hash(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_graders; i++) {
        struct grade grade;
        struct err err;
        const struct grading g = {.response = view_of("hm"), .answer = view_of("")};
        assert_int_equal(grader_judge(graders[i], &g, &grade, &err), 0);
        assert_true(!grade.is_correct && grade.value == 0 && grade.hash == 0);
    }
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// A megabyte of anything is done within a bound that only quadratic time misses.
static void a_megabyte_of_nonsense_is_graded_in_linear_time(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    static const char *const patterns[] = {
        "(",
        "-",
        "+",
        "A ",
        ", A",
        "(B) ",
        "$",
        "**",
        "\\frac{",
        "\\left(",
        "1",
        "2 × ",
        "=",
        "Zoey ",
        "knight ",
        "not ",
        "[]",
        ".",
        "\\text{",
        " ",
        "\n",
        "\xc3\xa9",
        "a",
        "2^",
        "or A ",
        "the answer is ",
        "Zoey is a knight, ",
        "{",
        "B, ",
        "1,000",
    };
    static const struct {
        const struct grader *grader;
        const char *gold, *metadata;
    } golds[] = {
        {&grader_exact, "1", NULL},
        {&grader_number, "1", NULL},
        {&grader_countdown, NULL, "{\"numbers\":[1,2],\"target\":3}"},
        {&grader_knights_knaves, NULL, "{\"names\":[\"Zoey\",\"Bo\"],\"solution\":[true,false]}"},
        {&grader_choice, "B", "{\"choices\":[\"x\",\"y\"]}"},
        {&grader_prime_factorization, "2 × 3", NULL},
    };
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        size_t n = strlen(patterns[p]);
        for (size_t i = 0; i < SIZE; i++)
            text[i] = patterns[p][i % n];
        text[SIZE] = '\0';
        for (size_t k = 0; k < sizeof golds / sizeof golds[0]; k++) {
            double start = seconds_now();
            judged(golds[k].grader, text, golds[k].gold, golds[k].metadata);
            double took = seconds_now() - start;
            if (took > 2)
                fail_msg("%s took %.1f s on '%s'", golds[k].grader->name, took, patterns[p]);
        }
    }
    free(text);
}

// --- every row of published data -----------------------------------------------------------------

// Calls `check` with each line of a file; false when there is none.
static bool for_each_row(const char *path, void (*check)(struct json row, const char *text),
                         int *n_rows)
{
    if (path == NULL) return false;
    struct file_map map;
    struct err err;
    if (file_map(&map, path, &err) != 0) fail_msg("%s", err.text);
    const char *at = (const char *)map.bytes, *end = at + map.size_bytes;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size_bytes = (size_t)((newline == NULL ? end : newline) - at);
        if (size_bytes > 0) {
            struct json_document *row = json_parse(at, size_bytes, path, &err);
            if (row == NULL) fail_msg("%s", err.text);
            char *text = text_copy(at, size_bytes);
            check(json_root(row), text);
            free(text);
            json_destroy(row);
            ++*n_rows;
        }
        at += size_bytes + 1;
    }
    file_unmap(&map);
    return true;
}

enum { N_FORMS = 7 };

// The solution in one of several forms, with one person's role turned around.
static void write_solution(struct json row, int form, size_t turned, struct text_buffer *out)
{
    struct json names = json_member(row, "names"), solution = json_member(row, "solution");
    size_t n = json_count(names);
    text_buffer_clear(out);
    if (form == 5) { // by role
        for (int role = 1; role >= 0; role--) {
            bool is_any = false;
            text_buffer_add_string(out, role == 1 ? "Knights: " : "\nKnaves: ");
            for (size_t i = 0; i < n; i++) {
                bool is_knight = json_to_bool(json_item(solution, i)) != (i == turned);
                if (is_knight != (role == 1)) continue;
                text_buffer_printf(out, "%s%s", is_any ? ", " : "",
                                   json_to_string(json_item(names, i), NULL));
                is_any = true;
            }
            if (!is_any) text_buffer_add_string(out, "none");
        }
        return;
    }
    if (form == 2) text_buffer_add_string(out, "{");
    for (size_t i = 0; i < n; i++) {
        size_t at = form == 6 ? n - 1 - i : i; // 6: the last first
        const char *name = json_to_string(json_item(names, at), NULL);
        bool is_knight = json_to_bool(json_item(solution, at)) != (at == turned);
        const char *role = is_knight ? "knight" : "knave";
        if (form == 0) text_buffer_printf(out, "(%zu) %s is a %s\n", at + 1, name, role);
        if (form == 1) text_buffer_printf(out, "%s: %s\n", name, role);
        if (form == 2) text_buffer_printf(out, "%s\"%s\": \"%s\"", i == 0 ? "" : ", ", name, role);
        if (form == 3) text_buffer_printf(out, "%s%s is a %s", i == 0 ? "" : ", and ", name, role);
        if (form == 4)
            text_buffer_printf(out, "* **%s** is not a %s.\n", name,
                               is_knight ? "knave" : "knight");
        if (form == 6) text_buffer_printf(out, "%s=%s; ", name, role);
    }
    if (form == 2) text_buffer_add_string(out, "}");
}

static void check_knights_row(struct json row, const char *text)
{
    static size_t turned; // each row turns others around
    struct text_buffer answer;
    text_buffer_init(&answer);
    const char *gold = json_to_string(json_member(row, "solution_text_format"), NULL);
    assert_non_null(gold);
    size_t n = json_count(json_member(row, "names"));
    assert_in_range(n, 3, 7);
    expect(&grader_knights_knaves, gold, gold, text, 1);
    for (int form = 0; form < N_FORMS; form++) {
        write_solution(row, form, n, &answer);
        expect(&grader_knights_knaves, answer.bytes, gold, form % 2 == 0 ? text : NULL, 1);
        write_solution(row, form, turned++ % n, &answer);
        expect(&grader_knights_knaves, answer.bytes, gold, form % 2 == 0 ? NULL : text,
               0.3 + 0.7 * (double)(n - 1) / (double)n);
    }
    text_buffer_fini(&answer);
}

static void every_published_knights_row_is_graded_by_its_solution(void **state)
{
    (void)state;
    int n_rows = 0;
    for (int people = 3; people <= 7; people++) {
        char name[64];
        static const char *const parts[] = {"train", "test"};
        for (int part = 0; part < 2; part++) {
            snprintf(name, sizeof name, "kk/kk_%dppl_%s.jsonl", people, parts[part]);
            if (!for_each_row(outside_data(name), check_knights_row, &n_rows)) return;
        }
    }
    assert_int_equal(n_rows, 5000);
}

static int n_still_right;

static void check_countdown_row(struct json row, const char *text)
{
    (void)text;
    const char *answer = json_to_string(json_member(row, "answer"), NULL);
    struct json metadata = json_member(row, "metadata");
    char rule[256], other[256];
    int at = snprintf(rule, sizeof rule, "{\"target\":%lld,\"numbers\":[",
                      (long long)json_to_i64(json_member(metadata, "target")));
    struct json numbers = json_member(metadata, "numbers");
    for (size_t i = 0; i < json_count(numbers); i++)
        at += snprintf(rule + at, sizeof rule - (size_t)at, "%s%lld", i == 0 ? "" : ",",
                       (long long)json_to_i64(json_item(numbers, i)));
    snprintf(rule + at, sizeof rule - (size_t)at, "]}");
    expect(&grader_countdown, answer, NULL, rule, 1);
    snprintf(other, sizeof other, "((%s))", answer);
    expect(&grader_countdown, other, NULL, rule, 1);
    snprintf(other, sizeof other, "%s + 1", answer);
    expect(&grader_countdown, other, NULL, rule, 0.05);
    snprintf(other, sizeof other, "%lld", (long long)json_to_i64(json_member(metadata, "target")));
    expect(&grader_countdown, other, NULL, rule, 0.05);
    // one operator turned: another value, but for "+ (32 - 32) / 86" and the like
    snprintf(other, sizeof other, "%s", answer);
    char *plus = strstr(other, " + ");
    if (plus != NULL) plus[1] = '-';
    if (plus != NULL) n_still_right += judged(&grader_countdown, other, NULL, rule).is_correct;
    // a number replaced
    snprintf(other, sizeof other, "%s", answer);
    char *digit = strpbrk(other, "123456789");
    *digit = *digit == '9' ? '8' : (char)(*digit + 1);
    assert_false(judged(&grader_countdown, other, NULL, rule).is_correct);
}

static void every_published_countdown_row_is_graded_by_its_expression(void **state)
{
    (void)state;
    int n_rows = 0;
    const char *path = outside_data("countdown/countdown_3to4_train.jsonl");
    if (!for_each_row(path, check_countdown_row, &n_rows)) return;
    assert_int_equal(n_rows, 2000);
    assert_in_range(n_still_right, 0, 5);
}

// Its score, but for what it gives to digits somewhere in an answer, and for
// its 0.01 for any answer at all.
static void check_golden(struct json row, const char *text)
{
    (void)text;
    const struct grader *grader = grader_find(json_to_string(json_member(row, "grader"), NULL));
    assert_non_null(grader);
    struct json_writer w;
    json_writer_init(&w);
    json_put_value(&w, NULL, json_member(row, "metadata"));
    struct json answers = json_member(row, "answers");
    for (size_t i = 0; i < json_count(answers); i++) {
        double theirs = json_to_double(json_item(json_item(answers, i), 1)), want = theirs;
        if (theirs < 1 && (grader == &grader_number || theirs == 0.01)) want = 0;
        struct grade grade =
            judged(grader, json_to_string(json_item(json_item(answers, i), 0), NULL),
                   json_to_string(json_member(row, "gold"), NULL), w.bytes);
        if (grade.value < want - 1e-4 || grade.value > want + 1e-4)
            fail_msg("%zu of %s: %g, want %g", i, text, grade.value, want);
    }
    free(w.bytes);
}

static void scores_are_those_of_reasoning_gym(void **state)
{
    (void)state;
    int n_rows = 0;
    assert_true(for_each_row("tests/golden/graders.jsonl", check_golden, &n_rows));
    assert_int_equal(n_rows, 56);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_right_however_it_is_written),
        cmocka_unit_test(countdown_wants_each_number_once_and_the_exact_value),
        cmocka_unit_test(knights_and_knaves_are_read_as_people_write_them),
        cmocka_unit_test(a_choice_is_a_letter_or_its_text),
        cmocka_unit_test(primes_come_in_any_order_and_notation),
        cmocka_unit_test(graders_are_found_by_name_and_by_data_set),
        cmocka_unit_test(an_answer_not_given_is_wrong_and_has_no_hash),
        cmocka_unit_test(a_megabyte_of_nonsense_is_graded_in_linear_time),
        cmocka_unit_test(scores_are_those_of_reasoning_gym),
        cmocka_unit_test(every_published_knights_row_is_graded_by_its_solution),
        cmocka_unit_test(every_published_countdown_row_is_graded_by_its_expression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
