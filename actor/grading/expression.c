#include "actor/grading/expression.h"

#include <string.h>

// Operator-precedence parsing with two explicit stacks.

enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_OPERATOR,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_FRACTION, // \frac{
    TOKEN_BAD
};

struct parser {
    struct view text;
    size_t at;
    struct fraction values[EXPRESSION_DEPTH_MAX * 2 + 2];
    size_t n_values;
    // + - * /, ~ and # (the signs - and +); ( [ { open a bracket; f and g those of \frac{}{}
    char operators[EXPRESSION_DEPTH_MAX * 2 + 2];
    size_t n_operators;
    size_t depth;
    struct expression *out;
};

// --- reading -------------------------------------------------------------------------------------

static const struct {
    const char *text;
    char op;
} spellings[] = {
    {"+", '+'},
    {"-", '-'},
    {"*", '*'},
    {"/", '/'},
    {"\xc3\x97", '*'},
    {"\xc2\xb7", '*'},
    {"\xc3\xb7", '/'},
    {"\xe2\x88\x92", '-'},
    {"\\times", '*'},
    {"\\cdot", '*'},
    {"\\div", '/'},
    {"\xe2\x88\x97", '*'},
    {"\xe2\x8b\x85", '*'},
};

static bool take(struct parser *p, const char *word)
{
    size_t n = strlen(word);
    if (n > p->text.size_bytes - p->at || memcmp(p->text.bytes + p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

// White space, and LaTeX that is none of the value.
static void skip_blanks(struct parser *p)
{
    static const char *const commands[] = {"\\(",     "\\)", "\\[", "\\]", "\\left",
                                           "\\right", "\\,", "\\!", "\\;"};
    while (p->at < p->text.size_bytes) {
        char c = p->text.bytes[p->at];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '$') {
            p->at++;
            continue;
        }
        size_t i = 0, n = c == '\\' ? sizeof commands / sizeof commands[0] : 0;
        while (i < n && !take(p, commands[i]))
            i++;
        if (i == n) break;
    }
}

static enum token_kind next_operator(struct parser *p, char *op)
{
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (!take(p, spellings[i].text)) continue;
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
    skip_blanks(p);
    if (p->at == p->text.size_bytes) return TOKEN_END;
    char c = p->text.bytes[p->at];
    if (c >= '0' && c <= '9') return next_number(p, number);
    if (take(p, "\\frac{") || take(p, "\\dfrac{") || take(p, "\\tfrac{")) return TOKEN_FRACTION;
    if (c != '\0' && strchr("([{)]}", c) != NULL) {
        p->at++;
        *op = c;
        return strchr("([{", c) != NULL ? TOKEN_OPEN : TOKEN_CLOSE;
    }
    return next_operator(p, op);
}

// --- evaluating ----------------------------------------------------------------------------------

static int binding(char op)
{
    return op == '~' || op == '#' ? 3 : op == '*' || op == '/' ? 2 : op == '+' || op == '-' ? 1 : 0;
}

static bool reduce(struct parser *p)
{
    char op = p->operators[--p->n_operators];
    struct fraction *top = &p->values[p->n_values - 1];
    if (op == '#') return true;
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

static bool open_bracket(struct parser *p, char bracket)
{
    return ++p->depth <= EXPRESSION_DEPTH_MAX && push_operator(p, bracket);
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
    if (kind == TOKEN_OPEN) return open_bracket(p, op);
    if (kind == TOKEN_FRACTION) return open_bracket(p, '(') && open_bracket(p, 'f');
    if (kind != TOKEN_OPERATOR || (op != '-' && op != '+')) return false;
    return push_operator(p, op == '+' ? '#' : '~');
}

// What is inside becomes one value.  \frac{a}{b} is ((a)/(b)): its first brace
// leads on to the second, and that one closes the whole.
static bool close_bracket(struct parser *p, char bracket, bool *wants_value)
{
    if (p->depth == 0) return false;
    while (binding(p->operators[p->n_operators - 1]) > 0)
        if (!reduce(p)) return false;
    char opened = p->operators[--p->n_operators];
    p->depth--;
    if (opened == 'f') {
        if (bracket != '}' || !take(p, "{")) return false;
        *wants_value = true;
        return push_operator(p, '/') && open_bracket(p, 'g');
    }
    if (opened == 'g') return bracket == '}' && close_bracket(p, ')', wants_value);
    return bracket == (opened == '(' ? ')' : opened == '[' ? ']' : '}');
}

// A token where a value has ended: an operator or ")".
static bool take_operator(struct parser *p, enum token_kind kind, char op, bool *wants_value)
{
    if (kind == TOKEN_CLOSE) return close_bracket(p, op, wants_value);
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
