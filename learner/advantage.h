/*
 * advantage.h - what a group's rewards say about each of its samples, and how
 * much each of their tokens weighs in the loss.
 *
 * Group relative policy optimisation has no critic: a sample's advantage is
 * its reward against its group's.  Every token of a sample has the sample's
 * advantage.  In double; pure functions.
 */
#ifndef ARGOSY_LEARNER_ADVANTAGE_H
#define ARGOSY_LEARNER_ADVANTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum advantage_kind {
    ADVANTAGE_GRPO, // (r - mean) / (std + 1e-6), std with n - 1; undivided without norm_by_std
    ADVANTAGE_RLOO, // r - mean of the others
};

struct advantage_config {
    enum advantage_kind kind;
    bool norm_by_std; // GRPO; false is Dr. GRPO's choice
};

// One group of n samples.  A group of one is measured against mean 0, std 1.
void advantage_of_group(double *advantages, const double *rewards, size_t n,
                        const struct advantage_config *config);

// Whether all rewards are equal, so that the group teaches nothing.
bool advantage_is_flat(const double *rewards, size_t n);

// How token losses become one number.  N is the number of sequences that have
// a token in the loss.
enum loss_agg_mode {
    LOSS_AGG_TOKEN_MEAN,              // 1 / (all tokens)
    LOSS_AGG_SEQ_MEAN_TOKEN_SUM,      // 1 / N
    LOSS_AGG_SEQ_MEAN_TOKEN_MEAN,     // 1 / (N x tokens of the sequence)
    LOSS_AGG_SEQ_MEAN_TOKEN_SUM_NORM, // 1 / (N x horizon): no length in it (Dr. GRPO)
    LOSS_AGG_TOKEN_SUM,               // 1
};

// weights[i]: of each token of sequence i, which has n_tokens[i] in the loss;
// 0 where it has none.  horizon: the length that the norm divides by.
void loss_agg_weights(double *weights, const uint32_t *n_tokens, size_t n_sequences,
                      enum loss_agg_mode mode, uint32_t horizon);

#endif
