/*
 * gemm.h - Y = X Wt (+ bias), the same bits for any number of rows.
 *
 * The contract: y[m][n] is one chain of fp32 fused multiply-adds over
 * ascending k, starting from 0; the bias is added last.  Vectors run over
 * outputs only, never over k; blocking over k reloads the partial sum.  So a
 * row's result depends on nothing but that row and W: not on M, on neighbours,
 * on threads.
 *
 * W is kept packed in panels of GEMM_PANEL outputs, (N/16, K, 16), zero-padded;
 * bf16 panels hold the 16 in an order of their own (product.h).
 */
#ifndef ARGOSY_COMMON_MATH_GEMM_H
#define ARGOSY_COMMON_MATH_GEMM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/pool.h"

#define GEMM_PANEL 16

enum panel_type { PANEL_F32, PANEL_BF16 }; // both hold the same values; BF16 halves the traffic

struct panels {
    enum panel_type type;
    uint32_t n_outputs; // N
    uint32_t n_inputs;  // K
    void *data;         // 64-byte aligned, panels_bytes() long; owned by the caller
};

size_t panels_bytes(enum panel_type type, uint32_t n_outputs, uint32_t n_inputs);

// w: (N, K) row-major bf16, as in the flat parameter block.
void panels_pack(struct panels *p, const uint16_t *w, struct pool *pool);

// Row `output` of W back out of its panel: (K).
void panels_row(const struct panels *p, uint32_t output, float *out);

// x: (M, K) with row stride ldx; y: (M, N) with row stride ldy; bias: (N) or NULL.
void gemm(float *y, size_t ldy, const float *x, size_t ldx, size_t n_rows, const struct panels *w,
          const float *bias, struct pool *pool);

#endif
