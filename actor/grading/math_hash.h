/*
 * math_hash.h - one number per answer, the same for answers that are one.
 *
 * Scalars hash by their value, the rest by its parts: sets, lists and unions
 * without their order, an assignment as what is assigned, a quantity without
 * its unit, an inequality in one symbol as the interval it means.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_HASH_H
#define ARGOSY_ACTOR_GRADING_MATH_HASH_H

#include "actor/grading/math_node.h"

uint64_t math_hash(struct math_work *w, struct math_node *node); // never 0

// Of a relation as an equation, even where it assigns: y = 2x and y/2 = x.
uint64_t math_equation_hash(struct math_work *w, struct math_node *node);

// What x = 5, x \in S, 2 + 3 = 5 and x = \sqrt2 \approx 1.41 say; NULL: node is
// no such relation.
struct math_node *math_assigned(struct math_work *w, struct math_node *node);
// 1 < x \le 2 as (1, 2], x > 3 as (3, \infty); NULL: not such a relation.
struct math_node *math_interval(struct math_work *w, struct math_node *node);
// The members of a list or set, those of lists within it too; others: itself.
uint32_t math_members(struct math_work *w, struct math_node *node, struct math_node ***out);
// The letter of a choice as the upper case symbol.
uint64_t math_choice_name(const struct math_node *symbol);

#endif
