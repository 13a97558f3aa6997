// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "learner/metrics.h"

static char path[64];

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "build/test-metrics-%ld.jsonl", (long)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void write_steps(uint64_t first, uint64_t last, double value, uint64_t keep)
{
    struct metrics m;
    struct err err;

    if (metrics_open(&m, path, keep, &err) != 0) fail_msg("%s", err.text);
    for (uint64_t step = first; step <= last; step++) {
        metrics_begin(&m, step);
        metrics_put(&m, "reward/mean", value);
        assert_int_equal(metrics_end(&m, &err), 0);
    }
    metrics_close(&m);
}

static void append(const char *text)
{
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

// Lines 1..n are of steps 1..n, with `early` up to step n_early and `late` after.
static void assert_lines(uint64_t n, uint64_t n_early, double early, double late)
{
    char *bytes;
    size_t size_bytes;
    uint64_t n_lines = 0;
    struct err err;

    assert_int_equal(file_read(path, 1 << 20, &bytes, &size_bytes, &err), 0);
    for (char *at = bytes; *at != '\0';) {
        char *end = strchr(at, '\n');
        double value;
        uint64_t step;

        assert_non_null(end);
        struct json_document *line = json_parse(at, (size_t)(end - at), path, &err);
        if (line == NULL) fail_msg("%s", err.text);
        n_lines++;
        assert_int_equal(json_get_u64(json_root(line), METRICS_STEP, 1000, &step, &err), 0);
        assert_int_equal(json_get_double(json_root(line), "reward/mean", &value, &err), 0);
        assert_int_equal(step, n_lines);
        assert_true(fabs(value - (step <= n_early ? early : late)) < 1e-12);
        json_destroy(line);
        at = end + 1;
    }
    assert_int_equal(n_lines, n);
    free(bytes);
}

static void a_line_a_step_is_appended(void **state)
{
    (void)state;
    write_steps(1, 3, 0.5, 0);
    assert_lines(3, 3, 0.5, 0);
    write_steps(4, 6, 0.75, 3);
    assert_lines(6, 3, 0.5, 0.75);
}

static void lines_of_steps_done_again_are_dropped(void **state)
{
    (void)state;
    write_steps(1, 9, 0.5, 0);
    write_steps(5, 7, 0.75, 4); // goes on from the checkpoint of step 4
    assert_lines(7, 4, 0.5, 0.75);
    write_steps(1, 2, 0.25, 0); // from the start
    assert_lines(2, 2, 0.25, 0);
}

static void without_a_last_step_nothing_is_dropped(void **state)
{
    (void)state;
    write_steps(1, 4, 0.5, 0);
    write_steps(5, 5, 0.5, UINT64_MAX);
    assert_lines(5, 5, 0.5, 0);
}

static void a_torn_last_line_is_dropped(void **state)
{
    static const char *const torn[] = {"{\"training/global_step\":4,\"rew",
                                       "{\"training/global_step\":3", "{", "garbage\n"};

    (void)state;
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        unlink(path);
        write_steps(1, 3, 0.5, 0);
        append(torn[i]);
        write_steps(4, 5, 0.75, 3);
        assert_lines(5, 3, 0.5, 0.75);
    }
}

static void a_spread_has_mean_extremes_and_sample_deviation(void **state)
{
    struct spread s = {0};

    (void)state;
    assert_true(spread_mean(&s) == 0 && spread_std(&s) == 0);
    spread_add(&s, 4);
    assert_true(spread_mean(&s) == 4 && spread_std(&s) == 0 && s.min == 4 && s.max == 4);
    spread_add(&s, -2);
    spread_add(&s, 1);
    assert_true(fabs(spread_mean(&s) - 1) < 1e-12);
    assert_true(fabs(spread_std(&s) - 3) < 1e-12); // squares 9 + 9 + 0 over 2
    assert_true(s.min == -2 && s.max == 4 && s.n == 3);
}

static void equal_values_have_no_deviation(void **state)
{
    struct spread s = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        spread_add(&s, 0.1);
    assert_true(spread_std(&s) >= 0 && spread_std(&s) < 1e-7); // not NaN
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_path, remove_path)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_a_step_is_appended),
        TEST(lines_of_steps_done_again_are_dropped),
        TEST(without_a_last_step_nothing_is_dropped),
        TEST(a_torn_last_line_is_dropped),
        cmocka_unit_test(a_spread_has_mean_extremes_and_sample_deviation),
        cmocka_unit_test(equal_values_have_no_deviation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
