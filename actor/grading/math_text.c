#include "actor/grading/math_text.h"

#include <string.h>

#include "actor/grading/math_vocabulary.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// After a backslash: how many bytes go, and what stays of them.
static size_t read_command(struct view text, size_t at, const char **kept)
{
    size_t size = 1;
    *kept = NULL;
    while (at + size < text.size_bytes && is_letter(text.bytes[at + size]))
        size++;
    if (size == 1) {
        char next = at + 1 < text.size_bytes ? text.bytes[at + 1] : 0;
        bool is_space = next != 0 && strchr(",;:! ()[]\\$", next) != NULL;
        return is_space ? 2 : 1; // \{ keeps its brace, \% its sign
    }
    const struct meaning *meaning = math_command(text_part(text, at + 1, at + size));
    if (meaning == NULL) return 1; // its letters stay
    if (meaning->word_class == WORD_SKIP || meaning->word_class == WORD_TEXT) return size;
    if (meaning->kind == TOKEN_FRACTION) {
        *kept = "frac";
        return size;
    }
    return 1;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '~';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Braces say nothing but around exponents, indices and arguments.
static bool has_arguments(struct view text)
{
    if (memchr(text.bytes, '^', text.size_bytes) != NULL ||
        memchr(text.bytes, '_', text.size_bytes) != NULL)
        return true;
    return text_find(text, "frac", 0) != TEXT_NOWHERE || text_find(text, "sqrt", 0) != TEXT_NOWHERE;
}

struct view math_text_plain(struct math_work *w, struct view text)
{
    text = text_trim(text);
    if (text.size_bytes > MATH_TEXT_BYTES_MAX || text.size_bytes == 0) return text;
    bool keeps_braces = has_arguments(text);
    char *out = math_take(w, 2 * text.size_bytes + 8);
    size_t n = 0;
    bool is_apart = false; // white space since the last byte: kept between digits
    for (size_t at = 0; at < text.size_bytes;) {
        char c = text.bytes[at];
        const char *kept = NULL;
        if (c == '\\') {
            at += read_command(text, at, &kept);
            if (kept != NULL) {
                memcpy(out + n, kept, strlen(kept));
                n += strlen(kept);
            } else if (at < text.size_bytes && text.bytes[at - 1] == '\\' &&
                       (text.bytes[at] == '{' || text.bytes[at] == '}')) {
                out[n++] = text.bytes[at++];
            }
            continue;
        }
        at++;
        bool is_brace = c == '{' || c == '}';
        if (is_blank(c)) {
            is_apart = true;
        } else if (c != '$' && c != '*' && (!is_brace || keeps_braces)) {
            if (is_apart && n > 0 && is_digit(out[n - 1]) && is_digit(c)) out[n++] = ' ';
            out[n++] = c;
            is_apart = false;
        }
    }
    while (n > 0 && (out[n - 1] == '.' || out[n - 1] == ','))
        n--;
    return (struct view){out, n};
}

struct view math_text_lower(struct math_work *w, struct view plain)
{
    if (plain.size_bytes > MATH_TEXT_BYTES_MAX) return plain;
    char *out = math_take(w, plain.size_bytes + 1);
    for (size_t i = 0; i < plain.size_bytes; i++) {
        char c = plain.bytes[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (struct view){out, plain.size_bytes};
}
