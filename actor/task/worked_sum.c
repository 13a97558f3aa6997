#include "actor/task/worked_sum.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

bool arithmetic_apply(char op, int64_t a, int64_t b, int64_t *out)
{
    switch (op) {
    case '+':
        return !__builtin_add_overflow(a, b, out);
    case '-':
        return !__builtin_sub_overflow(a, b, out);
    case '*':
        return !__builtin_mul_overflow(a, b, out);
    default:
        if (b == 0 || (a == INT64_MIN && b == -1) || a % b != 0) return false;
        *out = a / b;
        return true;
    }
}

static void begin_line(const struct working *w)
{
    if (w->text->size_bytes > 0) text_buffer_add_string(w->text, "\n");
}

void working_line(const struct working *w, const char *fmt, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, fmt);
    vsnprintf(line, sizeof line, fmt, arguments);
    va_end(arguments);
    begin_line(w);
    text_buffer_add_string(w->text, line);
}

// Columns of a + b, both from 0.
static void add_columns(struct text_buffer *out, int64_t a, int64_t b)
{
    int64_t carry = 0;
    for (bool is_first = true; a > 0 || b > 0; is_first = false, a /= 10, b /= 10) {
        int64_t x = a % 10, y = b % 10, sum = x + y + carry;
        text_buffer_printf(out, "%s%" PRId64 " + %" PRId64, is_first ? "" : " , ", x, y);
        if (carry > 0) text_buffer_add_string(out, " + 1");
        text_buffer_printf(out, " = %" PRId64, sum);
        carry = sum / 10;
    }
}

// Columns of a - b, a >= b >= 0.
static void subtract_columns(struct text_buffer *out, int64_t a, int64_t b)
{
    int64_t borrow = 0;
    for (bool is_first = true; a > 0; is_first = false, a /= 10, b /= 10) {
        int64_t x = a % 10 - borrow, y = b % 10;
        borrow = x < y ? 1 : 0;
        x += 10 * borrow;
        text_buffer_printf(out, "%s%" PRId64 " - %" PRId64 " = %" PRId64, is_first ? "" : " , ", x,
                           y, x - y);
    }
}

// One product for each digit of b, and their running sum.
static void multiply_columns(struct text_buffer *out, int64_t a, int64_t b)
{
    int64_t sum = 0;
    bool is_first = true;
    for (int64_t place = 1; b > 0; b /= 10, place *= 10) {
        int64_t part = b % 10 * place;
        if (part == 0) continue;
        text_buffer_printf(out, "%s%" PRId64 " * %" PRId64 " = %" PRId64, is_first ? "" : " , ", a,
                           part, a * part);
        if (!is_first)
            text_buffer_printf(out, " , %" PRId64 " + %" PRId64 " = %" PRId64, sum, a * part,
                               sum + a * part);
        sum += a * part;
        is_first = false;
    }
}

static int64_t magnitude(int64_t n)
{
    return n < 0 ? -n : n;
}

// "5 - 47" is "-(47 - 5)": the sign, and what is left to do on numbers from 0.
static bool settle_signs(char *op, int64_t *a, int64_t *b)
{
    int64_t x = magnitude(*a), y = magnitude(*b);
    bool is_negative;
    if (*op == '*') {
        is_negative = (*a < 0) != (*b < 0);
    } else {
        bool b_is_negative = (*b < 0) != (*op == '-');
        *op = (*a < 0) == b_is_negative ? '+' : '-';
        is_negative = *a < 0;
        if (*op == '-' && x < y) { // the larger goes first and says the sign
            is_negative = b_is_negative;
            int64_t swap = x;
            x = y;
            y = swap;
        }
    }
    *a = x;
    *b = y;
    return is_negative;
}

static void write_columns(struct text_buffer *out, char op, int64_t a, int64_t b)
{
    const int64_t given[] = {a, b};
    char given_op = op;
    bool is_negative = settle_signs(&op, &a, &b);
    text_buffer_printf(out, "%" PRId64 " %c %" PRId64, given[0], given_op, given[1]);
    if (is_negative || op != given_op || a != given[0] || b != given[1])
        text_buffer_printf(
            out, is_negative ? " = -(%" PRId64 " %c %" PRId64 ")" : " = %" PRId64 " %c %" PRId64, a,
            op, b);
    text_buffer_add_string(out, " : ");
    if (op == '+')
        add_columns(out, a, b);
    else if (op == '-')
        subtract_columns(out, a, b);
    else
        multiply_columns(out, a, b);
    text_buffer_add_string(out, " ; ");
}

void working_step(const struct working *w, char op, int64_t a, int64_t b)
{
    int64_t result;
    CHECK(arithmetic_apply(op, a, b, &result));
    begin_line(w);
    bool has_columns =
        op == '*' ? magnitude(b) > 9 || magnitude(a) > 99 : magnitude(a) > 9 || magnitude(b) > 9;
    if (w->by_digits && op != '/' && has_columns && magnitude(a) > 0 && magnitude(b) > 0)
        write_columns(w->text, op, a, b);
    text_buffer_printf(w->text, "%" PRId64 " %c %" PRId64 " = %" PRId64, a, op, b, result);
}
