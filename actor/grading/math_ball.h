/*
 * math_ball.h - complex numbers to many digits with a bound of the error (MPFR).
 *
 * A ball is a middle and a radius, both parts; the true value is inside.  Each
 * operation widens the radius by what it may have lost, so two balls apart are
 * two numbers for sure.  Operations return NULL where the value is not known:
 * a division by what may be zero, a logarithm of it, an overflow, no budget;
 * NULL as an operand gives NULL.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_BALL_H
#define ARGOSY_ACTOR_GRADING_MATH_BALL_H

#include "actor/grading/math_exact.h"

struct ball;

const struct ball *ball_of_exact(struct math_work *w, const struct exact *value);
const struct ball *ball_of_parts(struct math_work *w, int64_t over, unsigned n_bits_under);
const struct ball *ball_pi(struct math_work *w);
const struct ball *ball_i(struct math_work *w);

const struct ball *ball_add(struct math_work *w, const struct ball *a, const struct ball *b);
const struct ball *ball_multiply(struct math_work *w, const struct ball *a, const struct ball *b);
const struct ball *ball_divide(struct math_work *w, const struct ball *a, const struct ball *b);
const struct ball *ball_negate(struct math_work *w, const struct ball *a);
const struct ball *ball_exp(struct math_work *w, const struct ball *a);
const struct ball *ball_log(struct math_work *w, const struct ball *a);
const struct ball *ball_sqrt(struct math_work *w, const struct ball *a);
const struct ball *ball_abs(struct math_work *w, const struct ball *a);
// To the power of an exact number: odd roots of negative reals are real.
const struct ball *ball_power_exact(struct math_work *w, const struct ball *a,
                                    const struct exact *b);
// Of real balls only.
const struct ball *ball_sin(struct math_work *w, const struct ball *a);
const struct ball *ball_cos(struct math_work *w, const struct ball *a);
const struct ball *ball_arctan(struct math_work *w, const struct ball *a);
const struct ball *ball_floor(struct math_work *w, const struct ball *a);
const struct ball *ball_gamma(struct math_work *w, const struct ball *a); // of positive ones

bool ball_is_real(const struct ball *a);
bool ball_has_zero(const struct ball *a); // zero may be the value
// -1, 1: below or above for sure; 0: not known, or not real.
int ball_compare(struct math_work *w, const struct ball *a, const struct ball *b);

// A hash of the value's first BALL_DIGITS_BITS bits, the same for balls of one
// value; false: it is not known so closely.
#define BALL_DIGITS_BITS 192
bool ball_hash(const struct ball *a, uint64_t *out);

#endif
