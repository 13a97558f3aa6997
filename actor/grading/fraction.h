/*
 * fraction.h - a quotient of two 64-bit whole numbers, exact or refused.
 */
#ifndef ARGOSY_ACTOR_GRADING_FRACTION_H
#define ARGOSY_ACTOR_GRADING_FRACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_search.h"

struct fraction {
    int64_t over, under; // lowest terms, under > 0; over is never INT64_MIN
};

// False: division by zero, or it does not fit.
bool fraction_make(int64_t over, int64_t under, struct fraction *out);
bool fraction_apply(char op, struct fraction a, struct fraction b, struct fraction *out);

// "-12", "0.25", "1.5e3", "3/4", "\frac{3}{4}" and nothing else around it.
bool fraction_read(struct view text, struct fraction *out);

#endif
