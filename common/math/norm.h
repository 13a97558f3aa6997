/*
 * norm.h - RMSNorm over the last axis, and its derivative.
 *
 * y = x / sqrt(mean(x^2) + epsilon) * gain  (Zhang & Sennrich 2019, as in
 * Llama and Qwen3).  Rows are independent; sums run in 8 fixed lanes.
 */
#ifndef ARGOSY_COMMON_MATH_NORM_H
#define ARGOSY_COMMON_MATH_NORM_H

#include <stddef.h>

#include "common/base/pool.h"

// x, y: n_rows rows of `width`, each row made of `n_groups` groups normalised
// apart (1 for a block norm, n_heads for q/k norm), rows ldx / ldy apart.
// inverse_rms: (n_rows, n_groups) or NULL.  y may be x.
struct norm_layout {
    size_t n_rows, n_groups, width, ldx, ldy;
};
void norm_forward(float *y, float *inverse_rms, const float *x, const float *gain, float epsilon,
                  const struct norm_layout *layout, struct pool *pool);

// dx = d/dx (ldx apart, written; may be dy), dgain (width) += .  x is the
// forward's input.  The order of the sum into dgain depends on shape alone.
void norm_backward(float *dx, float *dgain, const float *dy, const float *x,
                   const float *inverse_rms, const float *gain, const struct norm_layout *layout,
                   struct pool *pool);

#endif
