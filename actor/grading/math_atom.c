#include <string.h>

#include "actor/grading/math_parser.h"

enum { FACTORS_BARE_MAX = 32 };

// --- groups and arguments ------------------------------------------------------------------------

// {…}: one value; in it a list may stand too, as in {1, 2}.
struct math_node *math_parse_group(struct math_parser *p)
{
    p->at++;
    struct math_node *list = math_parse_list(p);
    if (list == NULL || !math_parser_take(p, TOKEN_GROUP_CLOSE) || list->n_children == 0)
        return math_parser_fail(p);
    if (list->n_children == 1) return list->children[0];
    math_spread_signs(p, list);
    return list;
}

bool math_is_plain_digits(const struct token *t)
{
    return t->kind == TOKEN_NUMBER && t->digits != NULL && t->n_digits == t->text.size_bytes;
}

// What stands for {…} after \frac: a group, or one digit, letter or command.
static struct math_node *parse_part(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (t->kind == TOKEN_GROUP_OPEN) return math_parse_group(p);
    if (!math_is_plain_digits(t) || t->n_digits == 1) return math_parse_atom(p);
    struct math_node *digit = math_node_number(p->w, exact_of(p->w, t->digits[0] - '0', 1));
    t->digits++;
    t->n_digits--;
    t->text = text_part(t->text, 1, t->text.size_bytes);
    t->number = exact_of_base(p->w, t->digits, t->n_digits, 10);
    return digit;
}

struct math_node *math_parse_fraction(struct math_parser *p)
{
    p->at++;
    struct math_node *over = parse_part(p);
    struct math_node *under = over == NULL ? NULL : parse_part(p);
    if (under == NULL) return math_parser_fail(p);
    return math_node_pair(p->w, MATH_QUOTIENT, over, under);
}

static struct math_node *parse_binomial(struct math_parser *p)
{
    p->at++;
    struct math_node *of = parse_part(p);
    struct math_node *taken = of == NULL ? NULL : parse_part(p);
    if (taken == NULL) return math_parser_fail(p);
    return math_node_call(p->w, MATH_BINOMIAL, of, taken);
}

static struct math_node *parse_root(struct math_parser *p)
{
    p->at++;
    struct math_node *which = NULL;
    struct token *t = math_parser_peek(p);
    if (t->kind == TOKEN_OPEN && t->code == '[') {
        which = math_parse_brackets(p);
        if (which == NULL || which->kind == MATH_TUPLE) return math_parser_fail(p);
    }
    struct math_node *of =
        math_parser_peek(p)->kind == TOKEN_GROUP_OPEN ? math_parse_group(p) : math_parse_atom(p);
    if (of == NULL) return NULL;
    if (which == NULL) which = math_node_number(p->w, exact_of(p->w, 2, 1));
    return math_node_call(p->w, MATH_ROOT, of, which);
}

// --- functions -----------------------------------------------------------------------------------

bool math_starts_factor(struct math_parser *p, const struct token *t)
{
    switch ((int)t->kind) {
    case TOKEN_NUMBER:
    case TOKEN_FRACTION_SIGN:
    case TOKEN_SYMBOL:
    case TOKEN_CONSTANT:
    case TOKEN_GROUP_OPEN:
    case TOKEN_FRACTION:
    case TOKEN_BINOMIAL:
    case TOKEN_ROOT:
    case TOKEN_FUNCTION:
    case TOKEN_MATRIX_OPEN:
        return true;
    case TOKEN_OPEN:
        return true;
    case TOKEN_BAR:
        return p->n_bars == 0;
    default:
        return false;
    }
}

// sin 2x: factors up to a sign or the next function.
static struct math_node *parse_bare_argument(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    bool is_negative = t->kind == TOKEN_MINUS;
    if (is_negative) p->at++;
    struct math_node *product = math_parse_power(p);
    for (unsigned n = 0; product != NULL; n++) {
        t = math_parser_peek(p);
        if (!math_starts_factor(p, t) || t->kind == TOKEN_FUNCTION || t->kind == TOKEN_OPEN ||
            t->kind == TOKEN_NUMBER)
            break;
        if (n == FACTORS_BARE_MAX) return math_parser_fail(p);
        struct math_node *factor = math_parse_power(p);
        product = factor == NULL ? NULL : math_node_pair(p->w, MATH_PRODUCT, product, factor);
    }
    if (product == NULL || !is_negative) return product;
    struct math_node *negated = math_node_new(p->w, MATH_NEGATED, 1);
    negated->children[0] = product;
    return negated;
}

static struct math_node *parse_arguments(struct math_parser *p)
{
    bool is_angle = p->is_angle;
    p->is_angle = true;
    struct token *t = math_parser_peek(p);
    struct math_node *argument;
    if (t->kind == TOKEN_OPEN && t->code == '(')
        argument = math_parse_brackets(p);
    else if (t->kind == TOKEN_GROUP_OPEN)
        argument = math_parse_group(p);
    else
        argument = parse_bare_argument(p);
    p->is_angle = is_angle;
    return argument;
}

// \sin^{-1} is the inverse function, not one divided by it.
static bool invert(struct math_parser *p, enum math_function *function, struct math_node *power)
{
    const struct math_node *inside = power->kind == MATH_NEGATED ? power->children[0] : NULL;
    long one;
    if (inside == NULL || inside->kind != MATH_NUMBER || inside->number == NULL ||
        !exact_to_long(inside->number, &one) || one != 1)
        return false;
    if (*function == MATH_SIN)
        *function = MATH_ARCSIN;
    else if (*function == MATH_COS)
        *function = MATH_ARCCOS;
    else if (*function == MATH_TAN)
        *function = MATH_ARCTAN;
    else
        p->has_failed = true;
    return true;
}

static bool takes_many(enum math_function function)
{
    return function == MATH_GCD || function == MATH_LCM || function == MATH_MIN ||
           function == MATH_MAX;
}

static struct math_node *parse_function(struct math_parser *p)
{
    struct token *name = math_parser_peek(p);
    enum math_function function = (enum math_function)name->code;
    struct math_node *power = NULL, *base = NULL;
    if (function == MATH_LOG && name->is_choice)
        base = math_node_number(p->w, exact_of(p->w, 10, 1));
    p->at++;
    while (math_parser_peek(p)->kind == TOKEN_CARET ||
           math_parser_peek(p)->kind == TOKEN_SUBSCRIPT) {
        bool is_power = math_parser_peek(p)->kind == TOKEN_CARET;
        p->at++;
        struct math_node *part = parse_part(p);
        if (part == NULL) return NULL;
        if (is_power)
            power = part;
        else
            base = part;
    }
    if (base != NULL && function != MATH_LOG) return math_parser_fail(p);
    struct math_node *argument = parse_arguments(p);
    if (argument == NULL) return NULL;
    if (power != NULL && invert(p, &function, power)) power = NULL;
    bool is_many = argument->kind == MATH_TUPLE || argument->kind == MATH_LIST;
    if (is_many != takes_many(function)) return math_parser_fail(p);
    struct math_node *call;
    if (is_many) {
        call = math_node_new(p->w, MATH_CALL, argument->n_children);
        call->function = function;
        memcpy(call->children, argument->children,
               argument->n_children * sizeof *argument->children);
    } else {
        call = math_node_call(p->w, function, argument, base);
    }
    return power == NULL ? call : math_node_pair(p->w, MATH_POWER, call, power);
}

// --- atoms ---------------------------------------------------------------------------------------

static struct math_node *parse_bars(struct math_parser *p)
{
    p->at++;
    if (!math_parser_enter(p)) return NULL;
    p->n_bars++;
    struct math_node *inside = math_parse_sum(p);
    p->n_bars--;
    p->depth--;
    if (inside == NULL || !math_parser_take(p, TOKEN_BAR)) return math_parser_fail(p);
    return math_node_call(p->w, MATH_ABS, inside, NULL);
}

struct math_node *math_parse_number(struct math_parser *p, const struct token *t)
{
    if (t->number == NULL) return math_parser_fail(p);
    struct math_node *node = math_node_number(p->w, t->number);
    node->n_decimals = t->n_decimals;
    return node;
}

// The tokens of an index, as a name: _1 and _{1} are the same.
static uint64_t read_index(struct math_parser *p, uint64_t name)
{
    unsigned n_open = 0;
    do {
        struct token *t = math_parser_peek(p);
        if (t->kind == TOKEN_END || t->kind == TOKEN_CLOSE) {
            p->has_failed = true;
            return name;
        }
        p->at++;
        if (t->kind == TOKEN_GROUP_OPEN) {
            n_open++;
        } else if (t->kind == TOKEN_GROUP_CLOSE) {
            if (n_open == 0) {
                p->has_failed = true;
                return name;
            }
            n_open--;
        } else {
            uint64_t both[2] = {name, math_name(t->text.bytes, t->text.size_bytes)};
            name = math_name((const char *)both, sizeof both);
        }
    } while (n_open > 0);
    return name;
}

static struct math_node *parse_symbol(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    struct math_node *node = math_node_new(p->w, MATH_SYMBOL, 0);
    node->name = t->name;
    node->is_choice = t->is_choice;
    p->at++;
    for (;;) {
        if (math_parser_take(p, TOKEN_SUBSCRIPT)) {
            node->name = read_index(p, node->name);
        } else if (math_parser_take(p, TOKEN_PRIME)) {
            node->name = math_name((const char *)&node->name, sizeof node->name);
        } else {
            return p->has_failed ? NULL : node;
        }
    }
}

// 101_2: digits with a base.
static struct math_node *parse_base(struct math_parser *p, const struct token *digits,
                                    struct math_node *value)
{
    if (!math_parser_take(p, TOKEN_SUBSCRIPT)) return value;
    bool has_group = math_parser_take(p, TOKEN_GROUP_OPEN);
    struct token *base = math_parser_peek(p);
    long ten_or_less = 0;
    if (base->kind != TOKEN_NUMBER || base->number == NULL || digits->digits == NULL ||
        !exact_to_long(base->number, &ten_or_less) || ten_or_less < 2 || ten_or_less > 36)
        return math_parser_fail(p);
    p->at++;
    if (has_group && !math_parser_take(p, TOKEN_GROUP_CLOSE)) return math_parser_fail(p);
    struct math_node *node = math_node_new(p->w, MATH_BASED, 1);
    node->children[0] = value;
    node->name = (uint64_t)ten_or_less;
    return node;
}

struct math_node *math_parse_atom(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (!math_parser_enter(p)) return NULL;
    struct math_node *node = NULL;
    switch ((int)t->kind) {
    case TOKEN_NUMBER:
        p->at++;
        node = math_parse_number(p, t);
        if (node != NULL && math_parser_peek(p)->kind == TOKEN_SUBSCRIPT)
            node = parse_base(p, t, node);
        break;
    case TOKEN_FRACTION_SIGN:
        p->at++;
        node = math_parse_number(p, t);
        break;
    case TOKEN_SYMBOL:
        node = parse_symbol(p);
        break;
    case TOKEN_CONSTANT:
        p->at++;
        node = math_node_new(p->w, (enum math_kind)t->code, 0);
        break;
    case TOKEN_GROUP_OPEN:
        node = math_parse_group(p);
        break;
    case TOKEN_OPEN:
        node = math_parse_brackets(p);
        break;
    case TOKEN_BAR:
        node = parse_bars(p);
        break;
    case TOKEN_FRACTION:
        node = math_parse_fraction(p);
        break;
    case TOKEN_BINOMIAL:
        node = parse_binomial(p);
        break;
    case TOKEN_ROOT:
        node = parse_root(p);
        break;
    case TOKEN_FUNCTION:
        node = parse_function(p);
        break;
    case TOKEN_MATRIX_OPEN:
        node = math_parse_matrix(p);
        break;
    case TOKEN_EMPTY_SET:
        p->at++;
        node = math_node_new(p->w, MATH_SET, 0);
        break;
    default:
        return math_parser_fail(p);
    }
    p->depth--;
    return p->has_failed ? NULL : node;
}
