/*
 * math_parser.h - tokens to a tree.
 *
 * By descent, at most MATH_DEPTH_MAX deep.  NULL and has_failed: this is no
 * mathematics that we read, so the answer is compared as text.
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_PARSER_H
#define ARGOSY_ACTOR_GRADING_MATH_PARSER_H

#include "actor/grading/math_lexer.h"

struct math_parser {
    struct math_work *w;
    struct token *tokens;
    size_t at;
    unsigned depth;
    unsigned n_bars; // absolute values open: the next | closes
    bool is_angle;   // inside of a function's argument: a degree is pi/180
    bool has_failed;
    // The unit that the value being read has so far.
    uint64_t unit;
    uint8_t unit_flags;
    bool has_unit;
};

// The whole answer; NULL when it is not understood to its end.
struct math_node *math_parse(struct math_work *w, struct math_tokens *tokens);

// One value with + and -, up to what cannot continue it (math_term.c).
struct math_node *math_parse_sum(struct math_parser *p);
// One factor with its exponent, degree or factorial.
struct math_node *math_parse_power(struct math_parser *p);

// Numbers, symbols, groups, fractions, roots, functions (math_atom.c).
struct math_node *math_parse_atom(struct math_parser *p);
struct math_node *math_parse_group(struct math_parser *p);
struct math_node *math_parse_fraction(struct math_parser *p);
struct math_node *math_parse_number(struct math_parser *p, const struct token *t);
bool math_starts_factor(struct math_parser *p, const struct token *t);
bool math_is_plain_digits(const struct token *t);

// What is between brackets, separated by commas, up to the closing token, which
// is left; a list even if there is one value (math_parser.c).
struct math_node *math_parse_list(struct math_parser *p);
// Each member with a "plus or minus" in it becomes two; the list is a list then.
void math_spread_signs(struct math_parser *p, struct math_node *list);
// A clause: sets and values, related to each other.
struct math_node *math_parse_clause(struct math_parser *p);
struct math_node *math_parse_matrix(struct math_parser *p);
struct math_node *math_parse_brackets(struct math_parser *p);

// For both files.
bool math_parser_enter(struct math_parser *p); // false: too deep
void *math_parser_fail(struct math_parser *p); // NULL
struct token *math_parser_peek(struct math_parser *p);
bool math_parser_take(struct math_parser *p, enum token_kind kind);

#endif
