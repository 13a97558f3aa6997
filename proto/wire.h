/*
 * wire.h - messages to frames and back.
 *
 * Frame 0 is the envelope (envelope.h), frame 1 a msgpack map, then one frame
 * for each named blob, raw little-endian, named in order by the map's key
 * "blobs".  An unknown key or blob is skipped, a missing required one refused,
 * a wrong type, range, length or non-finite number refused with the key's name.
 * The envelope's checksum is verified and the map pre-scanned (wire_bounds.h)
 * before msgpack sees a byte.
 */
#ifndef ARGOSY_PROTO_WIRE_H
#define ARGOSY_PROTO_WIRE_H

#include "common/base/err.h"
#include "proto/envelope.h"
#include "proto/messages.h"

// A growing buffer that holds the encoded frames of one message.
struct wire_buffer {
    unsigned char *bytes; // malloc'ed
    size_t size_bytes, capacity_bytes;
    struct frames frames; // into bytes, or into the message's own blobs (not copied)
};
void wire_buffer_init(struct wire_buffer *b);
void wire_buffer_fini(struct wire_buffer *b);
// Room for n more bytes at the end, counted in; valid until the next call.
unsigned char *wire_buffer_take(struct wire_buffer *b, size_t n);

// Replaces what *out held.  Texts for people (reasons, names in logs, sources,
// names of rewards and metrics) are cut at their limit; anything else over a
// limit of ours is our own bug and stops the program: check it where it is read.
// Frames of blobs point at the message's arrays: keep them until sent.
void wire_encode(struct wire_buffer *out, const struct message *message);

// Another protocol version fails with ERR_MISMATCH, all else with ERR_FORMAT or
// ERR_LIMIT.  Texts and arrays of *message point into frames.  Blobs are 4-byte aligned by
// copying into `aligned` when a frame is not (NULL: refuse such a frame).
int wire_decode(struct message *message, const struct frames *frames, struct wire_buffer *aligned,
                struct err *err);

const char *message_type_name(enum message_type type);

#endif
