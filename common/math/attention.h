/*
 * attention.h - causal attention over pages of keys and values.
 *
 * Keys and values live in pages of KV_PAGE positions, at positions relative to
 * the sequence's start.  A page is also the block of the online softmax, so a
 * query visits the same blocks in the same order in training, prefill and
 * decode, and its result depends on nothing but its own sequence.  Sequences
 * of a group share whole pages of their prompt; rows that read the same page
 * are computed together, which changes no bit.
 *
 * Scores are one FMA chain over ascending d, weighted sums one over ascending
 * position, in the spirit of gemm.h.
 *
 * H query heads read K key/value heads (grouped-query attention): query head h
 * reads kv head h / (H/K).  Scale is 1/sqrt(D).
 */
#ifndef ARGOSY_COMMON_MATH_ATTENTION_H
#define ARGOSY_COMMON_MATH_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/pool.h"

#define KV_PAGE 32 // positions in a page

// Consecutive tokens of one sequence among the rows of a chunk.
struct span {
    uint32_t row;          // first row
    uint32_t n_rows;       // tokens
    uint32_t position;     // of the first, from the sequence's start
    const uint32_t *pages; // page numbers; pages[i] holds positions [i*KV_PAGE, ...)
};

struct attention_shape {
    uint32_t n_heads, n_kv_heads, head_width;
};

// One layer's pages.  Inside a page the layout is attention.c's business.
struct kv_layer {
    float *keys;   // kv_layer_floats(shape, n_pages) floats, 64-byte aligned
    float *values; // the same
    uint32_t n_pages;
};
size_t kv_layer_floats(const struct attention_shape *shape, uint32_t n_pages);

// Stores the K and V rows of every span: k, v are (n_rows, K*D), rows ld apart.
void kv_store(const struct kv_layer *kv, const struct attention_shape *shape, const float *k,
              const float *v, size_t ld, const struct span *spans, size_t n_spans,
              struct pool *pool);

// Copies the first n_positions of page `from` to page `to`.
void kv_copy(const struct kv_layer *kv, const struct attention_shape *shape, uint32_t from,
             uint32_t to, uint32_t n_positions);

// q: (n_rows, H*D) rows ldq apart; out: (n_rows, H*D) dense.
// logsumexp: (n_rows, H), kept for the backward; NULL when not wanted.
void attention_forward(float *out, float *logsumexp, const float *q, size_t ldq,
                       const struct kv_layer *kv, const struct attention_shape *shape,
                       const struct span *spans, size_t n_spans, struct pool *pool);

// Writes dq (rows lddq apart) and adds to the pages of dkv (same layout as kv;
// the caller zeroes them).  Spans that share pages stand next to each other and
// share their first; sums into a shared page run in span order.
void attention_backward(float *dq, size_t lddq, const struct kv_layer *dkv, const float *dout,
                        const float *out, const float *logsumexp, const float *q, size_t ldq,
                        const struct kv_layer *kv, const struct attention_shape *shape,
                        const struct span *spans, size_t n_spans, struct pool *pool);

// The inverses of kv_copy and kv_store for gradients: adds the first
// n_positions of page `to` into page `from`; reads the rows of every span back.
void kv_copy_backward(const struct kv_layer *dkv, const struct attention_shape *shape,
                      uint32_t from, uint32_t to, uint32_t n_positions);
void kv_store_backward(const struct kv_layer *dkv, const struct attention_shape *shape, float *dk,
                       float *dv, size_t ld, const struct span *spans, size_t n_spans,
                       struct pool *pool);

#endif
