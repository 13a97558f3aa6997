#include "actor/reward/reward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/reward/reward_kind.h"
#include "actor/reward/scoring.h"

static const struct reward_kind *const kinds[] = {
    &reward_accuracy, &reward_format,     &reward_language, &reward_overlong,
    &reward_cosine,   &reward_repetition, &reward_code,     &reward_external};
enum { N_KINDS = sizeof kinds / sizeof kinds[0], FIELDS_MAX = 24 };

const char *reward_kind_name(size_t i)
{
    return i < N_KINDS ? kinds[i]->name : NULL;
}

const char *reward_kind_help(size_t i)
{
    return i < N_KINDS ? kinds[i]->help : NULL;
}

// --- the list ------------------------------------------------------------------------------------

static const struct reward_kind *find_kind(const char *name)
{
    for (size_t i = 0; name != NULL && i < N_KINDS; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

static int refuse_name(const char *name, struct err *err)
{
    char known[256] = "";
    for (size_t i = 0, at = 0; i < N_KINDS && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i == 0 ? "" : ", ",
                               kinds[i]->name);
    return err_set(err, ERR_USAGE, "rewards: want one of %s, got '%.60s'", known,
                   name == NULL ? "" : name);
}

struct common_fields {
    char name[SPEC_STRING_BYTES];
    char label[SPEC_STRING_BYTES];
    double weight;
};

static const struct spec_field common[] = {
    {"name", SPEC_STRING, offsetof(struct common_fields, name), 0, 0},
    {"label", SPEC_STRING, offsetof(struct common_fields, label), 0, 0},
    {"weight", SPEC_DOUBLE, offsetof(struct common_fields, weight), -1e6, 1e6},
};
enum { N_COMMON = sizeof common / sizeof common[0] };

// Both tables read the same map, each taking the other's keys as known.
static int read_fields(struct json spec, const char *what, const struct reward_kind *kind,
                       struct common_fields *shared, void *state, struct err *err)
{
    struct spec_field fields[FIELDS_MAX];
    const size_t n = N_COMMON + kind->n_fields;
    CHECK(n <= FIELDS_MAX);
    memcpy(fields, common, sizeof common);
    for (size_t i = 0; i < kind->n_fields; i++) {
        fields[N_COMMON + i] = kind->fields[i];
        fields[N_COMMON + i].type = SPEC_OTHER;
    }
    if (spec_read(spec, what, fields, n, shared, err) != 0) return -1;
    for (size_t i = 0; i < n; i++)
        fields[i].type = i < N_COMMON ? SPEC_OTHER : kind->fields[i - N_COMMON].type;
    return spec_read(spec, what, fields, n, state, err);
}

static int check_label(const struct rewards *r, const char *label, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-.@";
    const size_t n = strlen(label);
    if (n == 0 || n > NAME_BYTES_MAX / 2 || strspn(label, allowed) != n)
        return err_set(err, ERR_USAGE,
                       "rewards: label '%.60s': want letters, digits and _-.@, at most %d", label,
                       NAME_BYTES_MAX / 2);
    for (uint32_t i = 0; i < r->count; i++)
        if (strcmp(r->items[i].label, label) == 0)
            return err_set(err, ERR_USAGE, "rewards: '%s' is listed twice; give one a label",
                           label);
    return 0;
}

static int add_reward(struct rewards *r, struct json spec, const struct reward_setting *setting,
                      struct err *err)
{
    const char *name = json_to_string(json_member(spec, "name"), NULL);
    const struct reward_kind *kind = find_kind(name);
    if (!json_is_object(spec)) return err_set(err, ERR_USAGE, "rewards: want a list of maps");
    if (kind == NULL) return refuse_name(name, err);
    char what[SPEC_STRING_BYTES + 16];
    snprintf(what, sizeof what, "rewards: %s", kind->name);
    struct reward item = {.kind = kind, .state = calloc(1, kind->state_bytes + 1)};
    CHECK(item.state != NULL);
    if (kind->defaults != NULL) memcpy(item.state, kind->defaults, kind->state_bytes);
    struct common_fields shared = {.weight = 1};
    int result = read_fields(spec, what, kind, &shared, item.state, err);
    const char *label = shared.label[0] != '\0' ? shared.label : kind->name;
    if (result == 0) result = check_label(r, label, err);
    if (result == 0 && kind->prepare != NULL)
        result = kind->prepare(item.state, spec, setting, what, err);
    if (result != 0) {
        free(item.state);
        return -1;
    }
    snprintf(item.label, sizeof item.label, "%s", label);
    item.weight = shared.weight;
    r->items[r->count++] = item;
    r->n_scorers += kind->scorer != NULL;
    r->is_graded |= kind->needs_grade;
    return 0;
}

static void choose_format(struct rewards *r)
{
    r->format = response_format_strict;
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->items[i].kind != &reward_format) continue;
        r->format = reward_format_of(r->items[i].state);
        return;
    }
}

static const char default_list[] = "[{\"name\":\"accuracy\"},{\"name\":\"format\"}]";

int rewards_init(struct rewards *r, struct json spec, const struct reward_setting *setting,
                 struct err *err)
{
    *r = (struct rewards){0};
    struct json_document *usual = NULL;
    if (!json_is_present(spec)) {
        usual = json_parse(default_list, sizeof default_list - 1, "rewards", err);
        CHECK(usual != NULL);
        spec = json_root(usual);
    }
    const size_t n = json_count(spec);
    int result = 0;
    if (!json_is_array(spec) || n == 0 || n > REWARDS_MAX)
        result = err_set(err, ERR_USAGE, "rewards: want a list of 1 to %d", REWARDS_MAX);
    for (size_t i = 0; i < n && result == 0; i++)
        result = add_reward(r, json_item(spec, i), setting, err);
    json_destroy(usual);
    if (result != 0) {
        rewards_fini(r);
        return -1;
    }
    choose_format(r);
    r->scoring = scoring_create(r);
    return 0;
}

void rewards_fini(struct rewards *r)
{
    scoring_destroy(r->scoring);
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->items[i].kind->release != NULL) r->items[i].kind->release(r->items[i].state);
        free(r->items[i].state);
    }
    *r = (struct rewards){0};
}

int rewards_start(struct rewards *r, struct err *err)
{
    for (uint32_t i = 0; i < r->count; i++) {
        const struct reward *item = &r->items[i];
        if (item->kind->scorer != NULL && item->kind->scorer->start(item->state, err) != 0)
            return err_prefix(err, "rewards: %s", item->label);
    }
    scoring_watch(r->scoring);
    r->has_started = true;
    return 0;
}

bool rewards_have_commands(const struct rewards *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->items[i].kind->scorer != NULL && r->items[i].kind->scorer->runs_commands)
            return true;
    return false;
}

// --- rules ---------------------------------------------------------------------------------------

static struct text static_text(const char *s)
{
    return (struct text){s, (uint32_t)strlen(s)};
}

static void add_metric(struct score *out, const char *name, double value)
{
    out->metrics[out->n_metrics++] = (struct named_number){static_text(name), value};
}

enum outcome reward_outcome(const struct err *err)
{
    if (err->code == ERR_FORMAT) return OUTCOME_BAD_DATA;
    return err->code == ERR_TIMEOUT ? OUTCOME_SCORER_TIMEOUT : OUTCOME_SCORER_ERROR;
}

static void fail(struct score *out, const struct problem *problem, const char *what,
                 const struct err *err)
{
    *out = (struct score){.outcome = reward_outcome(err), .source = static_text(problem->source)};
    snprintf(out->outcome_text, sizeof out->outcome_text, "%s%s%s", what,
             what[0] == '\0' ? "" : ": ", err->text);
}

static struct view view_of(const char *text)
{
    return (struct view){text == NULL ? "" : text, text == NULL ? 0 : strlen(text)};
}

// A reference that cannot be graded against is the data's fault, not the
// answer's; it does not matter where no component wants a grade.
static int judge_answer(const struct rewards *r, struct reward_input *in, struct err *err)
{
    const struct problem *problem = in->sample->problem;
    const struct grading grading = {.response = in->sample->response,
                                    .answer = in->response->answer,
                                    .gold = view_of(problem->answer),
                                    .metadata = view_of(problem->metadata)};
    if (grader_judge(problem->grader, &grading, &in->grade, err) == 0) return 0;
    in->grade = (struct grade){0};
    return r->is_graded ? -1 : 0;
}

static int judge_rule(const struct reward *item, const struct reward_input *in, struct score *out,
                      struct err *err)
{
    double value = 0;
    if (item->kind->value(item->state, in, &value, err) != 0) return -1;
    if (!isfinite(value)) return err_set(err, ERR_MISMATCH, "the value is not a finite number");
    if (item->kind == &reward_accuracy) out->is_correct = value >= 1;
    out->reward += item->weight * value;
    out->rewards[out->n_rewards++] = (struct named_number){static_text(item->label), value};
    return 0;
}

void rewards_judge(const struct rewards *r, const struct reward_case *c, struct score *out)
{
    struct err err;
    struct response response;
    response_read(&response, c->response, c->is_stopped, c->problem->n_steps);
    struct reward_input in = {.sample = c, .response = &response};
    in.is_formatted = r->format->value(c->response, c->is_stopped) >= 1;
    if (judge_answer(r, &in, &err) != 0) {
        fail(out, c->problem, "", &err);
        return;
    }
    *out = (struct score){.outcome = OUTCOME_OK,
                          .answer = in.grade.hash,
                          .is_correct = in.grade.is_correct,
                          .source = static_text(c->problem->source)};
    for (uint32_t i = 0; i < r->count; i++) {
        const struct reward *item = &r->items[i];
        if (item->kind->value == NULL || judge_rule(item, &in, out, &err) == 0) continue;
        fail(out, c->problem, item->label, &err);
        return;
    }
    add_metric(out, "level", c->problem->level);
    add_metric(out, "format", in.is_formatted ? 1 : 0);
    add_metric(out, "steps", response.n_steps);
    add_metric(out, "style", (double)response.style);
    add_metric(out, "reflective_words", response.n_reflective);
}

// --- scores under way ----------------------------------------------------------------------------

int rewards_submit(struct rewards *r, uint64_t ticket, const struct reward_case *c, uint64_t now_ms,
                   struct err *err)
{
    return scoring_submit(r->scoring, ticket, c, now_ms, err);
}

bool rewards_poll(struct rewards *r, uint64_t now_ms, uint64_t *ticket, struct score *out)
{
    return scoring_poll(r->scoring, now_ms, ticket, out);
}

void rewards_cancel(struct rewards *r, uint64_t ticket)
{
    scoring_cancel(r->scoring, ticket);
}

size_t rewards_waiting(const struct rewards *r)
{
    return scoring_waiting(r->scoring);
}

int rewards_fd(const struct rewards *r)
{
    return scoring_fd(r->scoring);
}
