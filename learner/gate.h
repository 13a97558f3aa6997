/*
 * gate.h - the learner's side of the stream, seen from the trainer.
 *
 * The gate owns the sockets, the lease book and the journal, in a thread of
 * its own; the trainer talks to it over a socketpair in bytes, so that it can
 * become a process without another line changing.  The trainer places orders
 * ("these prompts, this many samples, this version"); the gate leases them
 * out, journals results before it acknowledges them, and hands back a complete
 * order, its samples sorted by (prompt, sample) whatever their arrival.
 *
 * All waits end by a deadline.  Only rank 0 has a gate.
 */
#ifndef ARGOSY_LEARNER_GATE_H
#define ARGOSY_LEARNER_GATE_H

#include "common/base/err.h"
#include "proto/messages.h"
#include "proto/sock.h"

struct gate_file {
    const char *name; // as actors see it
    const char *path;
};

struct gate_config {
    const char *run_folder; // journal/ and endpoint are made in it
    uint64_t run;           // random id of the run
    const char *bind;       // "127.0.0.1"
    const char *advertise;  // NULL: bind
    uint16_t port;          // 0: any
    bool use_curve;         // keys are read from, or made in, the run folder
    bool deterministic;     // synchronous: unequal fingerprints are refused
    bool void_on_fault; // a scorer fault drops the group and voids determinism, else ends the run
    uint32_t fault_retries; // of a group whose scorer failed, before that
    const char *spec;       // JSON for actors
    const struct gate_file *files;
    size_t n_files;
    struct ready expected;   // hashes READY must carry
    struct hash fingerprint; // ours
    uint32_t vocab_size;     // token ids are below this
    uint32_t context_length;
    uint32_t lease_timeout_ms; // without progress
    uint32_t progress_ms;
    uint32_t prompts_per_lease; // of FEED orders
    uint64_t next_order;        // orders below this are over: what the journal holds of later
                                // ones is used again (resume)
};

struct gate;
struct gate *gate_start(const struct gate_config *config, struct err *err);
void gate_stop(struct gate *g, bool is_final, const char *reason); // says BYE, closes, joins

// Copies the block through to the gate and announces it to every actor.  Versions
// before it that no open order needs are gone: place an order that needs one first.
int gate_publish(struct gate *g, uint64_t version, const void *bytes, size_t size_bytes,
                 struct err *err);

struct order {
    uint64_t number; // ascending; also the lease's step
    uint32_t kind;   // enum lease_kind
    uint64_t prompt_first;
    uint32_t n_prompts, n_samples, n_parts; // n_parts: struct lease; 0 means 1
    uint64_t weights_version;               // GENERATE, EVAL: drawn wholly by this version
    uint64_t seed;
    float temperature, top_p;
    uint32_t top_k, max_new_tokens;
};
int gate_order(struct gate *g, const struct order *order, struct err *err);

// A finished order: samples sorted by (prompt, sample); every prompt is either
// complete or absent (dropped by fault, with a note in the journal).
struct order_samples {
    uint64_t number;
    size_t n;
    struct result *results; // point into memory owned by this
    void *memory;
};
// 0: *out is filled (free with order_samples_fini); -1 with ERR_TIMEOUT when it
// took longer than timeout_ms, ERR_IO when the gate ended (its reason is in the text).
int gate_await(struct gate *g, uint64_t number, uint32_t timeout_ms, struct order_samples *out,
               struct err *err);
void order_samples_fini(struct order_samples *s);

// What became of an order's groups: prompt by prompt trained at `step`, or
// dropped for a reason (enum lease_end).  Journaled durably before it returns.
struct order_fate {
    uint64_t prompt_index;
    uint32_t reason; // 0: trained
};
int gate_commit(struct gate *g, uint64_t number, uint64_t step, const struct order_fate *fates,
                size_t n, struct err *err);

struct gate_status { // for progress lines and metrics
    uint32_t n_actors;
    uint64_t n_issued, n_results, n_duplicates, n_stale, n_refused, n_returned, n_journal_bytes;
    uint64_t order_samples_done, order_samples_wanted; // of the oldest open order
    bool knows_held_out;                               // some actor was ready
    uint64_t n_held_out;                               // as it said; 0: without end
};
int gate_status(struct gate *g, struct gate_status *out, struct err *err);

#endif
