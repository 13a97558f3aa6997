/*
 * math_lexer.h - an answer as models write it, cut into tokens.
 *
 * LaTeX, plain text and Unicode signs meet here: \frac and ½, \times, × and *,
 * \le, <= and ≤ are one token each; spacing, \left, \displaystyle, $ and fonts
 * are none.  A comma between digits can be read in more than one way (1,234 is a
 * number or a pair, 3,14 a pair or a decimal): the reading says which, and
 * is_ambiguous that another reading would have been different.
 *
 * Linear time; what is no token of ours becomes TOKEN_UNKNOWN.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_LEXER_H
#define ARGOSY_ACTOR_GRADING_MATH_LEXER_H

#include "actor/grading/math_node.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_FRACTION_SIGN, // ½: a number that also follows another one
    TOKEN_SYMBOL,
    TOKEN_WORD,
    TOKEN_CONSTANT, // code: the math_kind
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_PLUS_MINUS, // code: 1, or 0 for minus or plus
    TOKEN_TIMES,
    TOKEN_DIVIDE,
    TOKEN_CARET,
    TOKEN_SUBSCRIPT,
    TOKEN_BANG,
    TOKEN_PRIME,
    TOKEN_PERCENT,
    TOKEN_DEGREE,
    TOKEN_CURRENCY, // code: which
    TOKEN_COMMA,    // code: 1 for "and", "or"
    TOKEN_COLON,
    TOKEN_DOT,
    TOKEN_OPEN,  // code: ( [ { for \{, < for \langle, | for \lvert, f for \lfloor, c for \lceil
    TOKEN_CLOSE, // code: its opening one
    TOKEN_BAR,
    TOKEN_GROUP_OPEN,
    TOKEN_GROUP_CLOSE,
    TOKEN_RELATION, // code: the math_relation
    TOKEN_UNION,
    TOKEN_INTERSECTION,
    TOKEN_DIFFERENCE,
    TOKEN_EMPTY_SET,
    TOKEN_FRACTION, // \frac
    TOKEN_BINOMIAL,
    TOKEN_CHOOSE, // \choose, between its two parts
    TOKEN_ROOT,
    TOKEN_FUNCTION,    // code: the math_function
    TOKEN_MATRIX_OPEN, // \begin{pmatrix}; code: 'v' for a determinant
    TOKEN_MATRIX_CLOSE,
    TOKEN_CELL,
    TOKEN_ROW,
    TOKEN_UNKNOWN,
};

struct token {
    enum token_kind kind;
    int code;
    struct view text;           // as written
    const struct exact *number; // NULL: too large
    const char *digits;         // of a whole number: without separators
    uint32_t n_digits;
    int n_decimals; // digits after the point; -1: no point
    uint64_t name;  // of a symbol; of a word: its letters in lower case
    bool is_choice; // a symbol in a text: one of several choices
    bool follows_space;
};

enum math_reading {
    READ_GROUPS = 0,        // 1,234 is one number outside of brackets
    READ_COMMAS = 1,        // 1,234 is two, unless in brackets
    READ_DECIMAL_COMMA = 2, // 3,14 is 3.14
};

struct math_tokens {
    struct token *tokens; // the last one is TOKEN_END
    size_t n_tokens;
    bool is_ambiguous;
};

// False: more than MATH_TOKENS_MAX, or not worth reading (too long).
bool math_tokens_read(struct math_work *w, struct view text, enum math_reading reading,
                      struct math_tokens *out);

uint64_t math_name(const char *letters, size_t n_bytes); // never 0

#endif
