#include "learner/shard.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/err.h"

static size_t border(const struct shard_map *map, size_t block)
{
    size_t at = block * SHARD_BLOCK;

    return at < map->n_elements ? at : map->n_elements;
}

static size_t first_block(const struct shard_map *map, int rank)
{
    return map->n_blocks * (size_t)rank / (size_t)map->n_ranks;
}

void shard_map_init(struct shard_map *map, size_t n_elements, int n_ranks)
{
    CHECK(n_ranks > 0);
    map->n_elements = n_elements;
    map->n_blocks = (n_elements + SHARD_BLOCK - 1) / SHARD_BLOCK;
    map->n_ranks = n_ranks;
    map->first = malloc(((size_t)n_ranks + 1) * sizeof *map->first);
    CHECK(map->first != NULL);
    for (int r = 0; r <= n_ranks; r++)
        map->first[r] = border(map, first_block(map, r));
}

void shard_map_fini(struct shard_map *map)
{
    free(map->first);
    map->first = NULL;
}

size_t shard_blocks(const struct shard_map *map, int rank, size_t *first)
{
    *first = first_block(map, rank);
    return first_block(map, rank + 1) - *first;
}

struct squares_job {
    const struct shard_map *map;
    const float *values;
    double *squares;
    size_t first;
};

// Eight chains side by side, folded in order: quick, and the same everywhere.
static void squares_of_block(void *context, size_t task, unsigned thread)
{
    const struct squares_job *job = context;
    size_t block = job->first + task;
    size_t from = border(job->map, block), to = border(job->map, block + 1);
    double chain[8] = {0};
    double sum = 0;

    (void)thread;
    for (size_t i = from; i < to; i += 8) {
        size_t n = to - i < 8 ? to - i : 8;

        for (size_t c = 0; c < n; c++)
            chain[c] += (double)job->values[i + c] * (double)job->values[i + c];
    }
    for (size_t c = 0; c < 8; c++)
        sum += chain[c];
    job->squares[block] = sum;
}

void shard_squares(const struct shard_map *map, int rank, const float *values, double *squares,
                   struct pool *pool)
{
    struct squares_job job = {.map = map, .values = values, .squares = squares};
    size_t n = shard_blocks(map, rank, &job.first);

    pool_for(pool, n, squares_of_block, &job);
}

double shard_norm(const struct shard_map *map, const double *squares)
{
    double sum = 0;

    for (size_t b = 0; b < map->n_blocks; b++)
        sum += squares[b];
    return sqrt(sum);
}
