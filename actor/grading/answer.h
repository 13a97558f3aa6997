/*
 * answer.h - the final answer of a response, and when two answers are one text.
 *
 * What counts is what follows the last </think>, or all where there is none.
 * There the answer is, the first of these that is there:
 *  1. the inside of the last complete <answer>…</answer>, and in it the first of
 *     the next three, else all of it;
 *  2. the inside of the last complete \boxed{…} or \fbox{…}.  Boxes with only
 *     commas, "and" or "or" between them are one answer, boxes included;
 *  3. what follows the last "####", to the end of its line;
 *  4. what follows the last "answer is", "answer:", "答案是", "答案：", to the
 *     end of its sentence.
 * So a later box wins over an earlier one, a box over a sentence after it, and a
 * number that nothing announces is no answer.
 *
 * Two answers are one text when their canonical texts are.  A number loses
 * thousands separators, $ and spaces around it, a final dot, needless zeros and
 * plus sign: "$1,234.50." is "1234.5", "27.0" is "27".  Other text only loses
 * white space and $ at its ends.  (math_compare.h knows more.)
 */
#ifndef ARGOSY_ACTOR_GRADING_ANSWER_H
#define ARGOSY_ACTOR_GRADING_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_buffer.h"
#include "actor/text/text_search.h"

// False when there is none, or only white space.  The view is into the text.
bool answer_find(struct view text, struct view *out);
// The inside of the last box, as above.
bool answer_find_boxed(struct view text, struct view *out);
// What follows the last "####", to the end of its line.
bool answer_find_marked(struct view text, struct view *out);
// What the last sentence that announces an answer announces.
bool answer_find_announced(struct view text, struct view *out);

void answer_canonical(struct view answer, struct text_buffer *out); // cleared first
uint64_t answer_hash(const char *canonical, size_t size_bytes);     // never 0

#endif
