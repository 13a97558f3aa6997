/*
 * answer.h - the final answer of a response, and when two answers are one.
 *
 * The answer is what stands in the last complete <answer>…</answer>; without
 * one, in the last \boxed{…}; without one, after the last "####" up to the end
 * of its line.  A \boxed{} inside the tag is opened too.
 *
 * Two answers are equal when their canonical texts are.  A number loses
 * thousands separators, $ and spaces around it, a final dot, needless zeros and
 * plus sign: "$1,234.50." is "1234.5", "27.0" is "27".  Other text only loses
 * white space and $ at its ends.
 */
#ifndef ARGOSY_ACTOR_GRADING_ANSWER_H
#define ARGOSY_ACTOR_GRADING_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_buffer.h"
#include "actor/text/text_search.h"

// False when there is none, or only white space.  The view is into the text.
bool answer_find(struct view text, struct view *out);
// The contents of the last \boxed{…} with matching braces.
bool answer_find_boxed(struct view text, struct view *out);
// What follows the last "####", to the end of its line.
bool answer_find_marked(struct view text, struct view *out);

void answer_canonical(struct view answer, struct text_buffer *out); // cleared first
uint64_t answer_hash(const char *canonical, size_t size_bytes);     // never 0

#endif
