#include "actor/grading/math_number.h"

#include <string.h>

enum { EXPONENT_DIGITS_MAX = 5 };

struct spelling {
    struct view text;
    size_t at;
    char *digits; // so far, without separators
    size_t n_digits;
};

static bool is_digit_at(const struct spelling *s, size_t at)
{
    return at < s->text.size_bytes && s->text.bytes[at] >= '0' && s->text.bytes[at] <= '9';
}

static size_t digits_at(const struct spelling *s, size_t at)
{
    size_t n = 0;
    while (is_digit_at(s, at + n))
        n++;
    return n;
}

static void take_digits(struct spelling *s, size_t n)
{
    memcpy(s->digits + s->n_digits, s->text.bytes + s->at, n);
    s->n_digits += n;
    s->at += n;
}

static bool is_text_at(const struct spelling *s, size_t at, const char *text)
{
    size_t size = strlen(text);
    return s->text.size_bytes - at >= size && memcmp(s->text.bytes + at, text, size) == 0;
}

enum separator { NO_SEPARATOR, COMMA, SURE_COMMA, BLANK };

// What divides groups of digits at this place, and its size.
static enum separator separator_at(const struct spelling *s, size_t *size)
{
    static const struct {
        const char *text;
        enum separator separator;
    } known[] = {
        {"{,}", SURE_COMMA},    {",\\! ", SURE_COMMA},
        {",\\!", SURE_COMMA},   {"\\!,\\!", SURE_COMMA},
        {"{,}\\!", SURE_COMMA}, {"\\,", BLANK},
        {"\\ ", BLANK},         {"{\\,}", BLANK},
        {"~", BLANK},           {"\xe2\x80\xaf", BLANK},
        {"\xc2\xa0", BLANK},    {"\xe2\x80\x89", BLANK},
        {" ", BLANK},           {",", COMMA},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known && s->at < s->text.size_bytes; i++) {
        if (!is_text_at(s, s->at, known[i].text)) continue;
        *size = strlen(known[i].text);
        return known[i].separator;
    }
    return NO_SEPARATOR;
}

// Groups of three after the first digits, all divided alike.
static void take_groups(struct spelling *s, bool commas_group, struct number_spelling *out)
{
    if (s->n_digits == 0 || s->n_digits > 3 || s->digits[0] == '0') return;
    enum separator first = NO_SEPARATOR;
    for (;;) {
        size_t size = 0;
        enum separator separator = separator_at(s, &size);
        if (separator == NO_SEPARATOR || digits_at(s, s->at + size) != 3) return;
        if (first != NO_SEPARATOR && separator != first) return;
        if (separator == COMMA) {
            out->is_ambiguous = true;
            if (!commas_group) return;
        }
        first = separator;
        s->at += size;
        take_digits(s, 3);
    }
}

// The point, or the comma that stands for one.
static bool take_point(struct spelling *s, bool is_decimal_comma, struct number_spelling *out)
{
    if (s->at >= s->text.size_bytes) return false;
    size_t size = 0;
    char c = s->text.bytes[s->at];
    if (c == '.' && (is_digit_at(s, s->at + 1) || is_text_at(s, s->at + 1, "\\overline{")))
        size = 1;
    else if (is_text_at(s, s->at, "{,}") && is_digit_at(s, s->at + 3))
        size = 3;
    else if (c == ',' && is_digit_at(s, s->at + 1)) {
        out->is_ambiguous = true;
        size = is_decimal_comma ? 1 : 0;
    }
    s->at += size;
    return size > 0;
}

// \overline{142857} or \bar{3} after the decimals: repeated for ever.
static bool take_repeated(struct spelling *s, size_t *n_repeated)
{
    static const char *const openings[] = {"\\overline{", "\\bar{", "\\dot{"};
    for (size_t i = 0; i < sizeof openings / sizeof *openings && s->at < s->text.size_bytes; i++) {
        if (!is_text_at(s, s->at, openings[i])) continue;
        size_t start = s->at + strlen(openings[i]), n = digits_at(s, start);
        if (n == 0 || n > 40 || !is_text_at(s, start + n, "}")) return false;
        s->at = start;
        take_digits(s, n);
        s->at++;
        *n_repeated = n;
        return true;
    }
    return false;
}

static long take_exponent(struct spelling *s)
{
    if (s->at >= s->text.size_bytes || (s->text.bytes[s->at] != 'e' && s->text.bytes[s->at] != 'E'))
        return 0;
    size_t at = s->at + 1;
    bool is_negative = is_text_at(s, at, "-");
    if (is_negative || is_text_at(s, at, "+")) at++;
    size_t n = digits_at(s, at);
    if (n == 0 || n > EXPONENT_DIGITS_MAX) return 0;
    long exponent = 0;
    for (size_t i = 0; i < n; i++)
        exponent = exponent * 10 + (s->text.bytes[at + i] - '0');
    s->at = at + n;
    return is_negative ? -exponent : exponent;
}

// d digits of which the last r repeat, with n_decimals after the point:
// (all - those before the repetition) / (10^n_decimals - 10^(n_decimals - r)).
static const struct exact *repeated(struct math_work *w, const struct spelling *s, size_t r,
                                    long n_decimals)
{
    const struct exact *all = exact_of_digits(w, s->digits, s->n_digits, 0);
    const struct exact *before =
        s->n_digits == r ? exact_of(w, 0, 1) : exact_of_digits(w, s->digits, s->n_digits - r, 0);
    const struct exact *whole = exact_of_digits(w, "1", 1, -n_decimals);
    const struct exact *start = exact_of_digits(w, "1", 1, -(n_decimals - (long)r));
    return exact_divide(w, exact_add(w, all, exact_negate(w, before)),
                        exact_add(w, whole, exact_negate(w, start)));
}

void math_number_read(struct math_work *w, struct view text, bool commas_group,
                      bool is_decimal_comma, struct number_spelling *out)
{
    *out = (struct number_spelling){.n_decimals = -1};
    size_t end = 0; // no number reaches further than this
    while (end < text.size_bytes && text.bytes[end] != '\n' && text.bytes[end] != '=')
        end++;
    struct spelling s = {.text = text_part(text, 0, end), .digits = math_take(w, end + 1)};
    take_digits(&s, digits_at(&s, 0));
    take_groups(&s, commas_group, out);
    size_t n_whole = s.n_digits, n_repeated = 0;
    bool has_point = take_point(&s, is_decimal_comma, out);
    if (has_point) take_digits(&s, digits_at(&s, s.at));
    bool is_repeated = has_point && take_repeated(&s, &n_repeated);
    long n_decimals = (long)(s.n_digits - n_whole);
    long exponent = is_repeated ? 0 : take_exponent(&s);
    out->n_bytes = s.at;
    if (!has_point && exponent == 0) {
        out->digits = s.digits;
        out->n_digits = (uint32_t)s.n_digits;
    }
    if (has_point && !is_repeated && exponent == 0) out->n_decimals = (int)n_decimals;
    out->number = is_repeated ? repeated(w, &s, n_repeated, n_decimals)
                              : exact_of_digits(w, s.digits, s.n_digits, n_decimals - exponent);
}
