#include "actor/data/mixture.h"

#include <string.h>

#include "actor/data/permutation.h"
#include "common/base/err.h"

// Keeps the shuffle of places apart from those of rows.
#define PLACES_SEED UINT64_C(0x6d697874757265)

// The largest remainders get what rounding down has left.
void mixture_init(struct mixture *m, const double *weights, size_t n)
{
    CHECK(n >= 1 && n <= FILES_MAX);
    double sum = 0, rest[FILES_MAX];
    uint32_t share[FILES_MAX], given = 0;
    for (size_t i = 0; i < n; i++)
        sum += weights[i];
    for (size_t i = 0; i < n; i++) {
        const double exact = weights[i] / sum * (double)(MIXTURE_BLOCK - n);
        share[i] = (uint32_t)exact;
        rest[i] = exact - share[i];
        given += ++share[i]; // the one place that everyone has
    }
    for (; given < MIXTURE_BLOCK; given++) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            if (rest[i] > rest[best]) best = i;
        share[best]++;
        rest[best] = -1;
    }
    *m = (struct mixture){.n = n};
    for (size_t i = 0; i < n; i++)
        m->first[i + 1] = m->first[i] + share[i];
    CHECK(m->first[n] == MIXTURE_BLOCK);
}

struct mixture_place mixture_at(const struct mixture *m, uint64_t seed, uint64_t n)
{
    const uint64_t block = n / MIXTURE_BLOCK;
    const uint64_t place = permutation_at(seed ^ PLACES_SEED ^ (block >> 32 << 32), (uint32_t)block,
                                          MIXTURE_BLOCK, n % MIXTURE_BLOCK);
    size_t i = 0;
    while (m->first[i + 1] <= place)
        i++;
    return (struct mixture_place){i, block * (m->first[i + 1] - m->first[i]) + place - m->first[i]};
}
