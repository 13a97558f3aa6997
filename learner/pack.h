/*
 * pack.h - one chunk of training work: whole sequences without padding, and
 * what the loss is to do with their rows.
 *
 * A group's prompt is computed once: its span is followed by the spans of its
 * responses, which share its full pages and copy its last one.  The row of the
 * prompt's last token then carries a loss item for each response's first
 * token, so items, not rows, are the unit of the loss.
 */
#ifndef ARGOSY_LEARNER_PACK_H
#define ARGOSY_LEARNER_PACK_H

#include <stdint.h>

#include "common/model/forward.h"

// One predicted token: the logits of `row` are asked for `target`.
struct loss_item {
    uint32_t row;
    uint32_t target;
    uint32_t sample;         // index of the sample in its batch
    float weight;            // of this token in the loss: mask and normalisation together
    float advantage;         // GRPO only, as the next two
    float logprob_rollout;   // of the policy that drew it
    float logprob_reference; // filled by a reference pass when the KL term is on
};

struct pack {
    struct chunk chunk;      // tokens, spans, copies
    uint32_t n_pages;        // pages 0..n_pages-1 of the kv are used
    struct loss_item *items; // ascending row
    uint32_t n_items;
};

#endif
