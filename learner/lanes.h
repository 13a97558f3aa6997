/*
 * lanes.h - sums of gradients in an order that no rank or thread can change.
 *
 * A batch fills L lanes (batch.h), L a power of two.  A lane is a left fold
 * over its packs, lanes meet in a pairwise tree: ((0+1)+(2+3))+...  A rank owns
 * whole aligned subtrees of lanes, walks them so that at most log2(lanes)+1
 * partial blocks exist at a time, and the ranks' partial sums meet in the upper
 * levels of the same tree, each rank adding the part of the block it owns.
 */
#ifndef ARGOSY_LEARNER_LANES_H
#define ARGOSY_LEARNER_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/pool.h"

struct lanes {
    uint32_t first, count; // this rank's
    size_t n_elements;
    uint32_t n_levels;
    float **levels; // (n_levels) blocks of n_elements
    struct pool *pool;
};

bool lanes_are_valid(uint32_t n_lanes, int n_ranks); // power of two, divided by the ranks
void lanes_init(struct lanes *l, uint32_t n_lanes, int rank, int n_ranks, size_t n_elements,
                struct pool *pool);
void lanes_fini(struct lanes *l);
uint32_t lanes_levels(uint32_t n_lanes_of_rank); // partial blocks needed

// Adds the lane's packs, in order, to `partial` (n_elements, zeroed before).
typedef void (*lane_fn)(void *context, uint32_t lane, float *partial);

// The tree over this rank's lanes; the result is valid until the next call.
float *lanes_fold(struct lanes *l, lane_fn fn, void *context);

// The levels above: parts[0..n) of `count` values meet pairwise; the sum is in
// parts[0], the others are overwritten.
void lanes_meet(float *const *parts, int n, size_t count, struct pool *pool);

#endif
