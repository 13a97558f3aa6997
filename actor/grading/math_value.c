#include "actor/grading/math_value.h"

#include "actor/grading/math_field.h"
#include "common/base/hash.h"

bool math_is_scalar(const struct math_node *node)
{
    return node->kind <= MATH_CALL;
}

// --- exactly -------------------------------------------------------------------------------------

static const struct exact *exact_many(struct math_work *w, struct math_node *node)
{
    const struct exact *out = math_exact_value(w, node->children[0]);
    for (uint32_t i = 1; i < node->n_children && out != NULL; i++) {
        const struct exact *next = math_exact_value(w, node->children[i]);
        if (next == NULL) return NULL;
        bool is_less = exact_compare(next, out) < 0;
        if (node->function == MATH_MIN || node->function == MATH_MAX) {
            out = is_less == (node->function == MATH_MIN) ? next : out;
        } else {
            const struct exact *common = exact_gcd(w, out, next);
            out = node->function == MATH_GCD || common == NULL
                      ? common
                      : exact_divide(w, exact_multiply(w, out, next), common);
        }
    }
    return out;
}

// b^n = a for a small whole n: an exact logarithm.
static const struct exact *exact_log(struct math_work *w, const struct exact *a,
                                     const struct exact *base)
{
    enum { EXPONENT_MAX = 64 };
    const struct exact *one = exact_of(w, 1, 1);
    if (a == NULL || base == NULL || exact_compare(base, one) <= 0 || exact_sign(a) <= 0)
        return NULL;
    bool is_small = exact_compare(a, one) < 0;
    const struct exact *goal = is_small ? exact_divide(w, one, a) : a, *power = one;
    for (long n = 0; n <= EXPONENT_MAX && power != NULL && goal != NULL; n++) {
        int order = exact_compare(power, goal);
        if (order == 0) return exact_of(w, is_small ? -n : n, 1);
        if (order > 0) return NULL;
        power = exact_multiply(w, power, base);
    }
    return NULL;
}

static const struct exact *exact_call(struct math_work *w, struct math_node *node)
{
    const struct exact *a = math_exact_value(w, node->children[0]);
    if (a == NULL) return NULL;
    const struct exact *b = node->n_children > 1 ? math_exact_value(w, node->children[1]) : NULL;
    switch ((int)node->function) {
    case MATH_ROOT:
        return b == NULL ? NULL : exact_power(w, a, exact_divide(w, exact_of(w, 1, 1), b));
    case MATH_LOG:
        return exact_log(w, a, b);
    case MATH_ABS:
        return exact_sign(a) < 0 ? exact_negate(w, a) : a;
    case MATH_FLOOR:
        return exact_floor(w, a);
    case MATH_CEIL:
        return exact_negate(w, exact_floor(w, exact_negate(w, a)));
    case MATH_FACTORIAL:
        return exact_factorial(w, a);
    case MATH_BINOMIAL:
        return exact_binomial(w, a, b);
    case MATH_GCD:
    case MATH_LCM:
    case MATH_MIN:
    case MATH_MAX:
        return exact_many(w, node);
    default:
        return NULL;
    }
}

static const struct exact *exact_of_node(struct math_work *w, struct math_node *node)
{
    const struct exact *out = NULL;
    switch ((int)node->kind) {
    case MATH_NUMBER:
        return node->number;
    case MATH_NEGATED:
        return exact_negate(w, math_exact_value(w, node->children[0]));
    case MATH_SUM:
    case MATH_PRODUCT:
        out = math_exact_value(w, node->children[0]);
        for (uint32_t i = 1; i < node->n_children && out != NULL; i++) {
            const struct exact *next = math_exact_value(w, node->children[i]);
            out = node->kind == MATH_SUM ? exact_add(w, out, next) : exact_multiply(w, out, next);
        }
        return out;
    case MATH_QUOTIENT:
    case MATH_POWER: {
        const struct exact *a = math_exact_value(w, node->children[0]);
        const struct exact *b = a == NULL ? NULL : math_exact_value(w, node->children[1]);
        return node->kind == MATH_QUOTIENT ? exact_divide(w, a, b) : exact_power(w, a, b);
    }
    case MATH_CALL:
        return exact_call(w, node);
    default:
        return NULL;
    }
}

const struct exact *math_exact_value(struct math_work *w, struct math_node *node)
{
    if (node->exact_state == 0) {
        node->exact = exact_of_node(w, node);
        node->exact_state = node->exact == NULL ? 2 : 1;
    }
    return node->exact;
}

// --- in balls ------------------------------------------------------------------------------------

// Between 1/4 and 2.25, on 40 random bits, at the points of the hash.  At the
// third all are negative, after that half of them; the last ones are very large
// and very small, so that |x - 1000| is not 1000 - x.
static const struct ball *symbol_value(struct math_work *w, uint64_t name, unsigned point)
{
    static const int scale_bits[VALUE_POINTS_ALL] = {0, 0, 0, 0, 0, 0, 7, -7, 24, -24};
    uint64_t random = math_random(name, point);
    int64_t size = (int64_t)(random >> 24) * 2 + (INT64_C(1) << 38);
    bool is_mixed = point > VALUE_POINTS && point < VALUE_POINTS_ALL - 2;
    bool is_negative = point == VALUE_POINTS || (is_mixed && (random & 1) != 0);
    return ball_of_parts(w, is_negative ? -size : size, (unsigned)(40 - scale_bits[point]));
}

static const struct ball *quarter_turn_minus(struct math_work *w, const struct ball *a)
{
    return ball_add(w, ball_divide(w, ball_pi(w), ball_of_parts(w, 2, 0)), ball_negate(w, a));
}

// arcsin x = 2 arctan(x / (1 + sqrt(1 - x^2)))
static const struct ball *arcsin_of(struct math_work *w, const struct ball *x)
{
    const struct ball *one = ball_of_parts(w, 1, 0), *two = ball_of_parts(w, 2, 0);
    const struct ball *rest = ball_add(w, one, ball_negate(w, ball_multiply(w, x, x)));
    const struct ball *under = ball_add(w, one, ball_sqrt(w, rest));
    return ball_multiply(w, two, ball_arctan(w, ball_divide(w, x, under)));
}

// (e^x + sign e^-x) / 2
static const struct ball *hyperbolic(struct math_work *w, const struct ball *x, bool is_sum)
{
    const struct ball *up = ball_exp(w, x), *down = ball_exp(w, ball_negate(w, x));
    const struct ball *both = ball_add(w, up, is_sum ? down : ball_negate(w, down));
    return ball_divide(w, both, ball_of_parts(w, 2, 0));
}

static const struct ball *factorial_of(struct math_work *w, const struct ball *x)
{
    return ball_gamma(w, ball_add(w, x, ball_of_parts(w, 1, 0)));
}

static const struct ball *ball_of_call(struct math_work *w, struct math_node *node, unsigned point)
{
    if (node->function >= MATH_GCD) return NULL;
    const struct ball *x = math_ball_value(w, node->children[0], point);
    const struct ball *y = node->n_children > 1 && node->function != MATH_ROOT
                               ? math_ball_value(w, node->children[1], point)
                               : NULL;
    if (x == NULL || (node->n_children > 1 && node->function != MATH_ROOT && y == NULL))
        return NULL;
    const struct ball *one = ball_of_parts(w, 1, 0);
    switch ((int)node->function) {
    case MATH_SIN:
        return ball_sin(w, x);
    case MATH_COS:
        return ball_cos(w, x);
    case MATH_TAN:
        return ball_divide(w, ball_sin(w, x), ball_cos(w, x));
    case MATH_COT:
        return ball_divide(w, ball_cos(w, x), ball_sin(w, x));
    case MATH_SEC:
        return ball_divide(w, one, ball_cos(w, x));
    case MATH_CSC:
        return ball_divide(w, one, ball_sin(w, x));
    case MATH_ARCSIN:
        return arcsin_of(w, x);
    case MATH_ARCCOS:
        return quarter_turn_minus(w, arcsin_of(w, x));
    case MATH_ARCTAN:
        return ball_arctan(w, x);
    case MATH_SINH:
        return hyperbolic(w, x, false);
    case MATH_COSH:
        return hyperbolic(w, x, true);
    case MATH_TANH:
        return ball_divide(w, hyperbolic(w, x, false), hyperbolic(w, x, true));
    case MATH_EXP:
        return ball_exp(w, x);
    case MATH_LOG:
        return y == NULL ? ball_log(w, x) : ball_divide(w, ball_log(w, x), ball_log(w, y));
    case MATH_ABS:
        return ball_abs(w, x);
    case MATH_FLOOR:
        return ball_floor(w, x);
    case MATH_CEIL:
        return ball_negate(w, ball_floor(w, ball_negate(w, x)));
    case MATH_FACTORIAL:
        return factorial_of(w, x);
    case MATH_BINOMIAL:
        return ball_divide(w, factorial_of(w, x),
                           ball_multiply(w, factorial_of(w, y),
                                         factorial_of(w, ball_add(w, x, ball_negate(w, y)))));
    default:
        return NULL;
    }
}

// A root or a power; its exponent exactly where that is known.
static const struct ball *ball_of_power(struct math_work *w, struct math_node *node, unsigned point)
{
    struct math_node *base = node->children[0], *power = node->children[1];
    const struct exact *exact = math_exact_value(w, power);
    if (node->kind == MATH_CALL && exact != NULL) exact = exact_divide(w, exact_of(w, 1, 1), exact);
    bool is_e = base->kind == MATH_E && node->kind == MATH_POWER;
    if (!is_e && exact != NULL) return ball_power_exact(w, math_ball_value(w, base, point), exact);
    const struct ball *exponent = math_ball_value(w, power, point);
    if (node->kind == MATH_CALL) exponent = ball_divide(w, ball_of_parts(w, 1, 0), exponent);
    if (is_e) return ball_exp(w, exponent);
    return ball_exp(w, ball_multiply(w, exponent, ball_log(w, math_ball_value(w, base, point))));
}

const struct ball *math_ball_value(struct math_work *w, struct math_node *node, unsigned point)
{
    if (!math_spend(w, 1)) return NULL;
    const struct exact *exact = math_exact_value(w, node);
    if (exact != NULL) return ball_of_exact(w, exact);
    const struct ball *out = NULL;
    switch ((int)node->kind) {
    case MATH_SYMBOL:
        return symbol_value(w, node->name, point);
    case MATH_PI:
        return ball_pi(w);
    case MATH_E:
        return ball_exp(w, ball_of_parts(w, 1, 0));
    case MATH_I:
        return ball_i(w);
    case MATH_NEGATED:
        return ball_negate(w, math_ball_value(w, node->children[0], point));
    case MATH_SUM:
    case MATH_PRODUCT:
        out = math_ball_value(w, node->children[0], point);
        for (uint32_t i = 1; i < node->n_children && out != NULL; i++) {
            const struct ball *next = math_ball_value(w, node->children[i], point);
            out = node->kind == MATH_SUM ? ball_add(w, out, next) : ball_multiply(w, out, next);
        }
        return out;
    case MATH_QUOTIENT:
        out = math_ball_value(w, node->children[0], point);
        return out == NULL ? NULL
                           : ball_divide(w, out, math_ball_value(w, node->children[1], point));
    case MATH_POWER:
        return ball_of_power(w, node, point);
    case MATH_CALL:
        return node->function == MATH_ROOT ? ball_of_power(w, node, point)
                                           : ball_of_call(w, node, point);
    default:
        return NULL;
    }
}

// --- hashes --------------------------------------------------------------------------------------

enum { PRECISION_FIRST = 320, PRECISION_LAST = 1280 };

// At the precision that makes the digits sure.
static bool hash_at(struct math_work *w, struct math_node *node, unsigned point, uint64_t *out)
{
    for (long bits = PRECISION_FIRST; bits <= PRECISION_LAST; bits *= 2) {
        w->precision_bits = bits;
        const struct ball *value = math_ball_value(w, node, point);
        if (value == NULL) return false;
        if (ball_hash(value, out)) return true;
    }
    return false;
}

static uint64_t combine(const uint64_t *parts, size_t n)
{
    uint64_t out = checksum_of(parts, n * sizeof *parts);
    return out == 0 ? 1 : out;
}

// Of a rational function exactly; 0: it is none, or not known.
static uint64_t find_witness(struct math_work *w, struct math_node *node)
{
    uint64_t at[FIELD_POINTS];
    for (unsigned i = 0; i < FIELD_POINTS; i++)
        if (!math_field_value(w, node, i, &at[i])) return 0;
    return combine(at, FIELD_POINTS);
}

static uint64_t witness(struct math_work *w, struct math_node *node)
{
    if (!node->has_witness) node->witness = find_witness(w, node);
    node->has_witness = true;
    return node->witness;
}

static bool find_value(struct math_work *w, struct math_node *node)
{
    uint64_t at[VALUE_POINTS];
    bool has_symbol = math_node_has(node, MATH_SYMBOL);
    for (unsigned i = 0; i < VALUE_POINTS; i++) {
        if (i > 0 && !has_symbol)
            at[i] = at[0];
        else if (!hash_at(w, node, i, &at[i]))
            return false;
    }
    node->hash = combine(at, VALUE_POINTS);
    const struct exact *exact = math_exact_value(w, node);
    if (exact != NULL && exact_is_wider(exact, BALL_DIGITS_BITS - 8)) {
        // more digits than those hashed: the exact ones tell such numbers apart
        uint64_t both[2] = {node->hash, witness(w, node)};
        node->hash = combine(both, 2);
    }
    return true;
}

bool math_value_find(struct math_work *w, struct math_node *node)
{
    if (node->value_state == 0) node->value_state = find_value(w, node) ? 1 : 2;
    return node->value_state == 1;
}

// At a point where symbols are negative: apart for sure.  Where a root or a
// logarithm is not real without i in it, we are outside of what the expression is
// about.
static bool differ_at(struct math_work *w, struct math_node *a, struct math_node *b, unsigned point)
{
    w->precision_bits = PRECISION_FIRST;
    w->has_left_reals = false;
    const struct ball *left = math_ball_value(w, a, point), *right = math_ball_value(w, b, point);
    if (left == NULL || right == NULL) return false;
    bool is_complex = math_node_has(a, MATH_I) || math_node_has(b, MATH_I);
    if (!is_complex && w->has_left_reals) return false;
    const struct ball *difference = ball_add(w, left, ball_negate(w, right));
    return difference != NULL && !ball_has_zero(difference);
}

bool math_values_differ(struct math_work *w, struct math_node *a, struct math_node *b)
{
    const struct exact *left = math_exact_value(w, a), *right = math_exact_value(w, b);
    if (left != NULL && right != NULL) return exact_compare(left, right) != 0;
    if (witness(w, a) != 0 && witness(w, b) != 0) return witness(w, a) != witness(w, b);
    if (!math_node_has(a, MATH_SYMBOL)) return false;
    for (unsigned point = VALUE_POINTS; point < VALUE_POINTS_ALL; point++)
        if (differ_at(w, a, b, point)) return true;
    return false;
}

bool math_hash_ratio(struct math_work *w, struct math_node *left, struct math_node *right,
                     int *sign, uint64_t *out)
{
    enum { RATIO_POINTS = 3 };
    struct math_node *minus = math_node_new(w, MATH_NEGATED, 1);
    minus->children[0] = right;
    struct math_node *difference = math_node_pair(w, MATH_SUM, left, minus);
    uint64_t hashes[RATIO_POINTS];
    w->precision_bits = 2 * PRECISION_FIRST;
    const struct ball *first = math_ball_value(w, difference, 0);
    if (first == NULL || ball_has_zero(first)) return false;
    *sign = ball_compare(w, first, ball_of_parts(w, 0, 0));
    for (unsigned point = 0; point < RATIO_POINTS; point++) {
        const struct ball *value = math_ball_value(w, difference, point);
        if (!ball_hash(ball_divide(w, value, first), &hashes[point])) return false;
    }
    *out = combine(hashes, RATIO_POINTS);
    return true;
}
