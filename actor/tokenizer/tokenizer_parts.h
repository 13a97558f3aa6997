/*
 * tokenizer_parts.h - what a tokenizer is made of; for this room only.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_PARTS_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_PARTS_H

#include "actor/tokenizer/added_tokens.h"
#include "actor/tokenizer/bpe.h"
#include "actor/tokenizer/bpe_chars.h"
#include "actor/tokenizer/decoder.h"
#include "actor/tokenizer/normalizer.h"
#include "actor/tokenizer/pretokenizer.h"
#include "actor/tokenizer/tokenizer.h"
#include "actor/tokenizer/vocabulary.h"

#define TOKENIZER_AFFIX_MAX 8

enum tokenizer_kind {
    TOKENIZER_WORDS, // a piece is a word of the vocabulary
    TOKENIZER_BYTES, // merges start from bytes
    TOKENIZER_CHARS, // merges start from characters
};

struct tokenizer {
    enum tokenizer_kind kind;
    char *name;
    struct vocabulary vocabulary; // of the model, and the added tokens
    uint32_t n_model_ids;         // ids of the model are below this
    struct added_tokens added;
    const struct added_token **added_of; // (vocabulary.n_ids) NULL: not an added token
    struct normalizer normalizer;
    struct pretokenizer pretokenizer;
    struct decoder decoder;
    uint32_t prefix[TOKENIZER_AFFIX_MAX], suffix[TOKENIZER_AFFIX_MAX];
    size_t n_prefix, n_suffix;
    // TOKENIZER_WORDS
    uint32_t unknown_id; // VOCABULARY_NONE: an unknown word is an error
    // TOKENIZER_BYTES and TOKENIZER_CHARS
    struct bpe bpe;
    bool ignore_merges;     // a piece that is a token needs no merging
    uint32_t byte_ids[256]; // TOKENIZER_BYTES; VOCABULARY_NONE: that byte is an error
    struct bpe_chars chars; // TOKENIZER_CHARS
};

// Fills a zeroed t from the file's root; t->name is set.  On failure the
// caller destroys t.
int tokenizer_load(struct tokenizer *t, struct json root, struct err *err);
int tokenizer_load_model(struct tokenizer *t, struct json model, struct err *err);

#endif
