#include "common/base/rng.h"

#include <math.h>
#include <stdbool.h>

#include "common/base/err.h"

enum { ROUNDS = 10 };

// Multipliers and key increments of Philox4x32 (Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC'11).
static const uint32_t MULTIPLIER_0 = 0xD2511F53u;
static const uint32_t MULTIPLIER_1 = 0xCD9E8D57u;
static const uint32_t KEY_STEP_0 = 0x9E3779B9u;
static const uint32_t KEY_STEP_1 = 0xBB67AE85u;

struct rng_words rng_at(struct rng_key key, uint64_t a, uint32_t b, uint32_t c)
{
    uint32_t x0 = (uint32_t)a;
    uint32_t x1 = (uint32_t)(a >> 32);
    uint32_t x2 = b;
    uint32_t x3 = c;
    // The domain goes into the seed's upper half, multiplied by an odd number:
    // small seeds, the ones people choose, then never meet in two domains.
    uint32_t k0 = (uint32_t)key.seed;
    uint32_t k1 = (uint32_t)(key.seed >> 32) ^ (key.domain * KEY_STEP_0);

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * x0;
        uint64_t p1 = (uint64_t)MULTIPLIER_1 * x2;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += KEY_STEP_0;
        k1 += KEY_STEP_1;
    }
    return (struct rng_words){{x0, x1, x2, x3}};
}

float rng_unit(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

void rng_stream_init(struct rng_stream *s, struct rng_key key, uint64_t a, uint32_t b)
{
    *s = (struct rng_stream){.key = key, .a = a, .b = b};
}

uint32_t rng_next(struct rng_stream *s)
{
    if (s->n_left == 0) {
        s->words = rng_at(s->key, s->a, s->b, s->c);
        CHECK(s->c < UINT32_MAX); // 2^34 draws: the stream would start again
        s->c++;
        s->n_left = 4;
    }
    return s->words.word[4 - s->n_left--];
}

// The high half of word * bound is uniform once the words that fall in the
// first 2^32 mod bound low halves are drawn again (Lemire, 2019).
uint32_t rng_below(struct rng_stream *s, uint32_t bound)
{
    CHECK(bound > 0);
    uint32_t unfair = (0u - bound) % bound;
    for (;;) {
        uint64_t product = (uint64_t)rng_next(s) * bound;
        if ((uint32_t)product >= unfair) return (uint32_t)(product >> 32);
    }
}

float rng_next_unit(struct rng_stream *s)
{
    return rng_unit(rng_next(s));
}

// ln(x) for x in (0, 1].  Not libm's, which picks another routine on another
// processor: initial weights must have the same bits everywhere.  With
// x = m 2^e and m in [sqrt(1/2), sqrt(2)): ln m = 2 atanh((m-1)/(m+1)).
static double ln(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752440) {
        m *= 2;
        e--;
    }
    double z = (m - 1) / (m + 1);
    double zz = z * z;
    double sum = 0;
    for (int k = 21; k >= 1; k -= 2) {
        sum = sum * zz + 1.0 / k;
    }
    return 2 * z * sum + e * 0.69314718055994530942;
}

// cos(2 pi x) for x in [0, 1), by Taylor's series over the first eighth turn.
static double cos_turn(double x)
{
    double sign = 1;
    if (x > 0.5) x = 1 - x;
    if (x > 0.25) {
        x = 0.5 - x;
        sign = -1;
    }
    bool use_sine = x > 0.125; // cos(2 pi x) = sin(2 pi (1/4 - x))
    double angle = 6.28318530717958647693 * (use_sine ? 0.25 - x : x);
    double square = angle * angle;
    double sum = 1;
    for (int k = use_sine ? 15 : 14; k >= 2; k -= 2) {
        sum = 1 - sum * square / (k * (k - 1));
    }
    return sign * (use_sine ? angle * sum : sum);
}

float rng_next_normal(struct rng_stream *s)
{
    double u = ((double)rng_next(s) + 1) * 0x1p-32; // (0, 1]
    double turn = (double)rng_next(s) * 0x1p-32;
    return (float)(sqrt(-2 * ln(u)) * cos_turn(turn));
}
