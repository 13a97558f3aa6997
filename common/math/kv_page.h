/*
 * kv_page.h - how a page holds the keys and values of one kv head; for the .c
 * files of attention only.
 *
 * Both in panels for product.h, with D rounded up to W, a multiple of 16:
 *   keys    (KV_PAGE/16, W, 16)  element d of position j at [j/16][d][j%16]
 *   values  (W/16, KV_PAGE, 16)  element d of position j at [d/16][j][d%16]
 * Scores are then a product over d with vectors over positions, weighted sums
 * one over positions with vectors over d.
 */
#ifndef ARGOSY_COMMON_MATH_KV_PAGE_H
#define ARGOSY_COMMON_MATH_KV_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/math/attention.h"
#include "common/math/product.h"

#define KV_PANEL PRODUCT_PANEL

static inline size_t kv_page_width(const struct attention_shape *shape)
{
    return (shape->head_width + KV_PANEL - 1) / KV_PANEL * KV_PANEL;
}

static inline size_t kv_page_offset(const struct attention_shape *shape, uint32_t page,
                                    size_t kv_head)
{
    return ((size_t)page * shape->n_kv_heads + kv_head) * KV_PAGE * kv_page_width(shape);
}

static inline size_t kv_key_slot(size_t j, size_t d, size_t W)
{
    return (j / KV_PANEL * W + d) * KV_PANEL + j % KV_PANEL;
}

static inline size_t kv_value_slot(size_t j, size_t d)
{
    return (d / KV_PANEL * KV_PAGE + j) * KV_PANEL + d % KV_PANEL;
}

// A row of a chunk, counted in span order: a span and an offset into it.
struct kv_place {
    size_t span, offset;
};

size_t kv_count_rows(const struct span *spans, size_t n_spans);
struct kv_place kv_place_of_row(const struct span *spans, size_t row);
void kv_place_normalise(struct kv_place *at, const struct span *spans); // past a span's end

#endif
