/*
 * mixture.h - which file prompt n comes from, when files are mixed by weight.
 *
 * Of every MIXTURE_BLOCK prompts each file has its share, rounded and at least
 * one, at places shuffled by the seed.  So place n is a pure function of (seed,
 * n), and draws of one file number its rows without a gap.
 */
#ifndef ARGOSY_ACTOR_DATA_MIXTURE_H
#define ARGOSY_ACTOR_DATA_MIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define MIXTURE_BLOCK 4096u

_Static_assert(FILES_MAX <= MIXTURE_BLOCK, "every file has a place in a block");

struct mixture {
    size_t n;
    uint32_t first[FILES_MAX + 1]; // of the block's places, before they are shuffled
};

struct mixture_place {
    size_t file;
    uint64_t draw; // of this file, from 0
};

// Weights are above 0; n is 1 .. FILES_MAX.
void mixture_init(struct mixture *m, const double *weights, size_t n);
struct mixture_place mixture_at(const struct mixture *m, uint64_t seed, uint64_t n);

#endif
