#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

static struct json_document *parse(const char *text)
{
    struct err err;
    struct json_document *document = json_parse(text, strlen(text), "test.json", &err);
    if (document == NULL) fail_msg("%s: %s", text, err.text);
    return document;
}

static void expect_refused(const char *bytes, size_t size_bytes, const char *part)
{
    struct err err;
    if (json_parse(bytes, size_bytes, "test.json", &err) != NULL) fail_msg("taken: %s", bytes);
    assert_int_equal(err.code, ERR_FORMAT);
    if (strstr(err.text, "test.json") == NULL || strstr(err.text, part) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, part);
    }
}

static void expect_reason(const struct err *err, const char *want)
{
    assert_int_equal(err->code, ERR_FORMAT);
    assert_string_equal(err->text, want);
}

// --- reading -----------------------------------------------------------------------------------

static void test_members_of_every_type_are_read(void **state)
{
    (void)state;
    struct err err;
    struct json_document *d =
        parse("{\"n\": 12, \"x\": -2.5e3, \"b\": true, \"s\": \"h\\u00e9\", \"z\": null}");
    struct json root = json_root(d);
    uint64_t n = 0;
    double x = 0;
    bool b = false;
    const char *s = NULL;
    assert_int_equal(json_get_u64(root, "n", 12, &n, &err), 0);
    assert_int_equal(n, 12);
    assert_int_equal(json_get_double(root, "x", &x, &err), 0);
    assert_true(x >= -2500 && x <= -2500);
    assert_int_equal(json_get_double(root, "n", &x, &err), 0);
    assert_true(x >= 12 && x <= 12);
    assert_int_equal(json_get_bool(root, "b", &b, &err), 0);
    assert_true(b);
    assert_int_equal(json_get_string(root, "s", &s, &err), 0);
    assert_string_equal(s, "h\xc3\xa9");
    assert_false(json_is_present(json_member(root, "z")));
    assert_false(json_is_present(json_member(root, "nothing")));
    json_destroy(d);
}

static void test_a_wrong_member_is_named_with_what_was_wanted_and_found(void **state)
{
    (void)state;
    struct err err;
    struct json_document *d =
        parse("{\"s\": \"x\\\"y\", \"n\": -1, \"r\": 1.5, \"a\": [1], \"nul\": \"a\\u0000b\"}");
    struct json root = json_root(d);
    uint64_t n = 77;
    const char *s = NULL;
    bool b;
    double x;
    assert_int_equal(json_get_u64(root, "s", 9, &n, &err), -1);
    expect_reason(&err, "test.json: field 's': want a whole number from 0 to 9, got \"x\\\"y\"");
    assert_int_equal(json_get_u64(root, "n", 9, &n, &err), -1);
    expect_reason(&err, "test.json: field 'n': want a whole number from 0 to 9, got -1");
    assert_int_equal(json_get_u64(root, "r", 9, &n, &err), -1);
    expect_reason(&err, "test.json: field 'r': want a whole number from 0 to 9, got 1.5");
    assert_int_equal(json_get_bool(root, "a", &b, &err), -1);
    expect_reason(&err, "test.json: field 'a': want true or false, got an array");
    assert_int_equal(json_get_double(root, "gone", &x, &err), -1);
    expect_reason(&err, "test.json: field 'gone' is missing: want a number");
    assert_int_equal(json_get_string(root, "nul", &s, &err), -1);
    assert_int_equal(json_get_string(json_member(root, "a"), "k", &s, &err), -1);
    expect_reason(&err, "test.json: want an object with the field 'k'");
    assert_int_equal(n, 77);
    assert_null(s);
    json_destroy(d);
}

static void test_a_long_wrong_value_is_shown_cut(void **state)
{
    (void)state;
    struct err err;
    char text[1000];
    memset(text, 'a', sizeof text);
    memcpy(text, "{\"k\":\"", 6);
    memcpy(text + 900, "\"}", 3);
    struct json_document *d = parse(text);
    uint64_t n;
    assert_int_equal(json_get_u64(json_root(d), "k", 9, &n, &err), -1);
    assert_true(strlen(err.text) < 200);
    assert_non_null(strstr(err.text, "aaa..."));
    json_destroy(d);
}

static void test_arrays_and_objects_are_walked_in_order(void **state)
{
    (void)state;
    struct json_document *d = parse("{\"z\": [3, 1, 2], \"a\": {}, \"m\": 0}");
    struct json root = json_root(d);
    struct json list = json_member(root, "z");
    assert_int_equal(json_count(root), 3);
    assert_int_equal(json_count(list), 3);
    assert_int_equal(json_to_i64(json_item(list, 0)), 3);
    assert_int_equal(json_to_i64(json_item(list, 2)), 2);
    assert_false(json_is_present(json_item(list, 3)));
    assert_false(json_is_present(json_item(root, 0)));
    assert_int_equal(json_count(json_member(root, "m")), 0);

    const char *const want[] = {"z", "a", "m"};
    size_t n = 0;
    for (void *it = json_first(root); it != NULL; it = json_next(root, it)) {
        assert_true(n < 3);
        assert_string_equal(json_key(it), want[n]);
        assert_true(json_is_present(json_value(root, it)));
        n++;
    }
    assert_int_equal(n, 3);
    assert_null(json_first(list));
    json_destroy(d);
}

static void test_what_is_not_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1} x",
        "{\"a\":1}{",
        "nul",
        "01",
        "'a'",
        "{a:1}",
        "\"\x01\"",
        "\"\\ud800\"",
        "[1 2]",
        "\xff",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        expect_refused(broken[i], strlen(broken[i]), "line 1, column");
    }
    expect_refused("{\n\"a\": 1,\n\"a\": 2}", 17, "line 3");
    expect_refused("{\"a\": 1\0}", 9, "byte 7 is zero");
}

static void test_nesting_without_end_is_refused(void **state)
{
    (void)state;
    size_t depth = 1000000;
    char *text = malloc(depth);
    memset(text, '[', depth);
    expect_refused(text, depth, "depth");
    free(text);
}

static void test_an_integer_too_big_is_a_real_and_no_wrong_integer(void **state)
{
    (void)state;
    struct err err;
    struct json_document *d =
        parse("{\"big\": 1000000000000000019884624838656, \"n\": 7, \"x\": 18446744073709551615}");
    uint64_t n = 0;
    assert_int_equal(json_get_u64(json_root(d), "n", 100, &n, &err), 0);
    assert_int_equal(n, 7);
    assert_int_equal(json_get_u64(json_root(d), "x", UINT64_MAX, &n, &err), -1);
    assert_true(json_to_double(json_member(json_root(d), "big")) > 1e29);
    json_destroy(d);
    expect_refused("1e999", 5, "overflow");
}

static void test_strings_may_hold_zero_bytes_where_asked_with_their_size(void **state)
{
    (void)state;
    struct json_document *d = parse("\"a\\u0000b\"");
    size_t size_bytes = 0;
    const char *text = json_to_string(json_root(d), &size_bytes);
    assert_int_equal(size_bytes, 3);
    assert_memory_equal(text, "a\0b", 3);
    json_destroy(d);
}

static void test_a_missing_file_and_one_over_its_limit_are_errors(void **state)
{
    (void)state;
    struct err err;
    assert_null(json_read_file("build/no-such-file.json", 100, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(json_read_file("Makefile", 10, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_null(json_read_file("Makefile", 1 << 20, &err));
    assert_int_equal(err.code, ERR_FORMAT);
}

// --- writing -----------------------------------------------------------------------------------

static void test_nested_values_get_their_commas(void **state)
{
    (void)state;
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_u64(&w, "a", UINT64_MAX);
    json_open(&w, "l", '[');
    json_put_i64(&w, NULL, INT64_MIN);
    json_open(&w, NULL, '{');
    json_close(&w, '}');
    json_put_string(&w, NULL, NULL);
    json_close(&w, ']');
    json_put_bool(&w, "b", false);
    json_put_json(&w, "j", "[1,2]");
    json_close(&w, '}');
    assert_string_equal(w.bytes, "{\"a\":18446744073709551615,\"l\":[-9223372036854775808,{},null],"
                                 "\"b\":false,\"j\":[1,2]}");
    assert_int_equal(w.size_bytes, strlen(w.bytes));
    free(w.bytes);
}

static void expect_text(const char *bytes, size_t size_bytes, const char *want)
{
    struct json_writer w;
    json_writer_init(&w);
    json_put_text(&w, NULL, bytes, size_bytes);
    assert_string_equal(w.bytes, want);
    struct err err;
    struct json_document *d = json_parse(w.bytes, w.size_bytes, "written", &err);
    assert_non_null(d);
    json_destroy(d);
    free(w.bytes);
}

static void test_any_bytes_become_a_string_that_parses(void **state)
{
    (void)state;
    expect_text("a\"b\\c\n\t\x01\x7f", 9, "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\"");
    expect_text("a\0b", 3, "\"a\\u0000b\"");
    expect_text("\xe2\x82\xac\xf0\x9f\x98\x80", 7, "\"\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_text("x\xe2\x82", 3, "\"x\xef\xbf\xbd\xef\xbf\xbd\"");               // cut
    expect_text("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 // overlong
    expect_text("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); // surrogate
    expect_text("\xf4\x90\x80\x80", 4,
                "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); // beyond Unicode
    expect_text("", 0, "\"\"");
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            char bytes[3] = {(char)first, (char)second, 'z'};
            struct json_writer w;
            struct err err;
            json_writer_init(&w);
            json_put_text(&w, NULL, bytes, sizeof bytes);
            struct json_document *d = json_parse(w.bytes, w.size_bytes, "written", &err);
            assert_non_null(d);
            json_destroy(d);
            free(w.bytes);
        }
    }
}

static void expect_double(double value, const char *want)
{
    struct json_writer w;
    json_writer_init(&w);
    json_put_double(&w, NULL, value);
    assert_string_equal(w.bytes, want);
    free(w.bytes);
}

static void test_a_double_is_written_shortest_and_reads_back_the_same(void **state)
{
    (void)state;
    expect_double(0.1, "0.1");
    expect_double(1, "1.0");
    expect_double(-0.0, "-0.0");
    expect_double(1e-6, "1e-06");
    expect_double(1e300, "1e+300");
    expect_double(1.0 / 3, "0.3333333333333333");
    expect_double(0.1 + 0.2, "0.30000000000000004");
    expect_double((double)NAN, "null");
    expect_double((double)INFINITY, "null");
    expect_double((double)-INFINITY, "null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_of_every_type_are_read),
        cmocka_unit_test(test_a_wrong_member_is_named_with_what_was_wanted_and_found),
        cmocka_unit_test(test_a_long_wrong_value_is_shown_cut),
        cmocka_unit_test(test_arrays_and_objects_are_walked_in_order),
        cmocka_unit_test(test_what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(test_nesting_without_end_is_refused),
        cmocka_unit_test(test_an_integer_too_big_is_a_real_and_no_wrong_integer),
        cmocka_unit_test(test_strings_may_hold_zero_bytes_where_asked_with_their_size),
        cmocka_unit_test(test_a_missing_file_and_one_over_its_limit_are_errors),
        cmocka_unit_test(test_nested_values_get_their_commas),
        cmocka_unit_test(test_any_bytes_become_a_string_that_parses),
        cmocka_unit_test(test_a_double_is_written_shortest_and_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
