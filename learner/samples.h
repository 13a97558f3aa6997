/*
 * samples.h - sequences as training sees them: ids, weights, log-probabilities.
 *
 * What rank 0 makes of results (mask, normalisation and advantage already in
 * the numbers) and sends to the other ranks as one block of bytes.  Samples
 * with the same `group` share their first n_prompt_tokens tokens and stand
 * next to each other.
 */
#ifndef ARGOSY_LEARNER_SAMPLES_H
#define ARGOSY_LEARNER_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct sample {
    uint32_t group;
    uint32_t n_prompt_tokens; // 0: a document
    uint32_t n_tokens;        // prompt and response
    float advantage;
    const uint32_t *tokens; // (n_tokens)
    const float *weights;   // (n_tokens) of each token as a target of the loss; 0: none
    const float *logprobs;  // (n_tokens - n_prompt_tokens), or NULL: all 0
};

// One block of bytes for the wire between ranks (malloc'ed, the caller's).
void *samples_encode(const struct sample *samples, size_t n, size_t *size_bytes);

// The samples point into `bytes`; free(*samples) afterwards.
void samples_decode(const void *bytes, size_t size_bytes, struct sample **samples, size_t *n);

#endif
