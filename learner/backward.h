/*
 * backward.h - the derivative of the transformer's layers, by hand.
 *
 * forward.c read upside down: each operation's derivative in reverse order.
 * As in the forward, blocks of rows pass through everything between two
 * attentions; sums over rows (gains, biases) are kept for each block and
 * folded in block order, and blocks depend on the number of rows alone, so the
 * result is the same for any number of threads.
 */
#ifndef ARGOSY_LEARNER_BACKWARD_H
#define ARGOSY_LEARNER_BACKWARD_H

#include "common/model/forward.h"
#include "common/model/row_blocks.h"

// Scratch for packs of up to n_rows_max rows and n_pages_max pages.
struct backward {
    struct shape shape;
    uint32_t n_rows_max;
    struct row_blocks blocks;
    float *stream;        // (C) gradient of the residual stream after the layer
    float *stream_next;   // (C) and before it; the two change places
    float *middle;        // (C) between attention and MLP
    float *swiglu;        // (F)
    float *attention_out; // (H*D)
    float *qkv;           // (H*D + 2*K*D)
    float *partials;      // (blocks, .) sums over the rows of a block
    struct kv kv;         // one layer's pages, filled with gradients
    struct panels back_qkv, back_o, back_gate_up, back_down; // one layer's W, for dX
};
void backward_carve(struct block *b, struct backward *s, const struct shape *shape,
                    uint32_t n_rows_max);

// Where the parts of one gradient pass come from and go to.
struct backward_pass {
    struct backward *scratch;
    const struct weights *w;
    const uint16_t *flat; // bf16 block w was loaded from
    const struct kv *kv;  // as the forward left it
    const struct chunk *chunk;
    uint32_t n_pages;
    float *grads; // flat, added to
    struct pool *pool;
};

// Cuts the chunk's rows; once for each chunk, before the functions below.
void backward_begin(const struct backward_pass *p);

// d_hidden (n_rows, C) -> gradient of the stream after the last layer.
void backward_final_norm(const struct backward_pass *p, const struct saved *saved,
                         const float *d_hidden);

// Overwrites at->gate_up.
void backward_layer(const struct backward_pass *p, uint32_t layer, const struct saved_layer *at);

// What is left of the stream's gradient goes to the rows of the tokens.
void backward_embedding(const struct backward_pass *p);

#endif
