#include "actor/tokenizer/bpe_chars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/utf8.h"

#define LOW_CODE_POINTS 0x10000u
#define NEIGHBOUR_BITS 20 // a million, some 100 kB: most pairs of real files keep a bit each

void bpe_chars_init(struct bpe_chars *c, const struct vocabulary *v, bool falls_back)
{
    *c = (struct bpe_chars){.unknown = VOCABULARY_NONE, .n_ids = v->n_ids};
    c->ids = malloc(LOW_CODE_POINTS * sizeof *c->ids);
    c->neighbours = calloc((1u << NEIGHBOUR_BITS) / 64, sizeof *c->neighbours);
    CHECK(c->ids != NULL && c->neighbours != NULL);
    for (uint32_t code = 0; code < LOW_CODE_POINTS; code++) {
        char text[4];
        c->ids[code] = vocabulary_find(v, text, utf8_put(code, text));
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        c->bytes[byte] = falls_back ? vocabulary_find(v, name, 6) : VOCABULARY_NONE;
    }
}

void bpe_chars_fini(struct bpe_chars *c)
{
    free(c->ids);
    free(c->neighbours);
    *c = (struct bpe_chars){0};
}

static uint32_t symbol_of(const struct bpe_chars *c, const struct vocabulary *v, const char *text,
                          size_t size_bytes, uint32_t code)
{
    if (code < LOW_CODE_POINTS) return c->ids[code];
    uint32_t id = vocabulary_find(v, text, size_bytes);
    return id < c->n_ids ? id : VOCABULARY_NONE;
}

// --- neighbours ----------------------------------------------------------------------------------

static uint32_t pair_bit(uint32_t left, uint32_t right)
{
    uint64_t pair = ((uint64_t)left << 32) | right;
    return (uint32_t)((pair * 0x9e3779b97f4a7c15u) >> (64 - NEIGHBOUR_BITS));
}

bool bpe_chars_can_meet(const struct bpe_chars *c, uint32_t left, uint32_t right)
{
    uint32_t bit = pair_bit(left, right);
    return (c->neighbours[bit / 64] >> (bit % 64)) & 1;
}

// The symbols that a token can begin or end with: that of its first or last
// character, or the token itself when it is a byte or the unknown one.
static size_t border_symbols(const struct bpe_chars *c, const struct vocabulary *v, uint32_t id,
                             bool is_first, uint32_t out[2])
{
    struct vocabulary_token token = vocabulary_token(v, id);
    size_t start = 0, n = 0;
    uint32_t code;
    out[n++] = id;
    if (token.size_bytes == 0) return n;
    if (!is_first) {
        start = token.size_bytes - 1;
        while (start > 0 && ((unsigned char)token.bytes[start] & 0xc0u) == 0x80u)
            start--;
    }
    size_t n_bytes = utf8_next(token.bytes + start, token.size_bytes - start, &code);
    if (n_bytes > 0) out[n++] = symbol_of(c, v, token.bytes + start, n_bytes, code);
    return n;
}

void bpe_chars_add_rule(struct bpe_chars *c, const struct vocabulary *v, uint32_t left,
                        uint32_t right)
{
    uint32_t before[2], after[2];
    size_t n_before = border_symbols(c, v, left, false, before);
    size_t n_after = border_symbols(c, v, right, true, after);
    for (size_t i = 0; i < n_before; i++) {
        for (size_t k = 0; k < n_after; k++) {
            uint32_t bit = pair_bit(before[i], after[k]);
            c->neighbours[bit / 64] |= (uint64_t)1 << (bit % 64);
        }
    }
}

// --- symbols -------------------------------------------------------------------------------------

static bool fall_back(const struct bpe_chars *c, const char *text, size_t size_bytes, uint32_t *out,
                      size_t *n_out)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (c->bytes[(unsigned char)text[i]] == VOCABULARY_NONE) return false;
    for (size_t i = 0; i < size_bytes; i++)
        out[(*n_out)++] = c->bytes[(unsigned char)text[i]];
    return true;
}

bool bpe_chars_symbols(const struct bpe_chars *c, const struct vocabulary *v, struct view text,
                       uint32_t *out, size_t *n_out, size_t *where)
{
    bool is_unknown_due = false; // it is written before the next known character, as the
                                 // tokenizers package does
    *n_out = 0;
    for (size_t at = 0; at < text.size_bytes;) {
        uint32_t code = 0;
        size_t n = utf8_next(text.bytes + at, text.size_bytes - at, &code);
        uint32_t id = n == 0 ? VOCABULARY_NONE : symbol_of(c, v, text.bytes + at, n, code);
        *where = at;
        if (n == 0) return false;
        if (id != VOCABULARY_NONE) {
            if (is_unknown_due) out[(*n_out)++] = c->unknown;
            is_unknown_due = false;
            out[(*n_out)++] = id;
        } else if (!fall_back(c, text.bytes + at, n, out, n_out)) {
            if (c->unknown == VOCABULARY_NONE) return false;
            if (is_unknown_due && !c->fuses_unknown) out[(*n_out)++] = c->unknown;
            is_unknown_due = true;
        }
        at += n;
    }
    if (is_unknown_due) out[(*n_out)++] = c->unknown;
    return true;
}
