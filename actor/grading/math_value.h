/*
 * math_value.h - what a scalar is worth.
 *
 * Three ways, each where it applies: exactly (rational constants), modulo a
 * prime (rational functions), and in balls of many digits (all else).  Symbols
 * stand for fixed random numbers, so that equal functions have equal values.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_VALUE_H
#define ARGOSY_ACTOR_GRADING_MATH_VALUE_H

#include "actor/grading/math_ball.h"
#include "actor/grading/math_node.h"

#define VALUE_POINTS 2      // symbols positive: the points of the hash
#define VALUE_POINTS_ALL 10 // then of either sign and of other sizes

bool math_is_scalar(const struct math_node *node); // by its kind

// NULL: not a rational constant, or not known.  Kept in the node.
const struct exact *math_exact_value(struct math_work *w, struct math_node *node);
// At one point; NULL where it is not known.
const struct ball *math_ball_value(struct math_work *w, struct math_node *node, unsigned point);
// Sets the hash of a scalar; false: it has no value that we know.
bool math_value_find(struct math_work *w, struct math_node *node);

// Scalars of equal hash: whether they differ after all, exactly where that can be
// told, or where symbols are negative.
bool math_values_differ(struct math_work *w, struct math_node *a, struct math_node *b);

// The hash of (left - right) up to a constant factor, and the sign of that at the
// first point (0: not real).
bool math_hash_ratio(struct math_work *w, struct math_node *left, struct math_node *right,
                     int *sign, uint64_t *out);

#endif
