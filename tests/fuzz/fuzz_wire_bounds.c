/*
 * fuzz_wire_bounds.c - whatever the pre-scan lets through, msgpack decodes whole,
 * and in memory bounded by the number of values that the limits allow.
 */
#include <msgpack.h>
#include <stdint.h>

#include "proto/wire_bounds.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static uint32_t count_values(const msgpack_object *o, int depth)
{
    uint32_t n = 1;
    CHECK(depth <= HEADER_DEPTH_MAX);
    if (o->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < o->via.array.size; i++)
            n += count_values(&o->via.array.ptr[i], depth + 1);
    } else if (o->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < o->via.map.size; i++)
            n += count_values(&o->via.map.ptr[i].key, depth + 1) +
                 count_values(&o->via.map.ptr[i].val, depth + 1);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct err err = {0};
    if (wire_bounds_check(bytes, size_bytes, &err) != 0) {
        CHECK(err.code == ERR_FORMAT || err.code == ERR_LIMIT);
        return 0;
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t used = 0;
    CHECK(msgpack_unpack_next(&unpacked, (const char *)bytes, size_bytes, &used) ==
          MSGPACK_UNPACK_SUCCESS);
    CHECK(used == size_bytes);
    CHECK(count_values(&unpacked.data, 0) <= HEADER_ITEMS_MAX);
    msgpack_unpacked_destroy(&unpacked);
    return 0;
}
