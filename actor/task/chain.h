/*
 * chain.h - the labelled chain: one start value, then one operation per letter.
 *
 *   q=1;r*7;s+2;t+2;s?      asks for s: q=1, r=7, s=9
 *
 * Values are whole numbers modulo `modulus`.  Each letter's operation applies
 * to the value of the letter before it in the alphabet; the statements stand in
 * random order, and letters after the one asked for are of no use.  Multipliers
 * should be coprime to the modulus: then every answer is equally likely, and a
 * guess is right once in `modulus` at any level.
 *
 * A chain is held out when the hash of its start value and operations is 0
 * modulo CHAIN_HOLDOUT: whatever its letters, order and useless statements, the
 * same chain is on one side only.
 */
#ifndef ARGOSY_ACTOR_TASK_CHAIN_H
#define ARGOSY_ACTOR_TASK_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/data/spec_fields.h"
#include "actor/text/text_buffer.h"
#include "common/base/rng.h"

#define CHAIN_LETTERS 26
#define CHAIN_LEVEL_MAX 12
#define CHAIN_HOLDOUT 8

struct chain_parameters {
    uint32_t modulus;
    struct spec_list add, subtract, multiply;     // operands; empty: operation not used
    uint32_t ops_per_level, ops_less, ops_spread; // level L: per*L - less + 0..spread
    bool has_extras;                              // useless statements: 0 .. 1 + L/2
    bool is_shuffled;
};

struct chain_op {
    char op; // + - *
    uint32_t operand;
};

struct chain {
    uint32_t level;
    uint32_t n_ops;    // up to the letter asked for
    uint32_t n_extras; // useless ones after it
    uint32_t modulus;
    uint32_t first_letter;
    uint32_t start_value;
    uint32_t answer;
    struct chain_op ops[CHAIN_LETTERS]; // of letter first + 1 + i
    uint32_t order[CHAIN_LETTERS];      // statement i defines letter first + order[i]
};

extern const struct spec_field chain_fields[];
extern const size_t n_chain_fields;

void chain_defaults(struct chain_parameters *p);
// Whether every one of these levels can be made.
int chain_check(const struct chain_parameters *p, const struct spec_list *levels, const char *what,
                struct err *err);

// Draws until the chain is on the wanted side; -1 when none is found.
int chain_draw(const struct chain_parameters *p, uint32_t level, bool held_out,
               struct rng_stream *rng, struct chain *out, struct err *err);

struct chain_op chain_draw_op(const struct chain_parameters *p, struct rng_stream *rng);
uint32_t chain_apply(struct chain_op op, uint32_t value, uint32_t modulus);
char chain_letter(const struct chain *c, uint32_t i);

// "q=1;r*7;…s?"
void chain_write_problem(const struct chain *c, struct text_buffer *out);

#endif
