/*
 * format: how far the response has a form (response_format.h).
 *   variant  strict, think, open_r1, tag_count or boxed
 */
#include "actor/reward/reward_kind.h"

struct format {
    char variant[SPEC_STRING_BYTES];
    const struct response_format *format;
};

static const struct format defaults = {.variant = "strict"};

static const struct spec_field fields[] = {
    {"variant", SPEC_STRING, offsetof(struct format, variant), 0, 0},
};

static int prepare(void *state, struct json spec, const struct reward_setting *setting,
                   const char *what, struct err *err)
{
    struct format *s = state;
    (void)spec;
    (void)setting;
    s->format = response_format_find(s->variant);
    if (s->format != NULL) return 0;
    return err_set(err, ERR_USAGE,
                   "%s.variant: want strict, think, open_r1, tag_count or boxed, got '%s'", what,
                   s->variant);
}

static int value(const void *state, const struct reward_input *in, double *out, struct err *err)
{
    const struct format *s = state;
    (void)err;
    *out = s->format->value(in->sample->response, in->sample->is_stopped);
    return 0;
}

const struct response_format *reward_format_of(const void *state)
{
    const struct format *s = state;
    return s->format;
}

const struct reward_kind reward_format = {
    .name = "format",
    .help = "the response has the form asked for (variant)",
    .state_bytes = sizeof(struct format),
    .defaults = &defaults,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .prepare = prepare,
    .value = value,
};
