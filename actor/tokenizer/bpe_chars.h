/*
 * bpe_chars.h - the symbols that SentencePiece's kind of BPE starts from: a
 * character, or its bytes where the vocabulary lacks it, or the unknown token.
 *
 * Such a tokenizer sees a whole text as one piece.  Two neighbours that stand
 * beside each other inside no token can never be merged across, so the text is
 * cut between them and each run merged by itself: the same ids, in linear time
 * for real texts.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_BPE_CHARS_H
#define ARGOSY_ACTOR_TOKENIZER_BPE_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actor/text/text_search.h"
#include "actor/tokenizer/vocabulary.h"

struct bpe_chars {
    uint32_t *ids;        // (0x10000) of code points, VOCABULARY_NONE where there is none
    uint32_t bytes[256];  // of <0x00> to <0xFF>, if the model falls back to them
    uint32_t unknown;     // VOCABULARY_NONE: a character without a token is an error
    bool fuses_unknown;   // a run of unknown characters is one token
    uint32_t n_ids;       // of the model, without the added tokens
    uint64_t *neighbours; // a bit for each hash of two symbols that meet inside a token
};

// From the model's own vocabulary, before tokens are added to it.
void bpe_chars_init(struct bpe_chars *c, const struct vocabulary *v, bool falls_back);
void bpe_chars_fini(struct bpe_chars *c);

// To be told of every merge rule.
void bpe_chars_add_rule(struct bpe_chars *c, const struct vocabulary *v, uint32_t left,
                        uint32_t right);
// Whether a merge could reach over the border between two symbols.
bool bpe_chars_can_meet(const struct bpe_chars *c, uint32_t left, uint32_t right);

// The symbols of a text; out has room for as many as it has bytes.  False, with
// the place, at a character that has no token.
bool bpe_chars_symbols(const struct bpe_chars *c, const struct vocabulary *v, struct view text,
                       uint32_t *out, size_t *n_out, size_t *where);

#endif
