/*
 * gradient.h - forward, loss and backward of one pack.
 *
 * The loss is fused with the logits in chunks of rows, so that no (rows, V)
 * array of a whole pack exists.  Sums are over the pack only; lanes and ranks
 * are somebody else's business (lanes.h).
 */
#ifndef ARGOSY_LEARNER_GRADIENT_H
#define ARGOSY_LEARNER_GRADIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "learner/pack.h"

enum loss_kind {
    LOSS_CROSS_ENTROPY, // pretrain, sft
    LOSS_GRPO,
};

// The estimator of the KL to the reference, of d = log pi_ref - log pi.
enum kl_kind {
    KL_K3,     // exp(d) - d - 1, GRPO's own
    KL_K1,     // -d
    KL_K2,     // d^2 / 2
    KL_ABS,    // |d|
    KL_K3_PLUS // the value of k3, the gradient of k2
};

// Token-level ratio, clip, KL to a reference in the loss (DeepSeekMath 4.1.1).
struct loss_config {
    enum loss_kind kind;
    float clip_ratio_low, clip_ratio_high;
    float clip_ratio_c; // > 1: bound of the loss's ratio where the advantage is negative; 0: none
    float kl_loss_coef;
    enum kl_kind kl_kind;
};

// Plain sums over loss items (not means), in item order, in double.
struct loss_sums {
    double weight;      // sum of item weights
    double loss;        // weighted, the number that is differentiated
    double nll;         // weighted -log p(target)
    double policy_loss; // weighted surrogate
    double kl;          // weighted k3 to the reference
    double ppo_kl;      // unweighted sum of logprob_rollout - logprob
    double entropy;     // unweighted sum, nats
    uint64_t n_items;
    uint64_t n_clipped_low, n_clipped_high;
    double max_abs_diff; // of trainer and rollout log-probability
    double sum_abs_diff;
    uint64_t n_nonfinite; // items whose loss was not finite
};
void loss_sums_add(struct loss_sums *into, const struct loss_sums *from);

struct gradient; // scratch, saved activations and pages for packs of a bounded size

struct gradient_limits {
    uint32_t n_rows_max;  // of a pack
    uint32_t n_pages_max; // of a pack
    uint32_t n_items_max; // of a pack; 0: twice n_rows_max
    bool recompute;       // keep only layer inputs, run each layer again: same bits
};
struct gradient *gradient_create(const struct params *params, const struct gradient_limits *limits);
void gradient_destroy(struct gradient *g);
size_t gradient_bytes(const struct params *params, const struct gradient_limits *limits);

// grads (flat fp32 block) += d loss / d params; sums += this pack's.
// flat_bf16 is the block `w` was loaded from (the backward reads W from it).
void gradient_of_pack(struct gradient *g, const struct weights *w, const uint16_t *flat_bf16,
                      const struct pack *pack, const struct loss_config *config, float *grads,
                      struct loss_sums *sums, struct pool *pool);

// log p(target) of every item under w, no gradient: logprobs (n_items).
void gradient_logprobs(struct gradient *g, const struct weights *w, const struct pack *pack,
                       float *logprobs, struct pool *pool);

#endif
