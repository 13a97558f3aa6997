/*
 * math_text.h - an answer that is no mathematics, as text to compare.
 *
 * White space, $, braces, fonts, spacing and the dot at the end go; \dfrac and
 * \tfrac are \frac.  Linear; at most MATH_TEXT_BYTES_MAX of it are looked at,
 * the rest as it is.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_TEXT_H
#define ARGOSY_ACTOR_GRADING_MATH_TEXT_H

#include "actor/grading/math_work.h"
#include "actor/text/text_search.h"

struct view math_text_plain(struct math_work *w, struct view text);
struct view math_text_lower(struct math_work *w, struct view plain); // ASCII letters only

#endif
