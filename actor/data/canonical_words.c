#include "actor/data/canonical_words.h"

#include <stdlib.h>
#include <string.h>

#include "actor/text/utf8.h"
#include "common/base/err.h"
#include "common/base/hash.h"

#define MASK '#'         // any number
#define COMMAND_BYTES 24 // of a LaTeX command's name; a longer one is cut

static const char mask = MASK;

struct reader {
    struct canonical_words *out;
    const char *bytes;
    size_t size_bytes, at;
    bool any_number;
    bool has_no_end; // of a drawing, from here on: looked for once
};

void canonical_words_init(struct canonical_words *w)
{
    *w = (struct canonical_words){0};
    text_buffer_init(&w->text);
}

void canonical_words_fini(struct canonical_words *w)
{
    text_buffer_fini(&w->text);
    free(w->words);
    *w = (struct canonical_words){0};
}

// What was added to the text since `start` becomes a word.  Numbers that are all
// the same are one in a row, or sums would be full of equal words.
static void close_word(struct canonical_words *w, size_t start)
{
    const size_t end = w->text.size_bytes;
    if (end == start) return;
    const bool is_mask = end == start + 1 && w->text.bytes[start] == MASK;
    if (is_mask && w->n > 0 && w->text.bytes[w->words[w->n - 1].start] == MASK) {
        w->text.size_bytes = start;
        return;
    }
    if (w->n == w->room) {
        w->room = w->room == 0 ? 256 : 2 * w->room;
        w->words = realloc(w->words, w->room * sizeof *w->words);
        CHECK(w->words != NULL);
    }
    w->words[w->n++] =
        (struct canonical_word){checksum_of(w->text.bytes + start, end - start), start, end};
    text_buffer_add(&w->text, " ", 1);
}

static void add_word(struct canonical_words *w, const char *bytes, size_t size_bytes)
{
    const size_t start = w->text.size_bytes;
    text_buffer_add(&w->text, bytes, size_bytes);
    close_word(w, start);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool starts_with(const struct reader *r, size_t at, const char *text)
{
    const size_t n = strlen(text);
    return r->size_bytes - at >= n && memcmp(r->bytes + at, text, n) == 0;
}

static bool has_digit_at(const struct reader *r, size_t at)
{
    return at < r->size_bytes && is_digit(r->bytes[at]);
}

// --- numbers -------------------------------------------------------------------------------------

// Bytes of what separates thousands here: three digits follow, and no fourth.
static size_t separator_bytes(const struct reader *r)
{
    static const char *const separators[] = {",", "{,}", "\\,"};
    for (size_t i = 0; i < sizeof separators / sizeof *separators; i++) {
        const size_t n = strlen(separators[i]), at = r->at + n;
        if (starts_with(r, r->at, separators[i]) && has_digit_at(r, at) &&
            has_digit_at(r, at + 1) && has_digit_at(r, at + 2) && !has_digit_at(r, at + 3))
            return n;
    }
    return 0;
}

// A number without separators, leading zeros and zeros after its point.
static void read_number(struct reader *r)
{
    struct text_buffer *text = &r->out->text;
    const size_t start = text->size_bytes;
    size_t separator = 0, n_digits = 0;
    do {
        r->at += separator;
        for (; has_digit_at(r, r->at); r->at++) {
            const char digit = r->bytes[r->at];
            if (text->size_bytes > start || digit != '0') text_buffer_add(text, &digit, 1);
            n_digits++;
        }
        separator = n_digits <= 3 || separator > 0 ? separator_bytes(r) : 0;
    } while (separator > 0);
    if (text->size_bytes == start) text_buffer_add(text, "0", 1);
    if (r->at < r->size_bytes && r->bytes[r->at] == '.' && has_digit_at(r, r->at + 1)) {
        const size_t point = r->at++;
        while (has_digit_at(r, r->at))
            r->at++;
        size_t end = r->at;
        while (r->bytes[end - 1] == '0')
            end--;
        if (end > point + 1) text_buffer_add(text, r->bytes + point, end - point);
    }
    if (r->any_number) {
        text->size_bytes = start;
        text_buffer_add(text, &mask, 1);
    }
    close_word(r->out, start);
}

static void read_digit(struct reader *r)
{
    add_word(r->out, r->any_number ? &mask : r->bytes + r->at, 1);
    r->at++;
}

// --- LaTeX ---------------------------------------------------------------------------------------

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

// \frac12 is a half: each argument without braces is one digit.
static void read_bare_arguments(struct reader *r)
{
    for (int i = 0; i < 2; i++) {
        size_t at = r->at;
        while (at < r->size_bytes && r->bytes[at] == ' ')
            at++;
        if (!has_digit_at(r, at)) return;
        r->at = at;
        read_digit(r);
    }
}

static void read_command(struct reader *r)
{
    static const char *const fractions[] = {"frac", "dfrac", "tfrac", "cfrac", NULL};
    static const char *const nothing[] = {
        "left",         "right",  "big",      "Big",     "bigg",   "Bigg",       "bigl",
        "bigr",         "text",   "textbf",   "textit",  "textrm", "textnormal", "mathrm",
        "mathbf",       "mathit", "mathbb",   "mathcal", "mathsf", "rm",         "bf",
        "operatorname", "mbox",   "hbox",     "quad",    "qquad",  "hspace",     "vspace",
        "displaystyle", "limits", "nolimits", "cdot",    "times",  "div",        "le",
        "leq",          "ge",     "geq",      "lt",      "gt",     "ne",         "neq",
        "ldots",        "dots",   "cdots",    "colon",   "boxed",  NULL};
    char name[COMMAND_BYTES];
    size_t n = 0;
    r->at++;
    if (r->at < r->size_bytes && !is_letter(r->bytes[r->at])) { // \, \; \% \\ ...
        r->at++;
        return;
    }
    for (; r->at < r->size_bytes && is_letter(r->bytes[r->at]); r->at++)
        if (n + 1 < sizeof name) name[n++] = r->bytes[r->at];
    name[n] = '\0';
    if (is_one_of(name, fractions))
        read_bare_arguments(r);
    else if (n > 0 && !is_one_of(name, nothing))
        add_word(r->out, name, n);
}

// --- other characters ----------------------------------------------------------------------------

static bool is_ideograph(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) ||
           (c >= 0xac00 && c <= 0xd7af) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

static bool is_mark(uint32_t c) // space and punctuation
{
    return (c >= 0x80 && c <= 0xbf && c != 0xaa && c != 0xb5 && c != 0xba) || c == 0xd7 ||
           c == 0xf7 || (c >= 0x2000 && c <= 0x206f) || (c >= 0x2190 && c <= 0x2bff) ||
           (c >= 0x3000 && c <= 0x303f) || (c >= 0xff00 && c <= 0xff0f) ||
           (c >= 0xff1a && c <= 0xff20) || utf8_is_space(c);
}

static uint32_t lower(uint32_t c)
{
    if (c >= 'A' && c <= 'Z') return c + 32;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 32;
    return c >= 0x400 && c <= 0x40f ? c + 80 : c;
}

// Characters that have another spelling, as words.
static const char *spelled(uint32_t c)
{
    static const struct {
        uint32_t character;
        const char *words;
    } known[] = {{0xbc, "1 4"},     {0xbd, "1 2"},       {0xbe, "3 4"},    {0xb2, "2"},
                 {0xb3, "3"},       {0xb9, "1"},         {0x221a, "sqrt"}, {0x221e, "infty"},
                 {0x3b1, "alpha"},  {0x3b2, "beta"},     {0x3b3, "gamma"}, {0x3b4, "delta"},
                 {0x3b8, "theta"},  {0x3bb, "lambda"},   {0x3bc, "mu"},    {0x3c0, "pi"},
                 {0x3c3, "sigma"},  {0x3c6, "phi"},      {0x3c9, "omega"}, {0xb0, "circ"},
                 {0x2220, "angle"}, {0x25b3, "triangle"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].character == c) return known[i].words;
    return NULL;
}

static void add_spelled(struct reader *r, const char *words)
{
    for (const char *at = words; *at != '\0';) {
        const size_t n = strcspn(at, " ");
        add_word(r->out, r->any_number && is_digit(*at) ? &mask : at,
                 r->any_number && is_digit(*at) ? 1 : n);
        at += n + (at[n] == ' ');
    }
}

static bool continues_word(uint32_t c)
{
    if (c < 0x80) return is_letter((char)c);
    return !is_ideograph(c) && !is_mark(c) && spelled(c) == NULL;
}

// A run of letters; an apostrophe between them is passed over.
static void read_letters(struct reader *r)
{
    const size_t start = r->out->text.size_bytes;
    while (r->at < r->size_bytes) {
        uint32_t c, next;
        size_t n = utf8_next(r->bytes + r->at, r->size_bytes - r->at, &c);
        if (n == 0) break;
        if (c == '\'' || c == 0x2019) {
            const size_t after = r->at + n;
            if (utf8_next(r->bytes + after, r->size_bytes - after, &next) == 0 ||
                !continues_word(next))
                break;
            r->at = after;
            continue;
        }
        if (!continues_word(c)) break;
        char bytes[4];
        text_buffer_add(&r->out->text, bytes, utf8_put(lower(c), bytes));
        r->at += n;
    }
    close_word(r->out, start);
}

static void read_character(struct reader *r)
{
    uint32_t c;
    const size_t n = utf8_next(r->bytes + r->at, r->size_bytes - r->at, &c);
    const char *words = n == 0 ? NULL : spelled(c);
    if (n == 0) {
        r->at++; // no UTF-8: nothing
    } else if (words != NULL) {
        add_spelled(r, words);
        r->at += n;
    } else if (is_ideograph(c)) {
        add_word(r->out, r->bytes + r->at, n);
        r->at += n;
    } else if (continues_word(c)) {
        read_letters(r);
    } else {
        r->at += n;
    }
}

// Past the end of a drawing; where it has none, it is no drawing.
static bool skip_drawing(struct reader *r)
{
    if (r->has_no_end || !starts_with(r, r->at, "[asy]")) return false;
    const struct view text = {r->bytes, r->size_bytes};
    const size_t end = text_find(text, "[/asy]", r->at);
    r->has_no_end = end == TEXT_NOWHERE;
    if (r->has_no_end) return false;
    r->at = end + strlen("[/asy]");
    return true;
}

void canonical_words_read(struct canonical_words *w, struct view text, bool any_number)
{
    struct reader r = {
        .out = w, .bytes = text.bytes, .size_bytes = text.size_bytes, .any_number = any_number};
    text_buffer_clear(&w->text);
    w->n = 0;
    while (r.at < r.size_bytes) {
        const char c = r.bytes[r.at];
        if (is_digit(c))
            read_number(&r);
        else if (c == '\\')
            read_command(&r);
        else if (c != '[' || !skip_drawing(&r))
            read_character(&r);
    }
}
