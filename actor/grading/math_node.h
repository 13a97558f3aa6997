/*
 * math_node.h - an answer as a tree.
 *
 * Scalars have a value (math_value.h); what is built of them (tuples, sets,
 * matrices, relations, text) is compared part by part (math_compare.h).
 */
#ifndef ARGOSY_ACTOR_GRADING_MATH_NODE_H
#define ARGOSY_ACTOR_GRADING_MATH_NODE_H

#include "actor/grading/math_exact.h"
#include "actor/text/text_search.h"

enum math_kind {
    // scalars
    MATH_NUMBER,
    MATH_SYMBOL,
    MATH_PI,
    MATH_E,
    MATH_I,
    MATH_INFINITY,
    MATH_SUM,
    MATH_PRODUCT,
    MATH_NEGATED,
    MATH_SIGNED, // plus or minus its child; gone once an answer is read
    MATH_QUOTIENT,
    MATH_POWER,
    MATH_CALL,
    // the rest
    MATH_QUANTITY, // a value with a unit
    MATH_BASED,    // digits in a base: the first child is their value read in ten
    MATH_RATIO,    // a:b
    MATH_TUPLE,    // in brackets, also an interval
    MATH_SET,
    MATH_LIST, // values side by side, in any order
    MATH_MATRIX,
    MATH_UNION,
    MATH_INTERSECTION,
    MATH_DIFFERENCE,
    MATH_RELATION,
    MATH_TEXT,
};

enum math_function {
    MATH_SIN,
    MATH_COS,
    MATH_TAN,
    MATH_COT,
    MATH_SEC,
    MATH_CSC,
    MATH_ARCSIN,
    MATH_ARCCOS,
    MATH_ARCTAN,
    MATH_SINH,
    MATH_COSH,
    MATH_TANH,
    MATH_EXP,
    MATH_LOG,  // of the first child, to the base of the second if there is one
    MATH_ROOT, // of the first child, the second says which
    MATH_ABS,
    MATH_FLOOR,
    MATH_CEIL,
    MATH_FACTORIAL,
    MATH_BINOMIAL,
    MATH_GCD,
    MATH_LCM,
    MATH_MIN,
    MATH_MAX,
};

enum math_relation {
    MATH_EQUAL,
    MATH_ABOUT, // approximately
    MATH_UNEQUAL,
    MATH_LESS,
    MATH_LESS_EQUAL,
    MATH_GREATER,
    MATH_GREATER_EQUAL,
    MATH_IN,
};

enum math_unit_flag { MATH_UNIT_PERCENT = 1, MATH_UNIT_KNOWN = 2 };

struct math_node {
    enum math_kind kind;
    uint32_t n_children;
    struct math_node **children;
    const struct exact *number;  // of a number
    int n_decimals;              // of a number: digits after the point, -1: none written
    uint64_t name;               // of a symbol, a text, a unit
    enum math_function function; // of a call
    char open, close;            // of a tuple: ( or [, ) or ]
    bool is_choice;              // a symbol that was written as one of several choices
    bool is_clock;               // a ratio that may be a time of day: 5:30
    uint8_t unit_flags;          // of a quantity
    uint32_t n_columns;          // of a matrix
    uint8_t *relations;          // between the children of a relation

    // What evaluation found, kept (math_value.c).
    uint8_t exact_state; // 0 not tried, 1 found, 2 there is none
    const struct exact *exact;
    uint8_t value_state;     // 0 not tried, 1 found, 2 there is none
    uint64_t hash;           // equal for equal values
    uint64_t structure_hash; // math_hash.c's, 0: not tried
    bool has_witness;
    uint64_t witness; // of rational functions: differs where values do, 0: not known
};

struct math_node *math_node_new(struct math_work *w, enum math_kind kind, uint32_t n_children);
struct math_node *math_node_pair(struct math_work *w, enum math_kind kind, struct math_node *a,
                                 struct math_node *b);
struct math_node *math_node_number(struct math_work *w, const struct exact *number);
struct math_node *math_node_call(struct math_work *w, enum math_function function,
                                 struct math_node *a, struct math_node *b); // b may be NULL
// A copy in which every "plus or minus" has become this sign.
struct math_node *math_node_with_sign(struct math_work *w, const struct math_node *node, int sign);
bool math_node_has(const struct math_node *node, enum math_kind kind);

#endif
