/*
 * little_endian.h - fixed-width integers in bytes, the low byte first.
 *
 * The wire and the journal are little-endian, and blobs go out of memory as
 * they are: argosy runs on little-endian machines only, as the assertion says.
 */
#ifndef ARGOSY_PROTO_LITTLE_ENDIAN_H
#define ARGOSY_PROTO_LITTLE_ENDIAN_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blobs are sent as they lie in memory");

static inline void put_u16(unsigned char *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void put_u32(unsigned char *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void put_u64(unsigned char *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline uint16_t get_u16(const unsigned char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t get_u32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t get_u64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

#endif
