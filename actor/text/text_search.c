#include "actor/text/text_search.h"

#include <string.h>

size_t text_find(struct view text, const char *needle, size_t from)
{
    size_t n = strlen(needle);
    while (from + n <= text.size_bytes) {
        const char *hit = memchr(text.bytes + from, needle[0], text.size_bytes - from - n + 1);
        if (hit == NULL) break;
        from = (size_t)(hit - text.bytes);
        if (memcmp(hit, needle, n) == 0) return from;
        from++;
    }
    return TEXT_NOWHERE;
}

size_t text_find_last(struct view text, const char *needle)
{
    size_t n = strlen(needle);
    if (n > text.size_bytes) return TEXT_NOWHERE;
    for (size_t at = text.size_bytes - n + 1; at > 0; at--)
        if (text.bytes[at - 1] == needle[0] && memcmp(text.bytes + at - 1, needle, n) == 0)
            return at - 1;
    return TEXT_NOWHERE;
}

size_t text_count(struct view text, const char *needle)
{
    size_t count = 0;
    for (size_t at = text_find(text, needle, 0); at != TEXT_NOWHERE;
         at = text_find(text, needle, at + strlen(needle)))
        count++;
    return count;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct view text_trim(struct view text)
{
    while (text.size_bytes > 0 && is_blank(text.bytes[0])) {
        text.bytes++;
        text.size_bytes--;
    }
    while (text.size_bytes > 0 && is_blank(text.bytes[text.size_bytes - 1]))
        text.size_bytes--;
    return text;
}

struct view text_part(struct view text, size_t start, size_t end)
{
    return (struct view){text.bytes + start, end - start};
}

bool text_is_blank(struct view text)
{
    return text_trim(text).size_bytes == 0;
}
