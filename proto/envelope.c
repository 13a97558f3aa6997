#include "proto/envelope.h"

#include <string.h>

#include "common/base/hash.h"
#include "proto/little_endian.h"

#define MAGIC 0x59475241u // "ARGY"
#define CHECKSUM_AT 40
#define RESERVED_AT 52

static uint64_t checksum(const unsigned char envelope[ENVELOPE_BYTES], const struct frames *frames)
{
    unsigned char list[ENVELOPE_BYTES + 16 * FRAMES_MAX];
    size_t used = ENVELOPE_BYTES;

    memcpy(list, envelope, ENVELOPE_BYTES);
    put_u64(list + CHECKSUM_AT, 0);
    for (uint32_t i = 1; i < frames->n; i++) {
        const struct frame *f = &frames->frame[i];
        put_u64(list + used, f->size_bytes);
        put_u64(list + used + 8, checksum_of(f->bytes, f->size_bytes));
        used += 16;
    }
    return checksum_of(list, used);
}

static uint64_t payload_bytes(const struct frames *frames)
{
    uint64_t total = 0;
    for (uint32_t i = 1; i < frames->n; i++)
        total += frames->frame[i].size_bytes;
    return total;
}

void envelope_encode(unsigned char out[ENVELOPE_BYTES], const struct envelope *envelope,
                     const struct frames *frames)
{
    memset(out, 0, ENVELOPE_BYTES);
    put_u32(out, MAGIC);
    put_u16(out + 4, PROTO_VERSION);
    put_u16(out + 6, envelope->type);
    put_u32(out + 12, envelope->epoch);
    put_u64(out + 16, envelope->run);
    put_u64(out + 24, envelope->sequence);
    put_u64(out + 32, payload_bytes(frames));
    put_u32(out + 48, frames->n);
    put_u64(out + CHECKSUM_AT, checksum(out, frames));
}

static int check_sizes(const struct frames *frames, struct err *err)
{
    if (frames->n < 2 || frames->n > FRAMES_MAX)
        return err_set(err, ERR_FORMAT, "envelope: %u frames, want 2 to %d", frames->n, FRAMES_MAX);
    if (frames->frame[0].size_bytes != ENVELOPE_BYTES)
        return err_set(err, ERR_FORMAT, "envelope: %zu bytes, want %d", frames->frame[0].size_bytes,
                       ENVELOPE_BYTES);
    for (uint32_t i = 1; i < frames->n; i++) {
        if (frames->frame[i].size_bytes > FRAME_BYTES_MAX)
            return err_set(err, ERR_LIMIT, "frame %u: %zu bytes, at most %u", i,
                           frames->frame[i].size_bytes, FRAME_BYTES_MAX);
    }
    if (payload_bytes(frames) > MESSAGE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "message of %llu bytes, at most %u",
                       (unsigned long long)payload_bytes(frames), MESSAGE_BYTES_MAX);
    return 0;
}

int envelope_decode(struct envelope *out, const struct frames *frames, struct err *err)
{
    static const unsigned char zeros[ENVELOPE_BYTES];

    if (check_sizes(frames, err) != 0) return -1;
    const unsigned char *bytes = frames->frame[0].bytes;

    if (get_u32(bytes) != MAGIC)
        return err_set(err, ERR_FORMAT, "envelope: not argosy's (magic %08x)", get_u32(bytes));
    if (get_u16(bytes + 4) != PROTO_VERSION)
        return err_set(err, ERR_MISMATCH, "envelope: protocol version %u, ours is %d",
                       get_u16(bytes + 4), PROTO_VERSION);
    if (get_u32(bytes + 48) != frames->n)
        return err_set(err, ERR_FORMAT, "envelope: announces %u frames, %u came",
                       get_u32(bytes + 48), frames->n);
    if (get_u64(bytes + 32) != payload_bytes(frames))
        return err_set(err, ERR_FORMAT, "envelope: announces %llu bytes, %llu came",
                       (unsigned long long)get_u64(bytes + 32),
                       (unsigned long long)payload_bytes(frames));
    if (get_u32(bytes + 8) != 0 ||
        memcmp(bytes + RESERVED_AT, zeros, ENVELOPE_BYTES - RESERVED_AT) != 0)
        return err_set(err, ERR_FORMAT, "envelope: flags or reserved bytes are not 0");
    if (get_u64(bytes + CHECKSUM_AT) != checksum(bytes, frames))
        return err_set(err, ERR_FORMAT, "envelope: checksum does not match");

    *out = (struct envelope){.type = get_u16(bytes + 6),
                             .epoch = get_u32(bytes + 12),
                             .run = get_u64(bytes + 16),
                             .sequence = get_u64(bytes + 24)};
    return 0;
}
