#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/sandbox/code_output.h"
#include "actor/sandbox/code_program.h"
#include "actor/sandbox/code_tests.h"

static struct view view_of(const char *text)
{
    return (struct view){text, strlen(text)};
}

static void expect_view(struct view got, const char *want)
{
    assert_int_equal(got.size_bytes, strlen(want));
    assert_memory_equal(got.bytes, want, got.size_bytes);
}

// --- rows ----------------------------------------------------------------------------------------

static void every_form_of_tests_is_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *row, *gold;
        enum code_tests_kind kind;
        uint32_t n_cases;
        const char *entry_point, *path; // of those that the judge reads
    } forms[] = {
        {"{\"prompt\": \"def f():\", \"test\": \"def check(c): assert c()\", \"entry_point\": "
         "\"f\"}",
         "", CODE_TESTS_CHECK, 0, "f", "[]"},
        {"{\"test\": \"assert f() == 1\", \"entry_point\": \"f\"}", "", CODE_TESTS_ASSERTS, 0, "f",
         "[]"},
        {"{\"test_list\": [\"assert f() == 1\"], \"text\": \"x\"}", "", CODE_TESTS_ASSERTS, 0, NULL,
         "[]"},
        {"{\"inputs\": [\"1\", \"2\"], \"outputs\": [\"3\", \"4\"]}", "", CODE_TESTS_STDIO, 2, NULL,
         NULL},
        {"{\"input_output\": \"{\\\"inputs\\\": [\\\"1\\\"], \\\"outputs\\\": [\\\"3\\\"]}\"}", "",
         CODE_TESTS_STDIO, 1, NULL, NULL},
        {"{\"input_output\": {\"fn_name\": \"f\", \"inputs\": [[1]], \"outputs\": [2]}}", "",
         CODE_TESTS_CALLS, 0, "f", "[\"input_output\"]"},
        {"{\"tests\": [{\"input\": \"1\", \"output\": \"2\"}]}", "", CODE_TESTS_STDIO, 1, NULL,
         NULL},
        {"{\"test_cases\": \"[{\\\"input\\\": \\\"1\\\", \\\"output\\\": \\\"2\\\", "
         "\\\"testtype\\\": \\\"functional\\\"}]\", \"metadata\": \"{\\\"func_name\\\": "
         "\\\"g\\\"}\"}",
         "", CODE_TESTS_CALLS, 0, "g", "[\"test_cases\"]"},
        {"{\"reward_model\": {\"ground_truth\": \"{\\\"inputs\\\": [\\\"1\\\"], \\\"outputs\\\": "
         "[\\\"3\\\"], \\\"fn_name\\\": \\\"h\\\"}\"}}",
         "", CODE_TESTS_CALLS, 0, "h", "[\"reward_model\",\"ground_truth\"]"},
        {"", "{\"inputs\": [\"1\"], \"outputs\": [\"3\"]}", CODE_TESTS_STDIO, 1, NULL, NULL},
        {"{\"level\": 3}", "{\"inputs\": [\"1\"], \"outputs\": [\"3\"]}", CODE_TESTS_STDIO, 1, NULL,
         NULL},
        {"", "[\"assert f() == 1\", \"assert f() != 2\"]", CODE_TESTS_ASSERTS, 0, NULL, "[]"},
        {"", "assert f() == 1", CODE_TESTS_ASSERTS, 0, NULL, "[]"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct code_tests t;
        struct err err;
        if (code_tests_read(&t, view_of(forms[i].row), view_of(forms[i].gold), &err) != 0)
            fail_msg("form %zu: %s", i, err.text);
        assert_int_equal(t.kind, forms[i].kind);
        assert_int_equal(t.n_cases, forms[i].n_cases);
        if (forms[i].entry_point == NULL)
            assert_null(t.entry_point);
        else
            assert_string_equal(t.entry_point, forms[i].entry_point);
        if (forms[i].path != NULL) assert_string_equal(t.path, forms[i].path);
        code_tests_fini(&t);
    }
}

static void a_case_is_text_or_lines_of_it(void **state)
{
    (void)state;
    struct code_tests t;
    struct err err;
    const char *row = "{\"inputs\": [\"a\\n\", [\"b\", \"c\"]], \"outputs\": [[\"d\"], \"e\"], "
                      "\"time_limit\": 1.5}";
    assert_int_equal(code_tests_read(&t, view_of(row), view_of(""), &err), 0);
    expect_view(t.cases[0].input, "a\n");
    expect_view(t.cases[0].output, "d\n");
    expect_view(t.cases[1].input, "b\nc\n");
    expect_view(t.cases[1].output, "e");
    assert_true(t.time_limit_s == 1.5);
    code_tests_fini(&t);
}

static void a_row_without_tests_that_make_sense_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *row, *gold, *says;
    } rows[] = {
        {"{\"question\": \"1+1\"}", "2", "code tests: the row has none of test"},
        {"{\"question\": \"1+1\"}", "two", "ground_truth"},
        {"{\"inputs\": [\"1\"], \"outputs\": []}", "", "1 inputs, 0 outputs"},
        {"{\"inputs\": [1], \"outputs\": [\"1\"]}", "", "not text"},
        {"{\"tests\": [{\"input\": \"1\", \"output\": \"2\", \"testtype\": \"functional\"}]}", "",
         "without fn_name"},
        {"{\"inputs\": [", "", "code tests"},
        {"", "", "the row has none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct code_tests t;
        struct err err = {0};
        assert_int_equal(code_tests_read(&t, view_of(rows[i].row), view_of(rows[i].gold), &err),
                         -1);
        if (strstr(err.text, rows[i].says) == NULL) fail_msg("row %zu: %s", i, err.text);
    }
}

// --- programs ------------------------------------------------------------------------------------

static void the_program_is_found_where_responses_put_it(void **state)
{
    (void)state;
    static const struct {
        const char *response, *code; // NULL: none
    } responses[] = {
        {"Here:\n```python\nprint(1)\n```\nDone.", "print(1)\n"},
        {"```python\na\n```\nBetter:\n```py\nb\n```\n", "b\n"},
        {"```python\na\n```\nIt prints:\n```\n1\n```\n", "a\n"},
        {"```\na\n```", "a\n"},
        {"```cpp\na\n```\n```\nb\n```", "b\n"},
        {"<think>```python\na\n```</think>no code", "no code"},
        {"<think>```python\na\n```", NULL},
        {"<think>x</think><answer>\n```python\na\n```\n</answer> ```python\nb\n```", "a\n"},
        {"<answer>print(1)</answer>", "print(1)"},
        {"print(1)\n", "print(1)\n"},
        {"```python\na\nb", "a\nb"},
        {"  ```python\n  a\n  ```", "  a\n"},
        {"```python\n```\n", NULL},
        {"x = '''\n```'''\n", "x = '''\n```'''\n"},
        {"```python\na\n```text\nb\n```", "a\n"},
        {"```python\na\n```python\nb\n```", "b\n"},
        {"", NULL},
        {"</think>", NULL},
        {"```", "```"},
    };
    for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++) {
        struct view code;
        const bool is_found = code_program_find(view_of(responses[i].response), &code);
        if (is_found != (responses[i].code != NULL)) fail_msg("response %zu", i);
        if (is_found) expect_view(code, responses[i].code);
    }
}

static void a_completion_follows_its_prompt_and_a_function_replaces_it(void **state)
{
    (void)state;
    static const struct {
        const char *code, *program;
    } cases[] = {
        {"    return 1\n", "def f():\n    return 1\n"},
        {"return 1\n", "def f():\n\n    return 1\n"},
        {"x = 1\n\nreturn x", "def f():\n\n    x = 1\n\n    return x\n"},
        {"def f():\n    return 1\n", "def f():\n\n\ndef f():\n    return 1\n"},
        {"async def f(a):\n    return 1\n", "def f():\n\n\nasync def f(a):\n    return 1\n"},
        {"    def f():\n        return 1\n", "def f():\n    def f():\n        return 1\n"},
        {"def ff():\n    return 1\n", "def f():\n\n    def ff():\n        return 1\n"},
    };
    struct code_tests t;
    struct err err;
    struct text_buffer program;
    const char *row = "{\"prompt\": \"def f():\\n\", \"entry_point\": \"f\", \"test\": \"def "
                      "check(c): pass\"}";
    assert_int_equal(code_tests_read(&t, view_of(row), view_of(""), &err), 0);
    text_buffer_init(&program);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        code_program_make(&t, view_of(cases[i].code), &program);
        assert_string_equal(program.bytes, cases[i].program);
    }
    text_buffer_fini(&program);
    code_tests_fini(&t);
}

// --- output --------------------------------------------------------------------------------------

static void output_is_right_up_to_white_space_and_the_last_digits_of_fractions(void **state)
{
    (void)state;
    static const struct {
        const char *got, *want;
        bool is_right;
    } cases[] = {
        {"1 2\n3\n", "1 2\n3", true},
        {"1  2 \r\n\n3", "1 2\n3\n", true},
        {"1 2 3", "1 2\n3", false},
        {"1\n2 3", "1 2\n3", false},
        {"12", "1 2", false},
        {"1", "1\n1", false},
        {"", "", true},
        {"\n\n", "", true},
        {"", "0", false},
        {"0", "", false},
        {"Yes", "YES", false},
        {"5", "5.0", true},
        {"5.0", "5", false},
        {"0.3333333", "0.33333333333", true},
        {"0.3334", "0.3333", false},
        {"1000000.4", "1000000.0", true},
        {"1000002", "1000000.0", false},
        {"1e-3", "0.001", true},
        {"nan", "nan", true},
        {"nan", "0.5", false},
        {"inf", "1e308", false},
        {"0x1p1", "2.0", false},
        {"9007199254740993", "9007199254740992", false},
        {"e", ".", false},
        {"1.", "1.e0", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (code_output_is_right(view_of(cases[i].got), view_of(cases[i].want)) !=
            cases[i].is_right)
            fail_msg("\"%s\" against \"%s\"", cases[i].got, cases[i].want);
    const struct view nul = {"1\0002", 3}, other = {"1\0003", 3};
    assert_true(code_output_is_right(nul, nul));
    assert_false(code_output_is_right(nul, other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_tests_is_recognised),
        cmocka_unit_test(a_case_is_text_or_lines_of_it),
        cmocka_unit_test(a_row_without_tests_that_make_sense_is_refused_with_the_reason),
        cmocka_unit_test(the_program_is_found_where_responses_put_it),
        cmocka_unit_test(a_completion_follows_its_prompt_and_a_function_replaces_it),
        cmocka_unit_test(output_is_right_up_to_white_space_and_the_last_digits_of_fractions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
