/*
 * script_words.h - words of a text by Unicode script.
 *
 * A word is a run of letters of one script (marks, and an apostrophe between two
 * letters, belong to it); in Han, Hiragana and Katakana every character is a
 * word, as nothing separates them.  What is no prose does not count: numbers,
 * single letters of the Latin and Greek scripts (variables), LaTeX commands,
 * formulas between $…$, $$…$$, \(…\) and \[…\], code between ` and between ```,
 * and <tags>.
 */
#ifndef ARGOSY_ACTOR_REWARD_SCRIPT_WORDS_H
#define ARGOSY_ACTOR_REWARD_SCRIPT_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_search.h"

enum script {
    SCRIPT_NONE, // not a letter
    SCRIPT_OTHER,
    SCRIPT_LATIN,
    SCRIPT_GREEK,
    SCRIPT_CYRILLIC,
    SCRIPT_ARMENIAN,
    SCRIPT_HEBREW,
    SCRIPT_ARABIC,
    SCRIPT_DEVANAGARI,
    SCRIPT_BENGALI,
    SCRIPT_TAMIL,
    SCRIPT_TELUGU,
    SCRIPT_THAI,
    SCRIPT_GEORGIAN,
    SCRIPT_HANGUL,
    SCRIPT_HIRAGANA,
    SCRIPT_KATAKANA,
    SCRIPT_HAN,
    SCRIPTS,
};

enum script script_of(uint32_t code_point);
bool script_stands_alone(enum script script); // every character is a word
uint32_t letter_lower(uint32_t code_point);

struct word_counts {
    uint64_t of[SCRIPTS];
    uint64_t total;
};
// In time linear in the text.
void words_count(struct view text, struct word_counts *out);

// The scripts of a language as bits (1 << script); 0: not known.  Languages of
// one script (en, fr, de, ...) are not told apart.
uint32_t language_scripts(const char *language);
// Those of the script that most words are of; 0: there are no words.
uint32_t words_leading_scripts(const struct word_counts *words);
uint64_t words_of_scripts(const struct word_counts *words, uint32_t scripts);

#endif
