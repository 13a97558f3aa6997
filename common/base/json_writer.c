#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/json.h"

enum { FIRST_CAPACITY = 256 };

static void append(struct json_writer *w, const char *bytes, size_t size_bytes)
{
    CHECK(size_bytes < SIZE_MAX / 4 && w->size_bytes < SIZE_MAX / 4);
    size_t need = w->size_bytes + size_bytes + 1;
    if (need > w->capacity_bytes) {
        w->capacity_bytes = need > w->capacity_bytes * 2 ? need : w->capacity_bytes * 2;
        w->bytes = realloc(w->bytes, w->capacity_bytes);
        CHECK(w->bytes != NULL);
    }
    if (size_bytes > 0) memcpy(w->bytes + w->size_bytes, bytes, size_bytes);
    w->size_bytes += size_bytes;
    w->bytes[w->size_bytes] = '\0';
}

// Bytes of the UTF-8 character at text, 0 when it is not one (RFC 3629: no
// overlong forms, no surrogates, nothing over U+10FFFF).
static size_t character_bytes(const unsigned char *text, size_t size_bytes)
{
    if (text[0] < 0x80) return 1;
    size_t n = text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    if (text[0] < 0xC2 || text[0] > 0xF4 || n > size_bytes) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80) return 0;
    }
    if (text[0] == 0xE0 && text[1] < 0xA0) return 0;
    if (text[0] == 0xED && text[1] > 0x9F) return 0;
    if (text[0] == 0xF0 && text[1] < 0x90) return 0;
    if (text[0] == 0xF4 && text[1] > 0x8F) return 0;
    return n;
}

static void append_escaped(struct json_writer *w, unsigned char c)
{
    static const char named[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";
    const char *found = c == '\0' ? NULL : strchr(named, c);
    char text[8];
    if (found != NULL) {
        snprintf(text, sizeof text, "\\%c", letters[found - named]);
    } else {
        snprintf(text, sizeof text, "\\u%04x", c);
    }
    append(w, text, strlen(text));
}

// A string in quotes.  Bytes that are not UTF-8 become U+FFFD: what a model
// wrote may be cut in the middle of a character, and a reader must still parse.
static void append_quoted(struct json_writer *w, const char *bytes, size_t size_bytes)
{
    const unsigned char *text = (const unsigned char *)bytes;
    append(w, "\"", 1);
    for (size_t at = 0; at < size_bytes;) {
        size_t run = 0; // plain bytes are copied in one piece
        while (at + run < size_bytes && text[at + run] >= 0x20 && text[at + run] < 0x7f &&
               text[at + run] != '"' && text[at + run] != '\\') {
            run++;
        }
        append(w, bytes + at, run);
        at += run;
        if (at == size_bytes) break;

        size_t n = character_bytes(text + at, size_bytes - at);
        if (n == 1) {
            append_escaped(w, text[at]);
        } else if (n == 0) {
            append(w, "\xEF\xBF\xBD", 3);
        } else {
            append(w, bytes + at, n);
        }
        at += n == 0 ? 1 : n;
    }
    append(w, "\"", 1);
}

// The comma before this value, and its key.
static void begin_value(struct json_writer *w, const char *key)
{
    if (w->need_comma) append(w, ",", 1);
    w->need_comma = true;
    if (key != NULL) {
        append_quoted(w, key, strlen(key));
        append(w, ":", 1);
    }
}

static void put_literal(struct json_writer *w, const char *key, const char *text)
{
    begin_value(w, key);
    append(w, text, strlen(text));
}

void json_writer_init(struct json_writer *w)
{
    *w = (struct json_writer){.bytes = malloc(FIRST_CAPACITY), .capacity_bytes = FIRST_CAPACITY};
    CHECK(w->bytes != NULL);
    w->bytes[0] = '\0';
}

void json_open(struct json_writer *w, const char *key, char bracket)
{
    CHECK(bracket == '{' || bracket == '[');
    begin_value(w, key);
    append(w, &bracket, 1);
    w->need_comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
    CHECK(bracket == '}' || bracket == ']');
    append(w, &bracket, 1);
    w->need_comma = true;
}

void json_put_string(struct json_writer *w, const char *key, const char *value)
{
    if (value == NULL) {
        put_literal(w, key, "null");
        return;
    }
    json_put_text(w, key, value, strlen(value));
}

void json_put_text(struct json_writer *w, const char *key, const char *bytes, size_t size_bytes)
{
    begin_value(w, key);
    append_quoted(w, bytes, size_bytes);
}

void json_put_double(struct json_writer *w, const char *key, double value)
{
    if (!isfinite(value)) {
        put_literal(w, key, "null");
        return;
    }
    // The shortest text that reads back as the same number.
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (!(strtod(text, NULL) < value) && !(strtod(text, NULL) > value)) break;
    }
    // A whole number keeps its type, and a reader its column's.
    if (strpbrk(text, ".e") == NULL) memcpy(text + strlen(text), ".0", 3);
    put_literal(w, key, text);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    put_literal(w, key, text);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    put_literal(w, key, text);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
    put_literal(w, key, value ? "true" : "false");
}

void json_put_json(struct json_writer *w, const char *key, const char *json_text)
{
    put_literal(w, key, json_text);
}

// As deep as the parser let the value be.
void json_put_value(struct json_writer *w, const char *key, struct json v)
{
    size_t size_bytes;
    if (json_is_object(v)) {
        json_open(w, key, '{');
        for (void *it = json_first(v); it != NULL; it = json_next(v, it))
            json_put_value(w, json_key(it), json_value(v, it));
        json_close(w, '}');
    } else if (json_is_array(v)) {
        json_open(w, key, '[');
        for (size_t i = 0; i < json_count(v); i++)
            json_put_value(w, NULL, json_item(v, i));
        json_close(w, ']');
    } else if (json_is_string(v)) {
        const char *text = json_to_string(v, &size_bytes);
        json_put_text(w, key, text, size_bytes);
    } else if (json_is_integer(v)) {
        json_put_i64(w, key, json_to_i64(v));
    } else if (json_is_bool(v)) {
        json_put_bool(w, key, json_to_bool(v));
    } else {
        json_put_double(w, key, json_is_number(v) ? json_to_double(v) : (double)NAN);
    }
}
