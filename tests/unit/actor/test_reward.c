#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/reward/reward.h"
#include "actor/reward/script_words.h"
#include "actor/text/text_buffer.h"

static const struct reward_setting usual = {.max_response_length = UINT32_MAX};

static int init(struct rewards *r, const char *spec, const struct reward_setting *setting,
                struct err *err)
{
    struct json_document *document = json_parse(spec, strlen(spec), "spec", err);
    if (document == NULL) fail_msg("%s: %s", spec, err->text);
    const int result = rewards_init(r, json_root(document), setting, err);
    json_destroy(document);
    return result;
}

static void opened(struct rewards *r, const char *spec)
{
    struct err err;
    if (init(r, spec, &usual, &err) != 0) fail_msg("%s: %s", spec, err.text);
}

static struct view view_of(const char *text)
{
    return (struct view){text, strlen(text)};
}

static struct problem problem_of(const char *prompt, const char *answer)
{
    struct problem p = {.grader = &grader_exact, .source = "here"};
    if (answer != NULL) p.answer = text_copy(answer, strlen(answer));
    if (prompt != NULL) conversation_add(&p.conversation, "user", view_of(prompt));
    return p;
}

static void problem_done(struct problem *p)
{
    conversation_fini(&p->conversation);
    free(p->answer);
}

static double part(const struct score *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_rewards; i++)
        if (s->rewards[i].name.size_bytes == strlen(name) &&
            memcmp(s->rewards[i].name.bytes, name, strlen(name)) == 0)
            return s->rewards[i].value;
    fail_msg("no component %s", name);
    return 0;
}

// The value of the only component, of a response that was stopped.
static double value_of(const char *spec, const struct reward_setting *setting, const char *prompt,
                       const char *answer, const char *response, uint32_t n_tokens)
{
    struct rewards r;
    struct err err;
    struct score score;
    if (init(&r, spec, setting, &err) != 0) fail_msg("%s: %s", spec, err.text);
    struct problem p = problem_of(prompt, answer);
    const struct reward_case c = {&p, view_of(response), true, n_tokens};
    rewards_judge(&r, &c, &score);
    if (score.outcome != OUTCOME_OK) fail_msg("%s: %s", spec, score.outcome_text);
    assert_int_equal(score.n_rewards, 1);
    const double value = score.rewards[0].value;
    problem_done(&p);
    rewards_fini(&r);
    return value;
}

static void expect_near(double value, double wanted)
{
    if (!(fabs(value - wanted) < 1e-9)) fail_msg("got %.12g, want %.12g", value, wanted);
}

// --- the list ------------------------------------------------------------------------------------

static void the_total_is_the_weighted_sum_and_every_component_is_kept(void **state)
{
    (void)state;
    struct rewards r;
    struct score score;
    opened(&r, "[{\"name\":\"accuracy\",\"weight\":2},{\"name\":\"format\",\"weight\":0.5},"
               "{\"name\":\"format\",\"variant\":\"tag_count\",\"label\":\"tags\",\"weight\":-1},"
               "{\"name\":\"repetition\",\"max_penalty\":-0.5}]");
    struct problem p = problem_of("?", "4");
    const char *text = "<think>a a a a a</think><answer>4</answer>";
    const struct reward_case c = {&p, view_of(text), true, 9};
    rewards_judge(&r, &c, &score);
    assert_int_equal(score.outcome, OUTCOME_OK);
    assert_int_equal(score.n_rewards, 4);
    expect_near(part(&score, "accuracy"), 1);
    expect_near(part(&score, "format"), 1);
    expect_near(part(&score, "tags"), 1);
    expect_near(part(&score, "repetition"), 0); // <think>a a a, a a a, a a a</think>...
    expect_near(score.reward, 2 + 0.5 - 1);
    assert_true(score.is_correct);
    problem_done(&p);
    rewards_fini(&r);
}

static void an_absent_list_is_accuracy_and_format(void **state)
{
    (void)state;
    struct rewards r;
    struct err err;
    struct score score;
    assert_int_equal(rewards_init(&r, (struct json){NULL, NULL}, &usual, &err), 0);
    struct problem p = problem_of("?", "4");
    const struct reward_case c = {&p, view_of("\\boxed{4}"), true, 3};
    rewards_judge(&r, &c, &score);
    assert_int_equal(score.n_rewards, 2);
    expect_near(score.reward, 1);
    expect_near(part(&score, "format"), 0);
    problem_done(&p);
    rewards_fini(&r);
}

static void wrong_lists_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *want;
    } cases[] = {
        {"[]", "list of 1 to"},
        {"{}", "list of 1 to"},
        {"[3]", "list of maps"},
        {"[{\"weight\":1}]", "want one of accuracy, format, language_consistency"},
        {"[{\"name\":\"acuracy\"}]", "got 'acuracy'"},
        {"[{\"name\":\"accuracy\",\"wieght\":1}]", "rewards: accuracy: unknown key 'wieght'"},
        {"[{\"name\":\"format\",\"strict\":true}]", "rewards: format: unknown key 'strict'"},
        {"[{\"name\":\"accuracy\",\"weight\":\"1\"}]", "rewards: accuracy.weight"},
        {"[{\"name\":\"accuracy\",\"weight\":1e99}]", "rewards: accuracy.weight"},
        {"[{\"name\":\"accuracy\"},{\"name\":\"accuracy\"}]", "'accuracy' is listed twice"},
        {"[{\"name\":\"accuracy\",\"label\":\"a b\"}]", "label 'a b'"},
        {"[{\"name\":\"accuracy\",\"grader\":\"mth\"}]", "there is no grader 'mth'"},
        {"[{\"name\":\"format\",\"variant\":\"loose\"}]", "rewards: format.variant"},
        {"[{\"name\":\"language_consistency\",\"language\":\"xx\"}]", "got 'xx'"},
        {"[{\"name\":\"overlong\"}]", "rewards: overlong.len"},
        {"[{\"name\":\"overlong\",\"len\":8}]", "overlong.max_response_length"},
        {"[{\"name\":\"overlong\",\"len\":9,\"max_response_length\":8}]", "overlong.len: 9"},
        {"[{\"name\":\"cosine\"}]", "cosine.max_len"},
        {"[{\"name\":\"repetition\",\"max_penalty\":1}]", "repetition.max_penalty"},
        {"[{\"name\":\"repetition\",\"ngram_size\":0}]", "repetition.ngram_size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rewards r;
        struct err err = {0};
        if (init(&r, cases[i].spec, &usual, &err) == 0) fail_msg("%s", cases[i].spec);
        if (strstr(err.text, cases[i].want) == NULL)
            fail_msg("%s gave: %s", cases[i].spec, err.text);
        assert_int_equal(err.code, ERR_USAGE);
    }
}

static void every_kind_has_a_name_and_help(void **state)
{
    (void)state;
    size_t n = 0;
    while (reward_kind_name(n) != NULL) {
        assert_true(strlen(reward_kind_help(n)) > 10);
        n++;
    }
    assert_true(n >= 7);
    assert_null(reward_kind_help(n));
}

// --- accuracy ------------------------------------------------------------------------------------

static void strict_accuracy_counts_only_in_the_form_that_the_list_asks_for(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *response;
        double wanted;
    } cases[] = {
        {"[{\"name\":\"accuracy\",\"strict\":true}]", "<answer>4</answer>", 0},
        {"[{\"name\":\"accuracy\",\"strict\":true}]", "<think></think><answer>4</answer>", 1},
        {"[{\"name\":\"accuracy\"}]", "<answer>4</answer>", 1},
        {"[{\"name\":\"accuracy\"}]", "<answer>5</answer>", 0},
        {"[{\"name\":\"accuracy\"}]", "nothing", 0},
        {"[{\"name\":\"accuracy\",\"strict\":true},{\"name\":\"format\",\"variant\":\"think\"}]",
         "so</think>\\boxed{4}", 1},
        {"[{\"name\":\"format\",\"variant\":\"boxed\"},{\"name\":\"accuracy\",\"strict\":true}]",
         "\\boxed{4}", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rewards r;
        struct score score;
        opened(&r, cases[i].spec);
        struct problem p = problem_of("?", "4");
        const struct reward_case c = {&p, view_of(cases[i].response), true, 1};
        rewards_judge(&r, &c, &score);
        expect_near(part(&score, "accuracy"), cases[i].wanted);
        assert_int_equal(score.is_correct, cases[i].wanted == 1);
        problem_done(&p);
        rewards_fini(&r);
    }
}

static void a_reference_that_cannot_be_graded_is_an_outcome_and_no_reward(void **state)
{
    (void)state;
    struct rewards r;
    struct score score;
    opened(&r, "[{\"name\":\"accuracy\"},{\"name\":\"format\"}]");
    struct problem p = problem_of("?", "");
    const struct reward_case c = {&p, view_of("<think></think><answer>4</answer>"), true, 1};
    rewards_judge(&r, &c, &score);
    assert_int_equal(score.outcome, OUTCOME_BAD_DATA);
    assert_int_equal(score.n_rewards, 0);
    assert_true(score.reward == 0 && !score.is_correct);
    assert_non_null(strstr(score.outcome_text, "reference"));
    rewards_fini(&r);
    opened(&r, "[{\"name\":\"format\"}]"); // nobody asks for a grade here
    rewards_judge(&r, &c, &score);
    assert_int_equal(score.outcome, OUTCOME_OK);
    expect_near(score.reward, 1);
    assert_false(score.is_correct);
    rewards_fini(&r);
    problem_done(&p);
}

static void a_grader_named_in_the_list_replaces_the_problems(void **state)
{
    (void)state;
    const char *spec = "[{\"name\":\"accuracy\",\"grader\":\"countdown\"}]";
    struct rewards r;
    struct score score;
    char metadata[] = "{\"numbers\":[1,2,3],\"target\":6}";
    opened(&r, spec);
    struct problem p = problem_of("?", "x");
    p.metadata = metadata;
    const struct reward_case right = {&p, view_of("<answer>1+2+3</answer>"), true, 1};
    const struct reward_case wrong = {&p, view_of("<answer>1+2*3</answer>"), true, 1};
    rewards_judge(&r, &right, &score);
    expect_near(score.reward, 1);
    assert_true(score.is_correct);
    rewards_judge(&r, &wrong, &score);
    expect_near(score.reward, 0);
    rewards_fini(&r);
    opened(&r, "[{\"name\":\"accuracy\",\"grader\":\"countdown\",\"partial\":true}]");
    rewards_judge(&r, &wrong, &score);
    assert_true(score.reward > 0 && score.reward < 1 && !score.is_correct);
    problem_done(&p);
    rewards_fini(&r);
}

// --- format --------------------------------------------------------------------------------------

static void each_variant_of_the_format_is_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *variant, *response;
        double wanted;
    } cases[] = {
        {"strict", "<think>a</think>\n<answer>4</answer>", 1},
        {"strict", "<think>a</think>4", 0},
        {"think", "a</think>4", 1},
        {"think", "<think>a</think>4", 1},
        {"think", " \n<think>a</think>\n\n4", 1},
        {"think", "a<think>b</think>4", 0},
        {"think", "a</think>b</think>4", 0},
        {"think", "a</think> \n", 0},
        {"think", "</think>4<think>", 0},
        {"think", "a", 0},
        {"open_r1", "<think>\na\n</think>\n<answer>\n4\n</answer>", 1},
        {"open_r1", "<think>\n\n</think>\n<answer>\n\n</answer>", 1},
        {"open_r1", "<think>\n\n</think>\n<answer>\n4\n</answer>\nmore", 1}, // as its $ has it
        {"open_r1", "<think>\na\n</think>\n<answer>\n4\n</answer> more", 0},
        {"open_r1", "<think>\na\n</think>\n<answer>\n4\n</answer>x\n</answer>", 1},
        {"open_r1", "<think>\n</think>\n<answer>\n4\n</answer>", 0},
        {"open_r1", "<think>a</think><answer>4</answer>", 0},
        {"open_r1", "x<think>\na\n</think>\n<answer>\n4\n</answer>", 0},
        {"tag_count", "<think></think><answer></answer>", 1},
        {"tag_count", "<think></think>4", 0.5},
        {"tag_count", "<think><think></think><answer></answer>", 0.75},
        {"tag_count", "", 0},
        {"boxed", "so \\boxed{4}", 1},
        {"boxed", "so \\boxed{4", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char spec[100];
        snprintf(spec, sizeof spec, "[{\"name\":\"format\",\"variant\":\"%s\"}]", cases[i].variant);
        const double value = value_of(spec, &usual, "?", "4", cases[i].response, 1);
        if (fabs(value - cases[i].wanted) > 1e-9)
            fail_msg("%s of '%s': %g", cases[i].variant, cases[i].response, value);
    }
}

static void a_response_that_was_cut_has_no_whole_form(void **state)
{
    (void)state;
    static const struct {
        const char *variant;
        double wanted;
    } cases[] = {{"strict", 0}, {"think", 0}, {"open_r1", 1}, {"tag_count", 1}, {"boxed", 1}};
    const struct view text = view_of("<think>\na\n</think>\n<answer>\n\\boxed{4}\n</answer>");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct response_format *format = response_format_find(cases[i].variant);
        assert_non_null(format);
        assert_true(format->value(text, false) == cases[i].wanted);
        assert_true(format->value(text, true) == 1);
    }
    assert_null(response_format_find("Strict"));
}

// --- language ------------------------------------------------------------------------------------

static double consistency(const char *language, const char *prompt, const char *response)
{
    char spec[100];
    snprintf(spec, sizeof spec, "[{\"name\":\"language_consistency\",\"language\":\"%s\"}]",
             language);
    return value_of(spec, &usual, prompt, "4", response, 1);
}

static void consistency_is_the_share_of_the_targets_words_in_the_reasoning(void **state)
{
    (void)state;
    expect_near(consistency("en", "?", "<think>first we add</think><answer>四</answer>"), 1);
    expect_near(consistency("en", "?", "<think>first we 加</think>"), 2.0 / 3);
    expect_near(consistency("zh", "?", "<think>first we 加</think>"), 1.0 / 3);
    expect_near(consistency("zh", "?", "<think>我们先加</think>"), 1);
    expect_near(consistency("ja", "?", "<think>まず足す</think>"), 1);
    expect_near(consistency("zh", "?", "<think>まず足す</think>"), 0.25);
    expect_near(consistency("ru", "?", "<think>Сначала сложим and so</think>"), 0.5);
    expect_near(consistency("ko", "?", "<think>먼저 더한다</think>"), 1);
    expect_near(consistency("ar", "?", "<think>أولا نجمع</think>"), 1);
    expect_near(consistency("en", "?", "<think>don\xe2\x80\x99t it's naïve café</think>"), 1);
    expect_near(consistency("en", "?", "<think></think>words outside"), 0);
    expect_near(consistency("en", "?", "<think>1 + 2 = 3</think>"), 0); // no words
    expect_near(consistency("en", "?", "prefilled thought</think>答案"), 1);
}

static void numbers_formulas_code_and_variables_are_no_words(void **state)
{
    (void)state;
    expect_near(consistency("zh", "?", "<think>设 x = 3 和 y, $\\frac{alpha}{beta}$</think>"), 1);
    expect_near(consistency("zh", "?", "<think>得 \\(sin x\\) 与 \\[cos y\\] 与 $$tan z$$</think>"),
                1);
    expect_near(consistency("zh", "?", "<think>用 `print` 或```\nreturn one\n```好</think>"), 1);
    expect_near(consistency("zh", "?", "<think>\\frac 好 \\times</think>"), 1);
    // a sign without its partner on the line is only a sign
    expect_near(consistency("en", "?", "<think>it costs $5 or\nmore than that $</think>"), 1);
    expect_near(consistency("zh", "?", "<think>好 $5 or more</think>"), 1.0 / 3);
}

static void the_prompts_language_is_the_target_unless_one_is_named(void **state)
{
    (void)state;
    const char *mixed = "<think>we 先 add 加</think>";
    expect_near(consistency("prompt", "How many apples are left?", mixed), 0.5);
    expect_near(consistency("prompt", "还剩多少个苹果 apples?", "<think>先 加 add</think>"),
                2.0 / 3);
    expect_near(consistency("prompt", "りんごは何個残る", "<think>まず足す add</think>"), 0.8);
    expect_near(consistency("prompt", "1 + 1 = ?", "<think>one two 三</think>"), 2.0 / 3);
    expect_near(consistency("prompt", "Сколько яблок?", "<think>яблок apples</think>"), 0.5);
}

static void words_of_a_million_openings_take_linear_time(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    static const char *const fills[] = {"$",      "`",   "\\(", "\\[", "```",
                                        "<think", "$$x", "a'",  "\\",  "$a\n"};
    char *text = malloc(BYTES);
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        struct word_counts words;
        const size_t n = strlen(fills[i]);
        for (size_t at = 0; at + n <= BYTES; at += n)
            memcpy(text + at, fills[i], n);
        words_count((struct view){text, BYTES / n * n}, &words);
        assert_true(words.total <= BYTES);
    }
    free(text);
}

// --- length and repetition -----------------------------------------------------------------------

static void overlong_grows_in_a_straight_line_over_the_buffer(void **state)
{
    (void)state;
    const char *spec = "[{\"name\":\"overlong\",\"len\":4,\"penalty_factor\":2}]";
    const struct reward_setting setting = {.max_response_length = 20};
    expect_near(value_of(spec, &setting, "?", "4", "x", 1), 0);
    expect_near(value_of(spec, &setting, "?", "4", "x", 16), 0);
    expect_near(value_of(spec, &setting, "?", "4", "x", 17), -0.5);
    expect_near(value_of(spec, &setting, "?", "4", "x", 20), -2);
    const char *own = "[{\"name\":\"overlong\",\"len\":4,\"max_response_length\":8}]";
    expect_near(value_of(own, &setting, "?", "4", "x", 6), -0.5);
}

static void length_components_need_the_number_of_tokens(void **state)
{
    (void)state;
    struct rewards r;
    struct score score;
    opened(&r, "[{\"name\":\"overlong\",\"len\":4,\"max_response_length\":8}]");
    struct problem p = problem_of("?", "4");
    const struct reward_case c = {&p, view_of("x"), true, REWARD_TOKENS_UNKNOWN};
    rewards_judge(&r, &c, &score);
    assert_int_equal(score.outcome, OUTCOME_BAD_DATA);
    assert_non_null(strstr(score.outcome_text, "overlong: the number"));
    problem_done(&p);
    rewards_fini(&r);
}

static void cosine_prefers_short_right_answers_and_long_wrong_ones(void **state)
{
    (void)state;
    const char *spec = "[{\"name\":\"cosine\",\"max_len\":100}]";
    const char *right = "\\boxed{4}", *wrong = "\\boxed{5}";
    expect_near(value_of(spec, &usual, "?", "4", right, 0), 1);
    expect_near(value_of(spec, &usual, "?", "4", right, 50), 0.75);
    expect_near(value_of(spec, &usual, "?", "4", right, 100), 0.5);
    expect_near(value_of(spec, &usual, "?", "4", right, 200), 0.5);
    expect_near(value_of(spec, &usual, "?", "4", wrong, 0), -1);
    expect_near(value_of(spec, &usual, "?", "4", wrong, 50), -0.75);
    expect_near(value_of(spec, &usual, "?", "4", wrong, 100), -0.5);
}

static void repetition_is_the_share_of_n_grams_said_before(void **state)
{
    (void)state;
    const char *spec = "[{\"name\":\"repetition\",\"ngram_size\":2,\"max_penalty\":-1}]";
    expect_near(value_of(spec, &usual, "?", "4", "", 1), 0);
    expect_near(value_of(spec, &usual, "?", "4", "a", 1), 0);
    expect_near(value_of(spec, &usual, "?", "4", "a b c d", 1), 0);
    expect_near(value_of(spec, &usual, "?", "4", "a b a b a b", 1), -(1 - 2.0 / 5));
    expect_near(value_of(spec, &usual, "?", "4", "Ä b ä  B\nä b", 1), -(1 - 2.0 / 5));
    expect_near(value_of(spec, &usual, "?", "4", "好好好好", 1), -(1 - 1.0 / 3));
    expect_near(value_of(spec, &usual, "?", "4", "\xff \xff \xff", 1), -0.5);
}

// --- scripts -------------------------------------------------------------------------------------

static void scripts_are_known_by_code_point(void **state)
{
    (void)state;
    static const struct {
        uint32_t code_point;
        enum script script;
    } cases[] = {
        {'a', SCRIPT_LATIN},        {'1', SCRIPT_NONE},        {'_', SCRIPT_NONE},
        {0xe9, SCRIPT_LATIN},       {0xd7, SCRIPT_NONE},       {0x3b1, SCRIPT_GREEK},
        {0x416, SCRIPT_CYRILLIC},   {0x5d0, SCRIPT_HEBREW},    {0x627, SCRIPT_ARABIC},
        {0x905, SCRIPT_DEVANAGARI}, {0xe01, SCRIPT_THAI},      {0xac00, SCRIPT_HANGUL},
        {0x3042, SCRIPT_HIRAGANA},  {0x30a2, SCRIPT_KATAKANA}, {0x4e00, SCRIPT_HAN},
        {0x3007, SCRIPT_HAN},       {0x20000, SCRIPT_HAN},     {0x1200, SCRIPT_OTHER},
        {0x3001, SCRIPT_NONE},      {0xff01, SCRIPT_NONE},     {0xff21, SCRIPT_LATIN},
        {0x1f600, SCRIPT_NONE},     {0x10ffff, SCRIPT_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (script_of(cases[i].code_point) != cases[i].script)
            fail_msg("U+%04X is of script %d", cases[i].code_point, script_of(cases[i].code_point));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_total_is_the_weighted_sum_and_every_component_is_kept),
        cmocka_unit_test(an_absent_list_is_accuracy_and_format),
        cmocka_unit_test(wrong_lists_are_refused_by_name),
        cmocka_unit_test(every_kind_has_a_name_and_help),
        cmocka_unit_test(strict_accuracy_counts_only_in_the_form_that_the_list_asks_for),
        cmocka_unit_test(a_reference_that_cannot_be_graded_is_an_outcome_and_no_reward),
        cmocka_unit_test(a_grader_named_in_the_list_replaces_the_problems),
        cmocka_unit_test(each_variant_of_the_format_is_what_it_says),
        cmocka_unit_test(a_response_that_was_cut_has_no_whole_form),
        cmocka_unit_test(consistency_is_the_share_of_the_targets_words_in_the_reasoning),
        cmocka_unit_test(numbers_formulas_code_and_variables_are_no_words),
        cmocka_unit_test(the_prompts_language_is_the_target_unless_one_is_named),
        cmocka_unit_test(words_of_a_million_openings_take_linear_time),
        cmocka_unit_test(overlong_grows_in_a_straight_line_over_the_buffer),
        cmocka_unit_test(length_components_need_the_number_of_tokens),
        cmocka_unit_test(cosine_prefers_short_right_answers_and_long_wrong_ones),
        cmocka_unit_test(repetition_is_the_share_of_n_grams_said_before),
        cmocka_unit_test(scripts_are_known_by_code_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
