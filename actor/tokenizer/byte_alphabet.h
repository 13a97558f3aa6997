/*
 * byte_alphabet.h - the printable stand-ins that byte-level BPE files use for
 * the 256 bytes.
 *
 * Bytes that are printable in Latin-1 stand for themselves as code points; the
 * other 68 take U+0100 onward in ascending order.  We keep tokens as the bytes
 * they mean, so this is needed while a file is read or written, never after.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_BYTE_ALPHABET_H
#define ARGOSY_ACTOR_TOKENIZER_BYTE_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byte_alphabet {
    uint32_t code_points[256]; // of each byte
    int16_t bytes[0x180];      // of each code point below 0x180; -1: none
};

void byte_alphabet_init(struct byte_alphabet *a);

// Replaces stand-ins by their bytes; out has room for size_bytes.  False, with
// nothing said about out, when a character is no stand-in.
bool byte_alphabet_decode(const struct byte_alphabet *a, const char *text, size_t size_bytes,
                          char *out, size_t *out_bytes);

#endif
