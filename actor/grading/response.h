/*
 * response.h - what can be said about a response from its text alone.
 *
 * The one place where these are defined:
 *  formatted  it has the strict form (response_format.h).
 *  reasoning  what stands between <think> and </think>; without <think> (a
 *             template may have written it) from the start; without </think> up
 *             to the first <answer> or the end.
 *  steps      "=" signs in the reasoning: worked-out values.
 *  reflective whole words of the whole text, any case, out of: wait mistake
 *             however but retry error verify wrong evaluate check.
 *  style      short: fewer steps than the problem needs (at least one), which
 *             covers no reasoning and a start given up; long: that many or
 *             more; checked: long with a reflective word in the reasoning.
 */
#ifndef ARGOSY_ACTOR_GRADING_RESPONSE_H
#define ARGOSY_ACTOR_GRADING_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_search.h"

enum response_style { STYLE_SHORT = 0, STYLE_LONG = 1, STYLE_CHECKED = 2 };

struct response {
    struct view text;
    struct view answer; // size 0: none
    struct view reasoning;
    bool is_formatted;
    uint32_t n_steps;
    uint32_t n_reflective;
    enum response_style style;
};

// text must outlive out; n_steps_needed 0 counts as 1.
void response_read(struct response *out, struct view text, bool is_stopped,
                   uint32_t n_steps_needed);

#endif
