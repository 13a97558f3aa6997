/*
 * code_output.h - whether what a program printed is what was expected.
 *
 * Compared line by line and in a line token by token: tokens are parted by
 * white space, how much of it does not matter, and neither do blank lines.
 * Two tokens agree when they are the same bytes, or when the expected one is a
 * decimal fraction ("0.5", "1e-3", not "5") and the other is a number within
 * 1e-6 of it, absolute or relative to it, whichever is more.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_CODE_OUTPUT_H
#define ARGOSY_ACTOR_SANDBOX_CODE_OUTPUT_H

#include <stdbool.h>

#include "actor/text/text_search.h"

bool code_output_is_right(struct view got, struct view want);

#endif
