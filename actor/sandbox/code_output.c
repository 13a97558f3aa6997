#include "actor/sandbox/code_output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TOLERANCE = 1e-6;
enum { NUMBER_BYTES_MAX = 64 };

struct reader {
    struct view text;
    size_t at;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

// The next token; a run of line ends, with the blanks around it, is one empty
// token.  False at the end of the text.  Line ends at either end are no tokens.
static bool next(struct reader *r, struct view *token)
{
    const struct view t = r->text;
    const bool is_first = r->at == 0;
    bool is_new_line = false;
    while (r->at < t.size_bytes && (is_blank(t.bytes[r->at]) || t.bytes[r->at] == '\n'))
        is_new_line |= t.bytes[r->at++] == '\n';
    if (r->at == t.size_bytes) return false;
    *token = (struct view){t.bytes + r->at, 0};
    if (is_new_line && !is_first) return true;
    const size_t start = r->at;
    while (r->at < t.size_bytes && !is_blank(t.bytes[r->at]) && t.bytes[r->at] != '\n')
        r->at++;
    token->size_bytes = r->at - start;
    return true;
}

static bool read_number(struct view token, double *value)
{
    char text[NUMBER_BYTES_MAX + 1];
    if (token.size_bytes == 0 || token.size_bytes > NUMBER_BYTES_MAX) return false;
    memcpy(text, token.bytes, token.size_bytes);
    text[token.size_bytes] = '\0';
    if (strspn(text, "0123456789+-.eE") != token.size_bytes) return false; // no hex, nan, inf
    char *end;
    *value = strtod(text, &end);
    return end == text + token.size_bytes && isfinite(*value);
}

static bool is_fraction(struct view token)
{
    for (size_t i = 0; i < token.size_bytes; i++)
        if (strchr(".eE", token.bytes[i]) != NULL && token.bytes[i] != '\0') return true;
    return false;
}

static bool tokens_agree(struct view got, struct view want)
{
    double g, w;
    if (got.size_bytes == want.size_bytes && memcmp(got.bytes, want.bytes, got.size_bytes) == 0)
        return true;
    return is_fraction(want) && read_number(want, &w) && read_number(got, &g) &&
           fabs(g - w) <= TOLERANCE * fmax(1, fabs(w));
}

bool code_output_is_right(struct view got, struct view want)
{
    struct reader g = {.text = text_trim(got)}, w = {.text = text_trim(want)};
    for (;;) {
        struct view got_token, want_token;
        const bool has_got = next(&g, &got_token), has_want = next(&w, &want_token);
        if (has_got != has_want) return false;
        if (!has_got) return true;
        if (!tokens_agree(got_token, want_token)) return false;
    }
}
