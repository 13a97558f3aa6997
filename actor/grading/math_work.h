/*
 * math_work.h - the memory and the patience one comparison of answers has.
 *
 * Everything made while two answers are compared lies in one arena and goes
 * with it.  Each operation spends steps of a budget, big numbers more than
 * small ones; when it is used up nothing more is evaluated, so that no answer,
 * however written, takes long.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_WORK_H
#define ARGOSY_ACTOR_GRADING_MATH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATH_BYTES_MAX 4096       // a longer answer is compared as text
#define MATH_TOKENS_MAX 2048      // so is one of more tokens
#define MATH_DEPTH_MAX 160        // or one nested deeper; a bracket is about five levels
#define MATH_TEXT_BYTES_MAX 65536 // of an answer that is compared as text
#define MATH_STEPS_MAX 60000      // about 100 ns each

struct math_block;

struct math_work {
    struct math_block *blocks;
    char *at, *end;
    struct exact_cell *exacts; // math_exact.c's, cleared at the end
    uint64_t n_steps;
    long precision_bits; // of balls made from now on
    bool has_left_reals; // a root or logarithm of a negative number was taken
};

void math_work_init(struct math_work *w);
void math_work_fini(struct math_work *w);
// 16-byte aligned, zeroed; lives until fini or the reset to an earlier mark.
void *math_take(struct math_work *w, size_t size_bytes);
// False when the budget is used up.
bool math_spend(struct math_work *w, uint64_t n_steps);

#endif
