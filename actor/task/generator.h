/*
 * generator.h - problems that are made, not read: rows of one table, by name.
 *
 * A generator draws a problem from a stream of random numbers and writes it.
 * The rest is the same for all of them (task_generated.c): problem n is keyed
 * by (seed, split, n); a problem is held out when the hash of what makes it
 * this problem is 0 modulo GENERATOR_HOLDOUT, so that no wording of it is on
 * both sides; and question, answer and metadata are laid out as reasoning-gym
 * lays out its rows, so that either reads the other's.  Parameters have that
 * library's names and meaning; each generator's file says where it differs.
 *
 * All generators also take
 *   levels, eval_levels  what levels take turns; absent: whatever the ranges
 *                        give, as reasoning-gym draws it
 *   size                 how many held-out problems there are (500); the
 *                        training ones have no end
 *   seed                 instead of the recipe's
 */
#ifndef ARGOSY_ACTOR_TASK_GENERATOR_H
#define ARGOSY_ACTOR_TASK_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/data/spec_fields.h"
#include "actor/grading/grader.h"
#include "actor/text/text_buffer.h"
#include "common/base/rng.h"

#define GENERATOR_HOLDOUT 8

// How a problem is worked out in words (worked_sum.h).
struct working {
    struct text_buffer *text; // one step a line, no newline at its end
    bool by_digits;           // sums and products column by column
};

struct generated { // where a problem is written to; all begun by the caller
    struct text_buffer question, answer;
    struct json_writer metadata;   // members of an open object
    const struct working *working; // NULL: not wanted
    uint32_t level;                // of difficulty, by the generator's own measure; 0: not known
    uint32_t n_steps;              // that a worked solution takes
};

struct generator {
    const char *name;     // of the task, and of the source in its rows
    const char *level_is; // what a level counts, for errors
    const struct grader *grader;
    size_t parameters_bytes, drawn_bytes; // of the generator's own structs
    const struct spec_field *fields;      // into its parameters
    size_t n_fields;
    void (*defaults)(void *parameters);
    // What the table of fields cannot say; may be NULL.
    int (*read)(struct json spec, void *parameters, struct err *err);
    // The levels that these parameters can make.
    void (*level_range)(const void *parameters, uint32_t *min, uint32_t *max);
    // False: this draw came to nothing, draw again.  `side` is the hash of what
    // makes the problem.  level 0: any.
    bool (*draw)(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side);
    void (*write)(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out);
    // Members of metadata.difficulty.
    void (*write_difficulty)(const void *parameters, struct json_writer *w);
};

extern const struct generator generator_basic_arithmetic, generator_chain_sum, generator_countdown,
    generator_gcd, generator_knights_knaves, generator_prime_factorization,
    generator_simple_equations;

extern const struct generator *const generators[];
extern const size_t n_generators;
const struct generator *generator_find(const char *name); // NULL: no such

// --- for generators ------------------------------------------------------------------------------

int64_t draw_between(struct rng_stream *rng, int64_t min, int64_t max); // both included
// A whole number of that many decimal digits: its least and largest value.
void digits_range(uint32_t n_digits, int64_t *min, int64_t *max);
uint32_t count_digits(int64_t n);

// A subset of + - * / as the spec lists it: ["+", "-"].
struct operators {
    uint32_t count;
    char items[4];
};
int operators_read(struct json spec, const char *allowed, struct operators *out, struct err *err);

// A question: the wording with `what` in place of its one %s, and, in the
// wordings of several values, `second` in place of its %t.
void write_wording(struct text_buffer *out, const char *wording, const char *what,
                   const char *second);

// ERR_USAGE naming both keys when min is over max.
int check_range(const char *what, int64_t min, int64_t max, struct err *err);

void write_range(struct json_writer *w, const char *key, uint32_t min, uint32_t max);
void write_numbers(struct json_writer *w, const char *key, const int64_t *numbers, size_t n);

#endif
