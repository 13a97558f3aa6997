/*
 * decoder.h - from tokens back to text, one token at a time.
 *
 * A list of steps on each token, then at most one on the text as a whole (the
 * space that SentencePiece puts in front).  Nothing waits for a later token,
 * so a text can be shown as it is made.  Where the `tokenizers` package writes
 * U+FFFD for bytes that form no character, the bytes come out as they are.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_DECODER_H
#define ARGOSY_ACTOR_TOKENIZER_DECODER_H

#include <stdbool.h>

#include "actor/text/text_buffer.h"
#include "common/base/err.h"
#include "common/base/json.h"

#define DECODER_STEPS_MAX 16

enum decoder_kind {
    DECODE_REPLACE,       // `from` by `to`
    DECODE_BYTE_FALLBACK, // <0x0A> is that byte
    DECODE_STRIP,         // up to `count` of `from` at the token's start, `end_count` at its end
    DECODE_METASPACE,     // `from` is a space, but not in the first token where is_dropped
};

struct decoder_step {
    enum decoder_kind kind;
    char *from, *to; // malloc'ed
    size_t from_bytes, to_bytes;
    uint32_t count, end_count;
    bool is_dropped;
};

struct decoder {
    struct decoder_step steps[DECODER_STEPS_MAX];
    size_t n_steps;
    bool is_byte_level; // a ByteLevel step: tokens are bytes already
    bool is_fused;      // a Fuse step: what follows is about the whole text
    bool is_spaced;     // no decoder at all: words are joined by a space
    char *strip;        // malloc'ed; after Fuse
    uint32_t strip_count;
};

// From the `decoder` value of a tokenizer.json.  A kind or an order that is not
// implemented is refused by name.
int decoder_init(struct decoder *d, struct json value, struct err *err);
void decoder_fini(struct decoder *d);

struct decoding { // how far a text has come; zeroed at its start
    bool has_tokens;
    bool is_past_strip;
    uint32_t n_stripped;
};

// Appends what a token adds to the text.
void decoder_add(const struct decoder *d, struct decoding *state, struct view token,
                 struct text_buffer *out);

#endif
