#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/text/line_reader.h"

static FILE *stream_of(const char *bytes, size_t n)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    rewind(f);
    return f;
}

static void lines_come_whole_with_their_zeros_and_without_their_ends(void **state)
{
    (void)state;
    static const char text[] = "one\n\nt\0o\r\nlast";
    static const struct {
        const char *bytes;
        size_t n;
    } want[] = {{"one", 3}, {"", 0}, {"t\0o\r", 4}, {"last", 4}};
    FILE *f = stream_of(text, sizeof text - 1);
    char *line = NULL;
    size_t room = 0, n;
    struct err err;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(line_read(f, 100, &line, &room, &n, &err), 1);
        assert_int_equal(n, want[i].n);
        assert_memory_equal(line, want[i].bytes, n);
        assert_int_equal(line[n], '\0');
    }
    assert_int_equal(line_read(f, 100, &line, &room, &n, &err), 0);
    free(line);
    fclose(f);
}

static void a_line_too_long_is_cut_and_the_next_one_is_whole(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG + 6);
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\nnext\n", 6);
    FILE *f = stream_of(text, LONG + 6);
    char *line = NULL;
    size_t room = 0, n;
    struct err err;
    assert_int_equal(line_read(f, 1000, &line, &room, &n, &err), 1);
    assert_int_equal(n, 1001);
    assert_true(room < 4096); // the rest took no memory
    assert_int_equal(line_read(f, 1000, &line, &room, &n, &err), 1);
    assert_string_equal(line, "next");
    assert_int_equal(line_read(f, 1000, &line, &room, &n, &err), 0);
    free(line);
    free(text);
    fclose(f);
}

static void a_stream_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    FILE *f = fopen("/", "r"); // a folder opens and does not read
    assert_non_null(f);
    char *line = NULL;
    size_t room = 0, n;
    struct err err;
    assert_int_equal(line_read(f, 1000, &line, &room, &n, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    free(line);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_with_their_zeros_and_without_their_ends),
        cmocka_unit_test(a_line_too_long_is_cut_and_the_next_one_is_whole),
        cmocka_unit_test(a_stream_that_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
