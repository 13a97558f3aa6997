/*
 * gemm_backward.h - the two products of a linear's derivative.
 *
 * For Y = X Wt:  dX = dY W  and  dW += dYt X.
 *
 * dX is a product with W's columns, so W's rows are cut into panels for the
 * forward's own kernel (gemm.h), which is faster than a library on blocks of
 * rows and has the same bits everywhere.  dW is a long sum over rows: OpenBLAS,
 * one thread a call, on tiles of dW whose borders depend on the shape alone, so
 * that the bits do not depend on how many threads share the tiles.
 */
#ifndef ARGOSY_LEARNER_GEMM_BACKWARD_H
#define ARGOSY_LEARNER_GEMM_BACKWARD_H

#include <stddef.h>
#include <stdint.h>

#include "common/math/gemm.h"

// Once, before any product: the library keeps to the calling thread.
void gemm_backward_init(void);

// Which of its kernels the library chose; equal names, equal bits.
const char *gemm_backward_core(void);

// Panels for dX of a W of (n_outputs, n_inputs): gemm(dx, .., dy, .., panels).
// They hold bf16, as w does: less memory, and the kernel is faster for it.
struct panels gemm_backward_panels(uint32_t n_outputs, uint32_t n_inputs, void *data);
void gemm_backward_pack(const struct panels *p, const uint16_t *w, struct pool *pool);

// One linear's dW: dw (n_outputs, n_inputs) += dy^T x over the same rows.
struct weight_gradient {
    float *dw;
    const float *dy; // (n_rows, n_outputs), rows lddy apart
    size_t lddy;
    const float *x; // (n_rows, n_inputs), rows ldx apart
    size_t ldx;
    uint32_t n_outputs, n_inputs;
};

// Several at once, so that the threads find enough tiles.
void gemm_backward_weights(const struct weight_gradient *jobs, size_t n_jobs, size_t n_rows,
                           struct pool *pool);

#endif
