#include <string.h>

#include "actor/grading/math_parser.h"
#include "actor/grading/math_vocabulary.h"

enum { TERMS_MAX = 512, FACTORS_BARE_MAX = 32 };

static struct math_node *parse_power(struct math_parser *p);
static struct math_node *parse_atom(struct math_parser *p);

// --- groups and arguments ------------------------------------------------------------------------

// {…}: one value; in it a list may stand too, as in {1, 2}.
static struct math_node *parse_group(struct math_parser *p)
{
    p->at++;
    struct math_node *list = math_parse_list(p);
    if (list == NULL || !math_parser_take(p, TOKEN_GROUP_CLOSE) || list->n_children == 0)
        return math_parser_fail(p);
    if (list->n_children == 1) return list->children[0];
    math_spread_signs(p, list);
    return list;
}

static bool is_plain_digits(const struct token *t)
{
    return t->kind == TOKEN_NUMBER && t->digits != NULL && t->n_digits == t->text.size_bytes;
}

// What stands for {…} after \frac: a group, or one digit, letter or command.
static struct math_node *parse_part(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (t->kind == TOKEN_GROUP_OPEN) return parse_group(p);
    if (!is_plain_digits(t) || t->n_digits == 1) return parse_atom(p);
    struct math_node *digit = math_node_number(p->w, exact_of(p->w, t->digits[0] - '0', 1));
    t->digits++;
    t->n_digits--;
    t->text = text_part(t->text, 1, t->text.size_bytes);
    t->number = exact_of_base(p->w, t->digits, t->n_digits, 10);
    return digit;
}

static struct math_node *parse_fraction(struct math_parser *p)
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
        math_parser_peek(p)->kind == TOKEN_GROUP_OPEN ? parse_group(p) : parse_atom(p);
    if (of == NULL) return NULL;
    if (which == NULL) which = math_node_number(p->w, exact_of(p->w, 2, 1));
    return math_node_call(p->w, MATH_ROOT, of, which);
}

// --- functions -----------------------------------------------------------------------------------

static bool starts_factor(struct math_parser *p, const struct token *t)
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
    struct math_node *product = parse_power(p);
    for (unsigned n = 0; product != NULL; n++) {
        t = math_parser_peek(p);
        if (!starts_factor(p, t) || t->kind == TOKEN_FUNCTION || t->kind == TOKEN_OPEN ||
            t->kind == TOKEN_NUMBER)
            break;
        if (n == FACTORS_BARE_MAX) return math_parser_fail(p);
        struct math_node *factor = parse_power(p);
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
        argument = parse_group(p);
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

static struct math_node *number_of(struct math_parser *p, const struct token *t)
{
    if (t->number == NULL) return math_parser_fail(p);
    struct math_node *node = math_node_number(p->w, t->number);
    node->n_decimals = t->n_decimals;
    return node;
}

static bool is_whole(const struct math_node *node, const struct exact **value)
{
    if (node->kind != MATH_NUMBER || node->n_decimals >= 0 || !exact_is_integer(node->number))
        return false;
    *value = node->number;
    return true;
}

// 1\frac{1}{2}, 1 1/2 and 1½ are mixed numbers: the fraction is a proper one.
static struct math_node *parse_mixed(struct math_parser *p, struct math_node *whole)
{
    const struct exact *ignored;
    if (!is_whole(whole, &ignored)) return whole;
    struct token *t = math_parser_peek(p);
    struct math_node *fraction = NULL;
    if (t->kind == TOKEN_FRACTION_SIGN) {
        p->at++;
        fraction = number_of(p, t);
    } else if (t->kind == TOKEN_FRACTION) {
        fraction = parse_fraction(p);
    } else if (is_plain_digits(t) && t->follows_space && t[1].kind == TOKEN_DIVIDE &&
               is_plain_digits(&t[2])) {
        p->at += 3;
        fraction = math_node_pair(p->w, MATH_QUOTIENT, number_of(p, t), number_of(p, &t[2]));
    }
    if (fraction == NULL) return p->has_failed ? NULL : whole;
    const struct exact *over, *under;
    bool is_proper = fraction->kind == MATH_NUMBER ||
                     (is_whole(fraction->children[0], &over) &&
                      is_whole(fraction->children[1], &under) && exact_compare(over, under) < 0);
    if (is_proper) return math_node_pair(p->w, MATH_SUM, whole, fraction);
    // 2\frac{x}{3} is a product, 1 3/2 nothing we know
    return t->kind == TOKEN_FRACTION ? math_node_pair(p->w, MATH_PRODUCT, whole, fraction)
                                     : math_parser_fail(p);
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

static struct math_node *parse_atom(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (!math_parser_enter(p)) return NULL;
    struct math_node *node = NULL;
    switch ((int)t->kind) {
    case TOKEN_NUMBER:
        p->at++;
        node = number_of(p, t);
        if (node != NULL && math_parser_peek(p)->kind == TOKEN_SUBSCRIPT)
            node = parse_base(p, t, node);
        break;
    case TOKEN_FRACTION_SIGN:
        p->at++;
        node = number_of(p, t);
        break;
    case TOKEN_SYMBOL:
        node = parse_symbol(p);
        break;
    case TOKEN_CONSTANT:
        p->at++;
        node = math_node_new(p->w, (enum math_kind)t->code, 0);
        break;
    case TOKEN_GROUP_OPEN:
        node = parse_group(p);
        break;
    case TOKEN_OPEN:
        node = math_parse_brackets(p);
        break;
    case TOKEN_BAR:
        node = parse_bars(p);
        break;
    case TOKEN_FRACTION:
        node = parse_fraction(p);
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

// --- powers, products, sums ----------------------------------------------------------------------

static struct math_node *parse_exponent(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (t->kind == TOKEN_GROUP_OPEN) return parse_group(p);
    if (t->kind != TOKEN_MINUS && t->kind != TOKEN_PLUS) return parse_power(p);
    p->at++;
    struct math_node *power = parse_power(p);
    if (power == NULL || t->kind == TOKEN_PLUS) return power;
    struct math_node *negated = math_node_new(p->w, MATH_NEGATED, 1);
    negated->children[0] = power;
    return negated;
}

static uint64_t unit_named(const char *name)
{
    return math_unit((struct view){name, strlen(name)});
}

static const char *currency_name(int code)
{
    return code == '$' ? "dollar" : code == 'e' ? "euro" : code == 'y' ? "yen" : "pound";
}

static void add_unit(struct math_parser *p, uint64_t name, uint8_t flags)
{
    uint64_t both[2] = {p->unit, name};
    p->unit = p->unit == 0 ? name : math_name((const char *)both, sizeof both);
    // a unit is known when all of its words are
    p->unit_flags = p->has_unit ? p->unit_flags & flags : flags;
    p->has_unit = true;
}

// ^\circ, or ^{\circ}; false and nothing taken if it is another exponent.
static bool take_degree(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (t->kind == TOKEN_DEGREE) {
        p->at++;
        return true;
    }
    if (t->kind != TOKEN_CARET) return false;
    bool is_group = t[1].kind == TOKEN_GROUP_OPEN;
    size_t n = is_group ? 2 : 1;
    if (t[n].kind != TOKEN_DEGREE) return false;
    if (is_group && t[n + 1].kind != TOKEN_GROUP_CLOSE) return false;
    p->at += is_group ? 4 : 2;
    return true;
}

static struct math_node *in_degrees(struct math_parser *p, struct math_node *node)
{
    if (!p->is_angle) {
        add_unit(p, unit_named("degree"), MATH_UNIT_KNOWN);
        return node;
    }
    struct math_node *half_turn = math_node_number(p->w, exact_of(p->w, 180, 1));
    struct math_node *scale =
        math_node_pair(p->w, MATH_QUOTIENT, math_node_new(p->w, MATH_PI, 0), half_turn);
    return math_node_pair(p->w, MATH_PRODUCT, node, scale);
}

// 4^{\text{th}}: an ending, which says nothing of the value.
static bool take_ending(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (t[0].kind != TOKEN_CARET || t[1].kind != TOKEN_GROUP_OPEN || t[2].kind != TOKEN_WORD ||
        t[3].kind != TOKEN_GROUP_CLOSE)
        return false;
    p->at += 4;
    add_unit(p, t[2].name, 0);
    return true;
}

static struct math_node *parse_power(struct math_parser *p)
{
    if (!math_parser_enter(p)) return NULL;
    struct math_node *node = parse_atom(p);
    if (node != NULL && node->kind == MATH_NUMBER) node = parse_mixed(p, node);
    bool has_power = false;
    while (node != NULL) {
        if (take_degree(p)) {
            node = in_degrees(p, node);
        } else if (take_ending(p)) {
            continue;
        } else if (math_parser_peek(p)->kind == TOKEN_CARET && !has_power) {
            p->at++;
            struct math_node *power = parse_exponent(p);
            node = power == NULL ? NULL : math_node_pair(p->w, MATH_POWER, node, power);
            has_power = true;
        } else if (math_parser_peek(p)->kind == TOKEN_BANG && !has_power) {
            p->at++;
            node = math_node_call(p->w, MATH_FACTORIAL, node, NULL);
            has_power = true;
        } else {
            break;
        }
    }
    p->depth--;
    return node;
}

// Words and signs after a value, and their exponents: cm, square units, mi/h, %.
static bool take_unit(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (t->kind == TOKEN_PERCENT) {
        p->at++;
        p->has_unit = true;
        p->unit_flags |= MATH_UNIT_PERCENT;
        return true;
    }
    bool is_divided = t->kind == TOKEN_DIVIDE || t->kind == TOKEN_TIMES;
    if (is_divided) t++;
    if (t->kind != TOKEN_WORD && (t->kind != TOKEN_CURRENCY || is_divided)) return false;
    p->at += is_divided ? 2 : 1;
    uint64_t unit =
        t->kind == TOKEN_CURRENCY ? unit_named(currency_name(t->code)) : (uint64_t)t->code;
    if (unit == unit_named("percent")) {
        p->has_unit = true;
        p->unit_flags |= MATH_UNIT_PERCENT;
        return true;
    }
    bool is_known = unit != 0;
    add_unit(p, is_known ? unit : t->name, is_known ? MATH_UNIT_KNOWN : 0);
    while (math_parser_peek(p)->kind == TOKEN_DOT && math_parser_peek(p)[1].kind == TOKEN_WORD)
        p->at++;
    if (!math_parser_take(p, TOKEN_CARET)) return true;
    bool has_group = math_parser_take(p, TOKEN_GROUP_OPEN);
    math_parser_take(p, TOKEN_MINUS);
    struct token *power = math_parser_peek(p);
    if (power->kind != TOKEN_NUMBER) return false;
    p->at++;
    if (has_group && !math_parser_take(p, TOKEN_GROUP_CLOSE)) return false;
    add_unit(p, math_name(power->text.bytes, power->text.size_bytes), MATH_UNIT_KNOWN);
    return true;
}

static struct math_node *fold_product(struct math_parser *p, struct math_node **factors,
                                      const bool *is_divisor, uint32_t n)
{
    struct math_node *product = factors[0];
    for (uint32_t i = 1; i < n;) {
        if (is_divisor[i]) {
            product = math_node_pair(p->w, MATH_QUOTIENT, product, factors[i++]);
            continue;
        }
        uint32_t end = i;
        while (end < n && !is_divisor[end])
            end++;
        struct math_node *more = math_node_new(p->w, MATH_PRODUCT, end - i + 1);
        more->children[0] = product;
        memcpy(more->children + 1, factors + i, (end - i) * sizeof *factors);
        product = more;
        i = end;
    }
    return product;
}

static struct math_node *parse_product(struct math_parser *p)
{
    enum { FACTORS_MAX = 128, DIVISORS_MAX = 16 };
    if (!math_parser_enter(p)) return NULL;
    struct math_node *factors[FACTORS_MAX];
    bool is_divisor[FACTORS_MAX] = {false};
    uint32_t n = 0, n_divisors = 0;
    bool is_next_divisor = false;
    if (math_parser_peek(p)->kind == TOKEN_CURRENCY) take_unit(p); // $5
    for (;;) {
        if (n == FACTORS_MAX || n_divisors == DIVISORS_MAX) return math_parser_fail(p);
        struct token *start = math_parser_peek(p);
        // after * and / a sign may stand: 3 * -2
        bool is_negative = n > 0 && start->kind == TOKEN_MINUS;
        if (is_negative) p->at++;
        struct math_node *factor = parse_power(p);
        if (factor == NULL) return NULL;
        if (is_negative) {
            struct math_node *negated = math_node_new(p->w, MATH_NEGATED, 1);
            negated->children[0] = factor;
            factor = negated;
        }
        is_divisor[n] = is_next_divisor;
        n_divisors += is_next_divisor;
        factors[n++] = factor;
        while (take_unit(p)) {
        }
        struct token *t = math_parser_peek(p);
        is_next_divisor = t->kind == TOKEN_DIVIDE;
        if (t->kind == TOKEN_TIMES || t->kind == TOKEN_DIVIDE) {
            p->at++;
        } else if (!starts_factor(p, t)) {
            break;
        } else if (t->kind == TOKEN_NUMBER && start->kind == TOKEN_NUMBER && start == t - 1) {
            return math_parser_fail(p); // two numbers side by side are no product
        }
        if (p->has_unit && !(p->unit_flags & MATH_UNIT_PERCENT) && n > 0 &&
            math_parser_peek(p)->kind == TOKEN_NUMBER && t->kind != TOKEN_TIMES)
            return math_parser_fail(p); // 2 hours 30 minutes
    }
    p->depth--;
    return fold_product(p, factors, is_divisor, n);
}

static struct math_node *with_sign(struct math_parser *p, struct math_node *term, int sign,
                                   int either)
{
    if (sign > 0 && either == 0) return term;
    if (term->kind == MATH_BASED && either == 0) { // -37_8 is digits with a sign, and a base
        struct math_node *negated = math_node_new(p->w, MATH_NEGATED, 1);
        negated->children[0] = term->children[0];
        term->children[0] = negated;
        return term;
    }
    struct math_node *node = math_node_new(p->w, either == 0 ? MATH_NEGATED : MATH_SIGNED, 1);
    node->children[0] = term;
    // a minus before "plus or minus" turns it round
    if (either != 0) node->n_decimals = either == sign ? 1 : 0;
    return node;
}

// Any run of signs: their product, and whether one of them was "plus or minus"
// (1) or "minus or plus" (-1).
static uint32_t take_signs(struct math_parser *p, int *sign, int *either)
{
    uint32_t n = 0;
    *sign = 1;
    *either = 0;
    for (;; n++) {
        struct token *t = math_parser_peek(p);
        if (t->kind == TOKEN_MINUS)
            *sign = -*sign;
        else if (t->kind == TOKEN_PLUS_MINUS)
            *either = t->code == 1 ? 1 : -1;
        else if (t->kind != TOKEN_PLUS)
            return n;
        p->at++;
    }
}

struct math_node *math_parse_sum(struct math_parser *p)
{
    if (!math_parser_enter(p)) return NULL;
    struct math_node *first = NULL, **terms = NULL;
    uint32_t n = 0;
    for (;;) {
        int sign, either;
        if (take_signs(p, &sign, &either) == 0 && n > 0) break;
        if (n == TERMS_MAX) return math_parser_fail(p);
        struct math_node *term = parse_product(p);
        if (term == NULL) return NULL;
        term = with_sign(p, term, sign, either);
        if (n == 0) first = term;
        if (n == 1) {
            terms = math_take(p->w, TERMS_MAX * sizeof *terms);
            terms[0] = first;
        }
        if (n > 0) terms[n] = term;
        n++;
    }
    p->depth--;
    if (n == 1) return first;
    struct math_node *sum = math_node_new(p->w, MATH_SUM, n);
    memcpy(sum->children, terms, n * sizeof *terms);
    return sum;
}
