#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/grading/answer.h"
#include "actor/grading/expression.h"
#include "actor/grading/response.h"
#include "actor/template/template.h"

static struct view view_of(const char *text)
{
    return (struct view){text, strlen(text)};
}

// --- answers -------------------------------------------------------------------------------------

static void the_answer_is_found_where_responses_put_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; // NULL: none
    } cases[] = {
        {"<think>1</think><answer> 42 </answer>", "42"},
        {"<answer>1</answer> no, <answer>2</answer>", "2"},
        {"<answer>1</answer><answer>2", "1"},
        {"so \\boxed{\\frac{1}{2}} is it", "\\frac{1}{2}"},
        {"<answer>It is $\\boxed{7}$.</answer>", "7"},
        {"\\boxed{1}, or rather \\boxed{ {3} }", "{3}"},
        {"\\boxed{\\{1\\}}", "\\{1\\}"},
        {"work\n#### 1,234\nmore", "1,234"},
        {"\\boxed{5", NULL},
        {"<answer>  </answer>", NULL},
        {"</answer><answer>", NULL},
        {"", NULL},
        {"the answer is 4", "4"},
        {"The final answer is: **4**.", "4"},
        {"Answer: $\\frac{1}{2}$ because", "\\frac{1}{2}"},
        {"**Final Answer:**\n\n$$\n42\n$$\n", "42"},
        {"The answer is 3.5. It was easy.", "3.5"},
        {"The answer is 3, no, the answer is 4", "4"},
        {"The answer isn't known", NULL},
        {"所以答案是 7。", "7"},
        {"答案：12\n", "12"},
        {"Final Answer: The largest $n$ is 34. I hope so.", "34"},
        {"so 4", NULL},
        {"\\boxed{4}. Hmm, the answer is 5", "4"},
        {"#### 3\n\\boxed{4}", "4"},
        {"<answer>\\boxed{3}</answer> \\boxed{4}", "3"},
        {"<answer>The answer is 3.</answer>", "3"},
        {"\\boxed{1}</think> So \\boxed{2}", "2"},
        {"\\boxed{1}</think> So", NULL},
        {"<think>\\boxed{1}", "1"},
        {"\\boxed {5}", "5"},
        {"\\boxed 5 it is", "5"},
        {"$\\boxed5$", "5"},
        {"\\fbox{5}", "5"},
        {"\\boxed{4} or \\boxed{5", "4"},
        {"\\boxed{\\text{\\boxed{6}}}", "6"},
        {"$\\boxed{1}$ and $\\boxed{2}$.", "\\boxed{1}$ and $\\boxed{2}"},
        {"\\boxed{840}, \\boxed{840}", "840"},
        {"\\boxed{1} maybe \\boxed{2}", "2"},
        {"\\boxedx{1}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct view found;
        bool is_found = answer_find(view_of(cases[i].text), &found);
        if (is_found != (cases[i].want != NULL)) fail_msg("%s", cases[i].text);
        if (!is_found) continue;
        assert_int_equal(found.size_bytes, strlen(cases[i].want));
        assert_memory_equal(found.bytes, cases[i].want, found.size_bytes);
    }
}

static void numbers_have_one_canonical_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"18", "18"},
        {" $18.00 ", "18"},
        {"$1,234.50.", "1234.5"},
        {"1,234.50", "1234.5"},
        {"18.", "18"},
        {"+7", "7"},
        {"-0.0", "0"},
        {"-$5", "-5"},
        {"$-5", "-5"},
        {"007", "7"},
        {".5", "0.5"},
        {"1,000,000", "1000000"},
        {"12,34", "12,34"},
        {"0,001", "0,001"},
        {"1,2345", "1,2345"},
        {"--5", "--5"},
        {"$5$", "5"},
        {"\\$5", "5"},
        {"Paris", "Paris"},
        {" x + 1 ", "x + 1"},
        {".", "."},
        {"-", "-"},
        {"1e5", "1e5"},
        {"99999999999999999999.10", "99999999999999999999.1"},
    };
    struct text_buffer out;
    text_buffer_init(&out);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        answer_canonical(view_of(cases[i].text), &out);
        if (strcmp(out.bytes, cases[i].want) != 0)
            fail_msg("'%s' became '%s', want '%s'", cases[i].text, out.bytes, cases[i].want);
    }
    assert_int_not_equal(answer_hash("1", 1), answer_hash("2", 1));
    assert_int_equal(answer_hash("1", 1), answer_hash("1", 1));
    text_buffer_fini(&out);
}

// --- expressions ---------------------------------------------------------------------------------

static void expressions_have_exact_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t over, under; // under 0: refused
        uint32_t n_numbers;
    } cases[] = {
        {"18 + 95 - 14", 99, 1, 3},
        {"2+3*4", 14, 1, 3},
        {"(2+3)*4", 20, 1, 3},
        {"10-4-3", 3, 1, 3},
        {"100/8/5", 5, 2, 3},
        {"1/3*3", 1, 1, 3},
        {"8/(3-8/3)", 24, 1, 4},
        {"-3+5", 2, 1, 2},
        {"2*-3", -6, 1, 2},
        {"-(2+3)*2", -10, 1, 3},
        {"+4", 4, 1, 1},
        {"6 \xc3\x97 7", 42, 1, 2},
        {"8 \xc3\xb7 2 \xe2\x88\x92 1", 3, 1, 3},
        {"2 \\times 3 \\cdot 4 \\div 8", 3, 1, 4},
        {"1 + 2 = 3", 3, 1, 2},
        {"1 + 2 = 4", 0, 0, 0},
        {"1 + 2 = 1 + 2", 0, 0, 0},
        {"", 0, 0, 0},
        {"1 2", 0, 0, 0},
        {"(1", 0, 0, 0},
        {"1)", 0, 0, 0},
        {"()", 0, 0, 0},
        {"1+", 0, 0, 0},
        {"*1", 0, 0, 0},
        {"1/0", 0, 0, 0},
        {"1/(2-2)", 0, 0, 0},
        {"2^3", 0, 0, 0},
        {"1.5", 0, 0, 0},
        {"99999999999999999999", 0, 0, 0},
        {"9223372036854775807+1", 0, 0, 0},
        {"4000000000*4000000000", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct expression e;
        bool is_good = expression_evaluate(view_of(cases[i].text), &e);
        if (is_good != (cases[i].under != 0)) fail_msg("%s", cases[i].text);
        if (!is_good) continue;
        if (e.value.over != cases[i].over || e.value.under != cases[i].under)
            fail_msg("%s = %ld/%ld", cases[i].text, (long)e.value.over, (long)e.value.under);
        assert_int_equal(e.n_numbers, cases[i].n_numbers);
    }
}

static void deep_and_long_expressions_are_refused_without_harm(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES);
    static const char fills[] = "(-+1)*";
    for (size_t f = 0; f < sizeof fills - 1; f++) {
        memset(text, fills[f], BYTES);
        struct expression e;
        assert_false(expression_evaluate((struct view){text, BYTES}, &e));
    }
    for (size_t i = 0; i + 1 < BYTES; i += 2)
        memcpy(text + i, "1+", 2);
    struct expression e;
    assert_false(expression_evaluate((struct view){text, BYTES - 1}, &e));
    free(text);
}

// --- format and style ----------------------------------------------------------------------------

static bool formatted(const char *text, bool is_stopped)
{
    struct response r;
    response_read(&r, view_of(text), is_stopped, 0);
    return r.is_formatted;
}

static void the_format_is_each_tag_once_in_order_and_nothing_beside(void **state)
{
    (void)state;
    assert_true(formatted("<think></think><answer>4</answer>", true));
    assert_true(formatted(" <think>a\nb</think>\n<answer> 4 </answer>\n", true));
    assert_false(formatted("<think></think><answer>4</answer>", false)); // did not stop
    assert_false(formatted("<think></think><answer>4", true));
    assert_false(formatted("<think><answer>4</answer>", true));
    assert_false(formatted("<think></think>4", true));
    assert_false(formatted("x<think></think><answer>4</answer>", true));
    assert_false(formatted("<think></think>x<answer>4</answer>", true));
    assert_false(formatted("<think></think><answer>4</answer>x", true));
    assert_false(formatted("<think><think></think><answer>4</answer>", true));
    assert_false(formatted("<think></think><answer>4</answer><answer>4</answer>", true));
    assert_false(formatted("</think><think><answer>4</answer>", true));
    assert_false(formatted("<answer>4</answer><think></think>", true));
    assert_false(formatted("", true));
}

static struct response read(const char *text, uint32_t n_steps_needed)
{
    struct response r;
    response_read(&r, view_of(text), true, n_steps_needed);
    return r;
}

static void style_says_how_much_was_worked_out_and_whether_it_was_checked(void **state)
{
    (void)state;
    assert_int_equal(read("<think></think><answer>4</answer>", 2).style, STYLE_SHORT);
    assert_int_equal(read("<think>a=1;</think><answer>4</answer>", 2).style, STYLE_SHORT);
    struct response r = read("<think>a=1;b+1=2;</think><answer>x=2</answer>", 2);
    assert_int_equal(r.style, STYLE_LONG);
    assert_int_equal(r.n_steps, 2); // the answer's own "=" does not count
    assert_int_equal(read("<think>a=1;wait,b+1=2;</think><answer>2</answer>", 2).style,
                     STYLE_CHECKED);
    assert_int_equal(read("<think>a=1;b=2;</think><answer>wait</answer>", 2).style, STYLE_LONG);
    assert_int_equal(read("<think>a=1;b=2;c=3;", 2).style, STYLE_LONG); // never ends
    assert_int_equal(read("1 + 1 = 2", 0).style, STYLE_LONG);
    assert_int_equal(read("two", 0).style, STYLE_SHORT);
}

static void reflective_words_are_whole_words_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(read("Wait, wait. WAIT", 0).n_reflective, 3);
    assert_int_equal(read("await waiting waits butter check9 recheck", 0).n_reflective, 1);
    assert_int_equal(
        read("mistake however but retry error verify wrong evaluate check", 0).n_reflective, 9);
}

// --- templates -----------------------------------------------------------------------------------

static char *expand(const char *text)
{
    struct template t;
    struct err err;
    if (template_init(&t, text, &err) != 0) fail_msg("%s", err.text);
    struct text_buffer out;
    text_buffer_init(&out);
    struct conversation c = {.n_turns = 0};
    conversation_add(&c, "user", view_of("P"));
    template_add(&t, &c, &out);
    conversation_fini(&c);
    template_fini(&t);
    return text_buffer_take(&out);
}

static void templates_by_name_and_by_text(void **state)
{
    (void)state;
    char *text = expand("r1_zero");
    assert_string_equal(
        text, "A conversation between User and Assistant. The user asks a question, and the "
              "Assistant solves it. The assistant first thinks about the reasoning process in the "
              "mind and then provides the user with the answer. The reasoning process and answer "
              "are enclosed within <think>...</think> and <answer>...</answer> tags, respectively, "
              "i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: "
              "P. Assistant:");
    free(text);
    text = expand("short");
    assert_string_equal(text, "User:PAssistant:");
    free(text);
    text = expand("plain");
    assert_string_equal(text, "P");
    free(text);
    text = expand("Q: {prompt}\nA:");
    assert_string_equal(text, "Q: P\nA:");
    free(text);
    struct template t;
    struct err err;
    assert_int_equal(template_init(&t, "nothing", &err), -1);
    assert_int_equal(template_init(&t, "{prompt}{prompt}", &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_is_found_where_responses_put_it),
        cmocka_unit_test(numbers_have_one_canonical_form),
        cmocka_unit_test(expressions_have_exact_values),
        cmocka_unit_test(deep_and_long_expressions_are_refused_without_harm),
        cmocka_unit_test(the_format_is_each_tag_once_in_order_and_nothing_beside),
        cmocka_unit_test(style_says_how_much_was_worked_out_and_whether_it_was_checked),
        cmocka_unit_test(reflective_words_are_whole_words_in_any_case),
        cmocka_unit_test(templates_by_name_and_by_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
