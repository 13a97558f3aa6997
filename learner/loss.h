/*
 * loss.h - the loss of one predicted token and its derivative.
 *
 * Everything the loss needs of the model is the token's log-probability under
 * it, so its gradient is one number, d loss / d logprob; the logits' gradient
 * follows from it (head_loss.h).
 */
#ifndef ARGOSY_LEARNER_LOSS_H
#define ARGOSY_LEARNER_LOSS_H

#include "learner/gradient.h"

struct token_loss {
    float loss;        // what is differentiated, before the item's weight
    float policy_loss; // the clipped surrogate's part of it
    float kl;          // to the reference
    float slope;       // d loss / d logprob, before the weight
    bool is_clipped_low, is_clipped_high;
};

struct token_loss loss_of_token(const struct loss_config *config, const struct loss_item *item,
                                float logprob);

// Adds one item; entropy is that of the distribution it was drawn from.
void loss_sums_add_item(struct loss_sums *sums, const struct loss_config *config,
                        const struct loss_item *item, const struct token_loss *token, float logprob,
                        float entropy);

#endif
