/*
 * math_vocabulary.h - what the words, commands and signs of mathematics mean.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_VOCABULARY_H
#define ARGOSY_ACTOR_GRADING_MATH_VOCABULARY_H

#include "actor/grading/math_lexer.h"

enum word_class {
    WORD_TOKEN,  // kind and code say it
    WORD_SKIP,   // spacing, fonts, sizes: nothing
    WORD_TEXT,   // \text: what is in its braces is words
    WORD_BEGIN,  // \begin
    WORD_END,    // \end
    WORD_LETTER, // a Greek letter: a symbol
    WORD_HIDDEN, // \phantom: what is in its braces is not seen
    WORD_DRAWN,  // \overline: over digits it repeats them, else a font
};

struct meaning {
    const char *spelling;
    enum word_class word_class;
    enum token_kind kind;
    int code;
};

// NULL: not known.  A command without its backslash; a bare word; a sign.
const struct meaning *math_command(struct view name);
const struct meaning *math_word(struct view lower_case);
const struct meaning *math_sign(uint32_t code_point);
// "alpha" for α; NULL: no Greek letter with a command.
const char *math_greek(uint32_t code_point);
// A superscript digit or sign as its plain character, or 0.
char math_superscript(uint32_t code_point);
// ½ and the like.
bool math_fraction_sign(uint32_t code_point, int *over, int *under);
bool math_is_matrix(struct view environment, int *code);

// The unit a run of letters is when it stands after a number: its number in a
// table where synonyms share one, 0 if it is not known.
uint32_t math_unit(struct view lower_case);

#endif
