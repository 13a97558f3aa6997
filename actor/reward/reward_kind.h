/*
 * reward_kind.h - one kind of reward component: a row of the table in reward.c.
 *
 * A kind keeps its settings in a struct of its own, filled from the spec by its
 * table of fields over its defaults, then checked by prepare().  It has either
 * value(), a rule, or a scorer.
 */
#ifndef ARGOSY_ACTOR_REWARD_REWARD_KIND_H
#define ARGOSY_ACTOR_REWARD_REWARD_KIND_H

#include "actor/data/spec_fields.h"
#include "actor/reward/reward.h"

struct reward_input {
    const struct reward_case *sample;
    const struct response *response;
    bool is_formatted;  // has the whole form that the list's format component asks for
    struct grade grade; // by the problem's grader, where rewards.is_graded
};

struct reward_answer { // of a scorer
    uint64_t ticket;
    enum outcome outcome;
    char outcome_text[256];
    double value;
    bool has_verdict, is_correct;           // it says whether the answer is right
    uint32_t n_parts;                       // what the value is made of, for metrics only
    struct named_number parts[REWARDS_MAX]; // names owned by the component
};

struct scorer {
    // Once, before anything is asked; what it cannot do without is an error.
    int (*start)(void *state, struct err *err);
    // Asks; the case is copied.  -1: no room.
    int (*submit)(void *state, uint64_t ticket, const struct reward_case *c, uint64_t now_ms,
                  struct err *err);
    bool (*poll)(void *state, uint64_t now_ms, struct reward_answer *out);
    void (*cancel)(void *state, uint64_t ticket);
    int (*fd)(const void *state); // readable when a poll may bring something
    bool runs_commands;           // of the spec's
};

struct reward_kind {
    const char *name;
    const char *help; // one line
    size_t state_bytes;
    const void *defaults; // (state_bytes), or NULL: zeros
    const struct spec_field *fields;
    size_t n_fields;
    bool needs_grade;
    // `what` is how errors call the component.
    int (*prepare)(void *state, struct json spec, const struct reward_setting *setting,
                   const char *what, struct err *err);
    void (*release)(void *state);
    // -1: this case cannot be judged (ERR_FORMAT: its data is bad).
    int (*value)(const void *state, const struct reward_input *in, double *out, struct err *err);
    const struct scorer *scorer;
};

extern const struct reward_kind reward_accuracy, reward_code, reward_cosine, reward_external,
    reward_format, reward_language, reward_overlong, reward_repetition;

// What "formatted" means to this state of reward_format.
const struct response_format *reward_format_of(const void *state);

enum outcome reward_outcome(const struct err *err); // of a fault

#endif
