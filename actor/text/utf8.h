/*
 * utf8.h - UTF-8, one code point at a time.
 */
#ifndef ARGOSY_ACTOR_TEXT_UTF8_H
#define ARGOSY_ACTOR_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of the well-formed code point that starts at text (1 to 4), or 0 when
// there is none (end of text, overlong form, surrogate, cut sequence).
size_t utf8_next(const char *text, size_t size_bytes, uint32_t *code_point);

// Offset of the first byte that is not well formed; size_bytes when all is.
size_t utf8_valid_bytes(const char *text, size_t size_bytes);

// How many bytes at the end are the start of a character that further bytes
// could complete (0 to 3).
size_t utf8_open_bytes(const char *text, size_t size_bytes);

// Writes 1 to 4 bytes, returns how many.
size_t utf8_put(uint32_t code_point, char out[4]);

// Unicode's White_Space property.
bool utf8_is_space(uint32_t code_point);

#endif
