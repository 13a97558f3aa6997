/*
 * math_same.h - whether two trees are one answer, the first being the reference.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_SAME_H
#define ARGOSY_ACTOR_GRADING_MATH_SAME_H

#include "actor/grading/math_node.h"

bool math_same(struct math_work *w, struct math_node *gold, struct math_node *answer);

#endif
