/*
 * swiglu.h - y = silu(gate) * up (Shazeer 2020), and its derivative.
 */
#ifndef ARGOSY_COMMON_MATH_SWIGLU_H
#define ARGOSY_COMMON_MATH_SWIGLU_H

#include <stddef.h>

#include "common/base/pool.h"

// gate_up: (n_rows, 2F), gates first; y: (n_rows, F).
void swiglu_forward(float *y, const float *gate_up, size_t n_rows, size_t width, struct pool *pool);

// Writes d_gate_up (n_rows, 2F); may be gate_up itself.
void swiglu_backward(float *d_gate_up, const float *dy, const float *gate_up, size_t n_rows,
                     size_t width, struct pool *pool);

#endif
