/*
 * limits.h - every maximum of the wire and the journal, and how they relate.
 */
#ifndef ARGOSY_PROTO_LIMITS_H
#define ARGOSY_PROTO_LIMITS_H

#include <stdint.h>

#define PROTO_VERSION 1

#define FRAME_BYTES_MAX (4u << 20)            // one frame; ZMQ_MAXMSGSIZE is this + 4 KiB
#define MESSAGE_BYTES_MAX (16u << 20)         // all frames of a message
#define FRAMES_MAX 12                         // envelope, header and named blobs
#define HEADER_BYTES_MAX (256u << 10)         // the msgpack map
#define HEADER_ITEMS_MAX 8192                 // values in it, of any kind
#define HEADER_DEPTH_MAX 6                    // nesting
#define HEADER_KEYS_MAX 64                    // keys of the map
#define SAMPLE_TOKENS_MAX (128u << 10)        // prompt and response
#define CHUNK_BYTES (1u << 20)                // of an object (weights, files)
#define OBJECT_CHUNKS_MAX (64u << 10)         // of an object
#define OBJECT_BYTES_MAX (UINT64_C(64) << 30) // of an object
#define MANIFEST_HASHES_MAX (64u << 10)       // one per chunk
#define NAME_BYTES_MAX 128                    // names of files, rewards, metrics
#define TEXT_BYTES_MAX 1024                   // reasons for people
#define SPEC_BYTES_MAX (64u << 10)            // the actor's spec, JSON text
#define FILES_MAX 64                          // files an actor is asked to fetch
#define SPANS_MAX 64                          // weight versions within one sample
#define REWARDS_MAX 16                        // reward components of a sample
#define METRICS_MAX 32                        // other named numbers of a sample
#define ACKS_MAX 256                          // verdicts in one ACK
#define PROGRESS_MAX 256                      // leases in one PROGRESS or RETURN
#define GROUP_SAMPLES_MAX 4096                // samples of one lease's prompt
#define LEASE_PROMPTS_MAX (1u << 20)          // prompts of one lease

_Static_assert(MANIFEST_HASHES_MAX * 32u <= FRAME_BYTES_MAX, "a manifest's hashes are one frame");
_Static_assert(SAMPLE_TOKENS_MAX * 4u <= FRAME_BYTES_MAX, "a sample's token array is one frame");
_Static_assert(OBJECT_BYTES_MAX == (uint64_t)OBJECT_CHUNKS_MAX * CHUNK_BYTES,
               "chunks of an object");
_Static_assert(CHUNK_BYTES <= FRAME_BYTES_MAX, "a chunk is one frame");

#endif
