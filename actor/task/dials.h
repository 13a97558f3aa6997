/*
 * dials.h - two dials with a doubtful statement: a puzzle about a lock.
 *
 *   n L+2 k R-1 m maybe L+3 or X j = 7 2 l X m left 5 p R+2 o R-3 o ?
 *
 * The lock has a left and a right dial, each 0..9.  One letter says where both
 * start ("j = 7 2"); every other letter is a turn of one dial ("L+2", "R-1") or
 * a swap of the two ("X"), applied to the dials as the letter before it in the
 * alphabet left them.  Statements stand in random order, and letters after the
 * one asked for are of no use.  From level 2 on a share of problems does not
 * say what one letter does: "m maybe L+3 or X"; that exactly one of the two is
 * true follows from one dial seen at this letter or a little later ("m left 5").
 * Whoever tries the wrong one first has to notice, and go back.
 *
 * Both dials together are the answer, so a guess is right once in a hundred.
 *
 * A problem is held out when the hash of its start and turns is 0 modulo
 * DIALS_HOLDOUT: whatever its letters, order, doubt and useless statements, the
 * same turns are on one side only.
 */
#ifndef ARGOSY_ACTOR_TASK_DIALS_H
#define ARGOSY_ACTOR_TASK_DIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/data/spec_fields.h"
#include "actor/text/text_buffer.h"
#include "common/base/rng.h"

#define DIALS_LETTERS 26
#define DIALS_LEVEL_MAX 9 // has up to 24 letters: see dials.c
#define DIALS_HOLDOUT 8

enum dial { DIAL_LEFT, DIAL_RIGHT };

struct dial_values {
    uint32_t at[2]; // by enum dial; 0..9
};

struct dial_turn {
    bool is_swap;
    enum dial dial;
    int32_t by; // -3..-1, 1..3
};

struct dials_parameters {
    double swap;        // share of swaps among turns
    double doubt;       // share of problems with a doubtful statement, level 2 on
    double wrong_first; // share of those that name the wrong turn first
};

struct dials {
    uint32_t level;
    uint32_t n_turns;  // up to the letter asked for: 2 level - 1, or one more
    uint32_t n_extras; // useless ones after it
    uint32_t first_letter;
    struct dial_turn turns[DIALS_LETTERS];    // of letter first + 1 + i
    struct dial_values values[DIALS_LETTERS]; // after i turns; the last is the answer
    uint32_t n_statements;
    uint32_t order[DIALS_LETTERS + 1]; // 0: the start; i: turn i - 1; the last: what was seen

    bool is_doubtful;
    uint32_t doubtful_turn;         // below n_turns - 1
    struct dial_turn candidates[2]; // as named; one is turns[doubtful_turn]
    uint32_t seen_letter;           // values[seen_letter] is seen, on one dial
    enum dial seen_dial;
};

extern const struct spec_field dials_fields[];
extern const size_t n_dials_fields;

void dials_defaults(struct dials_parameters *p);

// Draws until the problem is on the wanted side; -1 when none is found.
int dials_draw(const struct dials_parameters *p, uint32_t level, bool held_out,
               struct rng_stream *rng, struct dials *out, struct err *err);

struct dial_turn dials_draw_turn(const struct dials_parameters *p, struct rng_stream *rng);
struct dial_values dials_draw_values(struct rng_stream *rng);
struct dial_values dials_apply(struct dial_turn turn, struct dial_values values);

char dials_letter(const struct dials *d, uint32_t i);
struct dial_values dials_answer(const struct dials *d);

// All words are set apart by single spaces; nothing stands at the ends.
const char *dials_dial_word(enum dial dial);                              // "left"
void dials_write_turn(struct dial_turn turn, struct text_buffer *out);    // "L+2"
void dials_write_values(struct dial_values v, struct text_buffer *out);   // "7 2"
void dials_write_problem(const struct dials *d, struct text_buffer *out); // "n L+2 ... o ?"

#endif
