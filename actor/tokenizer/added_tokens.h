/*
 * added_tokens.h - tokens that are recognised in the text itself, before it is
 * cut into pieces: <|im_end|>, <think>.
 *
 * Leftmost first, of those the longest.  The flags are those of the file:
 * lstrip and rstrip take the white space beside the token with it; normalized
 * tokens are looked for after normalization, the others before.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_ADDED_TOKENS_H
#define ARGOSY_ACTOR_TOKENIZER_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/json.h"

struct added_token {
    char *bytes; // owned
    size_t size_bytes;
    uint32_t id;
    bool special, normalized, strip_left, strip_right;
};

struct added_tokens {
    struct added_token *items; // by first byte, then the longest first
    size_t count;
    size_t first[257]; // items of byte b: first[b] .. first[b + 1]
};

// From the `added_tokens` array of a tokenizer.json (absent: none).
int added_tokens_init(struct added_tokens *a, struct json list, struct err *err);
void added_tokens_fini(struct added_tokens *a);

struct added_match {
    const struct added_token *token; // NULL: none
    size_t start, end;               // with the white space it takes
};
// The first match at or after `from` of tokens with this `normalized` flag.
struct added_match added_tokens_find(const struct added_tokens *a, bool normalized,
                                     const char *text, size_t size_bytes, size_t from);

#endif
