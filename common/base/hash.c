#include "common/base/hash.h"

#include <sodium.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/err.h"

_Static_assert(HASH_BYTES == crypto_hash_sha256_BYTES, "a hash is a SHA-256");
_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof((struct hasher *)0)->opaque,
               "the library's state fits in struct hasher");

static crypto_hash_sha256_state *state_of(struct hasher *s)
{
    return (crypto_hash_sha256_state *)(void *)s->opaque;
}

struct hash hash_of(const void *bytes, size_t size_bytes)
{
    struct hash h;
    CHECK(crypto_hash_sha256(h.bytes, bytes, size_bytes) == 0);
    return h;
}

bool hash_is_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_BYTES) == 0;
}

bool hash_is_zero(const struct hash *h)
{
    return hash_is_equal(h, &(struct hash){0});
}

void hash_hex(const struct hash *h, char out[HASH_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH_BYTES; i++) {
        out[2 * i] = digits[h->bytes[i] >> 4];
        out[2 * i + 1] = digits[h->bytes[i] & 15];
    }
    out[HASH_HEX_BYTES - 1] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool hash_from_hex(struct hash *h, const char *hex)
{
    struct hash read;
    for (size_t i = 0; i < HASH_BYTES; i++) {
        int high = digit_value(hex[2 * i]);
        if (high < 0) return false;
        int low = digit_value(hex[2 * i + 1]);
        if (low < 0) return false;
        read.bytes[i] = (unsigned char)(high << 4 | low);
    }
    if (hex[HASH_HEX_BYTES - 1] != '\0') return false;
    *h = read;
    return true;
}

void hasher_init(struct hasher *s)
{
    CHECK(crypto_hash_sha256_init(state_of(s)) == 0);
}

void hasher_add(struct hasher *s, const void *bytes, size_t size_bytes)
{
    CHECK(crypto_hash_sha256_update(state_of(s), bytes, size_bytes) == 0);
}

struct hash hasher_end(struct hasher *s)
{
    struct hash h;
    CHECK(crypto_hash_sha256_final(state_of(s), h.bytes) == 0);
    return h;
}

uint64_t checksum_of(const void *bytes, size_t size_bytes)
{
    return XXH3_64bits(bytes, size_bytes);
}
