#include "actor/text/utf8.h"

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0u) == 0x80u;
}

size_t utf8_next(const char *text, size_t size_bytes, uint32_t *code_point)
{
    const unsigned char *p = (const unsigned char *)text;
    if (size_bytes == 0) return 0;
    if (p[0] < 0x80) {
        *code_point = p[0];
        return 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > size_bytes) return 0;
    uint32_t c = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (!is_continuation(p[i])) return 0;
        c = (c << 6) | (p[i] & 0x3fu);
    }
    if (n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) return 0;
    if (n == 4 && (c < 0x10000 || c > 0x10ffff)) return 0;
    *code_point = c;
    return n;
}

size_t utf8_valid_bytes(const char *text, size_t size_bytes)
{
    size_t at = 0;
    while (at < size_bytes) {
        uint32_t c;
        size_t n = utf8_next(text + at, size_bytes - at, &c);
        if (n == 0) break;
        at += n;
    }
    return at;
}

size_t utf8_open_bytes(const char *text, size_t size_bytes)
{
    static const unsigned char fillers[] = {0x80, 0x90, 0xa0}; // one fits, if any does
    for (size_t n = 1; n <= 3 && n <= size_bytes; n++) {
        const char *start = text + size_bytes - n;
        unsigned char lead = (unsigned char)start[0];
        if (is_continuation(lead)) continue;
        size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (lead < 0xc2 || lead > 0xf4 || n >= whole) return 0;
        for (size_t i = 0; i < sizeof fillers; i++) {
            char character[4] = {0};
            uint32_t ignored;
            for (size_t k = 0; k < whole; k++)
                character[k] = k < n ? start[k] : k == 1 ? (char)fillers[i] : (char)0x80;
            if (utf8_next(character, whole, &ignored) == whole) return n;
        }
        return 0;
    }
    return 0;
}

size_t utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0u | (c >> 6));
        out[1] = (char)(0x80u | (c & 0x3fu));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0u | (c >> 12));
        out[1] = (char)(0x80u | ((c >> 6) & 0x3fu));
        out[2] = (char)(0x80u | (c & 0x3fu));
        return 3;
    }
    out[0] = (char)(0xf0u | (c >> 18));
    out[1] = (char)(0x80u | ((c >> 12) & 0x3fu));
    out[2] = (char)(0x80u | ((c >> 6) & 0x3fu));
    out[3] = (char)(0x80u | (c & 0x3fu));
    return 4;
}

bool utf8_is_space(uint32_t c)
{
    if (c <= 0x20) return c == 0x20 || (c >= 0x09 && c <= 0x0d);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}
