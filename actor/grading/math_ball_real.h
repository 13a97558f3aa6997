/*
 * math_ball_real.h - the real half of math_ball.h: a middle and a radius.
 *
 * The radius is a power of two, kept as its exponent: error <= 2^radius.
 * Functions return false where the value is not known.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_BALL_REAL_H
#define ARGOSY_ACTOR_GRADING_MATH_BALL_REAL_H

#include <limits.h>
#include <mpfr.h>

#include "actor/grading/math_work.h"

#define RADIUS_NONE (LONG_MIN / 4) // exact

struct real {
    mpfr_t middle;
    long radius;
};

void real_new(struct math_work *w, struct real *out); // zero, exact
bool real_is_zero(const struct real *a);              // exactly
bool real_has_zero(const struct real *a);
int real_sign(const struct real *a);              // 0: may be either
long real_magnitude(const struct real *a);        // |a| < 2^this, the error included
void real_rounded(struct real *out, int inexact); // after an operation of MPFR

void real_copy(struct math_work *w, struct real *out, const struct real *a);
void real_negate(struct math_work *w, struct real *out, const struct real *a);
bool real_add(struct math_work *w, struct real *out, const struct real *a, const struct real *b);
bool real_multiply(struct math_work *w, struct real *out, const struct real *a,
                   const struct real *b);
bool real_divide(struct math_work *w, struct real *out, const struct real *a, const struct real *b);
bool real_halve(struct math_work *w, struct real *out, const struct real *a);
bool real_sqrt(struct math_work *w, struct real *out, const struct real *a);
bool real_exp(struct math_work *w, struct real *out, const struct real *a);
bool real_log(struct math_work *w, struct real *out, const struct real *a);
bool real_sin(struct math_work *w, struct real *out, const struct real *a);
bool real_cos(struct math_work *w, struct real *out, const struct real *a);
bool real_arctan(struct math_work *w, struct real *out, const struct real *a);
bool real_gamma(struct math_work *w, struct real *out, const struct real *a);
bool real_floor(struct math_work *w, struct real *out, const struct real *a);
void real_pi(struct math_work *w, struct real *out);

#endif
