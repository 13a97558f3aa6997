/*
 * reward.h - from a response's text to numbers.
 *
 * Components are rows of one table; the spec lists which count and how much:
 *   [{"name": "accuracy", "weight": 1}, {"name": "format", "weight": 1}]
 *  accuracy  1 when the answer is right by the task's grading, else 0;
 *            "strict": true counts it only in a formatted response
 *  format    1 when the response is formatted (response.h), else 0
 * The total is the weighted sum.  A list that is absent means the two above.
 */
#ifndef ARGOSY_ACTOR_REWARD_REWARD_H
#define ARGOSY_ACTOR_REWARD_REWARD_H

#include "actor/grading/response.h"
#include "actor/reward/score.h"
#include "actor/task/task.h"

struct reward_kind;

struct reward {
    const struct reward_kind *kind;
    double weight;
    bool is_strict;
};

struct rewards {
    struct reward items[REWARDS_MAX];
    uint32_t count;
};

int rewards_init(struct rewards *r, struct json spec, struct err *err);

// Metrics besides: level, format, steps, style, reflective_words.
void rewards_score(const struct rewards *r, const struct problem *problem, struct view response,
                   bool is_stopped, struct score *out);

#endif
