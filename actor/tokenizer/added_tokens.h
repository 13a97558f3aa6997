/*
 * added_tokens.h - tokens that are recognised in the text itself, before it is
 * cut into pieces: <|im_end|>, <think>.
 *
 * Leftmost first, of those the longest.  The flags are those of the file:
 * lstrip and rstrip take the white space beside the token with it; a
 * single_word counts only between what are no word's characters; normalized
 * tokens are looked for after normalization, in their own normalized form, the
 * others before.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_ADDED_TOKENS_H
#define ARGOSY_ACTOR_TOKENIZER_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actor/tokenizer/normalizer.h"
#include "actor/tokenizer/tokenizer.h"
#include "common/base/err.h"
#include "common/base/json.h"

struct added_token {
    char *bytes; // owned; what the token means
    size_t size_bytes;
    char *pattern; // owned; what is looked for
    size_t pattern_bytes;
    uint32_t id;
    bool special, normalized, strip_left, strip_right, single_word;
};

struct added_index {
    const struct added_token **items; // in the order of their patterns' bytes
    size_t count;
    size_t first[257]; // items whose first byte is b: first[b] .. first[b + 1]
};

struct added_tokens {
    struct added_token *items;
    size_t count;
    struct added_index plain, normalized;
};

// From the `added_tokens` array of a tokenizer.json (absent: none).
int added_tokens_init(struct added_tokens *a, struct json list, const struct normalizer *normalizer,
                      struct err *err);
void added_tokens_fini(struct added_tokens *a);

struct added_match {
    const struct added_token *token; // NULL: none
    size_t start, end;               // with the white space it takes
};
// The first match at or after `from`.  Where a literal range has a byte of it,
// a special token is no match.
struct added_match added_index_find(const struct added_index *x, struct view text, size_t from,
                                    const struct literal_ranges *literal);

#endif
