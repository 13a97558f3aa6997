// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "deploy/process.h"

#define LIMIT_MS 20000u
#define OUTPUT_BYTES ((size_t)1 << 16)

static int capture(const char *script, uint64_t limit_ms, size_t limit_bytes, char **output,
                   struct err *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    *output = NULL;
    return process_capture(argv, NULL, limit_ms, limit_bytes, output, err);
}

static void output_is_returned_whole(void **state)
{
    (void)state;
    char *output;
    struct err err;
    // In pieces, and with the last one after a moment in which the pipe is empty.
    assert_int_equal(capture("printf one; printf two; (exec true); printf three", LIMIT_MS,
                             OUTPUT_BYTES, &output, &err),
                     0);
    assert_string_equal(output, "onetwothree");
    free(output);
}

static void output_beyond_the_limit_is_not_kept(void **state)
{
    (void)state;
    char *output;
    struct err err;
    assert_int_equal(capture("printf 0123456789", LIMIT_MS, 4, &output, &err), 0);
    assert_string_equal(output, "0123");
    free(output);
}

static void a_status_is_an_error_that_names_program_and_status(void **state)
{
    (void)state;
    char *output;
    struct err err;
    assert_int_equal(capture("exit 7", LIMIT_MS, OUTPUT_BYTES, &output, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "sh"));
    assert_non_null(strstr(err.text, "7"));
    // Status 2 says that the user was wrong, and goes on saying so.
    assert_int_equal(capture("exit 2", LIMIT_MS, OUTPUT_BYTES, &output, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    const char *const argv[] = {"argosy-no-such-program", "x", NULL};
    char *output;
    struct err err;
    assert_int_equal(process_capture(argv, "/dev/null", LIMIT_MS, OUTPUT_BYTES, &output, &err), -1);
    assert_non_null(strstr(err.text, "argosy-no-such-program"));
}

static void a_program_without_an_end_is_ended(void **state)
{
    (void)state;
    char *output;
    struct err err;
    const uint64_t start_ms = clock_now_ms();
    assert_int_equal(capture("while :; do sleep 1; done", 200, OUTPUT_BYTES, &output, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(clock_now_ms() - start_ms < LIMIT_MS);
}

static void start(struct process *p, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct err err;
    assert_int_equal(process_start(p, argv, NULL, true, &err), 0);
}

// The child has said that it is ready.
static void await_word(const struct process *p)
{
    const uint64_t deadline_ms = clock_now_ms() + LIMIT_MS;
    char byte;
    while (read(p->out_fd, &byte, 1) != 1)
        assert_true(clock_now_ms() < deadline_ms);
}

static void a_program_that_ignores_sigterm_is_killed(void **state)
{
    (void)state;
    struct process p;
    start(&p, "trap '' TERM; echo; while :; do sleep 1; done");
    await_word(&p);
    assert_int_equal(process_stop(&p, 100), 128 + SIGKILL);
    assert_int_equal(p.pid, 0);
    assert_int_equal(p.out_fd, -1);
}

static void a_program_that_minds_sigterm_ends_with_its_own_status(void **state)
{
    (void)state;
    struct process p;
    start(&p, "trap 'exit 5' TERM; echo; while :; do sleep 1 & wait $!; done");
    await_word(&p);
    assert_int_equal(process_stop(&p, LIMIT_MS), 5);
}

static void a_stop_reaches_the_children_of_the_child(void **state)
{
    (void)state;
    struct process p;
    char digits[16] = "";
    start(&p, "sleep 600 & echo $!; wait");
    const uint64_t deadline_ms = clock_now_ms() + LIMIT_MS;
    for (size_t n = 0; strchr(digits, '\n') == NULL && n + 1 < sizeof digits;) {
        const ssize_t got = read(p.out_fd, digits + n, sizeof digits - 1 - n);
        if (got > 0) n += (size_t)got;
        assert_true(clock_now_ms() < deadline_ms);
    }
    const pid_t grandchild = (pid_t)strtol(digits, NULL, 10);
    assert_true(grandchild > 1);
    assert_int_equal(process_stop(&p, LIMIT_MS), 128 + SIGTERM);
    // Nobody of ours reaps it; a zombie of init's for a moment at most.
    char path[64], *text;
    size_t size;
    struct err err;
    bool is_gone = false;
    while (!is_gone && clock_now_ms() < deadline_ms) {
        snprintf(path, sizeof path, "/proc/%ld/stat", (long)grandchild);
        is_gone = file_read(path, 4096, &text, &size, &err) != 0;
        if (is_gone) break;
        is_gone = strstr(text, ") Z ") != NULL;
        free(text);
    }
    assert_true(is_gone);
}

static void an_end_is_seen_once_and_then_remembered(void **state)
{
    (void)state;
    struct process p;
    int status = -1;
    start(&p, "exit 3");
    const uint64_t deadline_ms = clock_now_ms() + LIMIT_MS;
    while (!process_has_ended(&p, &status))
        assert_true(clock_now_ms() < deadline_ms);
    assert_int_equal(status, 3);
    assert_true(process_has_ended(&p, &status));
    assert_int_equal(status, 3);
    assert_int_equal(process_stop(&p, 0), 0);
}

static void a_sibling_is_looked_for_beside_this_program(void **state)
{
    (void)state;
    char path[4096];
    struct err err;
    assert_int_equal(process_sibling(path, sizeof path, "test_process", &err), 0);
    assert_int_equal(access(path, X_OK), 0);
    assert_int_equal(process_sibling(path, sizeof path, "no-such-sibling", &err), -1);
    assert_non_null(strstr(err.text, "no-such-sibling"));
    assert_int_equal(process_sibling(path, 8, "test_process", &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_is_returned_whole),
        cmocka_unit_test(output_beyond_the_limit_is_not_kept),
        cmocka_unit_test(a_status_is_an_error_that_names_program_and_status),
        cmocka_unit_test(a_program_that_is_not_there_is_an_error),
        cmocka_unit_test(a_program_without_an_end_is_ended),
        cmocka_unit_test(a_program_that_ignores_sigterm_is_killed),
        cmocka_unit_test(a_program_that_minds_sigterm_ends_with_its_own_status),
        cmocka_unit_test(a_stop_reaches_the_children_of_the_child),
        cmocka_unit_test(an_end_is_seen_once_and_then_remembered),
        cmocka_unit_test(a_sibling_is_looked_for_beside_this_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
