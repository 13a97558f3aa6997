/*
 * words.h - text as words, for graders that read what models say freely.
 *
 * A word begins where no letter or digit stands before it.  Letters are ASCII
 * in either case, digits, and every byte from 0x80 on: names keep their
 * accents, and only ASCII letters lose their case in comparisons.
 */
#ifndef ARGOSY_ACTOR_GRADING_WORDS_H
#define ARGOSY_ACTOR_GRADING_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "actor/text/text_search.h"

bool word_is_part(char c);                         // of a word
bool word_starts(struct view text, size_t at);     // a word begins here
size_t word_end(struct view text, size_t at);      // of the word that begins here
bool words_are_same(struct view a, struct view b); // but for the case
// Whether this stands at `at` and no word goes on behind it.
bool word_is_at(struct view text, size_t at, struct view word);
struct view view_of_string(const char *text);

#endif
