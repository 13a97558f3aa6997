/*
 * tokenizer_nfc.h - Unicode's canonical composition, over utf8proc.
 *
 * The only user of utf8proc.h.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_NFC_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_NFC_H

#include <stdbool.h>
#include <stddef.h>

// True when the text is in NFC without looking anything up: every code point
// is below U+0300, the first that can combine.
bool nfc_is_plain(const char *text, size_t size_bytes);

// The NFC form of valid UTF-8, malloc'ed.
char *nfc_compose(const char *text, size_t size_bytes, size_t *out_bytes);

#endif
