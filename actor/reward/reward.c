#include "actor/reward/reward.h"

#include <stdio.h>
#include <string.h>

struct reward_input {
    const struct response *response;
    struct grade grade;
};

struct reward_kind {
    const char *name;
    double (*value)(const struct reward *r, const struct reward_input *in);
};

static double accuracy(const struct reward *r, const struct reward_input *in)
{
    return in->grade.is_correct && (!r->is_strict || in->response->is_formatted) ? 1 : 0;
}

static double format(const struct reward *r, const struct reward_input *in)
{
    (void)r;
    return in->response->is_formatted ? 1 : 0;
}

static const struct reward_kind kinds[] = {{"accuracy", accuracy}, {"format", format}};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

// --- the list ------------------------------------------------------------------------------------

struct reward_spec {
    char name[SPEC_STRING_BYTES];
    double weight;
    bool is_strict;
};

static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct reward_spec, name), 0, 0},
    {"weight", SPEC_DOUBLE, offsetof(struct reward_spec, weight), -1e6, 1e6},
    {"strict", SPEC_BOOL, offsetof(struct reward_spec, is_strict), 0, 0},
};

static int add_reward(struct rewards *r, const struct reward_spec *spec, struct err *err)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (strcmp(r->items[i].kind->name, spec->name) == 0)
            return err_set(err, ERR_USAGE, "spec.rewards: '%s' is listed twice", spec->name);
    for (size_t i = 0; i < N_KINDS; i++) {
        if (strcmp(kinds[i].name, spec->name) != 0) continue;
        if (spec->is_strict && kinds[i].value != accuracy)
            return err_set(err, ERR_USAGE, "spec.rewards: strict is of accuracy only");
        r->items[r->count++] = (struct reward){&kinds[i], spec->weight, spec->is_strict};
        return 0;
    }
    return err_set(err, ERR_USAGE, "spec.rewards: want accuracy or format, got '%s'", spec->name);
}

int rewards_init(struct rewards *r, struct json spec, struct err *err)
{
    *r = (struct rewards){0};
    if (!json_is_present(spec)) {
        r->items[r->count++] = (struct reward){&kinds[0], 1, false};
        r->items[r->count++] = (struct reward){&kinds[1], 1, false};
        return 0;
    }
    size_t n = json_count(spec);
    if (!json_is_array(spec) || n == 0 || n > REWARDS_MAX)
        return err_set(err, ERR_USAGE, "spec.rewards: want a list of 1 to %d", REWARDS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct reward_spec item = {.weight = 1};
        if (spec_read(json_item(spec, i), "spec.rewards[]", fields,
                      sizeof fields / sizeof fields[0], &item, err) != 0 ||
            add_reward(r, &item, err) != 0)
            return -1;
    }
    return 0;
}

// --- scoring -------------------------------------------------------------------------------------

static struct text static_text(const char *s)
{
    return (struct text){s, (uint32_t)strlen(s)};
}

static void add_metric(struct score *out, const char *name, double value)
{
    out->metrics[out->n_metrics++] = (struct named_number){static_text(name), value};
}

// A reference that cannot be graded against is the data's fault, not the answer's.
static void fail(struct score *out, const struct problem *problem, const struct err *err)
{
    *out = (struct score){.outcome = OUTCOME_BAD_DATA, .source = static_text(problem->source)};
    snprintf(out->outcome_text, sizeof out->outcome_text, "%s", err->text);
}

static struct view view_of(const char *text)
{
    return (struct view){text, text == NULL ? 0 : strlen(text)};
}

void rewards_score(const struct rewards *r, const struct problem *problem, struct view text,
                   bool is_stopped, struct score *out)
{
    struct err err;
    struct response response;
    response_read(&response, text, is_stopped, problem->n_steps);
    struct reward_input in = {.response = &response};
    const struct grading grading = {.response = text,
                                    .answer = response.answer,
                                    .gold = view_of(problem->answer),
                                    .metadata = view_of(problem->metadata)};
    if (grader_judge(problem->grader, &grading, &in.grade, &err) != 0) {
        fail(out, problem, &err);
        return;
    }
    *out = (struct score){
        .outcome = OUTCOME_OK,
        .answer = in.grade.hash,
        .is_correct = in.grade.is_correct,
        .source = static_text(problem->source),
    };
    for (uint32_t i = 0; i < r->count; i++) {
        const struct reward *item = &r->items[i];
        double value = item->kind->value(item, &in);
        if (item->kind->value == accuracy) out->is_correct = value == 1;
        out->reward += item->weight * value;
        out->rewards[out->n_rewards++] =
            (struct named_number){static_text(item->kind->name), value};
    }
    add_metric(out, "level", problem->level);
    add_metric(out, "format", response.is_formatted ? 1 : 0);
    add_metric(out, "steps", response.n_steps);
    add_metric(out, "style", (double)response.style);
    add_metric(out, "reflective_words", response.n_reflective);
}
