#include "actor/grading/fraction.h"

#include <string.h>

static int64_t magnitude(int64_t a)
{
    return a < 0 ? -a : a;
}

bool fraction_make(int64_t over, int64_t under, struct fraction *out)
{
    if (under == 0 || over == INT64_MIN || under == INT64_MIN) return false;
    int64_t a = magnitude(over), b = magnitude(under);
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    if (under < 0) a = -a;
    *out = (struct fraction){over / a, under / a};
    return true;
}

bool fraction_apply(char op, struct fraction a, struct fraction b, struct fraction *out)
{
    int64_t left, right, over, under;
    if (op == '/') {
        if (b.over == 0) return false;
        b = (struct fraction){b.under, b.over};
        op = '*';
    }
    if (op == '*') {
        if (__builtin_mul_overflow(a.over, b.over, &over) ||
            __builtin_mul_overflow(a.under, b.under, &under))
            return false;
        return fraction_make(over, under, out);
    }
    if (__builtin_mul_overflow(a.over, b.under, &left) ||
        __builtin_mul_overflow(b.over, a.under, &right) ||
        __builtin_mul_overflow(a.under, b.under, &under))
        return false;
    bool overflows = op == '+' ? __builtin_add_overflow(left, right, &over)
                               : __builtin_sub_overflow(left, right, &over);
    return !overflows && fraction_make(over, under, out);
}

// --- reading -------------------------------------------------------------------------------------

struct cursor {
    struct view text;
    size_t at;
};

static bool take(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    if (n > c->text.size_bytes - c->at || memcmp(c->text.bytes + c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

static void skip_spaces(struct cursor *c)
{
    while (take(c, " ")) {
    }
}

static bool has_digit(const struct cursor *c)
{
    return c->at < c->text.size_bytes && c->text.bytes[c->at] >= '0' && c->text.bytes[c->at] <= '9';
}

static bool take_digits(struct cursor *c, int64_t *value, uint32_t *count)
{
    for (*count = 0; has_digit(c); (*count)++, c->at++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, c->text.bytes[c->at] - '0', value))
            return false;
    return true;
}

static bool take_sign(struct cursor *c)
{
    bool is_negative = take(c, "-") || take(c, "\xe2\x88\x92");
    if (!is_negative) (void)take(c, "+");
    skip_spaces(c);
    return is_negative;
}

static bool scale_by_ten(struct fraction *f, bool is_up)
{
    return fraction_apply(is_up ? '*' : '/', *f, (struct fraction){10, 1}, f);
}

// "12", "0.25", ".5", "1.5e3", with a sign before it.
static bool take_decimal(struct cursor *c, struct fraction *out)
{
    bool is_negative = take_sign(c);
    int64_t digits = 0, exponent = 0;
    uint32_t n_whole, n_after = 0, n_exponent;
    if (!take_digits(c, &digits, &n_whole)) return false;
    if (take(c, ".") && !take_digits(c, &digits, &n_after)) return false;
    if (n_whole + n_after == 0) return false;
    *out = (struct fraction){is_negative ? -digits : digits, 1};
    if (take(c, "e") || take(c, "E")) {
        bool is_down = take_sign(c);
        if (!take_digits(c, &exponent, &n_exponent) || n_exponent == 0 || exponent > 40)
            return false;
        if (is_down) exponent = -exponent;
    }
    exponent -= n_after;
    for (; exponent != 0; exponent += exponent > 0 ? -1 : 1)
        if (out->over != 0 && !scale_by_ten(out, exponent > 0)) return false;
    return true;
}

static bool take_latex(struct cursor *c, struct fraction *out)
{
    struct fraction over, under;
    bool is_negative = take_sign(c);
    if (!take(c, "\\frac{") && !take(c, "\\dfrac{") && !take(c, "\\tfrac{")) return false;
    if (!take_decimal(c, &over) || !take(c, "}{") || !take_decimal(c, &under) || !take(c, "}") ||
        !fraction_apply('/', over, under, out))
        return false;
    if (is_negative) out->over = -out->over;
    return true;
}

bool fraction_read(struct view text, struct fraction *out)
{
    struct cursor c = {text_trim(text), 0};
    if (!take_latex(&c, out)) {
        c.at = 0;
        if (!take_decimal(&c, out)) return false;
        skip_spaces(&c);
        if (take(&c, "/")) {
            struct fraction under;
            skip_spaces(&c);
            if (!take_decimal(&c, &under) || !fraction_apply('/', *out, under, out)) return false;
        }
    }
    return c.at == c.text.size_bytes;
}
