/*
 * envelope.h - the first frame of every message: 64 bytes that vouch for the rest.
 *
 *   0  u32 magic "ARGY"      24 u64 sequence
 *   4  u16 protocol version  32 u64 payload bytes (all other frames together)
 *   6  u16 message type      40 u64 checksum
 *   8  u32 flags, 0          48 u32 number of frames, this one included
 *  12  u32 epoch             52 12 bytes, 0
 *  16  u64 run
 *
 * The checksum is XXH3-64 over these 64 bytes with the checksum as 0, followed
 * by (u64 size, u64 XXH3-64 of the bytes) of each other frame.  It covers the
 * envelope itself and where one frame ends and the next begins; it finds
 * accidents, not forgeries: against those there is CURVE.
 *
 * Pure: no allocation, no sockets; any thread.
 */
#ifndef ARGOSY_PROTO_ENVELOPE_H
#define ARGOSY_PROTO_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "proto/limits.h"

#define ENVELOPE_BYTES 64

struct frame {
    const void *bytes;
    size_t size_bytes;
};
struct frames {
    uint32_t n;
    struct frame frame[FRAMES_MAX];
};

struct envelope {
    uint16_t type; // enum message_type, not yet known to exist
    uint32_t epoch;
    uint64_t run;
    uint64_t sequence;
};

// Frames 1 .. n-1 are in place; writes what frame 0 is to hold.
void envelope_encode(unsigned char out[ENVELOPE_BYTES], const struct envelope *envelope,
                     const struct frames *frames);

// Verifies all of it, frames' limits included.  Another protocol version fails
// with ERR_MISMATCH, so that a greeting can be answered; else ERR_FORMAT, ERR_LIMIT.
int envelope_decode(struct envelope *out, const struct frames *frames, struct err *err);

#endif
