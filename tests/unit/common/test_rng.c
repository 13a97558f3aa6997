#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "common/base/rng.h"

// With domain 0 the key is the seed itself, so that the generator can be held
// against the known answers published with Random123 (kat_vectors, philox4x32 10).
static void test_philox_gives_the_published_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct rng_key key = {.seed = known[i].key[0] | (uint64_t)known[i].key[1] << 32};
        uint64_t a = known[i].counter[0] | (uint64_t)known[i].counter[1] << 32;
        struct rng_words got = rng_at(key, a, known[i].counter[2], known[i].counter[3]);
        assert_memory_equal(got.word, known[i].want, sizeof got.word);
    }
}

static void test_every_part_of_the_key_changes_the_words(void **state)
{
    (void)state;
    struct rng_key key = {.seed = 1, .domain = RNG_TEST};
    struct rng_key keys[] = {key, {2, RNG_TEST}, {1, RNG_TASK}, {1ull << 32 | 1, RNG_TEST}};
    struct rng_words seen[8] = {
        rng_at(keys[0], 5, 6, 7), rng_at(keys[1], 5, 6, 7), rng_at(keys[2], 5, 6, 7),
        rng_at(keys[3], 5, 6, 7), rng_at(key, 6, 6, 7),     rng_at(key, 5 | 1ull << 40, 6, 7),
        rng_at(key, 5, 7, 7),     rng_at(key, 5, 6, 8),
    };
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(seen[i].word, seen[j].word, sizeof seen[i].word);
        }
    }
}

static void test_a_stream_is_its_key_read_word_by_word(void **state)
{
    (void)state;
    struct rng_key key = {.seed = 99, .domain = RNG_TASK};
    struct rng_stream s;
    rng_stream_init(&s, key, 12, 3);
    for (uint32_t c = 0; c < 5; c++) {
        struct rng_words words = rng_at(key, 12, 3, c);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(rng_next(&s), words.word[i]);
        }
    }
}

static void test_a_unit_is_in_zero_to_one_and_never_one(void **state)
{
    (void)state;
    assert_true(rng_unit(0) >= 0.0f && rng_unit(0) <= 0.0f);
    assert_true(rng_unit(UINT32_MAX) < 1.0f);
    assert_true(rng_unit(UINT32_MAX) > 0.9999999f);
    assert_true(rng_unit(1u << 31) >= 0.5f && rng_unit(1u << 31) <= 0.5f);
}

static void test_below_is_within_its_bound_and_even(void **state)
{
    (void)state;
    struct rng_stream s;
    rng_stream_init(&s, (struct rng_key){.seed = 1, .domain = RNG_TEST}, 0, 0);
    enum { BOUND = 7, DRAWS = 70000 };
    int count[BOUND] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint32_t x = rng_below(&s, BOUND);
        assert_true(x < BOUND);
        count[x]++;
    }
    double chi2 = 0;
    for (int i = 0; i < BOUND; i++) {
        double off = count[i] - DRAWS / (double)BOUND;
        chi2 += off * off / (DRAWS / (double)BOUND);
    }
    assert_true(chi2 < 22.5); // 6 degrees of freedom, one chance in 1000
    assert_int_equal(rng_below(&s, 1), 0);
}

// With a bound of 3 * 2^30 a third of the values would come twice as often if
// no word were drawn again.
static void test_below_draws_unfair_words_again(void **state)
{
    (void)state;
    struct rng_stream s;
    rng_stream_init(&s, (struct rng_key){.seed = 2, .domain = RNG_TEST}, 0, 0);
    int third[3] = {0};
    for (int i = 0; i < 30000; i++) {
        third[rng_below(&s, 3u << 30) % 3]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_in_range(third[i], 9700, 10300);
    }
}

static void test_normals_have_the_moments_and_tails_of_the_bell(void **state)
{
    (void)state;
    struct rng_stream s;
    rng_stream_init(&s, (struct rng_key){.seed = 3, .domain = RNG_TEST}, 0, 0);
    enum { DRAWS = 200000 };
    double sum = 0, square = 0, fourth = 0;
    int beyond_2 = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = (double)rng_next_normal(&s);
        assert_true(isfinite(x) && fabs(x) < 7);
        sum += x;
        square += x * x;
        fourth += x * x * x * x;
        beyond_2 += fabs(x) > 2;
    }
    assert_true(fabs(sum / DRAWS) < 0.01);
    assert_true(fabs(square / DRAWS - 1) < 0.015);
    assert_true(fabs(fourth / DRAWS - 3) < 0.1);
    assert_true(fabs(beyond_2 / (double)DRAWS - 0.0455) < 0.002);
}

// The generator's own logarithm and cosine against the library's in long double.
static void test_a_normal_is_box_muller_to_the_last_bits(void **state)
{
    (void)state;
    struct rng_key key = {.seed = 4, .domain = RNG_TEST};
    struct rng_stream drawn, again;
    rng_stream_init(&drawn, key, 0, 0);
    rng_stream_init(&again, key, 0, 0);
    for (int i = 0; i < 20000; i++) {
        long double u = ((long double)rng_next(&again) + 1) * 0x1p-32L;
        long double turn = (long double)rng_next(&again) * 0x1p-32L;
        long double want = sqrtl(-2 * logl(u)) * cosl(2 * acosl(-1) * turn);
        long double got = (long double)rng_next_normal(&drawn);
        assert_true(fabsl(got - want) <= 6.0e-8L * fabsl(want) + 1e-12L);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_gives_the_published_known_answers),
        cmocka_unit_test(test_every_part_of_the_key_changes_the_words),
        cmocka_unit_test(test_a_stream_is_its_key_read_word_by_word),
        cmocka_unit_test(test_a_unit_is_in_zero_to_one_and_never_one),
        cmocka_unit_test(test_below_is_within_its_bound_and_even),
        cmocka_unit_test(test_below_draws_unfair_words_again),
        cmocka_unit_test(test_normals_have_the_moments_and_tails_of_the_bell),
        cmocka_unit_test(test_a_normal_is_box_muller_to_the_last_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
