/*
 * hash.h - two hashes, each for one purpose.
 *
 * Content names (weights, chunks, files, specs) are SHA-256 (libsodium): equal
 * names mean equal bytes even against an adversary.  Integrity of an envelope
 * or a journal record is XXH3-64 (libxxhash): it finds accidents, fast.
 */
#ifndef ARGOSY_COMMON_BASE_HASH_H
#define ARGOSY_COMMON_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_BYTES 32
#define HASH_HEX_BYTES 65 // with the final 0

struct hash {
    unsigned char bytes[HASH_BYTES];
};

struct hash hash_of(const void *bytes, size_t size_bytes);
bool hash_is_equal(const struct hash *a, const struct hash *b);
bool hash_is_zero(const struct hash *h); // the zero hash means "none"
void hash_hex(const struct hash *h, char out[HASH_HEX_BYTES]);
bool hash_from_hex(struct hash *h, const char *hex); // false: not 64 hex digits

// Incremental form, for data that comes in pieces.
struct hasher {
    _Alignas(64) unsigned char opaque[128];
};
void hasher_init(struct hasher *s);
void hasher_add(struct hasher *s, const void *bytes, size_t size_bytes);
struct hash hasher_end(struct hasher *s);

uint64_t checksum_of(const void *bytes, size_t size_bytes);

#endif
