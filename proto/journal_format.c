#include "proto/journal_format.h"

#include <string.h>

#include "common/base/hash.h"
#include "proto/little_endian.h"

const char *lease_end_name(enum lease_end end)
{
    static const char *const names[] = {
        [LEASE_END_EXPIRED] = "expired",           [LEASE_END_GIVEN_BACK] = "given_back",
        [LEASE_END_PEER_LOST] = "peer_lost",       [LEASE_END_RESTART] = "restart",
        [LEASE_END_CANCELLED] = "cancelled",       [LEASE_END_ZERO_VARIANCE] = "zero_variance",
        [LEASE_END_SCORER_FAULT] = "scorer_fault", [LEASE_END_STALE] = "stale",
        [LEASE_END_EVALUATED] = "evaluated",       [LEASE_END_NONFINITE] = "nonfinite",
    };
    size_t i = (size_t)end;
    return i < sizeof names / sizeof names[0] && names[i] != NULL ? names[i] : "unknown";
}

static size_t padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

uint64_t journal_record_checksum(const unsigned char header[JOURNAL_RECORD_BYTES],
                                 const unsigned char *payload)
{
    unsigned char list[24];
    memcpy(list, header, 16);
    put_u64(list + 16, checksum_of(payload, get_u32(header)));
    return checksum_of(list, sizeof list);
}

// --- writing -------------------------------------------------------------------------------------

void journal_encode_segment(struct wire_buffer *out, uint64_t run, uint32_t epoch, uint32_t segment)
{
    unsigned char *at = wire_buffer_take(out, JOURNAL_SEGMENT_BYTES);
    put_u32(at, JOURNAL_MAGIC);
    put_u32(at + 4, JOURNAL_VERSION);
    put_u64(at + 8, run);
    put_u32(at + 16, epoch);
    put_u32(at + 20, segment);
}

// Room for a record of that payload; fill the payload, then close_record().
static size_t open_record(struct wire_buffer *out, enum journal_type type, uint64_t sequence,
                          size_t payload_bytes)
{
    CHECK(payload_bytes <= JOURNAL_PAYLOAD_BYTES_MAX);
    size_t total = JOURNAL_RECORD_BYTES + padded(payload_bytes);
    unsigned char *at = wire_buffer_take(out, total);
    memset(at, 0, JOURNAL_RECORD_BYTES);
    if (payload_bytes > 0) memset(at + total - 8, 0, 8);
    put_u32(at, (uint32_t)payload_bytes);
    put_u16(at + 4, (uint16_t)type);
    put_u64(at + 8, sequence);
    return (size_t)(at - out->bytes);
}

static void close_record(struct wire_buffer *out, size_t offset)
{
    unsigned char *at = out->bytes + offset;
    put_u64(at + 16, journal_record_checksum(at, at + JOURNAL_RECORD_BYTES));
}

void journal_encode_reserved(struct wire_buffer *out, uint64_t sequence,
                             const struct journal_reserved *v)
{
    size_t record = open_record(out, JOURNAL_RESERVED, sequence, 16);
    unsigned char *at = out->bytes + record + JOURNAL_RECORD_BYTES;
    put_u64(at, v->first);
    put_u64(at + 8, v->count);
    close_record(out, record);
}

#define ISSUED_BYTES 80

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void journal_encode_issued(struct wire_buffer *out, uint64_t sequence,
                           const struct journal_issued *v)
{
    const struct lease *lease = &v->lease;
    size_t record = open_record(out, JOURNAL_ISSUED, sequence, ISSUED_BYTES);
    unsigned char *at = out->bytes + record + JOURNAL_RECORD_BYTES;
    put_u64(at, lease->id);
    put_u64(at + 8, lease->step);
    put_u64(at + 16, lease->prompt_first);
    put_u64(at + 24, lease->weights_version);
    put_u64(at + 32, lease->seed);
    put_u32(at + 40, lease->kind);
    put_u32(at + 44, lease->n_prompts);
    put_u32(at + 48, lease->n_samples);
    put_u32(at + 52, lease->top_k);
    put_u32(at + 56, lease->max_new_tokens);
    put_u32(at + 60, lease->timeout_ms);
    put_u32(at + 64, float_bits(lease->temperature));
    put_u32(at + 68, float_bits(lease->top_p));
    put_u32(at + 72, lease->n_parts);
    put_u32(at + 76, 0);
    close_record(out, record);
}

void journal_encode_end(struct wire_buffer *out, uint64_t sequence, enum journal_type type,
                        const struct journal_end *v)
{
    CHECK(type == JOURNAL_RETURNED || type == JOURNAL_TRAINED || type == JOURNAL_DROPPED);
    size_t record = open_record(out, type, sequence, 24);
    unsigned char *at = out->bytes + record + JOURNAL_RECORD_BYTES;
    put_u64(at, v->lease);
    put_u64(at + 8, v->step);
    put_u32(at + 16, v->reason);
    put_u32(at + 20, 0);
    close_record(out, record);
}

void journal_encode_result(struct wire_buffer *out, uint64_t sequence, const struct frames *frames)
{
    CHECK(frames->n <= FRAMES_MAX);
    size_t header_bytes = padded(8 + 4 * (size_t)frames->n);
    size_t payload_bytes = header_bytes;
    for (uint32_t i = 0; i < frames->n; i++)
        payload_bytes += padded(frames->frame[i].size_bytes);

    size_t record = open_record(out, JOURNAL_RESULT, sequence, payload_bytes);
    unsigned char *at = out->bytes + record + JOURNAL_RECORD_BYTES;
    memset(at, 0, header_bytes);
    put_u32(at, frames->n);
    unsigned char *to = at + header_bytes;
    for (uint32_t i = 0; i < frames->n; i++) {
        size_t n = frames->frame[i].size_bytes;
        put_u32(at + 8 + 4 * i, (uint32_t)n);
        if (n > 0) memcpy(to, frames->frame[i].bytes, n);
        memset(to + n, 0, padded(n) - n);
        to += padded(n);
    }
    close_record(out, record);
}

void journal_encode_note(struct wire_buffer *out, uint64_t sequence, const char *text)
{
    size_t n = strlen(text);
    if (n > TEXT_BYTES_MAX) n = TEXT_BYTES_MAX;
    size_t record = open_record(out, JOURNAL_NOTE, sequence, n);
    memcpy(out->bytes + record + JOURNAL_RECORD_BYTES, text, n);
    close_record(out, record);
}

// --- payloads ------------------------------------------------------------------------------------

static int check_payload(const struct journal_record *r, const char *what, uint32_t bytes_min,
                         struct err *err)
{
    if (r->payload_bytes >= bytes_min) return 0;
    return err_set(err, ERR_FORMAT, "record %llu: %s of %u bytes, want %u",
                   (unsigned long long)r->sequence, what, r->payload_bytes, bytes_min);
}

int journal_decode_reserved(const struct journal_record *r, struct journal_reserved *out,
                            struct err *err)
{
    if (check_payload(r, "RESERVED", 16, err) != 0) return -1;
    *out = (struct journal_reserved){get_u64(r->payload), get_u64(r->payload + 8)};
    return 0;
}

int journal_decode_issued(const struct journal_record *r, struct journal_issued *out,
                          struct err *err)
{
    if (check_payload(r, "ISSUED", ISSUED_BYTES, err) != 0) return -1;
    const unsigned char *at = r->payload;
    out->lease = (struct lease){.id = get_u64(at),
                                .step = get_u64(at + 8),
                                .prompt_first = get_u64(at + 16),
                                .weights_version = get_u64(at + 24),
                                .seed = get_u64(at + 32),
                                .kind = get_u32(at + 40),
                                .n_prompts = get_u32(at + 44),
                                .n_samples = get_u32(at + 48),
                                .top_k = get_u32(at + 52),
                                .max_new_tokens = get_u32(at + 56),
                                .timeout_ms = get_u32(at + 60),
                                .temperature = bits_float(get_u32(at + 64)),
                                .top_p = bits_float(get_u32(at + 68)),
                                .n_parts = get_u32(at + 72)};
    return 0;
}

int journal_decode_end(const struct journal_record *r, struct journal_end *out, struct err *err)
{
    if (check_payload(r, "end of a lease", 24, err) != 0) return -1;
    *out = (struct journal_end){.lease = get_u64(r->payload),
                                .step = get_u64(r->payload + 8),
                                .reason = get_u32(r->payload + 16)};
    return 0;
}

int journal_decode_note(const struct journal_record *r, char *out, size_t out_bytes,
                        struct err *err)
{
    if (out_bytes == 0) return err_set(err, ERR_LIMIT, "no room for a note");
    size_t n = r->payload_bytes < out_bytes ? r->payload_bytes : out_bytes - 1;
    if (n > 0) memcpy(out, r->payload, n);
    out[n] = '\0';
    return 0;
}

int journal_result_frames(const struct journal_record *r, struct frames *out, struct err *err)
{
    if (check_payload(r, "RESULT", 8, err) != 0) return -1;
    out->n = get_u32(r->payload);
    if (out->n > FRAMES_MAX)
        return err_set(err, ERR_LIMIT, "record %llu: %u frames, at most %d",
                       (unsigned long long)r->sequence, out->n, FRAMES_MAX);
    size_t used = padded(8 + 4 * (size_t)out->n);
    if (check_payload(r, "RESULT", (uint32_t)used, err) != 0) return -1;

    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t n = get_u32(r->payload + 8 + 4 * i);
        if (n > r->payload_bytes - used || padded(n) > r->payload_bytes - used)
            return err_set(err, ERR_FORMAT, "record %llu: frame %u is cut short",
                           (unsigned long long)r->sequence, i);
        out->frame[i] = (struct frame){r->payload + used, n};
        used += padded(n);
    }
    return 0;
}

int journal_decode_result(const struct journal_record *r, struct message *out, struct err *err)
{
    struct frames frames;
    if (journal_result_frames(r, &frames, err) != 0) return -1;
    if (wire_decode(out, &frames, NULL, err) != 0)
        return err_prefix(err, "record %llu", (unsigned long long)r->sequence);
    if (out->type != MESSAGE_RESULT)
        return err_set(err, ERR_FORMAT, "record %llu: holds a %s", (unsigned long long)r->sequence,
                       message_type_name(out->type));
    return 0;
}
