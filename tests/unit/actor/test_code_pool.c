#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>

#include "actor/sandbox/code_pool.h"
#include "actor/sandbox/sandbox.h"
#include "common/base/clock.h"

enum { PATIENCE_MS = 60000 };

static struct code_pool *pool; // NULL: no sandbox on this machine

static int make_pool(void **state)
{
    (void)state;
    struct err err;
    pool = code_pool_create(&(struct code_pool_options){.workers = 2}, &err);
    if (pool == NULL) print_message("%s\n", err.text);
    return 0;
}

static int end_pool(void **state)
{
    (void)state;
    code_pool_destroy(pool);
    return 0;
}

static struct view view_of(const char *text)
{
    return (struct view){text, strlen(text)};
}

static uint64_t submit(const char *program, const char *row, const char *const *command,
                       const struct code_limits *limits, bool keep_going)
{
    struct code_tests tests;
    struct err err;
    uint64_t ticket;
    if (code_tests_read(&tests, view_of(row), view_of(""), &err) != 0) fail_msg("%s", err.text);
    const struct code_job job = {.program = view_of(program),
                                 .tests = &tests,
                                 .command = command,
                                 .limits = limits == NULL ? code_limits_default() : *limits,
                                 .keep_going = keep_going};
    if (code_pool_submit(pool, &job, &ticket, &err) != 0) fail_msg("%s", err.text);
    code_tests_fini(&tests);
    return ticket;
}

static struct code_verdict verdict_of(const char *program, const char *row)
{
    struct code_verdict v;
    if (!code_pool_wait(pool, submit(program, row, NULL, NULL, false), PATIENCE_MS, &v))
        fail_msg("no verdict");
    return v;
}

static void expect_outcome(const char *program, const char *row, enum code_outcome want)
{
    const struct code_verdict v = verdict_of(program, row);
    if (v.outcome != want)
        fail_msg("%s: %s (%s), want %s", program, code_outcome_name(v.outcome), v.detail,
                 code_outcome_name(want));
}

#define NEEDS_SANDBOX()                                                                            \
    if (pool == NULL) skip()

// --- outcomes ------------------------------------------------------------------------------------

static const char double_row[] =
    "{\"inputs\": [\"1\\n\", \"20\\n\"], \"outputs\": [\"2\", \"40\"]}";

static void a_program_is_judged_by_what_it_prints(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    expect_outcome("print(2 * int(input()))", double_row, CODE_PASSED);
    expect_outcome("print(2)", double_row, CODE_WRONG);
    expect_outcome("print(2", double_row, CODE_UNCOMPILED);
    expect_outcome("print(2 * int(input()))\nraise ValueError", double_row, CODE_RAISED);
    expect_outcome("print(2 * int(input()))\nexit()", double_row, CODE_PASSED);
    expect_outcome("import sys\nsys.exit(2 * int(input()))", double_row, CODE_RAISED);
    expect_outcome("x = [0] * (1 << 40)", double_row, CODE_MEMORY);
    expect_outcome("print('x' * (1 << 20))", double_row, CODE_TOO_MUCH_OUTPUT);
    expect_outcome("import os\nos.write(1, b'x' * (1 << 17))", double_row, CODE_TOO_MUCH_OUTPUT);
}

static void failures_are_counted_where_asked_and_the_first_is_told(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    const char *row = "{\"inputs\": [\"1\", \"2\", \"3\"], \"outputs\": [\"1\", \"x\", \"3\"]}";
    struct code_verdict v = verdict_of("print(input())", row);
    assert_int_equal(v.n_passed, 1);
    assert_int_equal(v.n_tests, 3);
    assert_true(
        code_pool_wait(pool, submit("print(input())", row, NULL, NULL, true), PATIENCE_MS, &v));
    assert_int_equal(v.n_passed, 2);
    assert_int_equal(v.outcome, CODE_WRONG);
    assert_non_null(strstr(v.detail, "case 1: it printed \"2"));
    const char *asserts = "{\"test_list\": [\"assert f(1) == 1\", \"assert f(2) == 1\", \"assert "
                          "f(3) == 3\"]}";
    const char *same = "def f(x):\n    return x\n";
    assert_true(code_pool_wait(pool, submit(same, asserts, NULL, NULL, true), PATIENCE_MS, &v));
    assert_int_equal(v.n_passed, 2);
    assert_int_equal(v.n_tests, 3);
    assert_int_equal(v.outcome, CODE_WRONG);
    assert_string_equal(v.detail, "assert f(2) == 1");
}

static void functions_are_called_from_tests_of_every_form(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    static const char check[] =
        "{\"prompt\": \"def half(x):\\n    return x // 2\\n\\ndef twice(x):\\n    'Doubles.'\\n\", "
        "\"entry_point\": \"twice\", \"test\": \"def check(candidate):\\n    assert "
        "half(candidate(21)) == 21\\n    assert candidate('ab') == 'abab'\\n\"}";
    expect_outcome("def half(x):\n    return 21\ndef twice(x):\n    return 2 * x\n", check,
                   CODE_PASSED);
    // The prompt's helper is the tests' own: another of that name does not count.
    expect_outcome("def half(x):\n    return 21\ndef twice(x):\n    return 'abab'\n", check,
                   CODE_RAISED);
    static const char cases[] =
        "{\"fn_name\": \"add\", \"inputs\": [[1, 2], [[1], [2]], [0.1, 0.2], [1e20, 1]], "
        "\"outputs\": [3, [[1, 2]], 0.3, 1e20]}";
    expect_outcome("def add(a, b):\n    return a + b\n", cases, CODE_PASSED);
    expect_outcome("class Solution:\n    def add(self, a, b):\n        return a + b\n", cases,
                   CODE_PASSED);
    expect_outcome("def add(a, b):\n    return a - b\n", cases, CODE_WRONG);
    static const char big[] =
        "{\"fn_name\": \"f\", \"inputs\": [[2]], \"outputs\": [1267650600228229401496703205376]}";
    expect_outcome("def f(a):\n    return a ** 100\n", big, CODE_PASSED);
    expect_outcome("def f(a):\n    return a ** 100 + 1\n", big, CODE_WRONG);
    static const char objects[] =
        "{\"test_list\": [\"assert sum_of(Pair(1, 2)) == 3\"], \"test_setup_code\": \"p = Pair(3, "
        "4)\\np.a = 5\", \"challenge_test_list\": [\"assert p.total() == 9\", \"assert p != 9\"]}";
    expect_outcome("class Pair:\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n"
                   "    def total(self):\n        return self.a + self.b\n"
                   "def sum_of(p):\n    return p.total()\n",
                   objects, CODE_PASSED);
}

static void every_kind_of_data_survives_the_way_to_the_judge(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    static const char row[] =
        "{\"test_imports\": [\"from collections import deque\", \"from fractions import Fraction\","
        " \"from decimal import Decimal\", \"import math\"], \"test_list\": ["
        "\"for v in [None, True, 0, -1, 1 << 100, -(1 << 64), 0.1, -0.0, 1e300, float('inf'), 1j,"
        " '', 'a\\u00e9\\\\n\\\\x00\\\\ud800', b'\\\\x00\\\\xff', bytearray(b'1'), [], [[1], (2,)],"
        " (), {}, {1: 'a', (1, 2): [3]}, {1, 2}, set(), frozenset([1]), range(1, 9, 2),"
        " deque([1]), Fraction(1, 3), Decimal('1.10'), int, str]:\\n"
        "    w = same(v)\\n    assert w == v and type(w) is type(v), v\", "
        "\"assert math.isnan(same(float('nan')))\", "
        "\"assert list(numbers(3)) == [0, 1, 2]\", "
        "\"assert same(x=5) == 5\"]}";
    expect_outcome("def same(x):\n    return x\n\ndef numbers(n):\n    yield from range(n)\n", row,
                   CODE_PASSED);
}

static void what_a_test_may_catch_reaches_it(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    static const char row[] =
        "{\"test_list\": [\"try:\\n    f(0)\\n    assert False\\nexcept ZeroDivisionError:\\n    "
        "pass\", \"try:\\n    g()\\nexcept StopIteration:\\n    pass\"], \"entry_point\": null}";
    const struct code_verdict v =
        verdict_of("def f(x):\n    return 1 // x\n\ndef g():\n    raise StopIteration\n", row);
    if (v.outcome != CODE_RAISED) fail_msg("%s: %s", code_outcome_name(v.outcome), v.detail);
    assert_int_equal(v.n_passed, 1);
}

static void a_fault_of_the_tests_is_no_score(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    static const char *const rows[] = {
        "{\"test_list\": [\"assert f( == 1\"]}",
        "{\"test\": \"def check(c):\\n    assert unknown_helper() == c()\", \"entry_point\": "
        "\"f\"}",
        "{\"test_list\": [\"assert f(lambda: 1) == 1\"]}",
        "{\"test\": \"def check(c):\\n    pass\\n\\nraise ValueError('x')\", \"entry_point\": "
        "\"f\"}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct code_verdict v = verdict_of("def f(*a):\n    return 1\n", rows[i]);
        if (v.outcome != CODE_BAD_TESTS)
            fail_msg("row %zu: %s (%s)", i, code_outcome_name(v.outcome), v.detail);
        assert_false(code_outcome_is_score(v.outcome));
    }
}

static void a_command_runs_the_program_of_any_language(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    static const char *const shell[] = {"/bin/sh", "/box/program", NULL};
    static const char *const missing[] = {"no-such-command", NULL};
    struct code_verdict v;
    struct err err;
    struct code_tests tests;
    uint64_t ticket;
    ticket = submit("read n; echo $(printf '%s+%s\\n' $n $n | sed 's/1+1/2/; s/20+20/40/')",
                    double_row, shell, NULL, false);
    assert_true(code_pool_wait(pool, ticket, PATIENCE_MS, &v));
    if (v.outcome != CODE_PASSED) fail_msg("%s: %s", code_outcome_name(v.outcome), v.detail);
    ticket = submit("", double_row, missing, NULL, false);
    assert_true(code_pool_wait(pool, ticket, PATIENCE_MS, &v));
    assert_int_equal(v.outcome, CODE_RAISED);
    const char *row = "{\"test_list\": [\"assert f() == 1\"]}";
    assert_int_equal(code_tests_read(&tests, view_of(row), view_of(""), &err), 0);
    const struct code_job job = {
        .tests = &tests, .command = shell, .limits = code_limits_default()};
    assert_int_equal(code_pool_submit(pool, &job, &ticket, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    code_tests_fini(&tests);
}

// --- the pool ------------------------------------------------------------------------------------

static void sleepers_are_ended_and_hold_up_nobody(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    struct code_limits limits = code_limits_default();
    limits.cpu_s = 0.2;
    limits.wall_s = 0.5;
    const char *row = "{\"inputs\": [\"\"], \"outputs\": [\"1\"]}";
    struct code_verdict v;
    uint64_t sleepers[3], quick[3];
    for (int i = 0; i < 3; i++)
        sleepers[i] = submit("import time\ntime.sleep(1000)", row, NULL, &limits, false);
    for (int i = 0; i < 3; i++)
        quick[i] = submit("print(1)", row, NULL, NULL, false);
    assert_int_equal(code_pool_pending(pool), 6);
    for (int i = 0; i < 3; i++) {
        assert_true(code_pool_wait(pool, quick[i], PATIENCE_MS, &v));
        assert_int_equal(v.outcome, CODE_PASSED);
        assert_true(code_pool_wait(pool, sleepers[i], PATIENCE_MS, &v));
        assert_int_equal(v.outcome, CODE_TIMEOUT);
    }
    assert_int_equal(code_pool_pending(pool), 0);
    assert_false(code_pool_take(pool, quick[0], &v)); // once
}

static void the_pool_is_waited_for_by_one_descriptor(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    const char *row = "{\"test_list\": [\"assert f() == 1\"]}";
    const uint64_t ticket = submit("def f():\n    return 1\n", row, NULL, NULL, false);
    const uint64_t end_ms = clock_now_ms() + PATIENCE_MS;
    struct code_verdict v;
    uint32_t n_wakes = 0;
    while (!code_pool_take(pool, ticket, &v)) {
        struct pollfd ready = {.fd = code_pool_fd(pool), .events = POLLIN};
        assert_true(clock_now_ms() < end_ms);
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
        code_pool_step(pool);
        n_wakes++;
    }
    assert_int_equal(v.outcome, CODE_PASSED);
    assert_true(n_wakes < 20); // it wakes when something ended, and sleeps otherwise
}

static void a_step_that_comes_late_makes_no_program_late(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    struct code_limits limits = code_limits_default();
    limits.cpu_s = 0.1;
    limits.wall_s = 0.2;
    const char *row = "{\"inputs\": [\"\"], \"outputs\": [\"1\"]}";
    struct code_verdict v;
    const uint64_t ticket = submit("print(1)", row, NULL, &limits, false);
    const uint64_t late_ms = clock_now_ms() + 1500;
    while (clock_now_ms() < late_ms) // busy with something else
        (void)poll(NULL, 0, 100);
    assert_true(code_pool_wait(pool, ticket, PATIENCE_MS, &v));
    assert_int_equal(v.outcome, CODE_PASSED);
}

static void a_full_queue_is_an_error(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    struct err err;
    struct code_tests tests;
    uint64_t ticket;
    struct code_pool *small =
        code_pool_create(&(struct code_pool_options){.workers = 1, .queue_max = 2}, &err);
    assert_non_null(small);
    assert_int_equal(code_tests_read(&tests, view_of(double_row), view_of(""), &err), 0);
    const struct code_job job = {.program = view_of("import time\ntime.sleep(1000)"),
                                 .tests = &tests,
                                 .limits = code_limits_default()};
    assert_int_equal(code_pool_submit(small, &job, &ticket, &err), 0);
    assert_int_equal(code_pool_submit(small, &job, &ticket, &err), 0);
    assert_int_equal(code_pool_submit(small, &job, &ticket, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    code_tests_fini(&tests);
    const uint64_t started_ms = clock_now_ms();
    code_pool_destroy(small); // with one asleep and one waiting
    assert_true(clock_now_ms() - started_ms < PATIENCE_MS / 4);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    static const struct {
        const char *python, *says;
    } cases[] = {
        {"/no/such/python", "python /no/such/python: No such file"},
        {"/bin/true", "no sandbox here"}, // runs, and does not say that it is isolated
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err;
        const struct code_pool_options options = {.python = cases[i].python};
        assert_null(code_pool_create(&options, &err));
        assert_int_equal(err.code, ERR_USAGE);
        if (strstr(err.text, cases[i].says) == NULL) fail_msg("%s", err.text);
    }
}

static void a_job_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    NEEDS_SANDBOX();
    struct code_tests tests;
    struct err err;
    uint64_t ticket;
    assert_int_equal(code_tests_read(&tests, view_of(double_row), view_of(""), &err), 0);
    struct code_job job = {.tests = &tests, .limits = code_limits_default()};
    job.limits.cpu_s = 0;
    assert_int_equal(code_pool_submit(pool, &job, &ticket, &err), -1);
    job.limits = code_limits_default();
    job.limits.memory_bytes = 1000;
    assert_int_equal(code_pool_submit(pool, &job, &ticket, &err), -1);
    job.limits = code_limits_default();
    job.program.size_bytes = CODE_PROGRAM_BYTES_MAX + 1;
    assert_int_equal(code_pool_submit(pool, &job, &ticket, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    code_tests_fini(&tests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_judged_by_what_it_prints),
        cmocka_unit_test(failures_are_counted_where_asked_and_the_first_is_told),
        cmocka_unit_test(functions_are_called_from_tests_of_every_form),
        cmocka_unit_test(every_kind_of_data_survives_the_way_to_the_judge),
        cmocka_unit_test(what_a_test_may_catch_reaches_it),
        cmocka_unit_test(a_fault_of_the_tests_is_no_score),
        cmocka_unit_test(a_command_runs_the_program_of_any_language),
        cmocka_unit_test(sleepers_are_ended_and_hold_up_nobody),
        cmocka_unit_test(the_pool_is_waited_for_by_one_descriptor),
        cmocka_unit_test(a_step_that_comes_late_makes_no_program_late),
        cmocka_unit_test(a_full_queue_is_an_error),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_job_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, make_pool, end_pool);
}
