#include "actor/tokenizer/byte_alphabet.h"

#include "actor/text/utf8.h"

static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

void byte_alphabet_init(struct byte_alphabet *a)
{
    for (size_t c = 0; c < sizeof a->bytes / sizeof a->bytes[0]; c++)
        a->bytes[c] = -1;
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t c = stands_for_itself(byte) ? byte : next++;
        a->code_points[byte] = c;
        a->bytes[c] = (int16_t)byte;
    }
}

bool byte_alphabet_decode(const struct byte_alphabet *a, const char *text, size_t size_bytes,
                          char *out, size_t *out_bytes)
{
    size_t n_out = 0;
    for (size_t at = 0; at < size_bytes;) {
        uint32_t c;
        size_t n = utf8_next(text + at, size_bytes - at, &c);
        if (n == 0 || c >= sizeof a->bytes / sizeof a->bytes[0] || a->bytes[c] < 0) return false;
        out[n_out++] = (char)a->bytes[c];
        at += n;
    }
    *out_bytes = n_out;
    return true;
}
