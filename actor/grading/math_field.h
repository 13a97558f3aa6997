/*
 * math_field.h - rational functions at a random point, exactly.
 *
 * In the field of a prime of 61 bits every symbol is a fixed random number, so
 * two rational functions that are not the same agree with a chance of about
 * their degree in 2^61 (Schwartz and Zippel), and there is no rounding.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_FIELD_H
#define ARGOSY_ACTOR_GRADING_MATH_FIELD_H

#include "actor/grading/math_node.h"

#define FIELD_POINTS 2

// The value at one of the points; false: not a rational function, or a pole.
bool math_field_value(struct math_work *w, struct math_node *node, unsigned point, uint64_t *out);
uint64_t math_field_subtract(uint64_t a, uint64_t b, unsigned point);
bool math_field_divide(uint64_t a, uint64_t b, unsigned point, uint64_t *out); // false: b is 0

// A fixed random number that belongs to a name and a point.
uint64_t math_random(uint64_t name, unsigned point);

#endif
