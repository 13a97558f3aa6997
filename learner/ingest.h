/*
 * ingest.h - every sample is checked, counted once and kept until its fate.
 *
 * A result is held against the lease it claims: kind, prompt, sample number,
 * token ids, lengths, versions, mask, numbers.  The key (lease, prompt,
 * sample) decides repeats: the same bytes again are a duplicate, other bytes a
 * conflict, and the first stays.  A lease that is not open makes a result
 * stale.  Nothing here trusts a peer, and nothing a peer sends can fail a
 * CHECK.
 *
 * No clock, no socket, no file.  One thread.
 */
#ifndef ARGOSY_LEARNER_INGEST_H
#define ARGOSY_LEARNER_INGEST_H

#include "common/base/err.h"
#include "proto/messages.h"
#include "proto/wire.h"

struct ingest;

struct ingest_limits {
    uint32_t vocab_size;     // token ids are below it
    uint32_t context_length; // tokens of a sample
};

struct ingest *ingest_create(const struct ingest_limits *limits);
void ingest_destroy(struct ingest *g);

void ingest_open(struct ingest *g, const struct lease *lease);
void ingest_close(struct ingest *g, uint64_t lease); // frees its samples

// One hash of a RESULT's payload: the same for a message sent again.
uint64_t ingest_payload_hash(const struct frames *frames);

// The verdict on a result; for VERDICT_REFUSED and VERDICT_CONFLICT *err says
// why.  Changes nothing: ingest_keep() follows on VERDICT_OK.
enum verdict ingest_judge(const struct ingest *g, const struct result *r, uint64_t payload_hash,
                          struct err *err);

// Keeps a copy of the journal's form of an accepted result.  True: the lease has
// all its samples now.  A result whose outcome is not OK is not kept.
bool ingest_keep(struct ingest *g, const struct result *r, uint64_t payload_hash,
                 const void *payload, uint32_t payload_bytes);

struct ingest_sample {
    unsigned char *payload; // of a JOURNAL_RESULT record; malloc'ed
    uint32_t payload_bytes;
    uint64_t hash;
};
// NULL: not there.
const struct ingest_sample *ingest_sample(const struct ingest *g, uint64_t lease, uint64_t prompt,
                                          uint32_t sample);

#endif
