/*
 * fuzz_wire.c - any header and blobs under a true envelope are refused with a
 * reason, or give a message whose encoding decodes to the same encoding.
 *
 * Input: a byte, the message type; a byte, the number of frames behind the
 * envelope; a u16 for each one's size; the frames' bytes, not aligned.
 */
#include <stdint.h>
#include <string.h>

#include "proto/little_endian.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static void check_same_frames(const struct frames *a, const struct frames *b)
{
    CHECK(a->n == b->n);
    for (uint32_t i = 0; i < a->n; i++) {
        const struct frame *x = &a->frame[i], *y = &b->frame[i];
        CHECK(x->size_bytes == y->size_bytes && memcmp(x->bytes, y->bytes, x->size_bytes) == 0);
    }
}

static void check_round_trip(const struct message *message)
{
    static struct message again;
    struct wire_buffer first, second, aligned;
    struct err err = {0};
    wire_buffer_init(&first);
    wire_buffer_init(&second);
    wire_buffer_init(&aligned);
    wire_encode(&first, message);
    CHECK(wire_decode(&again, &first.frames, &aligned, &err) == 0);
    wire_encode(&second, &again);
    check_same_frames(&first.frames, &second.frames);
    wire_buffer_fini(&first);
    wire_buffer_fini(&second);
    wire_buffer_fini(&aligned);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct message message;
    unsigned char envelope_bytes[ENVELOPE_BYTES];
    if (size_bytes < 2 || bytes[1] == 0 || bytes[1] >= FRAMES_MAX) return 0;
    uint32_t n = bytes[1];
    if (size_bytes - 2 < 2 * (size_t)n) return 0;

    struct frames frames = {.n = n + 1, .frame = {{envelope_bytes, ENVELOPE_BYTES}}};
    const uint8_t *at = bytes + 2 + 2 * (size_t)n, *end = bytes + size_bytes;
    for (uint32_t i = 0; i < n; i++) {
        size_t size = get_u16(bytes + 2 + 2 * (size_t)i);
        if (size > (size_t)(end - at)) size = (size_t)(end - at);
        frames.frame[1 + i] = (struct frame){at, size};
        at += size;
    }
    struct envelope envelope = {.type = bytes[0], .epoch = 1, .run = 2, .sequence = 3};
    envelope_encode(envelope_bytes, &envelope, &frames);

    struct wire_buffer aligned;
    struct err err = {0};
    wire_buffer_init(&aligned);
    if (wire_decode(&message, &frames, &aligned, &err) != 0)
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
    else
        check_round_trip(&message);
    wire_buffer_fini(&aligned);
    return 0;
}
