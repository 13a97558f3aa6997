/*
 * math_exact.h - rational numbers of any size up to a limit, exactly (GMP).
 *
 * Every result is new, in lowest terms, and lives as long as its math_work.
 * NULL: there is no such number, it would be larger than EXACT_BITS_MAX, or the
 * budget is used up; NULL as an operand gives NULL.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_EXACT_H
#define ARGOSY_ACTOR_GRADING_MATH_EXACT_H

#include "actor/grading/math_work.h"

#define EXACT_BITS_MAX 32768 // of numerator and denominator

struct exact { // an mpq_t
    uint64_t opaque[4];
};

const struct exact *exact_of(struct math_work *w, long over, unsigned long under);
// digits (decimal) divided by 10 to the n_decimals, which may be negative.
const struct exact *exact_of_digits(struct math_work *w, const char *digits, size_t n_digits,
                                    long n_decimals);
// The value of digits in this base, 2 to 36; NULL if one is not of the base.
const struct exact *exact_of_base(struct math_work *w, const char *digits, size_t n_digits,
                                  int base);

const struct exact *exact_add(struct math_work *w, const struct exact *a, const struct exact *b);
const struct exact *exact_multiply(struct math_work *w, const struct exact *a,
                                   const struct exact *b);
const struct exact *exact_divide(struct math_work *w, const struct exact *a, const struct exact *b);
const struct exact *exact_negate(struct math_work *w, const struct exact *a);
// a to a rational power, if that is rational; odd roots of negative numbers are real.
const struct exact *exact_power(struct math_work *w, const struct exact *a, const struct exact *b);
const struct exact *exact_floor(struct math_work *w, const struct exact *a);
const struct exact *exact_factorial(struct math_work *w, const struct exact *a);
const struct exact *exact_binomial(struct math_work *w, const struct exact *n,
                                   const struct exact *k);
const struct exact *exact_gcd(struct math_work *w, const struct exact *a, const struct exact *b);

int exact_sign(const struct exact *a);
int exact_compare(const struct exact *a, const struct exact *b);
// A numerator or denominator of more bits than that.
bool exact_is_wider(const struct exact *a, size_t n_bits);
bool exact_is_integer(const struct exact *a);
bool exact_to_long(const struct exact *a, long *out); // false: no integer that fits
bool exact_is_odd(const struct exact *a);             // an odd numerator
bool exact_is_root_odd(const struct exact *a);        // an odd denominator
uint64_t exact_modulo(const struct exact *a, uint64_t prime, bool *is_known);
uint64_t exact_exponent_modulo(const struct exact *a,
                               uint64_t order); // of an integer, 0 to order-1

void exact_clear_all(struct math_work *w);

#endif
