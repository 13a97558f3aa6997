#include "learner/advantage.h"

#include <math.h>

#define STD_EPSILON 1e-6

static double mean_of(const double *rewards, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += rewards[i];
    return sum / (double)n;
}

static double std_of(const double *rewards, size_t n, double mean)
{
    double squares = 0.0;
    for (size_t i = 0; i < n; i++)
        squares += (rewards[i] - mean) * (rewards[i] - mean);
    return sqrt(squares / (double)(n - 1));
}

void advantage_of_group(double *advantages, const double *rewards, size_t n,
                        const struct advantage_config *config)
{
    double mean = n > 1 ? mean_of(rewards, n) : 0.0;
    double factor = 1.0;
    if (config->kind == ADVANTAGE_RLOO && n > 1)
        factor = (double)n / (double)(n - 1); // r - mean of the others
    else if (config->kind == ADVANTAGE_GRPO && config->norm_by_std)
        factor = 1.0 / ((n > 1 ? std_of(rewards, n, mean) : 1.0) + STD_EPSILON);
    // The mean of equal rewards may be off by a rounding, which the epsilon
    // would blow up.
    bool is_flat = n > 1 && advantage_is_flat(rewards, n);
    for (size_t i = 0; i < n; i++)
        advantages[i] = is_flat ? 0.0 : (rewards[i] - mean) * factor;
}

bool advantage_is_flat(const double *rewards, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (rewards[i] != rewards[0]) return false;
    return true;
}

static double weight_of(enum loss_agg_mode mode, double n_tokens, double n_all, double n_sequences,
                        double horizon)
{
    switch (mode) {
    case LOSS_AGG_TOKEN_MEAN:
        return 1.0 / n_all;
    case LOSS_AGG_SEQ_MEAN_TOKEN_SUM:
        return 1.0 / n_sequences;
    case LOSS_AGG_SEQ_MEAN_TOKEN_MEAN:
        return 1.0 / (n_sequences * n_tokens);
    case LOSS_AGG_SEQ_MEAN_TOKEN_SUM_NORM:
        return 1.0 / (n_sequences * horizon);
    case LOSS_AGG_TOKEN_SUM:
        return 1.0;
    }
    return 0.0;
}

void loss_agg_weights(double *weights, const uint32_t *n_tokens, size_t n_sequences,
                      enum loss_agg_mode mode, uint32_t horizon)
{
    double n_all = 0.0, n_with_tokens = 0.0;
    for (size_t i = 0; i < n_sequences; i++) {
        n_all += n_tokens[i];
        n_with_tokens += n_tokens[i] > 0;
    }
    for (size_t i = 0; i < n_sequences; i++)
        weights[i] =
            n_tokens[i] == 0 ? 0.0 : weight_of(mode, n_tokens[i], n_all, n_with_tokens, horizon);
}
