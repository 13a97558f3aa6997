#include "common/base/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"

// jansson has macros of these names; here they are functions of our own type.
#undef json_is_object
#undef json_is_array
#undef json_is_string
#undef json_is_number
#undef json_is_integer

#define JSON_BYTES_MAX ((size_t)1 << 30)
#define DOUBLE_INTEGER_MAX 9007199254740992.0 // 2^53: up to here every integer is a double

enum { SHOWN_BYTES = 60 }; // of a wrong value, in an error

struct json_document {
    json_t *root;
    char name[];
};

struct json_document *json_parse(const char *bytes, size_t size_bytes, const char *name,
                                 struct err *err)
{
    if (size_bytes > JSON_BYTES_MAX) {
        err_set(err, ERR_LIMIT, "%s: %zu bytes of JSON, at most %zu", name, size_bytes,
                JSON_BYTES_MAX);
        return NULL;
    }
    // The library takes a zero byte behind a number for nothing at all.
    const char *zero = size_bytes == 0 ? NULL : memchr(bytes, 0, size_bytes);
    if (zero != NULL) {
        err_set(err, ERR_FORMAT, "%s: byte %zu is zero", name, (size_t)(zero - bytes));
        return NULL;
    }
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t why;
    json_t *root = json_loadb(size_bytes == 0 ? "" : bytes, size_bytes, flags, &why);
    // Some tokenizer files hold 10^30 for "no limit": an integer that fits no
    // integer is taken as the real number it is written as.
    if (root == NULL && json_error_code(&why) == json_error_numeric_overflow) {
        root = json_loadb(bytes, size_bytes, flags | JSON_DECODE_INT_AS_REAL, &why);
    }
    if (root == NULL) {
        err_set(err, ERR_FORMAT, "%s: line %d, column %d: %s", name, why.line, why.column,
                why.text);
        return NULL;
    }
    struct json_document *document = malloc(sizeof *document + strlen(name) + 1);
    CHECK(document != NULL);
    document->root = root;
    memcpy(document->name, name, strlen(name) + 1);
    return document;
}

struct json_document *json_read_file(const char *path, size_t limit_bytes, struct err *err)
{
    char *bytes = NULL;
    size_t size_bytes = 0;
    if (file_read(path, limit_bytes, &bytes, &size_bytes, err) != 0) return NULL;
    struct json_document *document = json_parse(bytes, size_bytes, path, err);
    free(bytes);
    return document;
}

void json_destroy(struct json_document *document)
{
    if (document == NULL) return;
    json_decref(document->root);
    free(document);
}

// --- looking around ----------------------------------------------------------------------------

static struct json view(const struct json_document *document, json_t *value)
{
    return (struct json){.document = document, .value = value};
}

struct json json_root(const struct json_document *document)
{
    return view(document, document->root);
}

static bool has_type(struct json v, json_type type)
{
    return v.value != NULL && json_typeof((const json_t *)v.value) == type;
}

bool json_is_present(struct json v)
{
    return v.value != NULL && !has_type(v, JSON_NULL);
}

bool json_is_object(struct json v)
{
    return has_type(v, JSON_OBJECT);
}

bool json_is_array(struct json v)
{
    return has_type(v, JSON_ARRAY);
}

bool json_is_string(struct json v)
{
    return has_type(v, JSON_STRING);
}

bool json_is_number(struct json v)
{
    return has_type(v, JSON_INTEGER) || has_type(v, JSON_REAL);
}

// Also a real that is a whole number small enough to be exact ("10.0", and all
// integers of a document with one too big): the sender meant an integer.
bool json_is_integer(struct json v)
{
    if (has_type(v, JSON_INTEGER)) return true;
    if (!has_type(v, JSON_REAL)) return false;
    double value = json_real_value(v.value);
    if (!(value >= -DOUBLE_INTEGER_MAX && value <= DOUBLE_INTEGER_MAX)) return false;
    double part = value - (double)(int64_t)value;
    return !(part < 0) && !(part > 0);
}

bool json_is_bool(struct json v)
{
    return has_type(v, JSON_TRUE) || has_type(v, JSON_FALSE);
}

struct json json_member(struct json object, const char *key)
{
    return view(object.document,
                json_is_object(object) ? json_object_get(object.value, key) : NULL);
}

size_t json_count(struct json v)
{
    if (json_is_object(v)) return json_object_size(v.value);
    return json_is_array(v) ? json_array_size(v.value) : 0;
}

struct json json_item(struct json array, size_t index)
{
    return view(array.document, json_is_array(array) ? json_array_get(array.value, index) : NULL);
}

void *json_first(struct json object)
{
    return json_is_object(object) ? json_object_iter(object.value) : NULL;
}

void *json_next(struct json object, void *iterator)
{
    return json_object_iter_next(object.value, iterator);
}

const char *json_key(void *iterator)
{
    return json_object_iter_key(iterator);
}

struct json json_value(struct json object, void *iterator)
{
    return view(object.document, json_object_iter_value(iterator));
}

// --- required members --------------------------------------------------------------------------

static int refuse(struct json object, const char *key, const char *wanted, struct err *err)
{
    const char *name = object.document != NULL ? object.document->name : "JSON";
    if (!json_is_object(object)) {
        return err_set(err, ERR_FORMAT, "%s: want an object with the field '%s'", name, key);
    }
    json_t *value = json_object_get(object.value, key);
    if (value == NULL) {
        return err_set(err, ERR_FORMAT, "%s: field '%s' is missing: want %s", name, key, wanted);
    }
    if (json_is_array(view(NULL, value)) || json_is_object(view(NULL, value))) {
        return err_set(err, ERR_FORMAT, "%s: field '%s': want %s, got an %s", name, key, wanted,
                       json_is_array(view(NULL, value)) ? "array" : "object");
    }
    char *shown = json_dumps(value, JSON_ENCODE_ANY);
    CHECK(shown != NULL);
    err_set(err, ERR_FORMAT, "%s: field '%s': want %s, got %.*s%s", name, key, wanted, SHOWN_BYTES,
            shown, strlen(shown) > SHOWN_BYTES ? "..." : "");
    free(shown);
    return -1;
}

int json_get_u64(struct json object, const char *key, uint64_t max, uint64_t *out, struct err *err)
{
    struct json v = json_member(object, key);
    int64_t value = json_to_i64(v);
    if (!json_is_integer(v) || value < 0 || (uint64_t)value > max) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "a whole number from 0 to %llu", (unsigned long long)max);
        return refuse(object, key, wanted, err);
    }
    *out = (uint64_t)value;
    return 0;
}

int json_get_double(struct json object, const char *key, double *out, struct err *err)
{
    struct json v = json_member(object, key);
    if (!json_is_number(v)) return refuse(object, key, "a number", err);
    *out = json_to_double(v);
    return 0;
}

int json_get_bool(struct json object, const char *key, bool *out, struct err *err)
{
    struct json v = json_member(object, key);
    if (!json_is_bool(v)) return refuse(object, key, "true or false", err);
    *out = json_to_bool(v);
    return 0;
}

int json_get_string(struct json object, const char *key, const char **out, struct err *err)
{
    struct json v = json_member(object, key);
    size_t size_bytes = 0;
    const char *text = json_to_string(v, &size_bytes);
    // A string with a 0 byte inside would be cut by whoever takes it as C text.
    if (text == NULL || strlen(text) != size_bytes) {
        return refuse(object, key, "a string without zero bytes", err);
    }
    *out = text;
    return 0;
}

// --- conversion --------------------------------------------------------------------------------

double json_to_double(struct json v)
{
    return json_is_number(v) ? json_number_value(v.value) : 0;
}

int64_t json_to_i64(struct json v)
{
    if (!json_is_integer(v)) return 0;
    return has_type(v, JSON_INTEGER) ? json_integer_value(v.value)
                                     : (int64_t)json_real_value(v.value);
}

bool json_to_bool(struct json v)
{
    return has_type(v, JSON_TRUE);
}

const char *json_to_string(struct json v, size_t *size_bytes)
{
    bool is_string = json_is_string(v);
    if (size_bytes != NULL) *size_bytes = is_string ? json_string_length(v.value) : 0;
    return is_string ? json_string_value(v.value) : NULL;
}
