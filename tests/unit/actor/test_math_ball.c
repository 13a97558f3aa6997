#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/grading/math_ball.h"
#include "actor/grading/math_number.h"
#include "common/base/rng.h"

// --- balls ---------------------------------------------------------------------------------------

// A random chain of operations, the same for one seed whatever the precision.
static const struct ball *random_chain(struct math_work *w, uint64_t seed)
{
    struct rng_stream stream;
    rng_stream_init(&stream, (struct rng_key){.seed = seed, .domain = RNG_TEST}, 0, 0);
    const struct ball *x = ball_of_exact(w, exact_of(w, (long)(rng_next(&stream) % 40) - 20, 7));
    for (int i = 0; i < 8 && x != NULL; i++) {
        const struct ball *y =
            ball_of_exact(w, exact_of(w, (long)(rng_next(&stream) % 30) - 9, 11));
        switch (rng_next(&stream) % 14) {
        case 0:
            x = ball_add(w, x, y);
            break;
        case 1:
            x = ball_multiply(w, x, y);
            break;
        case 2:
            x = ball_divide(w, x, y);
            break;
        case 3:
            x = ball_divide(w, y, x);
            break;
        case 4:
            x = ball_sqrt(w, x);
            break;
        case 5:
            x = ball_exp(w, ball_divide(w, x, ball_of_parts(w, 16, 0)));
            break;
        case 6:
            x = ball_log(w, x);
            break;
        case 7:
            x = ball_is_real(x) ? ball_sin(w, x) : ball_abs(w, x);
            break;
        case 8:
            x = ball_is_real(x) ? ball_cos(w, x) : ball_negate(w, x);
            break;
        case 9:
            x = ball_is_real(x) ? ball_arctan(w, x) : ball_multiply(w, x, ball_i(w));
            break;
        case 10:
            x = ball_power_exact(w, x, exact_of(w, 2, 3));
            break;
        case 11:
            x = ball_power_exact(w, x, exact_of(w, -3, 1));
            break;
        case 12:
            x = ball_add(w, ball_abs(w, x), ball_pi(w));
            break;
        default:
            x = ball_is_real(x) ? ball_gamma(w, ball_abs(w, x)) : ball_sqrt(w, x);
            break;
        }
    }
    return x;
}

static void a_ball_holds_what_a_much_smaller_one_holds(void **state)
{
    (void)state;
    unsigned n_compared = 0, n_hashed = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct math_work w;
        math_work_init(&w);
        w.precision_bits = 96;
        const struct ball *coarse = random_chain(&w, seed);
        w.precision_bits = 400;
        const struct ball *fine = random_chain(&w, seed);
        w.precision_bits = 800;
        const struct ball *finest = random_chain(&w, seed);
        if (coarse != NULL && fine != NULL) {
            const struct ball *apart = ball_add(&w, coarse, ball_negate(&w, fine));
            if (apart != NULL && !ball_has_zero(apart)) fail_msg("seed %u", (unsigned)seed);
            n_compared++;
        }
        uint64_t a, b;
        // what is below all digits counts as zero: not these
        bool is_nothing = fine == NULL || ball_has_zero(fine);
        if (!is_nothing && finest != NULL && ball_hash(fine, &a) && ball_hash(finest, &b)) {
            if (a != b) fail_msg("hash of seed %u", (unsigned)seed);
            n_hashed++;
        }
        math_work_fini(&w);
    }
    assert_true(n_compared > 1000 && n_hashed > 1000);
}

static void what_is_not_known_is_not_made_up(void **state)
{
    (void)state;
    struct math_work w;
    math_work_init(&w);
    w.precision_bits = 320;
    const struct ball *two = ball_of_parts(&w, 2, 0), *zero = ball_of_parts(&w, 0, 0);
    const struct ball *root = ball_sqrt(&w, two);
    // zero, but only nearly known to be
    const struct ball *nothing = ball_add(&w, ball_multiply(&w, root, root), ball_negate(&w, two));
    assert_true(ball_has_zero(nothing));
    assert_null(ball_divide(&w, two, nothing));
    assert_null(ball_divide(&w, two, zero));
    assert_null(ball_log(&w, nothing));
    assert_null(ball_exp(&w, ball_of_parts(&w, INT64_C(1) << 40, 0)));
    assert_null(ball_add(&w, NULL, two));
    assert_int_equal(ball_compare(&w, nothing, zero), 0);
    assert_int_equal(ball_compare(&w, root, two), -1);
    assert_int_equal(ball_compare(&w, two, root), 1);
    uint64_t a, b;
    assert_true(ball_hash(zero, &a) && ball_hash(nothing, &b) && a == b);
    math_work_fini(&w);
}

// --- exact numbers -------------------------------------------------------------------------------

static void exact_powers_are_rational_or_nothing(void **state)
{
    (void)state;
    struct math_work w;
    math_work_init(&w);
    const struct exact *third = exact_of(&w, 1, 3), *half = exact_of(&w, 1, 2);
    const struct exact *minus_eight = exact_of(&w, -8, 1), *two = exact_of(&w, 2, 1);
    assert_int_equal(exact_compare(exact_power(&w, minus_eight, third), exact_of(&w, -2, 1)), 0);
    assert_null(exact_power(&w, minus_eight, half));
    assert_null(exact_power(&w, two, half));
    assert_int_equal(
        exact_compare(exact_power(&w, exact_of(&w, 4, 9), exact_of(&w, -1, 2)), exact_of(&w, 3, 2)),
        0);
    assert_null(exact_power(&w, exact_of(&w, 0, 1), exact_of(&w, 0, 1)));
    assert_null(exact_power(&w, two, exact_of(&w, 10000000, 1)));
    assert_int_equal(exact_compare(exact_power(&w, exact_of(&w, -1, 1), exact_of(&w, 10000001, 1)),
                                   exact_of(&w, -1, 1)),
                     0);
    assert_null(exact_divide(&w, two, exact_of(&w, 0, 1)));
    assert_null(exact_factorial(&w, exact_of(&w, 100000, 1)));
    bool is_known;
    assert_int_equal(exact_modulo(third, 7, &is_known), 5);
    assert_true(is_known);
    assert_int_equal(exact_modulo(exact_of(&w, 1, 14), 7, &is_known), 1);
    assert_false(is_known);
    math_work_fini(&w);
}

static void the_budget_ends_what_goes_on_too_long(void **state)
{
    (void)state;
    struct math_work w;
    math_work_init(&w);
    const struct exact *x = exact_power(&w, exact_of(&w, 3, 1), exact_of(&w, 15000, 1));
    unsigned n = 0;
    for (const struct exact *y = x; y != NULL && n < 100000; n++)
        y = exact_add(&w, y, exact_divide(&w, exact_of(&w, 1, 1), x));
    assert_true(n < 100000 && w.n_steps <= MATH_STEPS_MAX);
    math_work_fini(&w);
}

// --- numbers as written --------------------------------------------------------------------------

static void numbers_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n_bytes;
        long over;
        unsigned long under;
        bool is_ambiguous;
    } cases[] = {
        {"12", 2, 12, 1, false},
        {"1,234", 5, 1234, 1, true},
        {"1,234,567", 9, 1234567, 1, true},
        {"12,34", 2, 12, 1, true},
        {"1234,567", 4, 1234, 1, true},
        {"0,123", 1, 0, 1, true},
        {"1{,}234", 7, 1234, 1, false},
        {"1\\,234", 6, 1234, 1, false},
        {"1 234 567", 9, 1234567, 1, false},
        {"1 23", 1, 1, 1, false},
        {"1 2345", 1, 1, 1, false},
        {".5", 2, 1, 2, false},
        {"0.25x", 4, 1, 4, false},
        {"3.", 1, 3, 1, false},
        {"0.\\overline{3}", 14, 1, 3, false},
        {"1.2e2", 5, 120, 1, false},
        {"5e-1", 4, 1, 2, false},
        {"2e", 1, 2, 1, false},
        {"1,234 567", 5, 1234, 1, true},
        {"1.2.3", 3, 6, 5, false},
    };
    struct math_work w;
    math_work_init(&w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct number_spelling s;
        struct view text = {cases[i].text, strlen(cases[i].text)};
        math_number_read(&w, text, true, false, &s);
        if (s.n_bytes != cases[i].n_bytes || s.is_ambiguous != cases[i].is_ambiguous ||
            exact_compare(s.number, exact_of(&w, cases[i].over, cases[i].under)) != 0)
            fail_msg("%s: %zu bytes", cases[i].text, s.n_bytes);
    }
    math_work_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ball_holds_what_a_much_smaller_one_holds),
        cmocka_unit_test(what_is_not_known_is_not_made_up),
        cmocka_unit_test(exact_powers_are_rational_or_nothing),
        cmocka_unit_test(the_budget_ends_what_goes_on_too_long),
        cmocka_unit_test(numbers_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
