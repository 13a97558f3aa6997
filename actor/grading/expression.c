#include "actor/grading/expression.h"

#include <string.h>

// Operator-precedence parsing with two explicit stacks.

enum token_kind { TOKEN_END, TOKEN_NUMBER, TOKEN_OPERATOR, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_BAD };

struct parser {
    struct view text;
    size_t at;
    struct fraction values[EXPRESSION_DEPTH_MAX * 2 + 2];
    size_t n_values;
    char operators[EXPRESSION_DEPTH_MAX * 2 + 2]; // + - * / ( and ~ (a sign)
    size_t n_operators;
    size_t depth;
    struct expression *out;
};

static int64_t magnitude(int64_t a)
{
    return a < 0 ? -a : a;
}

static bool fraction_make(int64_t over, int64_t under, struct fraction *out)
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

static bool fraction_apply(char op, struct fraction a, struct fraction b, struct fraction *out)
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

static const struct {
    const char *text;
    char op;
} spellings[] = {
    {"+", '+'},        {"-", '-'},        {"*", '*'},        {"/", '/'},
    {"\xc3\x97", '*'}, {"\xc2\xb7", '*'}, {"\xc3\xb7", '/'}, {"\xe2\x88\x92", '-'},
    {"\\times", '*'},  {"\\cdot", '*'},   {"\\div", '/'},
};

static enum token_kind next_operator(struct parser *p, char *op)
{
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        size_t n = strlen(spellings[i].text);
        if (n > p->text.size_bytes - p->at ||
            memcmp(p->text.bytes + p->at, spellings[i].text, n) != 0)
            continue;
        p->at += n;
        *op = spellings[i].op;
        return TOKEN_OPERATOR;
    }
    return TOKEN_BAD;
}

static enum token_kind next_number(struct parser *p, int64_t *number)
{
    int64_t value = 0;
    while (p->at < p->text.size_bytes && p->text.bytes[p->at] >= '0' &&
           p->text.bytes[p->at] <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, p->text.bytes[p->at] - '0', &value))
            return TOKEN_BAD;
        p->at++;
    }
    *number = value;
    return TOKEN_NUMBER;
}

static enum token_kind next_token(struct parser *p, int64_t *number, char *op)
{
    while (p->at < p->text.size_bytes && strchr(" \t\r\n", p->text.bytes[p->at]) != NULL &&
           p->text.bytes[p->at] != '\0')
        p->at++;
    if (p->at == p->text.size_bytes) return TOKEN_END;
    char c = p->text.bytes[p->at];
    if (c >= '0' && c <= '9') return next_number(p, number);
    if (c == '(' || c == ')') {
        p->at++;
        return c == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
    }
    return next_operator(p, op);
}

// --- evaluating ----------------------------------------------------------------------------------

static int binding(char op)
{
    return op == '~' ? 3 : op == '*' || op == '/' ? 2 : op == '+' || op == '-' ? 1 : 0;
}

static bool reduce(struct parser *p)
{
    char op = p->operators[--p->n_operators];
    struct fraction *top = &p->values[p->n_values - 1];
    if (op == '~') {
        top->over = -top->over; // never INT64_MIN: fraction_make refuses it
        return true;
    }
    p->n_values--;
    return fraction_apply(op, p->values[p->n_values - 1], *top, &p->values[p->n_values - 1]);
}

static bool push_operator(struct parser *p, char op)
{
    if (p->n_operators == EXPRESSION_DEPTH_MAX * 2) return false;
    p->operators[p->n_operators++] = op;
    return true;
}

// A token where a value must begin: a number, "(", or a sign.
static bool take_value(struct parser *p, enum token_kind kind, int64_t number, char op,
                       bool *wants_value)
{
    if (kind == TOKEN_NUMBER) {
        struct expression *e = p->out;
        if (e->n_numbers == EXPRESSION_NUMBERS_MAX || p->n_values == EXPRESSION_DEPTH_MAX * 2)
            return false;
        e->numbers[e->n_numbers++] = number;
        p->values[p->n_values++] = (struct fraction){number, 1};
        *wants_value = false;
        return true;
    }
    if (kind == TOKEN_OPEN) return ++p->depth <= EXPRESSION_DEPTH_MAX && push_operator(p, '(');
    if (kind != TOKEN_OPERATOR || (op != '-' && op != '+')) return false;
    return op == '+' || push_operator(p, '~');
}

// A token where a value has ended: an operator or ")".
static bool take_operator(struct parser *p, enum token_kind kind, char op, bool *wants_value)
{
    if (kind == TOKEN_CLOSE) {
        if (p->depth == 0) return false;
        while (p->operators[p->n_operators - 1] != '(')
            if (!reduce(p)) return false;
        p->n_operators--;
        p->depth--;
        return true;
    }
    if (kind != TOKEN_OPERATOR) return false;
    while (p->n_operators > 0 && binding(p->operators[p->n_operators - 1]) >= binding(op))
        if (!reduce(p)) return false;
    *wants_value = true;
    return push_operator(p, op);
}

static bool evaluate(struct view text, struct expression *out)
{
    *out = (struct expression){0};
    struct parser p = {.text = text, .out = out};
    bool wants_value = true;
    for (;;) {
        int64_t number = 0;
        char op = 0;
        enum token_kind kind = next_token(&p, &number, &op);
        if (kind == TOKEN_END) break;
        if (kind == TOKEN_BAD) return false;
        bool is_good = wants_value ? take_value(&p, kind, number, op, &wants_value)
                                   : take_operator(&p, kind, op, &wants_value);
        if (!is_good) return false;
    }
    if (wants_value || p.depth > 0) return false;
    while (p.n_operators > 0)
        if (!reduce(&p)) return false;
    out->value = p.values[0];
    return true;
}

bool expression_evaluate(struct view text, struct expression *out)
{
    size_t equals = text_find(text, "=", 0);
    if (equals == TEXT_NOWHERE) return evaluate(text, out);
    struct expression right;
    return evaluate(text_part(text, 0, equals), out) &&
           evaluate(text_part(text, equals + 1, text.size_bytes), &right) && right.n_numbers == 1 &&
           right.value.over == out->value.over && right.value.under == out->value.under;
}
