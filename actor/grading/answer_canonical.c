#include <string.h>

#include "actor/grading/answer.h"
#include "common/base/hash.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Ends that say nothing about the value.
static struct view strip_ends(struct view text)
{
    for (;;) {
        struct view inner = text_trim(text);
        size_t skip = inner.size_bytes > 1 && inner.bytes[0] == '\\' && inner.bytes[1] == '$' ? 2
                      : inner.size_bytes > 0 && inner.bytes[0] == '$'                         ? 1
                                                                                              : 0;
        inner = text_part(inner, skip, inner.size_bytes);
        if (inner.size_bytes > 0 && inner.bytes[inner.size_bytes - 1] == '$') inner.size_bytes--;
        if (inner.size_bytes == text.size_bytes) return inner;
        text = inner;
    }
}

// "+", "-", "$" and spaces before the digits: at most one sign and one $.
static bool skip_signs(struct view text, size_t *at, bool *is_negative)
{
    unsigned n_signs = 0, n_dollars = 0;
    *is_negative = false;
    for (; *at < text.size_bytes; (*at)++) {
        char c = text.bytes[*at];
        if (c == '+' || c == '-') {
            n_signs++;
            *is_negative = c == '-';
        } else if (c == '$') {
            n_dollars++;
        } else if (c != ' ') {
            break;
        }
    }
    return n_signs <= 1 && n_dollars <= 1;
}

// Digits, perhaps with a comma before each three of them.
static bool split_whole(struct view text, size_t *at, struct view *whole)
{
    size_t start = *at, group = 0, n_commas = 0;
    for (; *at < text.size_bytes; (*at)++) {
        char c = text.bytes[*at];
        if (c == ',') {
            if (group == 0 || group > 3 || (n_commas > 0 && group != 3)) return false;
            n_commas++;
            group = 0;
        } else if (is_digit(c)) {
            group++;
        } else {
            break;
        }
    }
    *whole = text_part(text, start, *at);
    // 0,001 may be meant as a decimal fraction: no number we are sure of
    return n_commas == 0 || (group == 3 && whole->bytes[0] != '0');
}

// Parts of a plain decimal number; false when the text is something else.
static bool split_decimal(struct view text, bool *is_negative, struct view *whole,
                          struct view *fraction)
{
    size_t at = 0;
    if (!skip_signs(text, &at, is_negative) || !split_whole(text, &at, whole)) return false;
    *fraction = text_part(text, at, at);
    if (at < text.size_bytes && text.bytes[at] == '.') {
        size_t point = at++;
        while (at < text.size_bytes && is_digit(text.bytes[at]))
            at++;
        *fraction = text_part(text, point + 1, at);
        // the dot that ends a sentence
        if (fraction->size_bytes > 0 && at + 1 == text.size_bytes && text.bytes[at] == '.') at++;
    }
    return at == text.size_bytes && whole->size_bytes + fraction->size_bytes > 0;
}

void answer_canonical(struct view answer, struct text_buffer *out)
{
    text_buffer_clear(out);
    struct view text = strip_ends(answer);
    bool is_negative;
    struct view whole, fraction;
    if (!split_decimal(text, &is_negative, &whole, &fraction)) {
        text_buffer_add(out, text.bytes, text.size_bytes);
        return;
    }
    while (fraction.size_bytes > 0 && fraction.bytes[fraction.size_bytes - 1] == '0')
        fraction.size_bytes--;
    while (whole.size_bytes > 0 && whole.bytes[0] == '0')
        whole = text_part(whole, 1, whole.size_bytes);
    bool is_zero = whole.size_bytes == 0 && fraction.size_bytes == 0;
    if (is_negative && !is_zero) text_buffer_add_string(out, "-");
    if (whole.size_bytes == 0) text_buffer_add_string(out, "0");
    for (size_t i = 0; i < whole.size_bytes; i++)
        if (whole.bytes[i] != ',') text_buffer_add(out, whole.bytes + i, 1);
    if (fraction.size_bytes > 0) {
        text_buffer_add_string(out, ".");
        text_buffer_add(out, fraction.bytes, fraction.size_bytes);
    }
}

uint64_t answer_hash(const char *canonical, size_t size_bytes)
{
    uint64_t hash = checksum_of(canonical, size_bytes);
    return hash == 0 ? 1 : hash;
}
