#include "actor/data/spec_fields.h"

#include <stdbool.h>
#include <string.h>

static const struct spec_field *find_field(const struct spec_field *fields, size_t n_fields,
                                           const char *name)
{
    for (size_t i = 0; i < n_fields; i++)
        if (strcmp(fields[i].name, name) == 0) return &fields[i];
    return NULL;
}

static int refuse(const char *what, const struct spec_field *f, const char *want, struct err *err)
{
    return err_set(err, ERR_USAGE, "%s.%s: want %s", what, f->name, want);
}

static int read_number(struct json value, const char *what, const struct spec_field *f,
                       bool is_whole, double *out, struct err *err)
{
    double number = json_to_double(value);
    bool is_good = (is_whole ? json_is_integer(value) : json_is_number(value)) &&
                   number >= f->min && number <= f->max;
    if (!is_good)
        return err_set(err, ERR_USAGE, "%s.%s: want %s from %g to %g", what, f->name,
                       is_whole ? "whole numbers" : "a number", f->min, f->max);
    *out = number;
    return 0;
}

static int read_list(struct json value, const char *what, const struct spec_field *f,
                     struct spec_list *out, struct err *err)
{
    size_t n = json_count(value);
    if (!json_is_array(value) || n > SPEC_LIST_MAX)
        return err_set(err, ERR_USAGE, "%s.%s: want a list of at most %d numbers", what, f->name,
                       SPEC_LIST_MAX);
    struct spec_list list = {.count = (uint32_t)n};
    for (size_t i = 0; i < n; i++) {
        double number = 0;
        if (read_number(json_item(value, i), what, f, true, &number, err) != 0) return -1;
        list.items[i] = (uint32_t)number;
    }
    *out = list;
    return 0;
}

static int read_string(struct json value, const char *what, const struct spec_field *f, char *out,
                       struct err *err)
{
    size_t size_bytes;
    const char *text = json_to_string(value, &size_bytes);
    if (text == NULL || size_bytes >= SPEC_STRING_BYTES || strlen(text) != size_bytes)
        return err_set(err, ERR_USAGE, "%s.%s: want text of at most %d bytes", what, f->name,
                       SPEC_STRING_BYTES - 1);
    memcpy(out, text, size_bytes + 1);
    return 0;
}

static int read_field(struct json value, const char *what, const struct spec_field *f, void *out,
                      struct err *err)
{
    void *place = (char *)out + f->offset;
    double number = 0;
    switch (f->type) {
    case SPEC_U32:
        if (read_number(value, what, f, true, &number, err) != 0) return -1;
        *(uint32_t *)place = (uint32_t)number;
        return 0;
    case SPEC_U64:
        // a double would round large seeds
        if (!json_is_integer(value) || json_to_i64(value) < 0)
            return refuse(what, f, "a whole number that is not negative", err);
        *(uint64_t *)place = (uint64_t)json_to_i64(value);
        return 0;
    case SPEC_DOUBLE:
        if (read_number(value, what, f, false, &number, err) != 0) return -1;
        *(double *)place = number;
        return 0;
    case SPEC_BOOL:
        if (!json_is_bool(value)) return refuse(what, f, "true or false", err);
        *(bool *)place = json_to_bool(value);
        return 0;
    case SPEC_STRING:
        return read_string(value, what, f, place, err);
    case SPEC_LIST:
        return read_list(value, what, f, place, err);
    case SPEC_OTHER:
        break;
    }
    return 0;
}

int spec_read(struct json object, const char *what, const struct spec_field *fields,
              size_t n_fields, void *out, struct err *err)
{
    if (!json_is_object(object)) return err_set(err, ERR_USAGE, "%s: want a map of keys", what);
    for (void *it = json_first(object); it != NULL; it = json_next(object, it)) {
        const struct spec_field *field = find_field(fields, n_fields, json_key(it));
        if (field == NULL)
            return err_set(err, ERR_USAGE, "%s: unknown key '%.100s'", what, json_key(it));
        if (read_field(json_value(object, it), what, field, out, err) != 0) return -1;
    }
    return 0;
}
