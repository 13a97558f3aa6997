/*
 * tokenizer_nfc.h - what Unicode's tables know: normal forms and kinds of
 * characters, over utf8proc.
 *
 * The only user of utf8proc.h.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_NFC_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_NFC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum normal_form { FORM_C, FORM_D, FORM_KC, FORM_KD };

// True when the text is in this form without looking anything up: every code
// point is below the first that the form changes or that can combine.
bool nfc_is_plain(enum normal_form form, const char *text, size_t size_bytes);

// That form of valid UTF-8, malloc'ed.
char *nfc_convert(enum normal_form form, const char *text, size_t size_bytes, size_t *out_bytes);

// A letter, mark, decimal digit or connector: what a word is made of.
bool nfc_is_word(uint32_t code_point);

#endif
