/*
 * spec_fields.h - one object of the spec, read by a table into a struct.
 *
 * A key that is not in the table is refused by name, and so is a value of the
 * wrong type or out of range.  A key that is absent leaves the struct's value,
 * so defaults are what the caller put there.
 */
#ifndef ARGOSY_ACTOR_DATA_SPEC_FIELDS_H
#define ARGOSY_ACTOR_DATA_SPEC_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/json.h"

#define SPEC_LIST_MAX 64
#define SPEC_STRING_BYTES 128

enum spec_type {
    SPEC_U32,    // uint32_t
    SPEC_U64,    // uint64_t
    SPEC_DOUBLE, // double
    SPEC_BOOL,   // bool
    SPEC_STRING, // char[SPEC_STRING_BYTES]
    SPEC_LIST,   // struct spec_list of integers in min..max
    SPEC_OTHER,  // allowed here, read by somebody else
};

struct spec_list {
    uint32_t count;
    uint32_t items[SPEC_LIST_MAX];
};

struct spec_field {
    const char *name;
    enum spec_type type;
    size_t offset;   // into the struct
    double min, max; // of numbers
};

// `what` is how errors call the object ("spec.task").
int spec_read(struct json object, const char *what, const struct spec_field *fields,
              size_t n_fields, void *out, struct err *err);

#endif
