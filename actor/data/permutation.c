#include "actor/data/permutation.h"

#include "common/base/err.h"
#include "common/base/rng.h"

#define ROUNDS 6

uint64_t permutation_at(uint64_t seed, uint32_t epoch, uint64_t n, uint64_t i)
{
    CHECK(i < n);
    unsigned half_bits = 1;
    while (half_bits < 32 && ((uint64_t)1 << (2 * half_bits)) < n)
        half_bits++;
    const uint64_t mask = ((uint64_t)1 << half_bits) - 1;
    const struct rng_key key = {seed, RNG_SHUFFLE};
    uint64_t at = i;
    do { // on average under four times around
        uint64_t left = at >> half_bits, right = at & mask;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            struct rng_words words = rng_at(key, right, epoch, round);
            uint64_t mixed = left ^ (words.word[0] & mask);
            left = right;
            right = mixed;
        }
        at = (left << half_bits) | right;
    } while (at >= n);
    return at;
}
