// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/shard.h"

static const size_t sizes[] = {
    1, SHARD_BLOCK - 1, SHARD_BLOCK, SHARD_BLOCK + 1, 5 * SHARD_BLOCK + 77, 64 * SHARD_BLOCK,
};

static void shards_cover_the_block_and_end_on_borders_of_64_ki(void **state)
{
    (void)state;
    assert_int_equal(SHARD_BLOCK, 65536);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int n_ranks = 1; n_ranks <= 8; n_ranks++) {
            struct shard_map map;
            size_t next = 0;

            shard_map_init(&map, sizes[i], n_ranks);
            assert_int_equal(map.first[0], 0);
            assert_int_equal(map.first[n_ranks], sizes[i]);
            for (int r = 0; r < n_ranks; r++) {
                size_t first, n = shard_blocks(&map, r, &first);

                assert_int_equal(first, next);
                next += n;
                assert_true(map.first[r] <= map.first[r + 1]);
                assert_true(map.first[r] % SHARD_BLOCK == 0 || map.first[r] == sizes[i]);
                assert_true(first * SHARD_BLOCK == map.first[r] || map.first[r] == sizes[i]);
                // Fair to one block.
                assert_true(n >= map.n_blocks / (size_t)n_ranks);
                assert_true(n <= map.n_blocks / (size_t)n_ranks + 1);
            }
            assert_int_equal(next, map.n_blocks);
            assert_int_equal(map.n_blocks, (sizes[i] + 65535) / 65536);
            shard_map_fini(&map);
        }
    }
}

static float *random_values(size_t n)
{
    const struct rng_key key = {.seed = 3, .domain = RNG_TEST};
    float *values = malloc(n * sizeof *values);

    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = rng_unit(rng_at(key, i, 0, 0).word[0]) - 0.5f;
    return values;
}

static double norm_of(const float *values, size_t n, int n_ranks, unsigned n_threads)
{
    struct pool *pool = pool_create(n_threads);
    struct shard_map map;

    shard_map_init(&map, n, n_ranks);
    double *squares = calloc(map.n_blocks, sizeof *squares);
    assert_non_null(squares);
    for (int r = 0; r < n_ranks; r++)
        shard_squares(&map, r, values, squares, pool);
    double norm = shard_norm(&map, squares);
    free(squares);
    shard_map_fini(&map);
    pool_destroy(pool);
    return norm;
}

static void the_norm_has_the_same_bits_for_any_ranks_and_threads(void **state)
{
    const size_t n = 5 * SHARD_BLOCK + 77;
    float *values = random_values(n);
    double want = norm_of(values, n, 1, 1);
    long double sum = 0;

    (void)state;
    for (size_t i = 0; i < n; i++)
        sum += (long double)values[i] * (long double)values[i];
    assert_true(fabsl((long double)want - sqrtl(sum)) < 1e-12L * sqrtl(sum));
    for (int n_ranks = 2; n_ranks <= 8; n_ranks++)
        assert_true(norm_of(values, n, n_ranks, 1 + (unsigned)n_ranks % 2) == want);
    free(values);
}

static bool is_finite(double value)
{
    return isfinite(value);
}

static void a_value_that_is_not_finite_makes_the_norm_so(void **state)
{
    const size_t n = 2 * SHARD_BLOCK + 5;
    float *values = random_values(n);

    (void)state;
    values[n - 1] = NAN;
    assert_false(is_finite(norm_of(values, n, 2, 1)));
    values[n - 1] = INFINITY;
    assert_false(is_finite(norm_of(values, n, 2, 1)));
    values[n - 1] = 3e38f; // its square is beyond a float, not beyond a double
    assert_true(is_finite(norm_of(values, n, 2, 1)));
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_cover_the_block_and_end_on_borders_of_64_ki),
        cmocka_unit_test(the_norm_has_the_same_bits_for_any_ranks_and_threads),
        cmocka_unit_test(a_value_that_is_not_finite_makes_the_norm_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
