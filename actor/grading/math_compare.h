/*
 * math_compare.h - whether an answer is the reference, and its hash.
 *
 * README, "Math answers", states the policy: what is the same and what is not.
 * Numbers written exactly have no tolerance; a decimal of six places or more is
 * the number that rounds to it.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_COMPARE_H
#define ARGOSY_ACTOR_GRADING_MATH_COMPARE_H

#include "actor/grading/math_work.h"
#include "actor/text/text_search.h"

struct math_verdict {
    bool is_same;
    uint64_t hash;    // of the answer: the same for answers that are one; never 0
    uint64_t n_steps; // the work it took, at most three times MATH_STEPS_MAX
};

void math_compare(struct view gold, struct view answer, struct math_verdict *out);

#endif
