/*
 * sampler.h - one token from one row of logits.
 *
 * A draw is a pure function of (logits row, sampling parameters, key), so
 * neighbours in the batch, the actor that draws it and the order of draws
 * cannot change it.  The inverse of the cumulative distribution is walked in
 * ascending token order (top-k / top-p: in descending probability, ties by id).
 *
 * Two log-probabilities come back: of the unmodified policy (temperature 1, no
 * truncation), which is what training compares with, and of the distribution
 * really drawn from.
 */
#ifndef ARGOSY_ACTOR_ENGINE_SAMPLER_H
#define ARGOSY_ACTOR_ENGINE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/base/rng.h"

struct sampling {
    float temperature; // 0: the most probable token, lowest id on ties
    float top_p;       // 1: off
    uint32_t top_k;    // 0: off
};

struct draw {
    uint32_t token;
    float logprob;           // unmodified policy, nats
    float logprob_behaviour; // of the distribution drawn from; equal when nothing modifies it
};

// True when logprob_behaviour can differ from logprob.
bool sampling_modifies(const struct sampling *s);

// scratch: sampler_scratch_bytes(n), one for each concurrent caller.
size_t sampler_scratch_bytes(size_t n);
struct draw sampler_draw(const float *logits, size_t n, const struct sampling *s,
                         struct rng_words key, void *scratch);

// Names this sampler's behaviour: two actors with equal hashes draw alike.
struct hash sampler_hash(void);

#endif
