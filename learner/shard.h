/*
 * shard.h - which rank owns which part of the flat parameter block.
 *
 * The block is cut in blocks of SHARD_BLOCK elements and a shard is a run of
 * whole ones, so that sums of squares per block, folded in block order, give
 * the same global norm on any number of ranks.
 */
#ifndef ARGOSY_LEARNER_SHARD_H
#define ARGOSY_LEARNER_SHARD_H

#include <stddef.h>

#include "common/base/pool.h"

#define SHARD_BLOCK ((size_t)64 << 10)

struct shard_map {
    size_t n_elements, n_blocks;
    int n_ranks;
    size_t *first; // (n_ranks + 1) elements: rank r owns [first[r], first[r+1])
};
void shard_map_init(struct shard_map *map, size_t n_elements, int n_ranks);
void shard_map_fini(struct shard_map *map);

// Blocks of rank r: its partial sums stand at [*first, *first + return value).
size_t shard_blocks(const struct shard_map *map, int rank, size_t *first);

// squares[b] = sum in double of values[i]^2 over block b, for the rank's blocks;
// values is the whole flat array, squares (n_blocks).
void shard_squares(const struct shard_map *map, int rank, const float *values, double *squares,
                   struct pool *pool);

// sqrt of the sum of all blocks, in block order; not finite when a value was not.
double shard_norm(const struct shard_map *map, const double *squares);

#endif
