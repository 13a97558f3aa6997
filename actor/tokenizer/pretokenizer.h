/*
 * pretokenizer.h - cuts a text into the pieces that a tokenizer's model sees.
 *
 * A list of steps, each cutting the pieces of the one before by a pattern.
 * Immutable once created; a user brings the pieces and the scan.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_PRETOKENIZER_H
#define ARGOSY_ACTOR_TOKENIZER_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "actor/tokenizer/tokenizer_regex.h"
#include "common/base/err.h"
#include "common/base/json.h"

#define PRETOKENIZER_STEPS_MAX 16

struct piece {
    size_t start, size_bytes; // in the text that was cut
};

struct pieces {
    struct piece *items; // malloc'ed
    size_t count, room;
};
void pieces_init(struct pieces *p);
void pieces_fini(struct pieces *p);

struct pretokenizer_step {
    struct tokenizer_regex *regex;
    bool keep_matches, keep_gaps;
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

// out and spare are cleared first; the pieces end up in out.
int pretokenizer_cut(const struct pretokenizer *p, struct regex_scan *scan, const char *text,
                     size_t size_bytes, struct pieces *out, struct pieces *spare, struct err *err);

#endif
