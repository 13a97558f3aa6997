/*
 * accuracy: 1 when the answer is right by its grader, else 0.
 *   grader   one of the table of graders, in place of the problem's own
 *   strict   it counts only in a response of the form asked for
 *   partial  the grader's own value, for those that give credit for a wrong answer
 */
#include <string.h>

#include "actor/reward/reward_kind.h"

struct accuracy {
    char grader_name[SPEC_STRING_BYTES];
    bool is_strict, is_partial;
    const struct grader *grader; // NULL: the problem's
};

static const struct spec_field fields[] = {
    {"grader", SPEC_STRING, offsetof(struct accuracy, grader_name), 0, 0},
    {"strict", SPEC_BOOL, offsetof(struct accuracy, is_strict), 0, 0},
    {"partial", SPEC_BOOL, offsetof(struct accuracy, is_partial), 0, 0},
};

static int prepare(void *state, struct json spec, const struct reward_setting *setting,
                   const char *what, struct err *err)
{
    struct accuracy *s = state;
    (void)spec;
    (void)setting;
    if (s->grader_name[0] == '\0') return 0;
    s->grader = grader_find(s->grader_name);
    if (s->grader != NULL) return 0;
    return err_set(err, ERR_USAGE, "%s.grader: there is no grader '%s'", what, s->grader_name);
}

static struct view view_of(const char *text)
{
    return (struct view){text == NULL ? "" : text, text == NULL ? 0 : strlen(text)};
}

static int value(const void *state, const struct reward_input *in, double *out, struct err *err)
{
    const struct accuracy *s = state;
    struct grade grade = in->grade;
    if (s->grader != NULL && s->grader != in->sample->problem->grader) {
        const struct grading grading = {.response = in->sample->response,
                                        .answer = in->response->answer,
                                        .gold = view_of(in->sample->problem->answer),
                                        .metadata = view_of(in->sample->problem->metadata)};
        if (grader_judge(s->grader, &grading, &grade, err) != 0) return -1;
    }
    *out = s->is_partial ? grade.value : grade.is_correct ? 1 : 0;
    if (s->is_strict && !in->is_formatted) *out = 0;
    return 0;
}

const struct reward_kind reward_accuracy = {
    .name = "accuracy",
    .help = "the answer is right by its grader (grader, strict, partial)",
    .state_bytes = sizeof(struct accuracy),
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .needs_grade = true,
    .prepare = prepare,
    .value = value,
};
