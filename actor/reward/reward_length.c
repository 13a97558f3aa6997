/*
 * Components of the response's length in tokens.
 *
 * overlong, DAPO's soft punishment (verl's names, overlong_buffer_cfg):
 *   max_response_length  default: the run's
 *   len                  of the buffer at its end in which the punishment grows
 *   penalty_factor       of a response as long as allowed (default 1)
 * 0 up to max_response_length - len tokens, then in a straight line to
 * -penalty_factor.
 *
 * cosine, open-r1's scaled reward: a right answer is worth the more the shorter
 * it is, a wrong one costs the less the longer it is:
 *   max_len                             default: the run's max_response_length
 *   min_value_correct, max_value_correct   (0.5, 1)
 *   min_value_wrong, max_value_wrong       (-1, -0.5)
 */
#include <math.h>

#include "actor/reward/reward_kind.h"

static int need_tokens(const struct reward_input *in, double *n, struct err *err)
{
    *n = in->sample->n_tokens;
    if (in->sample->n_tokens != REWARD_TOKENS_UNKNOWN) return 0;
    return err_set(err, ERR_FORMAT, "the number of the response's tokens is not known");
}

static int need_length(uint32_t *length, const struct reward_setting *setting, const char *what,
                       const char *key, struct err *err)
{
    if (*length == 0) *length = setting->max_response_length;
    if (*length != REWARD_TOKENS_UNKNOWN) return 0;
    return err_set(err, ERR_USAGE, "%s.%s: it is needed here", what, key);
}

// --- overlong ------------------------------------------------------------------------------------

struct overlong {
    uint32_t max_response_length, buffer; // tokens
    double factor;
};

static const struct overlong overlong_defaults = {.factor = 1};

static const struct spec_field overlong_fields[] = {
    {"max_response_length", SPEC_U32, offsetof(struct overlong, max_response_length), 1, 1u << 30},
    {"len", SPEC_U32, offsetof(struct overlong, buffer), 1, 1u << 30},
    {"penalty_factor", SPEC_DOUBLE, offsetof(struct overlong, factor), 0, 1e6},
};

static int overlong_prepare(void *state, struct json spec, const struct reward_setting *setting,
                            const char *what, struct err *err)
{
    struct overlong *s = state;
    (void)spec;
    if (s->buffer == 0) return err_set(err, ERR_USAGE, "%s.len: it is needed", what);
    if (need_length(&s->max_response_length, setting, what, "max_response_length", err) != 0)
        return -1;
    if (s->buffer <= s->max_response_length) return 0;
    return err_set(err, ERR_USAGE, "%s.len: %u is more than the response may have (%u)", what,
                   s->buffer, s->max_response_length);
}

static int overlong_value(const void *state, const struct reward_input *in, double *out,
                          struct err *err)
{
    const struct overlong *s = state;
    double n;
    if (need_tokens(in, &n, err) != 0) return -1;
    const double over = n - (double)(s->max_response_length - s->buffer);
    *out = over <= 0 ? 0 : -over / s->buffer * s->factor;
    return 0;
}

const struct reward_kind reward_overlong = {
    .name = "overlong",
    .help = "minus for a response near the longest allowed "
            "(len, penalty_factor, max_response_length)",
    .state_bytes = sizeof(struct overlong),
    .defaults = &overlong_defaults,
    .fields = overlong_fields,
    .n_fields = sizeof overlong_fields / sizeof *overlong_fields,
    .prepare = overlong_prepare,
    .value = overlong_value,
};

// --- cosine --------------------------------------------------------------------------------------

struct cosine {
    uint32_t max_len;
    double min_wrong, max_wrong, min_correct, max_correct;
};

static const struct cosine cosine_defaults = {
    .min_wrong = -1, .max_wrong = -0.5, .min_correct = 0.5, .max_correct = 1};

static const struct spec_field cosine_fields[] = {
    {"max_len", SPEC_U32, offsetof(struct cosine, max_len), 1, 1u << 30},
    {"min_value_wrong", SPEC_DOUBLE, offsetof(struct cosine, min_wrong), -1e6, 1e6},
    {"max_value_wrong", SPEC_DOUBLE, offsetof(struct cosine, max_wrong), -1e6, 1e6},
    {"min_value_correct", SPEC_DOUBLE, offsetof(struct cosine, min_correct), -1e6, 1e6},
    {"max_value_correct", SPEC_DOUBLE, offsetof(struct cosine, max_correct), -1e6, 1e6},
};

static int cosine_prepare(void *state, struct json spec, const struct reward_setting *setting,
                          const char *what, struct err *err)
{
    struct cosine *s = state;
    (void)spec;
    return need_length(&s->max_len, setting, what, "max_len", err);
}

static int cosine_value(const void *state, const struct reward_input *in, double *out,
                        struct err *err)
{
    const struct cosine *s = state;
    static const double pi = 3.14159265358979323846;
    double n;
    if (need_tokens(in, &n, err) != 0) return -1;
    const double progress = n < s->max_len ? n / s->max_len : 1;
    // From the value of an empty response to that of the longest.
    const double from = in->grade.is_correct ? s->max_correct : s->min_wrong;
    const double to = in->grade.is_correct ? s->min_correct : s->max_wrong;
    *out = to + 0.5 * (from - to) * (1 + cos(progress * pi));
    return 0;
}

const struct reward_kind reward_cosine = {
    .name = "cosine",
    .help = "right and short is best, wrong and short is worst (max_len, min_value_correct, ...)",
    .state_bytes = sizeof(struct cosine),
    .defaults = &cosine_defaults,
    .fields = cosine_fields,
    .n_fields = sizeof cosine_fields / sizeof *cosine_fields,
    .needs_grade = true,
    .prepare = cosine_prepare,
    .value = cosine_value,
};
