/*
 * tokenizer_words.h - writes a tokenizer.json for a list of words.
 *
 * WordLevel, cut by one pattern made from the words, so that the `tokenizers`
 * package and transformers read it and give the same ids.  A word's id is its
 * place in the list.  A text with anything else in it is refused by both.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_WORDS_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_WORDS_H

#include <stddef.h>

#include "common/base/json.h"

enum word_role {
    WORD_PLAIN,
    WORD_TAG,     // recognised in the text before it is cut
    WORD_SPECIAL, // so too, and left out when decoding without special tokens
};

struct word {
    const char *text;
    enum word_role role;
};

// pattern: what cuts the text, or NULL for one made from the plain words.
void tokenizer_write_words(const struct word *words, size_t n_words, const char *pattern,
                           struct json_writer *out);
// Likewise, for texts whose words are set apart by white space: no word is
// ambiguous then, and a decoded text has a space between words.
void tokenizer_write_spaced_words(const struct word *words, size_t n_words,
                                  struct json_writer *out);

#endif
