#include "learner/loss.h"

#include <math.h>

#include "common/math/expf.h"

// A difference of log-probabilities beyond this is treated as this, and gives
// no gradient, so that no ratio overflows.
#define LOG_RATIO_MAX 20.0f

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

// -min(ratio A, clip(ratio) A), for A < 0 not above -c A.
static void add_policy_loss(struct token_loss *out, const struct loss_config *config,
                            float advantage, float log_ratio)
{
    float clamped = clamp(log_ratio, -LOG_RATIO_MAX, LOG_RATIO_MAX);
    float ratio = math_exp(clamped);
    float bounded = clamp(ratio, 1.0f - config->clip_ratio_low, 1.0f + config->clip_ratio_high);
    float plain_loss = -advantage * ratio, bounded_loss = -advantage * bounded;
    bool is_clipped = bounded_loss > plain_loss;
    out->is_clipped_low = is_clipped && bounded > ratio;
    out->is_clipped_high = is_clipped && bounded < ratio;
    out->policy_loss = is_clipped ? bounded_loss : plain_loss;
    bool is_flat = is_clipped || clamped != log_ratio;

    float most = -advantage * config->clip_ratio_c;
    if (config->clip_ratio_c > 0.0f && advantage < 0.0f && out->policy_loss > most) {
        out->policy_loss = most;
        is_flat = true;
    }
    if (!is_flat) out->slope += plain_loss; // d ratio / d logprob = ratio
}

static void add_kl(struct token_loss *out, const struct loss_config *config, float difference)
{
    float d = clamp(difference, -LOG_RATIO_MAX, LOG_RATIO_MAX);
    float slope = 0.0f; // by logprob; d falls as logprob rises
    switch (config->kl_kind) {
    case KL_K3:
        out->kl = math_exp(d) - d - 1.0f;
        slope = 1.0f - math_exp(d);
        break;
    case KL_K1:
        out->kl = -d;
        slope = 1.0f;
        break;
    case KL_K2:
        out->kl = 0.5f * d * d;
        slope = -d;
        break;
    case KL_ABS:
        out->kl = fabsf(d);
        slope = d > 0.0f ? -1.0f : d < 0.0f ? 1.0f : 0.0f;
        break;
    case KL_K3_PLUS:
        out->kl = math_exp(d) - d - 1.0f;
        slope = -d;
        break;
    }
    if (d == difference) out->slope += config->kl_loss_coef * slope;
}

struct token_loss loss_of_token(const struct loss_config *config, const struct loss_item *item,
                                float logprob)
{
    struct token_loss out = {0};
    if (config->kind == LOSS_CROSS_ENTROPY) {
        out.loss = -logprob;
        out.slope = -1.0f;
        return out;
    }
    add_policy_loss(&out, config, item->advantage, logprob - item->logprob_rollout);
    if (config->kl_loss_coef != 0.0f) add_kl(&out, config, item->logprob_reference - logprob);
    out.loss = out.policy_loss + config->kl_loss_coef * out.kl;
    return out;
}

// A NaN, once in, stays.
static void raise_max(double *max, double value)
{
    if (value > *max || isnan(value)) *max = value;
}

void loss_sums_add_item(struct loss_sums *sums, const struct loss_config *config,
                        const struct loss_item *item, const struct token_loss *token, float logprob,
                        float entropy)
{
    double weight = (double)item->weight;
    sums->weight += weight;
    sums->loss += weight * (double)token->loss;
    sums->nll += weight * -(double)logprob;
    sums->policy_loss += weight * (double)token->policy_loss;
    sums->kl += weight * (double)token->kl;
    sums->entropy += (double)entropy;
    sums->n_items++;
    sums->n_clipped_low += token->is_clipped_low;
    sums->n_clipped_high += token->is_clipped_high;
    if (!isfinite(token->loss)) sums->n_nonfinite++;
    if (config->kind != LOSS_GRPO) return;
    double difference = (double)item->logprob_rollout - (double)logprob;
    sums->ppo_kl += difference;
    sums->sum_abs_diff += fabs(difference);
    raise_max(&sums->max_abs_diff, fabs(difference));
}

void loss_sums_add(struct loss_sums *into, const struct loss_sums *from)
{
    into->weight += from->weight;
    into->loss += from->loss;
    into->nll += from->nll;
    into->policy_loss += from->policy_loss;
    into->kl += from->kl;
    into->ppo_kl += from->ppo_kl;
    into->entropy += from->entropy;
    into->n_items += from->n_items;
    into->n_clipped_low += from->n_clipped_low;
    into->n_clipped_high += from->n_clipped_high;
    raise_max(&into->max_abs_diff, from->max_abs_diff);
    into->sum_abs_diff += from->sum_abs_diff;
    into->n_nonfinite += from->n_nonfinite;
}
