/*
 * worked_sum.h - one operation on whole numbers, written out as a line.
 *
 *   working_step('+', 47, 85)   47 + 85 = 132
 *   by digits                   47 + 85 : 7 + 5 = 12 , 4 + 8 + 1 = 13 ; 47 + 85 = 132
 *                               132 - 85 : 12 - 5 = 7 , 12 - 8 = 4 , 0 - 0 = 0 ; ...
 *                               47 * 85 : 47 * 5 = 235 , 47 * 80 = 3760 , 235 + 3760 = 3995 ; ...
 *
 * Columns run from the last digit to the first.  In a sum the carry is the
 * third term; in a difference a digit that is too small is written with the ten
 * it borrows, and the next one without it.  Signs are settled first:
 * "5 - 47 = -(47 - 5) : ...".  Columns are only written where a number has two
 * digits or more; what is short is known by heart.
 */
#ifndef ARGOSY_ACTOR_TASK_WORKED_SUM_H
#define ARGOSY_ACTOR_TASK_WORKED_SUM_H

#include "actor/task/generator.h"

// False when the result does not fit or, for '/', is not whole; op is one of + - * /.
bool arithmetic_apply(char op, int64_t a, int64_t b, int64_t *out);
// A line, a newline before it if there is one already.  The step must be one that
// arithmetic_apply can do.
void working_step(const struct working *w, char op, int64_t a, int64_t b);
void working_line(const struct working *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
