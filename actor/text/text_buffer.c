#include "actor/text/text_buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/utf8.h"
#include "common/base/err.h"

void text_buffer_init(struct text_buffer *b)
{
    *b = (struct text_buffer){0};
}

void text_buffer_fini(struct text_buffer *b)
{
    free(b->bytes);
    *b = (struct text_buffer){0};
}

void text_buffer_clear(struct text_buffer *b)
{
    b->size_bytes = 0;
    if (b->bytes != NULL) b->bytes[0] = '\0';
}

static void text_buffer_reserve(struct text_buffer *b, size_t more_bytes)
{
    CHECK(more_bytes < SIZE_MAX / 4 && b->size_bytes < SIZE_MAX / 4);
    size_t need = b->size_bytes + more_bytes + 1;
    if (need <= b->capacity_bytes) return;
    size_t capacity = b->capacity_bytes < 64 ? 64 : 2 * b->capacity_bytes;
    if (capacity < need) capacity = need;
    b->bytes = realloc(b->bytes, capacity);
    CHECK(b->bytes != NULL);
    b->capacity_bytes = capacity;
}

void text_buffer_add(struct text_buffer *b, const char *bytes, size_t size_bytes)
{
    text_buffer_reserve(b, size_bytes);
    if (size_bytes > 0) memcpy(b->bytes + b->size_bytes, bytes, size_bytes);
    b->size_bytes += size_bytes;
    b->bytes[b->size_bytes] = '\0';
}

void text_buffer_add_string(struct text_buffer *b, const char *text)
{
    text_buffer_add(b, text, strlen(text));
}

void text_buffer_printf(struct text_buffer *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(n >= 0);
    text_buffer_reserve(b, (size_t)n);
    vsnprintf(b->bytes + b->size_bytes, (size_t)n + 1, fmt, again);
    va_end(again);
    b->size_bytes += (size_t)n;
}

void text_buffer_add_repaired(struct text_buffer *b, const char *bytes, size_t size_bytes)
{
    for (size_t at = 0; at < size_bytes;) {
        size_t valid = utf8_valid_bytes(bytes + at, size_bytes - at);
        text_buffer_add(b, bytes + at, valid);
        at += valid;
        if (at == size_bytes) return;
        text_buffer_add(b, "\xef\xbf\xbd", 3);
        size_t n = size_bytes - at < 3 ? size_bytes - at : 3;
        while (n > 1 && utf8_open_bytes(bytes + at, n) != n)
            n--;
        at += n;
    }
}

char *text_buffer_take(struct text_buffer *b)
{
    text_buffer_reserve(b, 0);
    b->bytes[b->size_bytes] = '\0';
    char *bytes = b->bytes;
    *b = (struct text_buffer){0};
    return bytes;
}

char *text_copy(const char *bytes, size_t size_bytes)
{
    char *copy = malloc(size_bytes + 1);
    CHECK(copy != NULL);
    if (size_bytes > 0) memcpy(copy, bytes, size_bytes);
    copy[size_bytes] = '\0';
    return copy;
}

struct view text_buffer_view(const struct text_buffer *b)
{
    return (struct view){b->bytes == NULL ? "" : b->bytes, b->size_bytes};
}
