/*
 * wire_fields.h - a struct as a msgpack map, and back, by a table of its fields.
 *
 * A table says for each member its key, kind, place and range; one encoder and
 * one decoder walk it.  An optional field that is zero or empty is left out and
 * comes back as that.  Decoding refuses a wrong type, a number or size out of
 * range, a non-finite float, a key that comes twice and a required key that
 * does not come, by the key's name; an unknown key is skipped.
 *
 * Decoding writes only what the tables say: the caller zeroes the structs.
 */
#ifndef ARGOSY_PROTO_WIRE_FIELDS_H
#define ARGOSY_PROTO_WIRE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "proto/wire.h"

enum field_kind {
    FIELD_U32,
    FIELD_U64,
    FIELD_BOOL,
    FIELD_F32,
    FIELD_F64,
    FIELD_HASH, // struct hash, 32 bytes of msgpack bin
    FIELD_TEXT, // struct text, str; at most `max` bytes
    FIELD_LIST, // array in place of at most `max` structs, its length a uint32_t member
};

struct field {
    const char *key;
    enum field_kind kind;
    bool is_optional;
    bool is_cut;   // TEXT: cut at `max` on the way out instead of being our bug
    size_t offset; // of the member in the struct
    uint64_t min, max;

    // LIST: an item is an array of its fields in order (further ones skipped),
    // or the bare value when it has one field.
    size_t count_offset, stride_bytes;
    const struct field *items;
    uint32_t n_items;
};

struct field_set { // several make one map
    const struct field *fields;
    uint32_t n; // at most FIELDS_MAX
    void *base; // the struct
};
#define FIELDS_MAX 32

void fields_encode(struct wire_buffer *out, const struct field_set *sets, uint32_t n_sets);

// Pre-scans the bytes (wire_bounds.h), then decodes.  Texts point into bytes.
int fields_decode(const unsigned char *bytes, size_t size_bytes, const struct field_set *sets,
                  uint32_t n_sets, struct err *err);

#endif
