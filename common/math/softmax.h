/*
 * softmax.h - what training and sampling read off a row of logits.
 *
 * Sums run in 8 fixed lanes over ascending index: the same bits everywhere.
 */
#ifndef ARGOSY_COMMON_MATH_SOFTMAX_H
#define ARGOSY_COMMON_MATH_SOFTMAX_H

#include <stddef.h>
#include <stdint.h>

struct softmax_stats {
    float max;
    float logsumexp; // natural log of the sum of exp(logit)
    float entropy;   // of the distribution, nats
};

// One row of n logits.  log softmax(x)[i] = x[i] - stats.logsumexp.
struct softmax_stats softmax_row(const float *logits, size_t n);

// probabilities[i] = exp(logits[i] - logsumexp); out may be logits.
void softmax_probabilities(float *out, const float *logits, size_t n, float logsumexp);

#endif
