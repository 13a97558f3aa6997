/*
 * product.h - the one inner loop of every matrix product here.
 *
 * y[r][c] (+)= sum over k of x[r][k] w[k][c]: each output is one chain of
 * fused multiply-adds over ascending k, vectors run over c alone.  So an
 * output depends on its own row and column and on nothing else: not on how
 * rows are blocked in registers, nor on how a caller cuts rows, columns or k
 * (with `add`, a chain goes on where the last piece left it).
 *
 * Columns come in panels of 16.  One thread; gemm and attention split work.
 */
#ifndef ARGOSY_COMMON_MATH_PRODUCT_H
#define ARGOSY_COMMON_MATH_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

#define PRODUCT_PANEL 16

struct product {
    float *y; // row r of panel p at y + r * y_row + p * y_panel
    size_t y_row, y_panel;
    const float *x; // x[r * x_row + k * x_step]: x_row or x_step must be 1
    size_t x_row, x_step;
    const void *w; // element k of panel p at w + p * w_panel + k * w_step
    size_t w_panel, w_step;
    size_t depth; // number of ks
    size_t n_rows, n_panels;
    bool add;  // start from what y holds, not from 0
    bool bf16; // w is bf16 in pairs (see gemm.c), w_panel in elements; w_step 16, x_step 1
};

void product_run(const struct product *p);

// Column c of 16 within a bf16 row of a panel: columns c and c + 8 share a
// 32-bit word, so that one load, one shift and one mask give all sixteen.
static inline size_t product_bf16_slot(size_t c)
{
    return c < 8 ? 2 * c : 2 * (c - 8) + 1;
}

#endif
