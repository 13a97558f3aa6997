#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/reward/reward.h"
#include "common/base/clock.h"

#define PATIENCE_MS 60000

static const struct reward_setting usual = {.max_response_length = UINT32_MAX};

static int init(struct rewards *r, const char *spec, struct err *err)
{
    struct json_document *document = json_parse(spec, strlen(spec), "spec", err);
    if (document == NULL) fail_msg("%s: %s", spec, err->text);
    const int result = rewards_init(r, json_root(document), &usual, err);
    json_destroy(document);
    return result;
}

// False: this machine has no sandbox, which is said; nothing is scored then.
static bool opened(struct rewards *r, const char *spec)
{
    struct err err;
    if (init(r, spec, &err) != 0) fail_msg("%s", err.text);
    if (rewards_start(r, &err) == 0) return true;
    assert_int_equal(err.code, ERR_USAGE);
    fprintf(stderr, "NOT TESTED: %s\n", err.text);
    rewards_fini(r);
    return false;
}

static struct score score_of(struct rewards *r, char *metadata, const char *response)
{
    struct problem p = {.grader = &grader_exact, .source = "here", .metadata = metadata};
    const struct reward_case c = {&p, {response, strlen(response)}, true, 1};
    struct err err;
    uint64_t ticket;
    struct score score;
    if (rewards_submit(r, 7, &c, clock_now_ms(), &err) != 0) fail_msg("%s", err.text);
    const uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (!rewards_poll(r, clock_now_ms(), &ticket, &score)) {
        if (clock_now_ms() > deadline_ms) fail_msg("the score is missing");
        struct pollfd ready = {.fd = rewards_fd(r), .events = POLLIN};
        (void)poll(&ready, 1, 10);
    }
    assert_int_equal(ticket, 7);
    assert_int_equal(rewards_waiting(r), 0);
    return score;
}

static char echo_row[] = "{\"inputs\":[\"1\\n\",\"2\\n\"],\"outputs\":[\"1\",\"3\"]}";
static char same_row[] = "{\"inputs\":[\"1\\n\",\"2\\n\"],\"outputs\":[\"1\",\"2\"]}";

static void programs_are_worth_one_when_they_pass_all_tests(void **state)
{
    (void)state;
    struct rewards r;
    if (!opened(&r, "[{\"name\":\"code\",\"workers\":1,\"weight\":2}]")) return;
    struct score score = score_of(&r, same_row, "```python\nprint(input())\n```");
    assert_int_equal(score.outcome, OUTCOME_OK);
    assert_true(score.reward == 2 && score.is_correct);
    score = score_of(&r, echo_row, "```python\nprint(input())\n```");
    assert_int_equal(score.outcome, OUTCOME_OK);
    assert_true(score.reward == 0 && !score.is_correct);
    score = score_of(&r, same_row, "<think>no end of thinking");
    assert_int_equal(score.outcome, OUTCOME_OK); // nothing there to be right
    assert_true(score.reward == 0 && !score.is_correct);
    rewards_fini(&r);
}

static void the_share_of_tests_counts_where_asked_for(void **state)
{
    (void)state;
    struct rewards r;
    if (!opened(&r, "[{\"name\":\"code\",\"workers\":1,\"partial\":true}]")) return;
    const struct score score = score_of(&r, echo_row, "```python\nprint(input())\n```");
    assert_int_equal(score.outcome, OUTCOME_OK);
    assert_true(score.reward == 0.5 && !score.is_correct);
    rewards_fini(&r);
}

static void tests_that_make_no_sense_are_an_outcome(void **state)
{
    (void)state;
    struct rewards r;
    static char nothing[] = "{\"question\":\"?\"}";
    if (!opened(&r, "[{\"name\":\"code\",\"workers\":1}]")) return;
    const struct score score = score_of(&r, nothing, "```python\nprint(1)\n```");
    assert_int_equal(score.outcome, OUTCOME_BAD_DATA);
    assert_true(score.reward == 0 && score.n_rewards == 0);
    rewards_fini(&r);
}

static void without_a_start_no_program_is_run(void **state)
{
    (void)state;
    struct rewards r;
    struct err err;
    assert_int_equal(init(&r, "[{\"name\":\"code\"}]", &err), 0);
    const struct score score = score_of(&r, same_row, "print(input())");
    assert_int_equal(score.outcome, OUTCOME_SCORER_ERROR);
    rewards_fini(&r);
}

static void a_machine_without_the_interpreter_is_refused_at_the_start(void **state)
{
    (void)state;
    struct rewards r;
    struct err err = {0};
    assert_int_equal(init(&r, "[{\"name\":\"code\",\"python\":\"/no/python\"}]", &err), 0);
    assert_int_equal(rewards_start(&r, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "rewards: code"));
    rewards_fini(&r);
}

static void wrong_settings_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"command\":\"node\"", "code.command"}, {"\"command\":[]", "code.command"},
        {"\"command\":[1]", "code.command"},      {"\"cpu_s\":0", "code.cpu_s"},
        {"\"memory_mib\":1", "code.memory_mib"},  {"\"cpu\":1", "unknown key 'cpu'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rewards r;
        struct err err = {0};
        char spec[200];
        snprintf(spec, sizeof spec, "[{\"name\":\"code\",%s}]", cases[i][0]);
        assert_int_equal(init(&r, spec, &err), -1);
        if (strstr(err.text, cases[i][1]) == NULL) fail_msg("%s gave: %s", spec, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_worth_one_when_they_pass_all_tests),
        cmocka_unit_test(the_share_of_tests_counts_where_asked_for),
        cmocka_unit_test(tests_that_make_no_sense_are_an_outcome),
        cmocka_unit_test(without_a_start_no_program_is_run),
        cmocka_unit_test(a_machine_without_the_interpreter_is_refused_at_the_start),
        cmocka_unit_test(wrong_settings_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
