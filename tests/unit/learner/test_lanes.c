// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/lanes.h"

#define N_LANES 8u
#define COUNT 70001u // more than one task of the pool, and odd

// Of very different sizes, so that another order of sums has other bits.
static float value_of(uint32_t lane, size_t i)
{
    const struct rng_words words = rng_at((struct rng_key){7, RNG_TEST}, i, lane, 0);
    const float unit = rng_unit(words.word[0]) - 0.5f;

    return words.word[1] % 3 == 0 ? unit * 1e6f : unit;
}

struct log {
    uint32_t lanes[N_LANES];
    uint32_t n;
    bool was_zero;
};

static void add_lane(void *context, uint32_t lane, float *partial)
{
    struct log *log = context;

    log->lanes[log->n++] = lane;
    for (size_t i = 0; i < COUNT; i++) {
        log->was_zero = log->was_zero && partial[i] == 0.0f;
        partial[i] += value_of(lane, i);
    }
}

// The tree, written down.
static float pairwise(size_t i)
{
    float v[N_LANES];

    for (uint32_t lane = 0; lane < N_LANES; lane++)
        v[lane] = value_of(lane, i);
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

static float left_to_right(size_t i)
{
    float sum = 0.0f;

    for (uint32_t lane = 0; lane < N_LANES; lane++)
        sum += value_of(lane, i);
    return sum;
}

static void any_number_of_ranks_adds_in_the_order_of_the_tree(void **state)
{
    struct pool *pool = pool_create(3);

    (void)state;
    for (int n_ranks = 1; n_ranks <= (int)N_LANES; n_ranks *= 2) {
        float *parts[N_LANES];
        struct log log = {.was_zero = true};

        for (int rank = 0; rank < n_ranks; rank++) {
            struct lanes l;

            lanes_init(&l, N_LANES, rank, n_ranks, COUNT, rank % 2 ? pool : NULL);
            parts[rank] = malloc(COUNT * sizeof(float));
            assert_non_null(parts[rank]);
            memcpy(parts[rank], lanes_fold(&l, add_lane, &log), COUNT * sizeof(float));
            lanes_fini(&l);
        }
        lanes_meet(parts, n_ranks, COUNT, pool);
        assert_true(log.was_zero);
        assert_int_equal(log.n, N_LANES);
        for (uint32_t lane = 0; lane < N_LANES; lane++)
            assert_int_equal(log.lanes[lane], lane);
        for (size_t i = 0; i < COUNT; i++)
            assert_true(parts[0][i] == pairwise(i));
        for (int rank = 0; rank < n_ranks; rank++)
            free(parts[rank]);
    }
    pool_destroy(pool);
}

static void another_order_would_be_noticed(void **state)
{
    size_t n_different = 0;

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        n_different += pairwise(i) != left_to_right(i);
    assert_true(n_different > COUNT / 10);
}

static void the_tree_needs_few_blocks_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(lanes_levels(1), 1);
    assert_int_equal(lanes_levels(2), 2);
    assert_int_equal(lanes_levels(4), 3);
    assert_int_equal(lanes_levels(1024), 11);
}

static void lanes_are_a_power_of_two_that_the_ranks_divide(void **state)
{
    (void)state;
    assert_true(lanes_are_valid(1, 1));
    assert_true(lanes_are_valid(8, 4));
    assert_false(lanes_are_valid(0, 1));
    assert_false(lanes_are_valid(6, 2));
    assert_false(lanes_are_valid(4, 3));
    assert_false(lanes_are_valid(4, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_ranks_adds_in_the_order_of_the_tree),
        cmocka_unit_test(another_order_would_be_noticed),
        cmocka_unit_test(the_tree_needs_few_blocks_at_a_time),
        cmocka_unit_test(lanes_are_a_power_of_two_that_the_ranks_divide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
