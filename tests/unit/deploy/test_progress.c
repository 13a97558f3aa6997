// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/progress.h"

#define SHOWN_BYTES 65536

// What progress_feed() prints while standard output goes to a file of its own.
static char shown[SHOWN_BYTES];

struct piece {
    const char *text;
    uint64_t now_ms;
};

static void feed(struct progress_view *v, const struct piece *pieces, size_t n)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    const int old = dup(STDOUT_FILENO);
    assert_true(old >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    for (size_t i = 0; i < n; i++)
        progress_feed(v, pieces[i].text, strlen(pieces[i].text), pieces[i].now_ms);
    progress_end(v);
    assert_true(dup2(old, STDOUT_FILENO) >= 0);
    close(old);
    rewind(file);
    shown[fread(shown, 1, sizeof shown - 1, file)] = '\0';
    fclose(file);
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void a_step_is_one_plain_line_whatever_its_pieces(void **state)
{
    (void)state;
    struct progress_view v = {.is_terminal = false};
    const struct piece pieces[] = {
        {"progress {\"stage\":\"rl\",\"step\":3,", 0},
        {"\"total\":20,\"reward\":1.25,\"response_length\":17.04,\"tokens_s\":812,\"actors\":2,"
         "\"eta_s\":41}",
         0},
        {"\nprogress {\"stage\":\"rl\",\"step\":4,\"total\":20,\"reward\":1.5}\n", 1}};
    feed(&v, pieces, 3);
    assert_string_equal(shown, "rl step 3 of 20  reward 1.250  length 17.0  tok/s 812  actors 2  "
                               "eta s 41\nrl step 4 of 20  reward 1.500\n");
}

static void a_pre_training_step_shows_its_loss(void **state)
{
    (void)state;
    struct progress_view v = {.is_terminal = false};
    const struct piece piece = {
        "progress {\"stage\":\"base\",\"step\":1,\"total\":2,\"nll\":2.71828}\n", 0};
    feed(&v, &piece, 1);
    assert_string_equal(shown, "base step 1 of 2  nll 2.7183\n");
}

static void other_lines_pass_through(void **state)
{
    (void)state;
    struct progress_view v = {.is_terminal = false};
    const struct piece piece = {"hello\nprogress {broken\nprogress {\"stage\":\"rl\"}\nbye\n", 0};
    feed(&v, &piece, 1);
    assert_string_equal(shown, "hello\nbye\n");
}

static void a_line_beyond_the_limit_is_cut_and_the_next_one_is_whole(void **state)
{
    (void)state;
    static char text[2 * PROGRESS_LINE_MAX];
    struct progress_view v = {.is_terminal = false};
    memset(text, 'x', sizeof text - 1);
    const struct piece pieces[] = {{text, 0}, {"\nnext\n", 0}};
    feed(&v, pieces, 2);
    const char *next = strchr(shown, '\n');
    assert_non_null(next);
    assert_true((size_t)(next - shown) < PROGRESS_LINE_MAX);
    assert_string_equal(next, "\nnext\n");
}

static void a_terminal_has_one_live_line_drawn_not_too_often(void **state)
{
    (void)state;
    struct progress_view v = {.is_terminal = true};
    const struct piece pieces[] = {
        {"progress {\"stage\":\"rl\",\"step\":5,\"total\":10}\n", 1000},
        {"progress {\"stage\":\"rl\",\"step\":6,\"total\":10}\n", 1001}, // too soon
        {"progress {\"stage\":\"rl\",\"step\":7,\"total\":10}\n", 2000},
        {"progress {\"stage\":\"rl\",\"step\":10,\"total\":10}\n", 2001}}; // the last, always
    feed(&v, pieces, 4);
    assert_non_null(strstr(shown, "[##########..........] 5/10"));
    assert_null(strstr(shown, "6/10"));
    assert_non_null(strstr(shown, "7/10"));
    assert_non_null(strstr(shown, "[####################] 10/10"));
    assert_int_equal(lines_of(shown), 1); // closed by progress_end()
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_one_plain_line_whatever_its_pieces),
        cmocka_unit_test(a_pre_training_step_shows_its_loss),
        cmocka_unit_test(other_lines_pass_through),
        cmocka_unit_test(a_line_beyond_the_limit_is_cut_and_the_next_one_is_whole),
        cmocka_unit_test(a_terminal_has_one_live_line_drawn_not_too_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
