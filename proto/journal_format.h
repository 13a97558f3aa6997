/*
 * journal_format.h - the journal's bytes, so that tools without a learner read it.
 *
 * A journal is a folder of segments 000001.journal, 000002.journal, ...  A
 * segment is a header and records, little-endian, 8-byte aligned:
 *
 *   segment: magic "ARGJ", u32 version, u64 run, u32 epoch, u32 segment number
 *   record:  u32 payload_bytes, u16 type, u16 zero, u64 sequence, u64 checksum
 *            (XXH3-64 of the 16 bytes before it and of u64 XXH3-64 of the
 *            payload), payload, zero padding to 8
 *
 * Payloads are fixed little-endian structs (README.md), a NOTE's is its text; a
 * RESULT's is u32 n, u32 0, n x u32 size, zeros to 8, then each frame with zeros
 * to 8.  A longer fixed payload is read as far as it is known, a record of an
 * unknown type is handed out like any other: skip it.
 *
 * Segments are numbered from 1 and record sequences from 1, both without a gap,
 * sequences through all segments.  All segments are of one run; epochs ascend.
 *
 * A torn tail (a record that is short or does not match its checksum, with
 * nothing valid after it in the last segment) ends the journal; anywhere else
 * it is damage and an error.
 */
#ifndef ARGOSY_PROTO_JOURNAL_FORMAT_H
#define ARGOSY_PROTO_JOURNAL_FORMAT_H

#include "common/base/err.h"
#include "proto/messages.h"
#include "proto/wire.h"

#define JOURNAL_MAGIC 0x4a475241u // "ARGJ"
#define JOURNAL_VERSION 1
#define JOURNAL_SEGMENT_NAME "%06u.journal" // in the folder, by number
#define JOURNAL_SEGMENT_BYTES 24            // of a segment's header
#define JOURNAL_RECORD_BYTES 24             // of a record's
#define JOURNAL_PAYLOAD_BYTES_MAX (MESSAGE_BYTES_MAX + 4096u)

enum journal_type {
    JOURNAL_RESERVED = 1, // lease ids first .. first+count are this epoch's
    JOURNAL_ISSUED,       // struct journal_issued
    JOURNAL_RESULT,       // the frames of a RESULT message as received
    JOURNAL_RETURNED,     // a lease is over without its samples: reason
    JOURNAL_TRAINED,      // groups of a lease entered step
    JOURNAL_DROPPED,      // groups of a lease were left out: reason
    JOURNAL_NOTE,         // text: determinism void, epoch start, ...
};

struct journal_reserved {
    uint64_t first, count;
};

struct journal_issued {
    struct lease lease;
};

enum lease_end { // why a lease was RETURNED or its groups DROPPED
    LEASE_END_EXPIRED = 1,
    LEASE_END_GIVEN_BACK,
    LEASE_END_PEER_LOST,
    LEASE_END_RESTART, // the learner restarted and leased the prompts anew
    LEASE_END_CANCELLED,
    LEASE_END_ZERO_VARIANCE,
    LEASE_END_SCORER_FAULT,
    LEASE_END_STALE,
    LEASE_END_EVALUATED, // an eval lease whose samples were used as meant
    LEASE_END_NONFINITE,
};
const char *lease_end_name(enum lease_end end);

struct journal_end { // RETURNED, TRAINED and DROPPED
    uint64_t lease;
    uint64_t step;   // TRAINED: the optimiser's global step
    uint32_t reason; // enum lease_end; 0 for TRAINED
};

struct journal_record {
    uint32_t type; // enum journal_type, or one of a later version
    uint64_t sequence;
    const unsigned char *payload; // 8-byte aligned; valid until the next journal_next()
    uint32_t payload_bytes;
};

struct journal_reader;
struct journal_reader *journal_open(const char *folder, struct err *err);
// 1: a record; 0: the end (for now: asked again, it sees what was appended since);
// -1: damage, named by segment and offset.
int journal_next(struct journal_reader *r, struct journal_record *out, struct err *err);
void journal_close(struct journal_reader *r);

// Where a writer goes on after journal_next() has given 0: it cuts the segment
// at offset (a torn tail ends there) or, better, also begins the next segment.
struct journal_position {
    uint32_t segment; // 0: the folder has none
    uint64_t offset;
    uint64_t sequence; // of the next record
    uint64_t run;
    uint32_t epoch; // of the last segment
    bool is_torn;   // bytes after offset are to be cut off
};
struct journal_position journal_position(const struct journal_reader *r);

uint64_t journal_record_checksum(const unsigned char header[JOURNAL_RECORD_BYTES],
                                 const unsigned char *payload);

int journal_decode_reserved(const struct journal_record *r, struct journal_reserved *out,
                            struct err *err);
int journal_decode_issued(const struct journal_record *r, struct journal_issued *out,
                          struct err *err);
int journal_decode_end(const struct journal_record *r, struct journal_end *out, struct err *err);
int journal_decode_result(const struct journal_record *r, struct message *out, struct err *err);
// The frames of the RESULT message, in the record's payload.
int journal_result_frames(const struct journal_record *r, struct frames *out, struct err *err);

// The text of a NOTE, 0-terminated in out (cut to fit).
int journal_decode_note(const struct journal_record *r, char *out, size_t out_bytes,
                        struct err *err);

// Writing: appends to a buffer which the learner's journal writes and syncs.
void journal_encode_segment(struct wire_buffer *out, uint64_t run, uint32_t epoch,
                            uint32_t segment);
void journal_encode_reserved(struct wire_buffer *out, uint64_t sequence,
                             const struct journal_reserved *v);
void journal_encode_issued(struct wire_buffer *out, uint64_t sequence,
                           const struct journal_issued *v);
void journal_encode_end(struct wire_buffer *out, uint64_t sequence, enum journal_type type,
                        const struct journal_end *v);
void journal_encode_result(struct wire_buffer *out, uint64_t sequence, const struct frames *frames);
void journal_encode_note(struct wire_buffer *out, uint64_t sequence, const char *text);

#endif
