#define _GNU_SOURCE // pipe2

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"

// Runs fn in a child of its own; returns its wait status and what it said on stderr.
static int run_child(void (*fn)(void *), void *context, char *said, size_t said_bytes)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        fn(context);
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t n;
    while (used < said_bytes - 1 && (n = read(ends[0], said + used, said_bytes - 1 - used)) > 0) {
        used += (size_t)n;
    }
    said[used] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

// --- err ---------------------------------------------------------------------------------------

static void test_an_error_keeps_its_code_and_text(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_set(&err, ERR_IO, "open %s: %d", "x", 7), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.text, "open x: 7");
}

static void test_a_prefix_goes_before_the_text_and_keeps_the_code(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, ERR_STALE, "epoch 3");
    assert_int_equal(err_prefix(&err, "lease %d", 9), -1);
    assert_int_equal(err_prefix(&err, "gate"), -1);
    assert_int_equal(err.code, ERR_STALE);
    assert_string_equal(err.text, "gate: lease 9: epoch 3");
}

static void test_a_text_too_long_is_cut_and_terminated(void **state)
{
    (void)state;
    struct err err;
    char big[2000];
    memset(big, 'a', sizeof big);
    big[sizeof big - 1] = '\0';
    err_set(&err, ERR_IO, "%s", big);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_prefix(&err, "front");
    assert_memory_equal(err.text, "front: aaa", 10);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_prefix(&err, "%s", big);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void test_only_a_usage_error_ends_with_status_2(void **state)
{
    (void)state;
    for (int code = ERR_USAGE; code <= ERR_MISMATCH; code++) {
        struct err err;
        err_set(&err, (enum err_code)code, "x");
        assert_int_equal(err_exit_status(&err), code == ERR_USAGE ? 2 : 1);
    }
}

static void break_a_check(void *context)
{
    (void)context;
    CHECK(1 + 1 == 3);
}

static void test_a_failed_check_names_its_place_and_aborts(void **state)
{
    (void)state;
    char said[4096];
    int status = run_child(break_a_check, NULL, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "test_err.c"));
    assert_non_null(strstr(said, "check failed: 1 + 1 == 3"));
}

// --- clock and log -----------------------------------------------------------------------------

static void test_the_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t before_ms = clock_now_ms();
    double before_s = clock_now_s();
    for (int i = 0; i < 1000; i++) {
        uint64_t now_ms = clock_now_ms();
        double now_s = clock_now_s();
        assert_true(now_ms >= before_ms && now_s >= before_s);
        before_ms = now_ms;
        before_s = now_s;
    }
    assert_true(before_s * 1000 - (double)before_ms < 1000);
}

static void say_lines(void *context)
{
    (void)context;
    log_init("actor.3", LOG_INFO);
    log_line(LOG_INFO, "rollout id=%d", 7);
    log_line(LOG_DEBUG, "not said");
    log_line(LOG_ERROR, "peer said %s", "a\nb\033[2J");
}

static void test_a_log_line_has_time_level_and_origin_and_is_one_line(void **state)
{
    (void)state;
    char said[4096];
    assert_int_equal(run_child(say_lines, NULL, said, sizeof said), 0);
    int year, month, day, hour, minute, second, ms, end = 0;
    assert_int_equal(sscanf(said, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ I actor.3 rollout id=7%n", &year,
                            &month, &day, &hour, &minute, &second, &ms, &end),
                     7);
    assert_int_equal(said[end], '\n');
    assert_true(year >= 2024);
    assert_non_null(strstr(said, "Z E actor.3 peer said a b [2J\n"));
    assert_null(strstr(said, "not said"));
    int lines = 0;
    for (char *c = said; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, 2);
}

static void say_too_much(void *context)
{
    (void)context;
    char big[8000];
    memset(big, 'a', sizeof big);
    big[sizeof big - 1] = '\0';
    log_line(LOG_WARN, "%s", big);
}

static void test_a_log_line_too_long_is_cut_and_still_ends(void **state)
{
    (void)state;
    char said[16384];
    assert_int_equal(run_child(say_too_much, NULL, said, sizeof said), 0);
    size_t size = strlen(said);
    assert_true(size > 1000 && size < 4096);
    assert_int_equal(said[size - 1], '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_keeps_its_code_and_text),
        cmocka_unit_test(test_a_prefix_goes_before_the_text_and_keeps_the_code),
        cmocka_unit_test(test_a_text_too_long_is_cut_and_terminated),
        cmocka_unit_test(test_only_a_usage_error_ends_with_status_2),
        cmocka_unit_test(test_a_failed_check_names_its_place_and_aborts),
        cmocka_unit_test(test_the_clock_never_goes_back),
        cmocka_unit_test(test_a_log_line_has_time_level_and_origin_and_is_one_line),
        cmocka_unit_test(test_a_log_line_too_long_is_cut_and_still_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
