/*
 * journal_format.h - the journal's bytes, so that tools without a learner read it.
 *
 * A journal is a folder of segments 000001.journal, 000002.journal, ...  A
 * segment is a header and records, little-endian, 8-byte aligned:
 *
 *   segment: magic "ARGJ", u32 version, u64 run, u32 epoch, u32 segment number
 *   record:  u32 payload_bytes, u16 type, u16 zero, u64 sequence, u64 checksum
 *            (XXH3-64 of type, sequence and payload), payload, zero padding to 8
 *
 * A torn tail (a record that is short or does not match its checksum, with
 * nothing valid after it in the last segment) ends the journal; anywhere else
 * it is damage and an error.
 */
#ifndef ARGOSY_PROTO_JOURNAL_FORMAT_H
#define ARGOSY_PROTO_JOURNAL_FORMAT_H

#include "common/base/err.h"
#include "proto/messages.h"

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
    LEASE_END_RESTART,   // the learner restarted and leased the prompts anew
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

// One record to bytes (malloc'ed buffer grows) and back.
struct journal_record {
    enum journal_type type;
    uint64_t sequence;
    const unsigned char *payload;
    uint32_t payload_bytes;
};

struct journal_reader;
struct journal_reader *journal_open(const char *folder, struct err *err);
// 1: a record; 0: the end; -1: damage, named by segment and offset.
int journal_next(struct journal_reader *r, struct journal_record *out, struct err *err);
void journal_close(struct journal_reader *r);

int journal_decode_reserved(const struct journal_record *r, struct journal_reserved *out,
                            struct err *err);
int journal_decode_issued(const struct journal_record *r, struct journal_issued *out,
                          struct err *err);
int journal_decode_end(const struct journal_record *r, struct journal_end *out, struct err *err);
int journal_decode_result(const struct journal_record *r, struct message *out, struct err *err);

// Writing: appends to a buffer which the learner's journal writes and syncs.
struct wire_buffer;
void journal_encode_segment(struct wire_buffer *out, uint64_t run, uint32_t epoch,
                            uint32_t segment);
void journal_encode_reserved(struct wire_buffer *out, uint64_t sequence,
                             const struct journal_reserved *v);
void journal_encode_issued(struct wire_buffer *out, uint64_t sequence,
                           const struct journal_issued *v);
void journal_encode_end(struct wire_buffer *out, uint64_t sequence, enum journal_type type,
                        const struct journal_end *v);
struct frames;
void journal_encode_result(struct wire_buffer *out, uint64_t sequence, const struct frames *frames);
void journal_encode_note(struct wire_buffer *out, uint64_t sequence, const char *text);

#endif
