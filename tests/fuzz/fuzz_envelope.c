/*
 * fuzz_envelope.c - any frames are refused with a reason, or are what the
 * encoder itself would have written; and no change of its bytes goes unseen.
 *
 * Input: a byte, mode (bit 7) and number of frames; a u16 for each frame's size;
 * the frames' bytes.  In mode 0 they are taken as they are.  In mode 1 the first
 * frame is 22 bytes for the envelope's fields and then pairs (place, change) of
 * bytes to be changed in the message that is encoded from them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/envelope.h"
#include "proto/little_endian.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

// Frames from the input, none longer than what is left of it.
static void cut_frames(struct frames *frames, uint32_t n, const uint8_t *bytes, size_t size_bytes)
{
    *frames = (struct frames){.n = n};
    const uint8_t *sizes = bytes, *at = bytes + 2 * (size_t)n;
    const uint8_t *end = bytes + size_bytes;
    for (uint32_t i = 0; i < n && i < FRAMES_MAX; i++) {
        size_t size = get_u16(sizes + 2 * (size_t)i);
        if (size > (size_t)(end - at)) size = (size_t)(end - at);
        frames->frame[i] = (struct frame){at, size};
        at += size;
    }
}

static void check_as_they_are(const struct frames *frames)
{
    struct envelope envelope;
    struct err err = {0};
    if (envelope_decode(&envelope, frames, &err) != 0) {
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
        return;
    }
    unsigned char again[ENVELOPE_BYTES];
    envelope_encode(again, &envelope, frames);
    CHECK(memcmp(again, frames->frame[0].bytes, ENVELOPE_BYTES) == 0);
}

static void check_changes_are_seen(struct frames *frames)
{
    enum { FIELDS = 22 };
    const unsigned char *in = frames->frame[0].bytes;
    size_t in_bytes = frames->frame[0].size_bytes;
    if (frames->n < 2 || frames->n > FRAMES_MAX || in_bytes < FIELDS) return;
    const struct envelope wrote = {get_u16(in), get_u32(in + 2), get_u64(in + 6), get_u64(in + 14)};

    unsigned char envelope[ENVELOPE_BYTES], sent[ENVELOPE_BYTES];
    struct envelope got;
    struct err err = {0};
    envelope_encode(envelope, &wrote, frames);
    memcpy(sent, envelope, sizeof sent);
    frames->frame[0] = (struct frame){sent, sizeof sent};
    CHECK(envelope_decode(&got, frames, &err) == 0);
    CHECK(got.type == wrote.type && got.epoch == wrote.epoch && got.run == wrote.run &&
          got.sequence == wrote.sequence);

    size_t size = frames->frame[1].size_bytes;
    unsigned char *changed = malloc(size > 0 ? size : 1);
    CHECK(changed != NULL);
    if (size > 0) memcpy(changed, frames->frame[1].bytes, size);
    for (size_t i = FIELDS; i + 2 <= in_bytes; i += 2) {
        size_t place = in[i] % (ENVELOPE_BYTES + size);
        if (place < ENVELOPE_BYTES)
            sent[place] ^= in[i + 1];
        else
            changed[place - ENVELOPE_BYTES] ^= in[i + 1];
    }
    bool is_same = memcmp(sent, envelope, sizeof sent) == 0 &&
                   (size == 0 || memcmp(changed, frames->frame[1].bytes, size) == 0);
    frames->frame[1].bytes = changed;
    CHECK((envelope_decode(&got, frames, &err) == 0) == is_same);
    free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes < 1) return 0;
    uint32_t n = bytes[0] & 0x1f; // also more than there may be
    if (size_bytes - 1 < 2 * (size_t)n) return 0;
    struct frames frames;
    cut_frames(&frames, n, bytes + 1, size_bytes - 1);
    if (bytes[0] & 0x80)
        check_changes_are_seen(&frames);
    else
        check_as_they_are(&frames);
    return 0;
}
