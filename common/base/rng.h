/*
 * rng.h - random numbers as a pure function of their key.
 *
 * Philox4x32-10 (Salmon et al., SC'11).  Nothing here has state: a number is
 * (seed, domain, a, b, c) -> 128 bits, so a rollout is the same whichever
 * actor draws it and a prompt is the same everywhere.  `domain` keeps uses
 * apart that would otherwise share a counter.
 */
#ifndef ARGOSY_COMMON_BASE_RNG_H
#define ARGOSY_COMMON_BASE_RNG_H

#include <stdint.h>

enum rng_domain {
    RNG_SAMPLE = 1, // token draws: (prompt, sample, position)
    RNG_TASK,       // task generators: (prompt, draw number)
    RNG_CORPUS,     // pre-training documents: (document, draw number)
    RNG_INIT,       // initial weights: (parameter, element / 4)
    RNG_SHUFFLE,    // mini-batch and data order
    RNG_TEST,
};

struct rng_key {
    uint64_t seed;
    uint32_t domain; // enum rng_domain
};

struct rng_words {
    uint32_t word[4];
};

// Counter words: a (64 bits), b, c.
struct rng_words rng_at(struct rng_key key, uint64_t a, uint32_t b, uint32_t c);

// 24 random bits as a float in [0, 1).
float rng_unit(uint32_t word);

// A cursor over one (key, a, b) stream, for generators that draw a varying
// number of values; c counts the draws.  Still a pure function of its key.
struct rng_stream {
    struct rng_key key;
    uint64_t a;
    uint32_t b;
    uint32_t c; // next counter
    uint32_t n_left;
    struct rng_words words;
};

void rng_stream_init(struct rng_stream *s, struct rng_key key, uint64_t a, uint32_t b);
uint32_t rng_next(struct rng_stream *s);
uint32_t rng_below(struct rng_stream *s, uint32_t bound); // uniform in [0, bound), bound > 0
float rng_next_unit(struct rng_stream *s);                // [0, 1)
float rng_next_normal(struct rng_stream *s);              // mean 0, variance 1 (Box-Muller)

#endif
