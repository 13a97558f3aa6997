/*
 * messages.h - what is said between the learner and its actors, as structs.
 *
 * Both sides use these in memory too.  Strings and arrays of a decoded message
 * point into the received frames and live as long as they do.  Who says what:
 *
 *   actor                          learner
 *   HELLO (protocol, fingerprint) →
 *                                 ← WELCOME (run, epoch, spec, files) | REFUSE
 *   GET (file objects)            → ← MANIFEST, CHUNK ...
 *   READY (hashes as loaded)      →
 *                                 ← ANNOUNCE (version, object)      [pulled by GET]
 *   CREDIT (free bytes, version)  →
 *                                 ← LEASE
 *   PROGRESS ...                  →
 *   RESULT, one a sample          →
 *                                 ← ACK, after the journal
 *   RETURN (leases not done)      →
 *                                 ← CANCEL, BYE
 *
 * Times are milliseconds, log-probabilities nats, sizes bytes.
 */
#ifndef ARGOSY_PROTO_MESSAGES_H
#define ARGOSY_PROTO_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "proto/limits.h"
#include "proto/result.h"

enum message_type {
    MESSAGE_HELLO = 1,
    MESSAGE_WELCOME,
    MESSAGE_REFUSE,
    MESSAGE_READY,
    MESSAGE_CREDIT,
    MESSAGE_LEASE,
    MESSAGE_PROGRESS,
    MESSAGE_RESULT,
    MESSAGE_ACK,
    MESSAGE_RETURN,
    MESSAGE_CANCEL,
    MESSAGE_ANNOUNCE,
    MESSAGE_GET,
    MESSAGE_MANIFEST,
    MESSAGE_CHUNK,
    MESSAGE_BYE,
};

struct hello {
    uint32_t protocol;
    uint64_t session;        // random, new for each start of an actor
    struct text name;        // for logs
    struct hash fingerprint; // numerics, forward_fingerprint()
};

struct file_entry {
    struct text name; // "config.json", "tokenizer.json", "data/train.jsonl"
    struct hash object;
    uint64_t size_bytes;
};

struct welcome {
    struct text spec; // JSON the actor reads: task, template, rewards, seed, ...
    uint32_t n_files;
    struct file_entry files[FILES_MAX];
    uint32_t progress_ms; // PROGRESS or CREDIT at least this often
    bool deterministic;   // synchronous mode
};

enum refusal {
    REFUSAL_PROTOCOL = 1, // another protocol version
    REFUSAL_FINGERPRINT,  // another arithmetic, and the run is synchronous
    REFUSAL_HASHES,       // READY's hashes differ from the run's
    REFUSAL_MALFORMED,    // a message that does not decode, or out of order
    REFUSAL_FULL,
};

struct refuse {
    uint32_t reason; // enum refusal
    struct text text;
};

// What the actor loaded from the files it was sent, hashed by itself.
struct ready {
    struct hash shape;     // shape_hash() of config.json
    struct hash tokenizer; // of tokenizer.json
    struct hash sampler;   // of the sampler's name and version
    struct hash spec;      // of the spec text
    uint64_t n_held_out;   // prompts there are to evaluate on; 0: without end
};

struct credit {
    uint64_t bytes;   // results the actor can still hold un-acknowledged
    uint32_t samples; // further samples it is willing to be leased
    bool has_weights;
    uint64_t weights_version; // held and swapped in
};

struct lease {
    uint64_t id;           // never reused, across restarts too
    uint32_t kind;         // enum lease_kind
    uint64_t step;         // of the order it belongs to
    uint64_t prompt_first; // prompt indices prompt_first .. + n_prompts
    uint32_t n_prompts;    // 1 unless LEASE_FEED
    uint32_t n_samples;    // of each prompt; 1 for LEASE_FEED
    // Above 1, the samples of a prompt are shared out over so many leases: index
    // i stands for samples n_samples * (i % n_parts) onwards of prompt i / n_parts.
    uint32_t n_parts;
    uint64_t weights_version;
    uint64_t seed; // sampling key
    float temperature, top_p;
    uint32_t top_k;          // 0: off
    uint32_t max_new_tokens; // of a response
    uint32_t timeout_ms;     // without progress
};

struct progress_entry {
    uint64_t lease;
    uint64_t n_tokens; // generated so far
};
struct progress {
    uint32_t n;
    struct progress_entry entries[PROGRESS_MAX];
};

enum verdict {
    VERDICT_OK = 1,
    VERDICT_DUPLICATE, // already had, same bytes: fine
    VERDICT_STALE,     // the lease is over; drop it
    VERDICT_CONFLICT,  // already had, other bytes
    VERDICT_REFUSED,   // fails a check; text of the reason in the learner's log
};

struct ack_entry {
    uint64_t lease;
    uint64_t prompt_index;
    uint32_t sample;
    uint32_t verdict;
};
struct ack {
    uint32_t n;
    struct ack_entry entries[ACKS_MAX];
};

struct lease_list { // RETURN (by the actor) and CANCEL (by the learner)
    uint32_t n;
    uint64_t leases[PROGRESS_MAX];
    struct text reason;
};

struct announce { // a version to hold; pulled with GET
    uint64_t version;
    struct hash object;
    uint64_t size_bytes;
};

struct get {
    struct hash object;
    bool want_manifest;
    uint32_t first, count; // chunks
};

struct manifest {
    struct hash object; // SHA-256 of the whole
    uint64_t size_bytes;
    uint64_t version; // 0 for files
    uint64_t base;    // version this is a delta to; 0: a full snapshot
    uint32_t chunk_bytes;
    uint32_t n_chunks;
    const struct hash *chunks; // (n_chunks)           blob "chunks"
    struct text endpoint;      // where chunks can be had; empty: from whoever sent this
};

struct chunk_data {
    struct hash object;
    uint32_t number;
    const void *bytes; // blob "bytes"
    uint32_t size_bytes;
};

struct bye {
    bool is_final; // the run is over: do not come back
    struct text reason;
};

struct message {
    enum message_type type;
    uint64_t run;      // random id of the run
    uint32_t epoch;    // life of the learner that the sender believes in
    uint64_t sequence; // per sender, for logs
    union {
        struct hello hello;
        struct welcome welcome;
        struct refuse refuse;
        struct ready ready;
        struct credit credit;
        struct lease lease;
        struct progress progress;
        struct result result;
        struct ack ack;
        struct lease_list lease_list;
        struct announce announce;
        struct get get;
        struct manifest manifest;
        struct chunk_data chunk;
        struct bye bye;
    };
};

#endif
