#include "actor/grading/words.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool word_is_part(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

bool word_starts(struct view text, size_t at)
{
    return at < text.size_bytes && word_is_part(text.bytes[at]) &&
           (at == 0 || !word_is_part(text.bytes[at - 1]));
}

size_t word_end(struct view text, size_t at)
{
    while (at < text.size_bytes && word_is_part(text.bytes[at]))
        at++;
    return at;
}

bool words_are_same(struct view a, struct view b)
{
    if (a.size_bytes != b.size_bytes) return false;
    for (size_t i = 0; i < a.size_bytes; i++)
        if (lower(a.bytes[i]) != lower(b.bytes[i])) return false;
    return true;
}

bool word_is_at(struct view text, size_t at, struct view word)
{
    return word.size_bytes > 0 && word.size_bytes <= text.size_bytes - at &&
           words_are_same(text_part(text, at, at + word.size_bytes), word) &&
           (at + word.size_bytes == text.size_bytes ||
            !word_is_part(text.bytes[at + word.size_bytes]));
}

struct view view_of_string(const char *text)
{
    return (struct view){text, strlen(text)};
}
