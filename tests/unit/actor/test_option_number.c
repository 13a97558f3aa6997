#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actor/option_number.h"

static void test_decimal_digits_in_the_range_are_taken(void **state)
{
    (void)state;
    struct err err;
    uint64_t n = 0;
    assert_int_equal(option_whole("--n", "1", 1, 9, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(option_whole("--n", "009", 1, 9, &n, &err), 0);
    assert_int_equal(n, 9);
    assert_int_equal(option_whole("--n", "18446744073709551615", 0, UINT64_MAX, &n, &err), 0);
    assert_true(n == UINT64_MAX);
    double t = 0.0;
    assert_int_equal(option_real("--t", "6e-1", 0.0, 1.0, &t, &err), 0);
    assert_true(t == 0.6);
    assert_int_equal(option_real("--t", ".5", 0.0, 1.0, &t, &err), 0);
    assert_true(t == 0.5);
}

static void test_anything_else_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const wholes[] = {"",   " 1", "1 ", "+1",  "-1",  "0",
                                         "10", "x",  "1x", "1.0", "0x1", "18446744073709551616"};
    static const char *const reals[] = {"",    " 0.5", "0.5 ", "nan", "inf",   "0x1p-1",
                                        "-.5", "1.5",  "1e",   "x",   "1e999", "0.5.1"};
    struct err err;
    uint64_t n = 5;
    double t = 0.25;
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        assert_int_equal(option_whole("--n", wholes[i], 1, 9, &n, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
        assert_int_equal(n, 5);
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        assert_int_equal(option_real("--t", reals[i], 0.0, 1.0, &t, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
        assert_true(t == 0.25);
    }
}

static void test_the_reason_names_option_range_and_text(void **state)
{
    (void)state;
    struct err err;
    uint64_t n;
    double t;
    assert_int_equal(option_whole("--n", "x", 1, 9, &n, &err), -1);
    assert_string_equal(err.text, "--n: want a whole number from 1 to 9, got \"x\"");
    assert_int_equal(option_whole("--n", "-1", 0, UINT64_MAX, &n, &err), -1);
    assert_string_equal(err.text, "--n: want a whole number, got \"-1\"");
    assert_int_equal(option_real("--t", "2", 0.0, 1.0, &t, &err), -1);
    assert_string_equal(err.text, "--t: want a number from 0 to 1, got \"2\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimal_digits_in_the_range_are_taken),
        cmocka_unit_test(test_anything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(test_the_reason_names_option_range_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
