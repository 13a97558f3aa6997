// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/shard.h"

#define COUNT (5 * SHARD_BLOCK + 12345)

// cmocka compares floats only.
static void assert_near(double value, double want, double tolerance)
{
    if (!(fabs(value - want) <= tolerance)) fail_msg("%.17g, want %.17g", value, want);
}

static float *random_floats(void)
{
    float *values = malloc(COUNT * sizeof *values);

    assert_non_null(values);
    for (size_t i = 0; i < COUNT; i++)
        values[i] = rng_unit(rng_at((struct rng_key){3, RNG_TEST}, i, 0, 0).word[0]) - 0.5f;
    return values;
}

static void shards_cover_the_block_once_and_end_on_its_borders(void **state)
{
    (void)state;
    for (int n_ranks = 1; n_ranks <= 9; n_ranks++) {
        struct shard_map map;
        size_t next_block = 0;

        shard_map_init(&map, COUNT, n_ranks);
        assert_int_equal(map.n_blocks, 6);
        assert_int_equal(map.first[0], 0);
        assert_int_equal(map.first[n_ranks], COUNT);
        for (int r = 0; r < n_ranks; r++) {
            size_t first, n = shard_blocks(&map, r, &first);

            assert_true(map.first[r] <= map.first[r + 1]);
            assert_true(map.first[r] % SHARD_BLOCK == 0 || map.first[r] == COUNT);
            assert_int_equal(first, next_block);
            next_block += n;
        }
        assert_int_equal(next_block, map.n_blocks);
        shard_map_fini(&map);
    }
}

static double norm_with(const float *values, int n_ranks, struct pool *pool)
{
    struct shard_map map;
    double squares[6], norm;

    shard_map_init(&map, COUNT, n_ranks);
    memset(squares, 0xff, sizeof squares); // NaN: a block left out is noticed
    for (int r = 0; r < n_ranks; r++)
        shard_squares(&map, r, values, squares, pool);
    norm = shard_norm(&map, squares);
    shard_map_fini(&map);
    return norm;
}

static void the_norm_has_the_same_bits_for_any_ranks_and_threads(void **state)
{
    struct pool *pool = pool_create(3);
    float *values = random_floats();
    long double exact = 0.0L;

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        exact += (long double)values[i] * (long double)values[i];
    const double one = norm_with(values, 1, NULL);
    assert_near(one, (double)sqrtl(exact), 1e-9);
    for (int n_ranks = 1; n_ranks <= 8; n_ranks++) {
        const double other = norm_with(values, n_ranks, pool);

        assert_memory_equal(&one, &other, sizeof one);
    }
    free(values);
    pool_destroy(pool);
}

static void one_value_that_is_not_finite_shows_in_the_norm(void **state)
{
    float *values = random_floats();

    (void)state;
    values[COUNT - 1] = (float)NAN;
    assert_true(isnan(norm_with(values, 3, NULL)));
    values[COUNT - 1] = (float)INFINITY;
    assert_true(isinf(norm_with(values, 3, NULL)));
    values[COUNT - 1] = 3e38f; // its square is beyond fp32, not beyond double
    assert_true(isfinite(norm_with(values, 3, NULL)));
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_cover_the_block_once_and_end_on_its_borders),
        cmocka_unit_test(the_norm_has_the_same_bits_for_any_ranks_and_threads),
        cmocka_unit_test(one_value_that_is_not_finite_shows_in_the_norm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
