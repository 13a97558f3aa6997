/*
 * permutation.h - a shuffled order that needs no memory.
 *
 * A keyed bijection of 0 .. n-1 (a Feistel network over the next power of four,
 * walked until it lands inside), so that "the n-th row of epoch e" is a pure
 * function.
 */
#ifndef ARGOSY_ACTOR_DATA_PERMUTATION_H
#define ARGOSY_ACTOR_DATA_PERMUTATION_H

#include <stdint.h>

// Where position i (below n) of the order named by (seed, epoch) comes from.
uint64_t permutation_at(uint64_t seed, uint32_t epoch, uint64_t n, uint64_t i);

#endif
