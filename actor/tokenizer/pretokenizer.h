/*
 * pretokenizer.h - cuts a text into the pieces that a tokenizer's model sees.
 *
 * A list of steps: some cut the pieces of the one before by a pattern, some
 * write them anew (a space in front, spaces made visible).  Immutable once
 * created; a user brings the cutting, which holds the pieces and the scan.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_PRETOKENIZER_H
#define ARGOSY_ACTOR_TOKENIZER_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "actor/text/text_buffer.h"
#include "actor/tokenizer/tokenizer_regex.h"
#include "common/base/err.h"
#include "common/base/json.h"

#define PRETOKENIZER_STEPS_MAX 32

struct piece {
    size_t start, size_bytes; // in the text of the cutting
};

struct pieces {
    struct piece *items; // malloc'ed
    size_t count, room;
};

struct cutting { // one user's scratch, and its result
    struct regex_scan *scan;
    struct view text;
    struct pieces pieces, spare;
    struct text_buffer written, rewritten;
};
void cutting_init(struct cutting *c);
void cutting_fini(struct cutting *c);

// What becomes of a match, as the format calls it.
enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS, // neighbours of a kind stay together
};

enum prefix_rule { PREFIX_NEVER, PREFIX_FIRST, PREFIX_ALWAYS };

struct pretokenizer_step {
    struct tokenizer_regex *regex; // NULL: a step that writes
    enum split_behavior behavior;
    bool inverted; // what does not match counts as the match
    // of a step that writes: spaces become `space`, and one comes in front
    char *space; // malloc'ed
    enum prefix_rule prefix;
};

struct pretokenizer {
    struct pretokenizer_step steps[PRETOKENIZER_STEPS_MAX];
    size_t n_steps;
    bool byte_level; // a ByteLevel step ends the list
};

// From the `pre_tokenizer` value of a tokenizer.json (null: the text is one
// piece).  A kind or an option that is not implemented is refused by name.
int pretokenizer_init(struct pretokenizer *p, struct json value, struct err *err);
void pretokenizer_fini(struct pretokenizer *p);

// The pieces end up in the cutting, until the next cut.  is_start: nothing
// stands before the text.
int pretokenizer_cut(const struct pretokenizer *p, struct view text, bool is_start,
                     struct cutting *c, struct err *err);

#endif
