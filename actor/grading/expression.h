/*
 * expression.h - arithmetic on whole numbers, exactly: + - * / and brackets.
 *
 * Values are fractions of 64-bit integers; what would overflow is refused, so
 * a value is exact or there is none.  Bounded: no recursion, at most
 * EXPRESSION_DEPTH_MAX open brackets and signs, linear time.
 */
#ifndef ARGOSY_ACTOR_GRADING_EXPRESSION_H
#define ARGOSY_ACTOR_GRADING_EXPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/grading/fraction.h"
#include "actor/text/text_search.h"

#define EXPRESSION_DEPTH_MAX 64
#define EXPRESSION_NUMBERS_MAX 16

struct expression {
    struct fraction value;
    uint32_t n_numbers; // as written, from left to right
    int64_t numbers[EXPRESSION_NUMBERS_MAX];
};

// False when it is no expression, divides by zero, overflows or is too large.
// × · ÷ − and \times \cdot \div \frac{}{}, square and curly brackets, and an
// "= value" at its end are understood.
bool expression_evaluate(struct view text, struct expression *out);

#endif
