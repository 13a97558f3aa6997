/*
 * head_loss.h - from hidden rows to the loss and back, a chunk at a time.
 *
 * The logits of a chunk of rows are made, read, turned into their own gradient
 * in place, and used up before the next chunk, so that memory is bounded by the
 * chunk and not by (rows of a pack, V).  Only rows with an item take part.
 *
 * The gradient of a row's logits is  sum_i c_i (onehot(target_i) - p)  over its
 * items, c_i = weight_i d loss_i / d logprob_i.
 */
#ifndef ARGOSY_LEARNER_HEAD_LOSS_H
#define ARGOSY_LEARNER_HEAD_LOSS_H

#include "learner/gradient.h"

struct head_loss {
    struct shape shape;
    uint32_t n_rows_max, n_items_max, chunk_rows;
    uint32_t *rows;          // (n_rows_max) rows with items, ascending
    uint32_t *first_item;    // (n_rows_max + 1) of each of them
    float *hidden;           // (chunk_rows, C) gathered; then its gradient
    float *logits;           // (chunk_rows, V); then their gradient
    float *entropy;          // (chunk_rows)
    float *logprobs;         // (n_items_max)
    struct panels head_back; // W of the head, for the gradient of hidden
};
void head_loss_carve(struct block *b, struct head_loss *h, const struct shape *shape,
                     uint32_t n_rows_max, uint32_t n_items_max);

// hidden: (n_rows, C) after the final norm.  d_hidden (n_rows, C) is written,
// zeros in rows without items; d_head (V, C) and sums are added to.
void head_loss_run(struct head_loss *h, float *d_hidden, float *d_head, struct loss_sums *sums,
                   const float *hidden, const struct weights *w, const uint16_t *head_bf16,
                   const struct pack *pack, const struct loss_config *config, struct pool *pool);

// Log-probabilities alone: (n_items).
void head_loss_logprobs(struct head_loss *h, float *logprobs, const float *hidden,
                        const struct weights *w, const struct pack *pack, struct pool *pool);

#endif
