/*
 * tokenizer_parts.h - what a tokenizer is made of; for tokenizer*.c only.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_PARTS_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_PARTS_H

#include "actor/tokenizer/added_tokens.h"
#include "actor/tokenizer/bpe.h"
#include "actor/tokenizer/pretokenizer.h"
#include "actor/tokenizer/tokenizer.h"
#include "actor/tokenizer/vocabulary.h"

#define TOKENIZER_AFFIX_MAX 8

enum tokenizer_kind { TOKENIZER_WORDS, TOKENIZER_BYTES };

struct tokenizer {
    enum tokenizer_kind kind;
    char *name;
    struct vocabulary vocabulary; // of the model, and the added tokens
    struct added_tokens added;
    bool *is_special; // (vocabulary.n_ids)
    bool composes;    // normalizer NFC
    struct pretokenizer pretokenizer;
    uint32_t prefix[TOKENIZER_AFFIX_MAX], suffix[TOKENIZER_AFFIX_MAX];
    size_t n_prefix, n_suffix;
    // TOKENIZER_WORDS
    uint32_t unknown_id; // VOCABULARY_NONE: an unknown word is an error
    bool is_spaced;      // decoding puts a space between words
    // TOKENIZER_BYTES
    struct bpe bpe;
    uint32_t byte_ids[256];
    bool ignore_merges; // a piece that is a token needs no merging
};

// Fills a zeroed t from the file's root; t->name is set.  On failure the
// caller destroys t.
int tokenizer_load(struct tokenizer *t, struct json root, struct err *err);

#endif
