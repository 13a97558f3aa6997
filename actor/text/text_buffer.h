/*
 * text_buffer.h - text that grows at its end.
 *
 * Always 0-terminated once something was added; may hold 0 bytes itself, so
 * size_bytes counts.  Running out of memory aborts.
 */
#ifndef ARGOSY_ACTOR_TEXT_TEXT_BUFFER_H
#define ARGOSY_ACTOR_TEXT_TEXT_BUFFER_H

#include <stddef.h>

#include "actor/text/text_search.h"

struct text_buffer {
    char *bytes; // malloc'ed; NULL while nothing was added
    size_t size_bytes;
    size_t capacity_bytes;
};

void text_buffer_init(struct text_buffer *b);
void text_buffer_fini(struct text_buffer *b);
void text_buffer_clear(struct text_buffer *b); // keeps the memory

void text_buffer_add(struct text_buffer *b, const char *bytes, size_t size_bytes);
void text_buffer_add_string(struct text_buffer *b, const char *text);
void text_buffer_printf(struct text_buffer *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// Adds bytes as UTF-8: each part that is none (the start of a character that does
// not go on, or one stray byte) as U+FFFD.
void text_buffer_add_repaired(struct text_buffer *b, const char *bytes, size_t size_bytes);

// What is in it, until the next change.
struct view text_buffer_view(const struct text_buffer *b);

// The text itself, malloc'ed ("" if nothing was added); the buffer is empty after.
char *text_buffer_take(struct text_buffer *b);

// malloc'ed, 0-terminated copy.
char *text_copy(const char *bytes, size_t size_bytes);

#endif
