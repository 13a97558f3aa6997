#include "actor/grading/math_lexer.h"

#include <string.h>

#include "actor/grading/math_number.h"
#include "actor/grading/math_vocabulary.h"
#include "actor/text/utf8.h"
#include "common/base/hash.h"

enum { BRACKETS_MAX = 1024, NAME_MAX = 64 };

struct lexer {
    struct math_work *w;
    struct view text;
    size_t at;
    enum math_reading reading;
    struct math_tokens *out;
    bool is_full;
    bool follows_space;
    unsigned n_brackets; // open round and square brackets and sets: commas divide in them
    // Inside of \text{…}: braces open there; 0: not inside
    unsigned n_text_braces;
    unsigned n_matrix; // \begin without its \end
};

uint64_t math_name(const char *letters, size_t n_bytes)
{
    uint64_t name = checksum_of(letters, n_bytes);
    return name == 0 ? 1 : name;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.size_bytes ? l->text.bytes[l->at + ahead] : 0;
}

static struct token *add(struct lexer *l, enum token_kind kind, int code, size_t n_bytes)
{
    // one place is kept for the end
    if (l->out->n_tokens + 1 >= MATH_TOKENS_MAX) l->is_full = true;
    if (l->is_full) l->out->n_tokens = 0;
    struct token *t = &l->out->tokens[l->out->n_tokens++];
    *t = (struct token){.kind = kind, .code = code, .n_decimals = -1};
    t->text = text_part(l->text, l->at, l->at + n_bytes);
    t->follows_space = l->follows_space;
    l->follows_space = false;
    l->at += n_bytes;
    return t;
}

static void add_symbol(struct lexer *l, size_t n_bytes, uint64_t name)
{
    struct token *t = add(l, TOKEN_SYMBOL, 0, n_bytes);
    t->name = name;
    t->is_choice = l->n_text_braces > 0;
}

// --- numbers -------------------------------------------------------------------------------------

static void read_number(struct lexer *l)
{
    bool commas_group = l->reading == READ_COMMAS ? l->n_brackets > 0 : l->n_brackets == 0;
    struct number_spelling spelling;
    math_number_read(l->w, text_part(l->text, l->at, l->text.size_bytes), commas_group,
                     l->reading == READ_DECIMAL_COMMA, &spelling);
    l->out->is_ambiguous |= spelling.is_ambiguous;
    struct token *t = add(l, TOKEN_NUMBER, 0, spelling.n_bytes);
    t->number = spelling.number;
    t->digits = spelling.digits;
    t->n_digits = spelling.n_digits;
    t->n_decimals = spelling.n_decimals;
}

// --- letters -------------------------------------------------------------------------------------

static struct view lower_case(struct lexer *l, struct view text)
{
    char *copy = math_take(l->w, text.size_bytes + 1);
    for (size_t i = 0; i < text.size_bytes; i++) {
        char c = text.bytes[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (struct view){copy, text.size_bytes};
}

static void add_word(struct lexer *l, size_t n_bytes)
{
    struct view lower = lower_case(l, text_part(l->text, l->at, l->at + n_bytes));
    struct token *t = add(l, TOKEN_WORD, (int)math_unit(lower), n_bytes);
    t->name = math_name(lower.bytes, lower.size_bytes);
}

static void add_letter(struct lexer *l)
{
    char c = peek(l, 0);
    if (c == 'e' && l->n_text_braces == 0)
        add(l, TOKEN_CONSTANT, MATH_E, 1);
    else if (c == 'i' && l->n_text_braces == 0)
        add(l, TOKEN_CONSTANT, MATH_I, 1);
    else
        add_symbol(l, 1, math_name(&c, 1));
}

// abc and xyz are products, and any two letters but these; a run in no such
// order is a word.
static bool is_product(struct view run)
{
    static const char words[][3] = {"is", "of", "to", "no", "we", "No", "To"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (run.size_bytes == 2 && memcmp(run.bytes, words[i], 2) == 0) return false;
    if (run.size_bytes == 2) return true;
    if (run.size_bytes > 4) return false;
    for (size_t i = 1; i < run.size_bytes; i++)
        if (run.bytes[i - 1] >= run.bytes[i]) return false;
    return true;
}

static bool follows_value(const struct lexer *l)
{
    if (l->out->n_tokens == 0) return false;
    enum token_kind last = l->out->tokens[l->out->n_tokens - 1].kind;
    return last == TOKEN_NUMBER || last == TOKEN_GROUP_CLOSE || last == TOKEN_FRACTION_SIGN ||
           (last == TOKEN_CONSTANT && l->out->tokens[l->out->n_tokens - 1].code == MATH_PI);
}

// Letters outside of commands, in or out of \text{}.
static void read_letters(struct lexer *l)
{
    size_t size = 1;
    while (is_letter(peek(l, size)))
        size++;
    struct view run = text_part(l->text, l->at, l->at + size);
    if (size == 1) {
        bool is_unit = l->n_text_braces > 0 && run.bytes[0] >= 'a';
        if (is_unit)
            add_word(l, 1);
        else
            add_letter(l);
        return;
    }
    struct view lower = lower_case(l, run);
    const struct meaning *meaning = math_word(lower);
    bool is_meant = meaning != NULL && (l->n_text_braces == 0 || meaning->kind == TOKEN_COMMA);
    if (is_meant) {
        add(l, meaning->kind, meaning->code, size);
    } else if (l->n_text_braces > 0 || (follows_value(l) && math_unit(lower) != 0) ||
               !is_product(run)) {
        add_word(l, size);
    } else {
        for (size_t i = 0; i < size; i++)
            add_letter(l);
    }
}

// --- commands ------------------------------------------------------------------------------------

// The contents of the braces at l->at, and where they end; false: there are none.
static bool read_braces(const struct lexer *l, size_t from, struct view *inside, size_t *end)
{
    while (from < l->text.size_bytes && is_space(l->text.bytes[from]))
        from++;
    if (from >= l->text.size_bytes || l->text.bytes[from] != '{') return false;
    size_t close = text_find(l->text, "}", from);
    if (close == TEXT_NOWHERE || close - from > NAME_MAX) return false;
    *inside = text_trim(text_part(l->text, from + 1, close));
    *end = close + 1;
    return true;
}

static void read_environment(struct lexer *l, size_t n_bytes, bool is_begin)
{
    struct view name;
    size_t end;
    int code = 0;
    if (!read_braces(l, l->at + n_bytes, &name, &end) || !math_is_matrix(name, &code)) {
        add(l, TOKEN_UNKNOWN, 0, n_bytes);
        return;
    }
    struct view columns;
    size_t end_of_columns;
    if (is_begin && code == 'a' && read_braces(l, end, &columns, &end_of_columns))
        end = end_of_columns;
    l->n_matrix += is_begin ? 1 : 0;
    add(l, is_begin ? TOKEN_MATRIX_OPEN : TOKEN_MATRIX_CLOSE, code, end - l->at);
}

// \text{…}: a single letter in roman type, as in \mathrm{e}, is the letter.
static void read_text(struct lexer *l, size_t n_bytes, struct view name)
{
    struct view inside;
    size_t end;
    bool is_roman = name.size_bytes == 6 && memcmp(name.bytes, "mathrm", 6) == 0;
    if (read_braces(l, l->at + n_bytes, &inside, &end) &&
        ((is_roman && inside.size_bytes == 1 &&
          (inside.bytes[0] == 'e' || inside.bytes[0] == 'i')) ||
         (name.bytes[0] == 'o' && math_word(inside) != NULL))) {
        l->at = (size_t)(inside.bytes - l->text.bytes);
        if (inside.size_bytes == 1) {
            add_letter(l);
        } else {
            const struct meaning *meaning = math_word(inside);
            add(l, meaning->kind, meaning->code, inside.size_bytes);
        }
        l->at = end;
        return;
    }
    l->at += n_bytes;
    while (is_space(peek(l, 0)))
        l->at++;
    if (peek(l, 0) != '{') return; // \text x: a font
    l->at++;
    l->n_text_braces++;
    l->follows_space = true;
}

static void read_command(struct lexer *l)
{
    size_t size = 1;
    while (is_letter(peek(l, size)))
        size++;
    struct view name = text_part(l->text, l->at + 1, l->at + size);
    const struct meaning *meaning = math_command(name);
    // \pir and \quadx: the longest known beginning
    for (; meaning == NULL && name.size_bytes > 2; meaning = math_command(name))
        name.size_bytes--;
    size = name.size_bytes + 1;
    struct view inside;
    size_t end;
    if (meaning == NULL) {
        add(l, TOKEN_UNKNOWN, 0, size);
        return;
    }
    switch (meaning->word_class) {
    case WORD_SKIP:
        l->at += size;
        l->follows_space = true;
        break;
    case WORD_HIDDEN:
        l->at = read_braces(l, l->at + size, &inside, &end) ? end : l->at + size;
        break;
    case WORD_TEXT:
        read_text(l, size, name);
        break;
    case WORD_BEGIN:
        read_environment(l, size, true);
        break;
    case WORD_END:
        read_environment(l, size, false);
        break;
    case WORD_LETTER:
        add_symbol(l, size, math_name(name.bytes, name.size_bytes));
        break;
    case WORD_DRAWN:
        l->at += size;
        break; // repeated digits were read with their number
    case WORD_TOKEN: {
        struct token *t = add(l, meaning->kind, meaning->code, size);
        if (meaning->kind == TOKEN_FUNCTION && name.size_bytes == 2 && name.bytes[1] == 'g')
            t->is_choice = true; // lg: to the base ten
        break;
    }
    }
}

// The end of a row, perhaps with its distance to the next as in \\[4pt].
static void read_row(struct lexer *l)
{
    if (l->n_matrix == 0) {
        // \\frac: a backslash that was escaped twice on its way
        l->at += is_letter(peek(l, 2)) ? 1 : 2;
        l->follows_space = true;
        return;
    }
    add(l, TOKEN_ROW, 0, 2);
    if (peek(l, 0) != '[') return;
    for (size_t i = 1; i < 8; i++) {
        if (peek(l, i) == ']' && is_letter(peek(l, i - 1))) {
            l->at += i + 1;
            return;
        }
    }
}

static void read_backslash(struct lexer *l)
{
    char next = peek(l, 1);
    if (is_letter(next)) {
        read_command(l);
        return;
    }
    switch (next) {
    case '{':
        l->n_brackets++;
        add(l, TOKEN_OPEN, '{', 2);
        break;
    case '}':
        if (l->n_brackets > 0) l->n_brackets--;
        add(l, TOKEN_CLOSE, '{', 2);
        break;
    case '%':
        add(l, TOKEN_PERCENT, 0, 2);
        break;
    case '$':
        add(l, TOKEN_CURRENCY, '$', 2);
        break;
    case '|':
        add(l, TOKEN_BAR, 0, 2);
        break;
    case '\\':
        read_row(l);
        break;
    case ',':
    case ';':
    case ':':
    case '!':
    case ' ':
    case '(':
    case ')':
    case '[':
    case ']':
    case '/':
    case '>':
    case '-':
    case '\n':
        l->at += 2;
        l->follows_space = true;
        break;
    case '_':
    case '&':
    case '#':
        add(l, TOKEN_UNKNOWN, 0, 2);
        break;
    case 0:
        l->at += 1; // the last byte
        break;
    default:
        add(l, TOKEN_UNKNOWN, 0, 1);
        break;
    }
}

// --- the rest ------------------------------------------------------------------------------------

static void read_relation(struct lexer *l)
{
    char c = peek(l, 0), next = peek(l, 1);
    if (c == '=' && next == '=')
        add(l, TOKEN_RELATION, MATH_EQUAL, 2);
    else if (c == '=')
        add(l, TOKEN_RELATION, MATH_EQUAL, 1);
    else if (c == '~' && next == '=')
        add(l, TOKEN_RELATION, MATH_ABOUT, 2);
    else if (c == '<')
        add(l, TOKEN_RELATION, next == '=' ? MATH_LESS_EQUAL : MATH_LESS, next == '=' ? 2 : 1);
    else
        add(l, TOKEN_RELATION, next == '=' ? MATH_GREATER_EQUAL : MATH_GREATER,
            next == '=' ? 2 : 1);
}

static void read_brace(struct lexer *l)
{
    bool is_open = peek(l, 0) == '{';
    if (l->n_text_braces == 0) {
        add(l, is_open ? TOKEN_GROUP_OPEN : TOKEN_GROUP_CLOSE, 0, 1);
        return;
    }
    if (is_open)
        l->n_text_braces++;
    else
        l->n_text_braces--;
    l->at++;
    l->follows_space = true;
}

static void read_bracket(struct lexer *l)
{
    char c = peek(l, 0);
    bool is_open = c == '(' || c == '[';
    char opening = c == ')' || c == '(' ? '(' : '[';
    if (is_open && l->n_brackets < BRACKETS_MAX) l->n_brackets++;
    if (!is_open && l->n_brackets > 0) l->n_brackets--;
    add(l, is_open ? TOKEN_OPEN : TOKEN_CLOSE, opening, 1);
}

static void read_beyond_ascii(struct lexer *l)
{
    uint32_t point;
    size_t size = utf8_next(l->text.bytes + l->at, l->text.size_bytes - l->at, &point);
    if (size == 0) {
        add(l, TOKEN_UNKNOWN, 0, 1);
        return;
    }
    int over, under;
    const struct meaning *meaning = math_sign(point);
    if (meaning != NULL && meaning->word_class == WORD_SKIP) {
        l->at += size;
        l->follows_space = true;
    } else if (meaning != NULL) {
        if (meaning->kind == TOKEN_OPEN) l->n_brackets++;
        if (meaning->kind == TOKEN_CLOSE && l->n_brackets > 0) l->n_brackets--;
        add(l, meaning->kind, meaning->code, size);
    } else if (math_fraction_sign(point, &over, &under)) {
        add(l, TOKEN_FRACTION_SIGN, 0, size)->number = exact_of(l->w, over, (unsigned long)under);
    } else if (math_superscript(point) != 0) {
        char digits[NAME_MAX];
        size_t n = 0, all = 0;
        do {
            digits[n++] = math_superscript(point);
            all += size;
            size = utf8_next(l->text.bytes + l->at + all, l->text.size_bytes - l->at - all, &point);
        } while (size > 0 && n < NAME_MAX && math_superscript(point) != 0);
        add(l, TOKEN_CARET, 0, 0);
        struct token *t = add(l, TOKEN_NUMBER, 0, all);
        t->number = exact_of_base(l->w, digits, n, 10);
    } else if (point >= 0x370 && point < 0x400) { // Greek
        const char *name = math_greek(point);
        add_symbol(l, size,
                   name == NULL ? math_name(l->text.bytes + l->at, size)
                                : math_name(name, strlen(name)));
    } else {
        size_t all = size; // a run of other letters: a word
        while (l->at + all < l->text.size_bytes &&
               (unsigned char)l->text.bytes[l->at + all] >= 0x80 &&
               (size = utf8_next(l->text.bytes + l->at + all, l->text.size_bytes - l->at - all,
                                 &point)) > 0 &&
               math_sign(point) == NULL)
            all += size;
        add_word(l, all);
    }
}

// A dot that is no decimal point: the end of a sentence or an abbreviation.
static void read_dot(struct lexer *l)
{
    if (l->n_text_braces > 0)
        l->at++;
    else
        add(l, TOKEN_DOT, 0, 1);
}

// + or +-, * or **, ! or !=.
static void read_doubled(struct lexer *l, char c)
{
    bool is_double = peek(l, 1) == (c == '+' ? '-' : c == '*' ? '*' : '=');
    size_t size = is_double ? 2 : 1;
    if (c == '+')
        add(l, is_double ? TOKEN_PLUS_MINUS : TOKEN_PLUS, 1, size);
    else if (c == '*')
        add(l, is_double ? TOKEN_CARET : TOKEN_TIMES, 0, size);
    else
        add(l, is_double ? TOKEN_RELATION : TOKEN_BANG, MATH_UNEQUAL, size);
}

// One of ASCII's signs.
static void read_sign(struct lexer *l, char c)
{
    static const struct {
        char sign;
        enum token_kind kind;
    } plain[] = {
        {'-', TOKEN_MINUS},  {'/', TOKEN_DIVIDE},  {'^', TOKEN_CARET}, {'_', TOKEN_SUBSCRIPT},
        {'\'', TOKEN_PRIME}, {'%', TOKEN_PERCENT}, {',', TOKEN_COMMA}, {';', TOKEN_COMMA},
        {':', TOKEN_COLON},  {'|', TOKEN_BAR},     {'&', TOKEN_CELL},
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (plain[i].sign != c) continue;
        add(l, plain[i].kind, 0, 1);
        return;
    }
    if (c == '\\')
        read_backslash(l);
    else if (c == '{' || c == '}')
        read_brace(l);
    else if (c == '(' || c == ')' || c == '[' || c == ']')
        read_bracket(l);
    else if (c == '<' || c == '>' || c == '=' || c == '~')
        read_relation(l);
    else if (c == '!' || c == '*' || c == '+')
        read_doubled(l, c);
    else if (c == '.')
        read_dot(l);
    else
        add(l, TOKEN_UNKNOWN, 0, 1);
}

static void read_one(struct lexer *l)
{
    char c = peek(l, 0);
    if (is_space(c) || c == '$' || (c == '~' && peek(l, 1) != '=')) {
        l->at++;
        l->follows_space = true;
    } else if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
        read_number(l);
    } else if (is_letter(c)) {
        read_letters(l);
    } else if ((unsigned char)c >= 0x80) {
        read_beyond_ascii(l);
    } else {
        read_sign(l, c);
    }
}

bool math_tokens_read(struct math_work *w, struct view text, enum math_reading reading,
                      struct math_tokens *out)
{
    *out = (struct math_tokens){0};
    if (text.size_bytes > MATH_BYTES_MAX || !math_spend(w, text.size_bytes / 8 + 1)) return false;
    // Every token but one between a base and its superscript is of a byte at least.
    size_t n_max = 2 * text.size_bytes + 2;
    out->tokens =
        math_take(w, (n_max < MATH_TOKENS_MAX ? n_max : MATH_TOKENS_MAX) * sizeof *out->tokens);
    struct lexer l = {.w = w, .text = text, .reading = reading, .out = out};
    while (l.at < text.size_bytes && !l.is_full)
        read_one(&l);
    add(&l, TOKEN_END, 0, 0);
    return !l.is_full;
}
