#include "actor/grading/math_field.h"

#include "actor/grading/math_value.h"

__extension__ typedef unsigned __int128 uint128;

static const uint64_t primes[FIELD_POINTS] = {(UINT64_C(1) << 61) - 1, (UINT64_C(1) << 63) - 25};

uint64_t math_random(uint64_t name, unsigned point)
{
    uint64_t x = name + (point + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t prime)
{
    return (uint64_t)((uint128)a * b % prime);
}

static uint64_t power(uint64_t a, uint64_t n, uint64_t prime)
{
    uint64_t out = 1;
    for (; n > 0; n >>= 1) {
        if (n & 1) out = multiply(out, a, prime);
        a = multiply(a, a, prime);
    }
    return out;
}

uint64_t math_field_subtract(uint64_t a, uint64_t b, unsigned point)
{
    return a >= b ? a - b : a + (primes[point] - b);
}

bool math_field_divide(uint64_t a, uint64_t b, unsigned point, uint64_t *out)
{
    uint64_t prime = primes[point];
    if (b == 0) return false;
    *out = multiply(a, power(b, prime - 2, prime), prime);
    return true;
}

// To a whole power of any size: only its remainder by the order matters.
static bool raise(struct math_work *w, struct math_node *node, unsigned point, uint64_t *out)
{
    const struct exact *exponent = math_exact_value(w, node->children[1]);
    uint64_t base, prime = primes[point];
    if (exponent == NULL || !exact_is_integer(exponent) ||
        !math_field_value(w, node->children[0], point, &base))
        return false;
    if (base == 0 && exact_sign(exponent) <= 0) return false;
    if (!math_spend(w, 20)) return false;
    *out = power(base, exact_exponent_modulo(exponent, prime - 1), prime);
    return base != 0 || (*out = 0) == 0;
}

bool math_field_value(struct math_work *w, struct math_node *node, unsigned point, uint64_t *out)
{
    uint64_t prime = primes[point], left, right;
    bool is_known = false;
    if (!math_spend(w, 1)) return false;
    switch ((int)node->kind) {
    case MATH_SYMBOL:
        *out = math_random(node->name, 100 + point) % prime;
        return true;
    case MATH_NUMBER:
        *out = exact_modulo(node->number, prime, &is_known);
        return is_known;
    case MATH_NEGATED:
        if (!math_field_value(w, node->children[0], point, &left)) return false;
        *out = math_field_subtract(0, left, point);
        return true;
    case MATH_SUM:
    case MATH_PRODUCT:
        *out = node->kind == MATH_SUM ? 0 : 1;
        for (uint32_t i = 0; i < node->n_children; i++) {
            if (!math_field_value(w, node->children[i], point, &left)) return false;
            *out = node->kind == MATH_SUM
                       ? math_field_subtract(*out, math_field_subtract(0, left, point), point)
                       : multiply(*out, left, prime);
        }
        return true;
    case MATH_QUOTIENT:
        return math_field_value(w, node->children[0], point, &left) &&
               math_field_value(w, node->children[1], point, &right) && math_spend(w, 20) &&
               math_field_divide(left, right, point, out);
    case MATH_POWER:
        if (raise(w, node, point, out)) return true;
        break;
    default:
        break;
    }
    const struct exact *exact = math_exact_value(w, node);
    if (exact == NULL) return false;
    *out = exact_modulo(exact, prime, &is_known);
    return is_known;
}
