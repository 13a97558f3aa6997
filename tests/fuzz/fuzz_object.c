/*
 * fuzz_object.c - whatever manifests and chunks come, in whatever order, a fetch
 * is complete only with the bytes that its name promises.
 *
 * Input: the size bound (u8: in chunks, half steps), then operations: a byte that
 * says which, and its arguments.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/little_endian.h"
#include "proto/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

#define SIZE (CHUNK_BYTES + 100u) // two chunks, the cheap one last
#define OPERATIONS_MAX 64

static struct object object, forged; // forged: other bytes
static unsigned char content[SIZE], other[SIZE];

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, size_t n)
{
    unsigned char value[8] = {0};
    if (n > (size_t)(in->end - in->at)) n = (size_t)(in->end - in->at);
    memcpy(value, in->at, n);
    in->at += n;
    return get_u64(value);
}

static void make_objects(void)
{
    if (object.n_chunks > 0) return;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = other[i] = (unsigned char)(i * 31 + i / 777);
    other[SIZE - 1] ^= 1;
    object_init(&object, content, SIZE, 1);
    object_init(&forged, other, SIZE, 1);
}

enum operation { NEXT, MANIFEST, MANIFEST_FORGED, MANIFEST_ODD, CHUNK, CHUNK_FORGED, CHUNK_ODD, N };

static void do_manifest(struct fetch *f, struct input *in, enum operation operation)
{
    struct manifest m;
    struct err err = {0};
    object_manifest(operation == MANIFEST_FORGED ? &forged : &object, &m);
    m.object = object.hash;
    if (operation == MANIFEST_ODD) {
        uint64_t fields = take(in, 1);
        if (fields & 1) m.size_bytes = take(in, 8);
        if (fields & 2) m.n_chunks = (uint32_t)take(in, 4);
        if (fields & 4) m.chunk_bytes = (uint32_t)take(in, 4);
        if (fields & 8) m.base = take(in, 8);
        if (fields & 16) m.chunks = NULL;
        if (fields & 32) m.object.bytes[take(in, 1) % HASH_BYTES] ^= 1;
        // As wire_decode() would give it: as many hashes as it says.
        if (m.n_chunks > object.n_chunks && m.chunks != NULL) m.n_chunks = object.n_chunks;
    }
    if (fetch_take_manifest(f, &m, &err) != 0) CHECK(err.code != ERR_NONE);
}

static void do_chunk(struct fetch *f, struct input *in, enum operation operation)
{
    struct chunk_data c;
    struct err err = {0};
    uint32_t number = (uint32_t)take(in, 1);
    bool is_one = object_chunk(operation == CHUNK_FORGED ? &forged : &object, number % 2, &c);
    CHECK(is_one);
    c.object = object.hash;
    if (operation == CHUNK_ODD) {
        c.number = (uint32_t)take(in, 4);
        uint32_t size = (uint32_t)take(in, 4);
        if (size <= c.size_bytes) c.size_bytes = size;
    }
    if (fetch_take_chunk(f, &c, &err) != 0) CHECK(err.code != ERR_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    make_objects();
    struct input in = {bytes, bytes + size_bytes};
    uint64_t bound = take(&in, 1) * (CHUNK_BYTES / 2);
    uint64_t now_ms = 0;
    struct fetch *f = fetch_create(&object.hash, bound);
    for (int i = 0; in.at < in.end && i < OPERATIONS_MAX; i++) {
        enum operation operation = (enum operation)(take(&in, 1) % N);
        struct get get;
        if (operation == NEXT) {
            now_ms += take(&in, 2);
            if (fetch_next(f, now_ms, 3, &get)) {
                CHECK(hash_is_equal(&get.object, &object.hash));
                CHECK(get.want_manifest ? get.count == 0
                                        : get.count > 0 && get.first + get.count <= 2);
            }
        } else if (operation <= MANIFEST_ODD) {
            do_manifest(f, &in, operation);
        } else {
            do_chunk(f, &in, operation);
        }
        CHECK(fetch_bytes_done(f) <= SIZE);
    }
    if (fetch_is_complete(f)) {
        uint64_t got_bytes = 0;
        unsigned char *got = fetch_take_bytes(f, &got_bytes);
        CHECK(bound >= SIZE && got_bytes == SIZE && memcmp(got, content, SIZE) == 0);
        free(got);
    }
    fetch_destroy(f);
    return 0;
}
