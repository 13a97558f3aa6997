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

#define N 70001u // more than two tasks
#define N_LANES 8u
#define PACKS 3u

static float value(uint32_t lane, uint32_t pack, size_t i)
{
    const struct rng_key key = {.seed = 9, .domain = RNG_TEST};

    // Of very different size, so that another order of adding gives other bits.
    float unit = rng_unit(rng_at(key, i, lane, pack).word[0]) - 0.5f;
    return lane % 3 == 0 ? 1e6f * unit : unit;
}

struct calls {
    uint32_t order[N_LANES], n;
};

static void run_lane(void *context, uint32_t lane, float *partial)
{
    struct calls *calls = context;

    calls->order[calls->n++] = lane;
    for (size_t i = 0; i < N; i++) {
        if (partial[i] != 0) fail_msg("lane %u begins with what another left", lane);
    }
    for (uint32_t pack = 0; pack < PACKS; pack++) {
        for (size_t i = 0; i < N; i++)
            partial[i] += value(lane, pack, i);
    }
}

// The definition: a lane is a left fold, two halves of lanes meet.
static float tree_sum(uint32_t first, uint32_t count, size_t i)
{
    if (count == 1) {
        float sum = 0;

        for (uint32_t pack = 0; pack < PACKS; pack++)
            sum += value(first, pack, i);
        return sum;
    }
    return tree_sum(first, count / 2, i) + tree_sum(first + count / 2, count / 2, i);
}

static void any_number_of_ranks_makes_the_pairwise_tree_s_sum(void **state)
{
    (void)state;
    for (int n_ranks = 1; n_ranks <= (int)N_LANES; n_ranks *= 2) {
        struct lanes lanes[N_LANES];
        float *parts[N_LANES];
        struct pool *pool = pool_create(n_ranks % 3 == 1 ? 2 : 1);

        for (int r = 0; r < n_ranks; r++) {
            struct calls calls = {.n = 0};

            lanes_init(&lanes[r], N_LANES, r, n_ranks, N, pool);
            parts[r] = lanes_fold(&lanes[r], run_lane, &calls);
            calls.n = 0;
            parts[r] = lanes_fold(&lanes[r], run_lane, &calls); // what the first left is gone
            assert_int_equal(calls.n, N_LANES / (uint32_t)n_ranks);
            for (uint32_t i = 0; i < calls.n; i++)
                assert_int_equal(calls.order[i], (uint32_t)r * calls.n + i);
        }
        lanes_meet(parts, n_ranks, N, pool);
        for (size_t i = 0; i < N; i++) {
            if (parts[0][i] != tree_sum(0, N_LANES, i))
                fail_msg("%d ranks, element %zu", n_ranks, i);
        }
        for (int r = 0; r < n_ranks; r++)
            lanes_fini(&lanes[r]);
        pool_destroy(pool);
    }
}

static void the_values_are_such_that_the_order_matters(void **state)
{
    size_t n_different = 0;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        float sum = 0;

        for (uint32_t lane = 0; lane < N_LANES; lane++)
            sum += tree_sum(lane, 1, i);
        n_different += sum != tree_sum(0, N_LANES, i);
    }
    assert_true(n_different > 100);
}

static void lanes_are_a_power_of_two_that_the_ranks_divide(void **state)
{
    (void)state;
    assert_true(lanes_are_valid(1, 1));
    assert_true(lanes_are_valid(4, 2));
    assert_true(lanes_are_valid(4, 4));
    assert_false(lanes_are_valid(0, 1));
    assert_false(lanes_are_valid(6, 2));
    assert_false(lanes_are_valid(4, 3));
    assert_false(lanes_are_valid(4, 8));
    assert_false(lanes_are_valid(4, 0));
}

static void partial_blocks_grow_with_the_logarithm_of_the_lanes(void **state)
{
    (void)state;
    assert_int_equal(lanes_levels(1), 1);
    assert_int_equal(lanes_levels(2), 2);
    assert_int_equal(lanes_levels(4), 3);
    assert_int_equal(lanes_levels(64), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_ranks_makes_the_pairwise_tree_s_sum),
        cmocka_unit_test(the_values_are_such_that_the_order_matters),
        cmocka_unit_test(lanes_are_a_power_of_two_that_the_ranks_divide),
        cmocka_unit_test(partial_blocks_grow_with_the_logarithm_of_the_lanes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
