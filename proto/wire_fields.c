#include "proto/wire_fields.h"

#include <math.h>
#include <msgpack.h>
#include <string.h>

#include "proto/wire_bounds.h"

// --- out -----------------------------------------------------------------------------------------

static int append(void *data, const char *bytes, size_t size_bytes)
{
    memcpy(wire_buffer_take(data, size_bytes), bytes, size_bytes);
    return 0;
}

static uint32_t list_count(const struct field *f, const unsigned char *base)
{
    uint32_t n;
    memcpy(&n, base + f->count_offset, sizeof n);
    return n;
}

static bool is_left_out(const struct field *f, const unsigned char *base)
{
    static const struct hash none;
    if (!f->is_optional) return false;

    const unsigned char *at = base + f->offset;
    switch (f->kind) {
    case FIELD_U32:
    case FIELD_F32:
        return memcmp(at, &none, sizeof(uint32_t)) == 0;
    case FIELD_U64:
    case FIELD_F64:
        return memcmp(at, &none, sizeof(uint64_t)) == 0;
    case FIELD_BOOL:
        return memcmp(at, &none, sizeof(bool)) == 0;
    case FIELD_HASH:
        return memcmp(at, &none, sizeof none) == 0;
    case FIELD_TEXT:
        return ((const struct text *)(const void *)at)->size_bytes == 0;
    case FIELD_LIST:
        return list_count(f, base) == 0;
    }
    return false;
}

static void encode_text(msgpack_packer *pk, const struct field *f, const struct text *text)
{
    uint32_t n = text->size_bytes;
    CHECK(n <= f->max || f->is_cut);
    if (n > f->max) n = (uint32_t)f->max;
    msgpack_pack_str_with_body(pk, n > 0 ? text->bytes : "", n);
}

static void encode_scalar(msgpack_packer *pk, const struct field *f, const unsigned char *base)
{
    const void *at = base + f->offset;
    switch (f->kind) {
    case FIELD_U32:
        msgpack_pack_uint32(pk, *(const uint32_t *)at);
        break;
    case FIELD_U64:
        msgpack_pack_uint64(pk, *(const uint64_t *)at);
        break;
    case FIELD_BOOL:
        *(const bool *)at ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
        break;
    case FIELD_F32:
        msgpack_pack_float(pk, *(const float *)at);
        break;
    case FIELD_F64:
        msgpack_pack_double(pk, *(const double *)at);
        break;
    case FIELD_HASH:
        msgpack_pack_bin_with_body(pk, at, HASH_BYTES);
        break;
    case FIELD_TEXT:
        encode_text(pk, f, at);
        break;
    case FIELD_LIST:
        CHECK(false); // lists do not nest
    }
}

static void encode_list(msgpack_packer *pk, const struct field *f, const unsigned char *base)
{
    uint32_t n = list_count(f, base);
    CHECK(n <= f->max);
    msgpack_pack_array(pk, n);
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *item = base + f->offset + i * f->stride_bytes;
        if (f->n_items > 1) msgpack_pack_array(pk, f->n_items);
        for (uint32_t k = 0; k < f->n_items; k++)
            encode_scalar(pk, &f->items[k], item);
    }
}

void fields_encode(struct wire_buffer *out, const struct field_set *sets, uint32_t n_sets)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, append);

    uint32_t n = 0;
    for (uint32_t s = 0; s < n_sets; s++) {
        for (uint32_t i = 0; i < sets[s].n; i++)
            n += !is_left_out(&sets[s].fields[i], sets[s].base);
    }
    msgpack_pack_map(&pk, n);
    for (uint32_t s = 0; s < n_sets; s++) {
        for (uint32_t i = 0; i < sets[s].n; i++) {
            const struct field *f = &sets[s].fields[i];
            if (is_left_out(f, sets[s].base)) continue;
            msgpack_pack_str_with_body(&pk, f->key, strlen(f->key));
            if (f->kind == FIELD_LIST)
                encode_list(&pk, f, sets[s].base);
            else
                encode_scalar(&pk, f, sets[s].base);
        }
    }
}

// --- in ------------------------------------------------------------------------------------------

static int decode_integer(const struct field *f, const msgpack_object *in, uint64_t *out,
                          struct err *err)
{
    if (in->type != MSGPACK_OBJECT_POSITIVE_INTEGER || in->via.u64 < f->min || in->via.u64 > f->max)
        return err_set(err, ERR_FORMAT, "'%s': want an integer from %llu to %llu", f->key,
                       (unsigned long long)f->min, (unsigned long long)f->max);
    *out = in->via.u64;
    return 0;
}

// An integer will do for a float: some languages write 1.0 as 1.
static int decode_float(const struct field *f, const msgpack_object *in, double *out,
                        struct err *err)
{
    double value = (double)NAN;
    if (in->type == MSGPACK_OBJECT_FLOAT32 || in->type == MSGPACK_OBJECT_FLOAT64)
        value = in->via.f64;
    else if (in->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        value = (double)in->via.u64;
    else if (in->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        value = (double)in->via.i64;
    if (!isfinite(value) || (f->kind == FIELD_F32 && !isfinite((float)value)))
        return err_set(err, ERR_FORMAT, "'%s': want a finite number", f->key);
    *out = value;
    return 0;
}

static int decode_text(const struct field *f, const msgpack_object *in, struct text *out,
                       struct err *err)
{
    if (in->type != MSGPACK_OBJECT_STR || in->via.str.size > f->max)
        return err_set(err, ERR_FORMAT, "'%s': want a text of at most %llu bytes", f->key,
                       (unsigned long long)f->max);
    *out = (struct text){.bytes = in->via.str.ptr, .size_bytes = in->via.str.size};
    return 0;
}

static int decode_scalar(const struct field *f, const msgpack_object *in, unsigned char *base,
                         struct err *err)
{
    void *at = base + f->offset;
    uint64_t integer = 0;
    double real = 0.0;
    switch (f->kind) {
    case FIELD_U32:
        if (decode_integer(f, in, &integer, err) != 0) return -1;
        *(uint32_t *)at = (uint32_t)integer;
        return 0;
    case FIELD_U64:
        return decode_integer(f, in, at, err);
    case FIELD_BOOL:
        if (in->type != MSGPACK_OBJECT_BOOLEAN)
            return err_set(err, ERR_FORMAT, "'%s': want true or false", f->key);
        *(bool *)at = in->via.boolean;
        return 0;
    case FIELD_F32:
        if (decode_float(f, in, &real, err) != 0) return -1;
        *(float *)at = (float)real;
        return 0;
    case FIELD_F64:
        return decode_float(f, in, at, err);
    case FIELD_HASH:
        if (in->type != MSGPACK_OBJECT_BIN || in->via.bin.size != HASH_BYTES)
            return err_set(err, ERR_FORMAT, "'%s': want a hash of %d bytes", f->key, HASH_BYTES);
        memcpy(at, in->via.bin.ptr, HASH_BYTES);
        return 0;
    case FIELD_TEXT:
        return decode_text(f, in, at, err);
    case FIELD_LIST:
        break;
    }
    CHECK(false); // lists do not nest
    return -1;
}

static int decode_list(const struct field *f, const msgpack_object *in, unsigned char *base,
                       struct err *err)
{
    if (in->type != MSGPACK_OBJECT_ARRAY || in->via.array.size > f->max)
        return err_set(err, ERR_FORMAT, "'%s': want a list of at most %llu", f->key,
                       (unsigned long long)f->max);

    uint32_t n = in->via.array.size;
    for (uint32_t i = 0; i < n; i++) {
        const msgpack_object *item = &in->via.array.ptr[i];
        unsigned char *to = base + f->offset + i * f->stride_bytes;
        if (f->n_items > 1) {
            if (item->type != MSGPACK_OBJECT_ARRAY || item->via.array.size < f->n_items)
                return err_set(err, ERR_FORMAT, "'%s': want items of %u values", f->key,
                               f->n_items);
            item = item->via.array.ptr;
        }
        for (uint32_t k = 0; k < f->n_items; k++) {
            if (decode_scalar(&f->items[k], &item[k], to, err) != 0)
                return err_prefix(err, "'%s' item %u", f->key, i);
        }
    }
    memcpy(base + f->count_offset, &n, sizeof n);
    return 0;
}

struct decoding {
    const struct field_set *sets;
    uint32_t n_sets;
    uint32_t seen[2];   // bit i: field i of the set has come
    uint32_t set, next; // where to look first: fields mostly come in order
    const msgpack_object_str *unknown[HEADER_KEYS_MAX];
    uint32_t n_unknown;
};

static bool is_key(const msgpack_object_str *key, const char *name)
{
    return key->size > 0 && key->ptr[0] == name[0] && strlen(name) == key->size &&
           memcmp(key->ptr, name, key->size) == 0;
}

// The field of that key, or NULL; d->set and d->next-1 say which it is.
static const struct field *find(struct decoding *d, const msgpack_object_str *key)
{
    uint32_t tried = 0, total = 0;
    for (uint32_t s = 0; s < d->n_sets; s++)
        total += d->sets[s].n;
    for (; tried < total; tried++) {
        while (d->next >= d->sets[d->set].n) {
            d->set = (d->set + 1) % d->n_sets;
            d->next = 0;
        }
        const struct field *f = &d->sets[d->set].fields[d->next++];
        if (is_key(key, f->key)) return f;
    }
    return NULL;
}

static int note_unknown(struct decoding *d, const msgpack_object_str *key, struct err *err)
{
    for (uint32_t i = 0; i < d->n_unknown; i++) {
        if (d->unknown[i]->size == key->size &&
            memcmp(d->unknown[i]->ptr, key->ptr, key->size) == 0)
            return err_set(err, ERR_FORMAT, "a key comes twice");
    }
    d->unknown[d->n_unknown++] = key;
    return 0;
}

static int decode_pair(struct decoding *d, const msgpack_object_kv *pair, struct err *err)
{
    if (pair->key.type != MSGPACK_OBJECT_STR)
        return err_set(err, ERR_FORMAT, "a key is not a text");

    const struct field *f = find(d, &pair->key.via.str);
    if (f == NULL) return note_unknown(d, &pair->key.via.str, err);

    uint32_t bit = 1u << (d->next - 1);
    if (d->seen[d->set] & bit) return err_set(err, ERR_FORMAT, "'%s' comes twice", f->key);
    d->seen[d->set] |= bit;
    unsigned char *base = d->sets[d->set].base;
    return f->kind == FIELD_LIST ? decode_list(f, &pair->val, base, err)
                                 : decode_scalar(f, &pair->val, base, err);
}

static int decode_map(const msgpack_object *map, struct decoding *d, struct err *err)
{
    if (map->type != MSGPACK_OBJECT_MAP || map->via.map.size > HEADER_KEYS_MAX)
        return err_set(err, ERR_FORMAT, "header is not a map of at most %d keys", HEADER_KEYS_MAX);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (decode_pair(d, &map->via.map.ptr[i], err) != 0) return -1;
    }
    for (uint32_t s = 0; s < d->n_sets; s++) {
        for (uint32_t i = 0; i < d->sets[s].n; i++) {
            const struct field *f = &d->sets[s].fields[i];
            if (!f->is_optional && !(d->seen[s] & 1u << i))
                return err_set(err, ERR_FORMAT, "'%s' is missing", f->key);
        }
    }
    return 0;
}

int fields_decode(const unsigned char *bytes, size_t size_bytes, const struct field_set *sets,
                  uint32_t n_sets, struct err *err)
{
    struct decoding d = {.sets = sets, .n_sets = n_sets};
    CHECK(n_sets <= sizeof d.seen / sizeof d.seen[0]);

    if (wire_bounds_check(bytes, size_bytes, err) != 0) return -1;

    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t used = 0;
    int rc;
    if (msgpack_unpack_next(&unpacked, (const char *)bytes, size_bytes, &used) !=
        MSGPACK_UNPACK_SUCCESS)
        rc = err_set(err, ERR_FORMAT, "header is not msgpack");
    else
        rc = decode_map(&unpacked.data, &d, err);
    msgpack_unpacked_destroy(&unpacked);
    return rc;
}
