/*
 * forward.h - tokens in, hidden rows and logits out: the only forward pass.
 *
 * A chunk is any set of rows: a prefill, one decode row for each of 64
 * sequences, or a training pack of whole sequences.  Each row's result is the
 * same bits in all of them (gemm.h, attention.h), which is why the trainer's
 * log-probabilities equal the actor's exactly.
 */
#ifndef ARGOSY_COMMON_MODEL_FORWARD_H
#define ARGOSY_COMMON_MODEL_FORWARD_H

#include "common/base/pool.h"
#include "common/math/attention.h"
#include "common/model/block.h"
#include "common/model/weights.h"

// Pages of keys and values for every layer.
struct kv {
    struct attention_shape shape;
    struct kv_layer *layers; // (n_layers)
    uint32_t n_layers, n_pages;
    struct block block;
};
void kv_init(struct kv *kv, const struct shape *shape, uint32_t n_pages);
// Pages of fewer layers than the model has: one for the gradients of a layer at a time.
void kv_init_layers(struct kv *kv, const struct shape *shape, uint32_t n_layers, uint32_t n_pages);
void kv_fini(struct kv *kv);
size_t kv_bytes(const struct shape *shape, uint32_t n_pages);
void kv_copy_page(struct kv *kv, uint32_t from, uint32_t to, uint32_t n_positions); // all layers

// What generation takes (actor/engine), known here so that a learner can say it
// before there is an actor.
// Prompt tokens computed in one step at most: fewer of a large model, so that a
// step takes about a second and an actor is not silent for long.
uint32_t decode_prefill_rows(const struct shape *shape);
// Pages that n_slots samples of this length need at most, prompts included.
uint32_t decode_pages(uint32_t n_slots, uint32_t n_positions);
// Of one step: all but the cache and the weights.
size_t decode_bytes(const struct shape *shape, uint32_t n_slots, uint32_t prefill_rows);

// Inside a chunk: before attention, page `to` receives the first n_positions
// of page `from` (a response's first page starts with its prompt's last rows).
struct page_copy {
    uint32_t from, to, n_positions;
};

struct chunk {
    const uint32_t *tokens; // (n_rows)
    uint32_t n_rows;
    const struct span *spans; // cover every row once; spans sharing pages adjacent
    uint32_t n_spans;
    const struct page_copy *copies;
    uint32_t n_copies;
};

// What the backward needs of one layer; all (n_rows, .) of the chunk.
struct saved_layer {
    float *input;                 // (C) residual stream entering the layer
    float *norm_attention;        // (C) normed input
    float *inverse_rms_attention; // (1)
    float *qkv;             // (H*D + 2*K*D) projections; without q/k norm, q and k roped in place
    float *qk;              // rows as qkv's: q and k normed and roped; NULL without q/k norm
    float *inverse_rms_q;   // (H); NULL without q/k norm
    float *inverse_rms_k;   // (K); NULL without q/k norm
    float *attention_out;   // (H*D)
    float *logsumexp;       // (H)
    float *middle;          // (C) residual stream between attention and MLP
    float *norm_ffn;        // (C)
    float *inverse_rms_ffn; // (1)
    float *gate_up;         // (2F)
    float *swiglu;          // (F)
};

struct saved {
    struct saved_layer *layers; // (n_layers); with recomputation only `input` is there
    float *last;                // (C) residual stream after the last layer
    float *inverse_rms_final;   // (1)
    uint32_t n_rows_max;
    struct block block;
};
void saved_init(struct saved *s, const struct shape *shape, uint32_t n_rows_max, bool recompute);
void saved_fini(struct saved *s);
size_t saved_bytes(const struct shape *shape, uint32_t n_rows_max, bool recompute);

// The arrays of one layer, `input` left out, for recomputation and scratch.
void saved_layer_carve(struct block *b, const struct shape *shape, uint32_t n_rows_max,
                       struct saved_layer *layer);

// Scratch for chunks of up to n_rows_max rows.
struct forward_scratch;
struct forward_scratch *forward_scratch_create(const struct shape *shape, uint32_t n_rows_max);
void forward_scratch_destroy(struct forward_scratch *scratch);
size_t forward_scratch_bytes(const struct shape *shape, uint32_t n_rows_max);

// hidden: (n_rows, C), after the final norm.  saved may be NULL.
void forward(float *hidden, const struct weights *w, struct kv *kv, const struct chunk *chunk,
             struct saved *saved, struct forward_scratch *scratch, struct pool *pool);

// Runs one layer again from into->input, which the caller sets, and fills the
// rest of `into` (recomputation); same bits as forward().
void forward_layer_again(const struct weights *w, struct kv *kv, const struct chunk *chunk,
                         uint32_t layer, const struct saved_layer *into,
                         struct forward_scratch *scratch, struct pool *pool);

// logits: (n, V) for n rows of hidden, rows C apart.
void forward_logits(float *logits, const struct weights *w, const float *hidden, size_t n,
                    struct pool *pool);

// SHA-256 of the logits of a small fixed model on fixed tokens: equal on two
// machines when their arithmetic is.  DESIGN: the numerics fingerprint.
struct hash forward_fingerprint(void);

#endif
