/*
 * canonical_words.h - a text as the words that are the same however it is set.
 *
 * What is compared is neither case nor punctuation nor spacing nor how a number
 * or a fraction is written: "$1{,}000.0$", "1,000" and "1000" are one word, and
 * \dfrac{1}{2}, \frac12, 1/2 and ½ are the same two.  A letter next to a digit
 * starts a word; every Han, Kana or Hangul character is one.  LaTeX commands
 * that only set type (\left, \text, \quad, ...) or stand for punctuation
 * (\cdot, \le, ...) are nothing, the others are words.  Drawings in [asy] are
 * left out: their boilerplate is everybody's.
 */
#ifndef ARGOSY_ACTOR_DATA_CANONICAL_WORDS_H
#define ARGOSY_ACTOR_DATA_CANONICAL_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_buffer.h"

struct canonical_word {
    uint64_t hash;
    size_t start, end; // in the canonical text
};

struct canonical_words {
    struct text_buffer text;      // the words, a space between them
    struct canonical_word *words; // malloc'ed
    size_t n, room;
};

void canonical_words_init(struct canonical_words *w);
void canonical_words_fini(struct canonical_words *w);
// The words of a text in place of what was there; any bytes will do.  With
// any_number every number, and every run of them, is the same word.
void canonical_words_read(struct canonical_words *w, struct view text, bool any_number);

#endif
