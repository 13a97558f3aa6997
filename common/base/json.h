/*
 * json.h - JSON values with errors that name the field.
 *
 * A thin door to jansson: parsing is bounded and refuses duplicate keys;
 * getters say "FILE: field 'x': want a positive integer, got \"y\"".  A
 * struct json is a borrowed view, valid while its document lives.
 */
#ifndef ARGOSY_COMMON_BASE_JSON_H
#define ARGOSY_COMMON_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/err.h"

struct json_document; // owns the parsed values

struct json {
    const struct json_document *document;
    void *value; // json_t *; NULL: absent
};

// `name` is what errors call the source (a path, "lease payload").  Input over
// 1 GiB, trailing text, duplicate keys and bad UTF-8 are refused.  Integers are
// exact in 63 bits; a bigger one makes all numbers of its document doubles.
struct json_document *json_parse(const char *bytes, size_t size_bytes, const char *name,
                                 struct err *err);
struct json_document *json_read_file(const char *path, size_t limit_bytes, struct err *err);
void json_destroy(struct json_document *document);
struct json json_root(const struct json_document *document);

bool json_is_present(struct json v); // exists and is not null
bool json_is_object(struct json v);
bool json_is_array(struct json v);
bool json_is_string(struct json v);
bool json_is_number(struct json v);
bool json_is_integer(struct json v);
bool json_is_bool(struct json v);

struct json json_member(struct json object, const char *key); // absent: value NULL
size_t json_count(struct json v);                             // of an array or object, else 0
struct json json_item(struct json array, size_t index);

// Iterate an object in file order: for (void *it = json_first(o); it; it = json_next(o, it)).
void *json_first(struct json object);
void *json_next(struct json object, void *iterator);
const char *json_key(void *iterator);
struct json json_value(struct json object, void *iterator);

// Required members: an error names the document and the key.
int json_get_u64(struct json object, const char *key, uint64_t max, uint64_t *out, struct err *err);
int json_get_double(struct json object, const char *key, double *out, struct err *err);
int json_get_bool(struct json object, const char *key, bool *out, struct err *err);
int json_get_string(struct json object, const char *key, const char **out, struct err *err);

// The value itself, converted; no check beyond the type (0, NULL, false if other).
double json_to_double(struct json v);
int64_t json_to_i64(struct json v);
bool json_to_bool(struct json v);
const char *json_to_string(struct json v, size_t *size_bytes); // size may be NULL

// --- writing: text into a growing buffer, commas and escapes handled -------
struct json_writer {
    char *bytes; // malloc'ed; always 0-terminated; caller frees
    size_t size_bytes;
    size_t capacity_bytes;
    bool need_comma;
};
void json_writer_init(struct json_writer *w);
void json_open(struct json_writer *w, const char *key,
               char bracket);                         // '{' or '['; key NULL in arrays
void json_close(struct json_writer *w, char bracket); // '}' or ']'
void json_put_string(struct json_writer *w, const char *key, const char *value);
void json_put_text(struct json_writer *w, const char *key, const char *bytes, size_t size_bytes);
void json_put_double(struct json_writer *w, const char *key, double value); // NaN, inf: null
void json_put_u64(struct json_writer *w, const char *key, uint64_t value);
void json_put_i64(struct json_writer *w, const char *key, int64_t value);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_value(struct json_writer *w, const char *key, struct json v);        // absent: null
void json_put_json(struct json_writer *w, const char *key, const char *json_text); // as it is

#endif
