/*
 * reward.h - from a response's text to numbers.
 *
 * Components are rows of one table (reward_kind.h); the spec lists which count
 * and how much: [{"name": "accuracy", "weight": 1}, {"name": "format"}].  Every
 * component has name, weight (default 1) and label (what metrics call it,
 * default the name); the other keys are its own and stand beside its code.  The
 * total is the sum of weight times value in the order of the list.  A list that
 * is absent means accuracy and format.
 *
 * Rules are pure functions of the case and are judged at once.  Components that
 * ask a process are scorers: asked with rewards_submit, answered by
 * rewards_poll.  A fault of one is a typed outcome of the whole score, never a
 * value.
 *
 * Rules may be judged by many threads; the rest is one thread's.
 */
#ifndef ARGOSY_ACTOR_REWARD_REWARD_H
#define ARGOSY_ACTOR_REWARD_REWARD_H

#include "actor/data/served_files.h"
#include "actor/grading/response.h"
#include "actor/grading/response_format.h"
#include "actor/reward/score.h"
#include "actor/task/task.h"

#define REWARD_TOKENS_UNKNOWN UINT32_MAX

struct reward_kind;
struct scoring;

struct reward_setting {           // of the run
    uint32_t max_response_length; // tokens; UINT32_MAX: not known
    const struct served_file *files;
    size_t n_files;
};

struct reward_case { // what is scored; borrowed
    const struct problem *problem;
    struct view response;
    bool is_stopped;   // the model ended it by itself
    uint32_t n_tokens; // of the response, with the one that ended it
};

struct reward {
    const struct reward_kind *kind;
    void *state; // settings and what else the kind keeps
    char label[SPEC_STRING_BYTES];
    double weight;
};

struct rewards {
    struct reward items[REWARDS_MAX];
    uint32_t count;
    uint32_t n_scorers;
    const struct response_format *format; // what "formatted" means: the list's, or strict
    bool is_graded;                       // a component needs the problem's grader
    bool has_started;                     // scorers may be asked
    struct scoring *scoring;              // scores under way
};

int rewards_init(struct rewards *r, struct json spec, const struct reward_setting *setting,
                 struct err *err);
void rewards_fini(struct rewards *r); // of a zeroed one: nothing; kills what scorers run

// The name of a kind of component, or NULL; for help and for choosing one by name.
const char *reward_kind_name(size_t i);
const char *reward_kind_help(size_t i);

// Some component runs a command that the spec names.
bool rewards_have_commands(const struct rewards *r);
// Makes scorers ready: writes served files out, checks that a sandbox works.
// Until then nothing is run, and what needs it comes back as OUTCOME_SCORER_ERROR.
int rewards_start(struct rewards *r, struct err *err);

// All that rules say of it; pure.  With scorers in the list it is not the whole.
// Metrics besides: level, format, steps, style, reflective_words.
void rewards_judge(const struct rewards *r, const struct reward_case *c, struct score *out);

// Asks for the whole score, which a later poll brings.  -1: it cannot be asked
// for now, too much is under way.
int rewards_submit(struct rewards *r, uint64_t ticket, const struct reward_case *c, uint64_t now_ms,
                   struct err *err);
// One finished score, or false.  Also what drives scorers: call it often.
bool rewards_poll(struct rewards *r, uint64_t now_ms, uint64_t *ticket, struct score *out);
void rewards_cancel(struct rewards *r, uint64_t ticket); // its score is not wanted any more
size_t rewards_waiting(const struct rewards *r);         // submitted, not yet polled
// Readable when a scorer has something to say; -1: there is no such thing.
int rewards_fd(const struct rewards *r);

#endif
