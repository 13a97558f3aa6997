/*
 * math_number.h - one number as people write it: 1,000  1\,000  1{,}000  .5
 * 0.\overline{3}  1.2e5.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_NUMBER_H
#define ARGOSY_ACTOR_GRADING_MATH_NUMBER_H

#include "actor/grading/math_exact.h"
#include "actor/text/text_search.h"

struct number_spelling {
    size_t n_bytes;             // how much of the text it takes, at least 1
    const struct exact *number; // NULL: too large
    const char *digits;         // of a whole number, without separators; else NULL
    uint32_t n_digits;
    int n_decimals;    // digits after the point; -1: no point (or a repeated part: exact)
    bool is_ambiguous; // a comma in or after it could be read in another way
};

// text starts with a digit, or a dot and a digit.  commas_group: a comma before
// three digits groups; is_decimal_comma: a comma before digits is the point.
void math_number_read(struct math_work *w, struct view text, bool commas_group,
                      bool is_decimal_comma, struct number_spelling *out);

#endif
