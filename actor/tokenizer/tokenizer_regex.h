/*
 * tokenizer_regex.h - the regular expressions of tokenizer files, over PCRE2.
 *
 * The only user of pcre2.h.  Patterns are written for Oniguruma; `\s` is
 * rewritten to Unicode's white space, and what the two read differently is
 * refused.  A pattern is immutable and shared; each user has a scan of its own.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_REGEX_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

struct tokenizer_regex;
struct regex_scan; // one user's scratch

struct tokenizer_regex *tokenizer_regex_create(const char *pattern, struct err *err);
void tokenizer_regex_destroy(struct tokenizer_regex *r);

struct regex_scan *regex_scan_create(void);
void regex_scan_destroy(struct regex_scan *s);

// First non-empty match at or after `from` in valid UTF-8: 1 with its range, 0
// for none, -1 when the pattern needs more steps than we allow.
int tokenizer_regex_find(const struct tokenizer_regex *r, struct regex_scan *s, const char *text,
                         size_t size_bytes, size_t from, size_t *start, size_t *end,
                         struct err *err);

// The pattern that matches exactly this text (special characters escaped), to
// be freed by the caller.
char *tokenizer_regex_escape(const char *text, size_t size_bytes);

#endif
