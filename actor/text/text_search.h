/*
 * text_search.h - a string in bytes that may hold anything, 0 included.
 */
#ifndef ARGOSY_ACTOR_TEXT_TEXT_SEARCH_H
#define ARGOSY_ACTOR_TEXT_TEXT_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#define TEXT_NOWHERE ((size_t)-1)

struct view { // borrowed bytes
    const char *bytes;
    size_t size_bytes;
};

// Offset of the first needle at or after `from`, of the last one, how many
// (not overlapping).
size_t text_find(struct view text, const char *needle, size_t from);
size_t text_find_last(struct view text, const char *needle);
size_t text_count(struct view text, const char *needle);

// Without white space (ASCII) at both ends; a part of it.
struct view text_trim(struct view text);
struct view text_part(struct view text, size_t start, size_t end);
bool text_is_blank(struct view text);

#endif
