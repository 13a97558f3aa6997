/*
 * rope.h - rotary position embedding, the half-split form of Llama and Qwen.
 *
 * (a, b) = (x[i], x[i + D/2]) -> (a cos - b sin, b cos + a sin) with angle
 * position * theta^(-2i/D).  The tables are computed by our own sine and
 * cosine in double, so that every machine has the same bits.
 */
#ifndef ARGOSY_COMMON_MATH_ROPE_H
#define ARGOSY_COMMON_MATH_ROPE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/pool.h"

struct rope {
    uint32_t n_positions, head_width;
    float *cosine; // (n_positions, D/2)
    float *sine;
};

// inverse_frequency: (D/2) as config.json's rope type gives them; magnitude: of
// every sine and cosine, 1 but for YaRN.
void rope_init(struct rope *r, uint32_t n_positions, uint32_t head_width,
               const double *inverse_frequency, double magnitude);
void rope_fini(struct rope *r);

// In place on n_rows rows of n_heads heads, rows ldx apart; positions: (n_rows).
void rope_forward(float *x, size_t ldx, size_t n_rows, size_t n_heads, const uint32_t *positions,
                  const struct rope *r, struct pool *pool);
void rope_backward(float *dx, size_t ldx, size_t n_rows, size_t n_heads, const uint32_t *positions,
                   const struct rope *r, struct pool *pool); // the transpose

#endif
