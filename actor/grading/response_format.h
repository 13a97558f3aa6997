/*
 * response_format.h - the forms a response can be asked to have, and how far one
 * has it: 1 whole, 0 not at all.
 *
 *  strict     white space at its ends aside <think>…</think><answer>…</answer>
 *             (white space allowed between the two parts), each tag once, and
 *             the model stopped by itself
 *  think      what a chat template with a prefilled <think> asks for: one
 *             </think>, a <think> at most at the very start, an answer after it,
 *             and the model stopped by itself
 *  open_r1    the regular expression of open-r1: the text starts with <think>,
 *             and each of the four tags stands on a line of its own, </think>
 *             and <answer> on neighbouring ones
 *  tag_count  a quarter for each of the four tags that is there exactly once
 *  boxed      a \boxed{…} with matching braces
 */
#ifndef ARGOSY_ACTOR_GRADING_RESPONSE_FORMAT_H
#define ARGOSY_ACTOR_GRADING_RESPONSE_FORMAT_H

#include <stdbool.h>

#include "actor/text/text_search.h"

struct response_format {
    const char *name;
    double (*value)(struct view text, bool is_stopped);
};

extern const struct response_format response_formats[];
extern const size_t n_response_formats;
extern const struct response_format *const response_format_strict;

const struct response_format *response_format_find(const char *name); // NULL: no such

#endif
