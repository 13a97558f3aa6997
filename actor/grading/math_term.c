#include <string.h>

#include "actor/grading/math_parser.h"
#include "actor/grading/math_vocabulary.h"

enum { TERMS_MAX = 512 };

// --- mixed numbers -------------------------------------------------------------------------------

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
        fraction = math_parse_number(p, t);
    } else if (t->kind == TOKEN_FRACTION) {
        fraction = math_parse_fraction(p);
    } else if (math_is_plain_digits(t) && t->follows_space && t[1].kind == TOKEN_DIVIDE &&
               math_is_plain_digits(&t[2])) {
        p->at += 3;
        fraction = math_node_pair(p->w, MATH_QUOTIENT, math_parse_number(p, t),
                                  math_parse_number(p, &t[2]));
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

// --- powers, products, sums ----------------------------------------------------------------------

static struct math_node *parse_exponent(struct math_parser *p)
{
    struct token *t = math_parser_peek(p);
    if (t->kind == TOKEN_GROUP_OPEN) return math_parse_group(p);
    if (t->kind != TOKEN_MINUS && t->kind != TOKEN_PLUS) return math_parse_power(p);
    p->at++;
    struct math_node *power = math_parse_power(p);
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

struct math_node *math_parse_power(struct math_parser *p)
{
    if (!math_parser_enter(p)) return NULL;
    struct math_node *node = math_parse_atom(p);
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
        struct math_node *factor = math_parse_power(p);
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
        } else if (!math_starts_factor(p, t)) {
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
