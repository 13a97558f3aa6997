/*
 * stream.h - the learner's side of the stream as one state machine.
 *
 * Joins the lease book, ingest, the shelf of objects and one postbox a peer:
 * messages of peers and wishes of the trainer go in, with the time; journal
 * records and messages come out.  No socket, clock or file inside: the gate's
 * loop and the simulator drive the same code.
 *
 * The one rule that everything rests on: what a message says is durable before
 * the message is sent.  Records are staged; the driver writes and syncs them
 * and then calls stream_synced(), which lets go of what waited for them.
 *
 * Nothing a peer sends can fail a CHECK or end the learner.  One thread.
 */
#ifndef ARGOSY_LEARNER_STREAM_H
#define ARGOSY_LEARNER_STREAM_H

#include "common/base/err.h"
#include "learner/gate.h"
#include "learner/ingest.h"
#include "learner/lease_book.h"

struct stream_file {
    const char *name;
    const void *bytes; // the caller's, for the stream's life
    size_t size_bytes;
};

struct stream_config { // pointers are the caller's, for the stream's life
    uint64_t run;
    uint32_t epoch;
    bool deterministic;
    const char *spec;
    const struct stream_file *files;
    size_t n_files;
    struct ready expected; // a zero hash is not compared
    struct hash fingerprint;
    struct ingest_limits limits;
    struct lease_book_config book;
    uint64_t next_order;
};

struct stream;
struct stream *stream_create(const struct stream_config *config, struct err *err);
void stream_destroy(struct stream *s);

// --- start: every record of earlier lives, then once what follows from them ------
int stream_replay(struct stream *s, const struct journal_record *record, struct err *err);
void stream_resume(struct stream *s, uint64_t next_sequence);

// --- the journal --------------------------------------------------------------------
// Whole encoded records not yet synced.  stream_synced() forgets them.
const struct wire_buffer *stream_staged(const struct stream *s);
void stream_synced(struct stream *s);

// --- peers, by the number the socket gives them ---------------------------------------
void stream_receive(struct stream *s, uint64_t now_ms, uint64_t peer, const struct frames *in);
// Something arrived that is not even frames.
void stream_refuse(struct stream *s, uint64_t now_ms, uint64_t peer, const char *why);
void stream_gone(struct stream *s, uint64_t now_ms, uint64_t peer); // a send said so
void stream_tick(struct stream *s, uint64_t now_ms);

// What can be sent now, each peer in turn; after each, stream_sent() says how it
// went: 0 handed over, 1 the peer is full (left alone until the next
// stream_begin_sending), -1 gone.
void stream_begin_sending(struct stream *s);
bool stream_next_send(struct stream *s, uint64_t *peer, const struct frames **out);
void stream_sent(struct stream *s, uint64_t now_ms, int status);
bool stream_has_mail(const struct stream *s); // something waits to be sent

// --- the trainer --------------------------------------------------------------------
// Before a new version is made: those go that no open order needs.
void stream_make_room(struct stream *s);
int stream_publish(struct stream *s, uint64_t now_ms, uint64_t version, void *bytes,
                   uint64_t size_bytes, struct err *err); // takes the bytes (malloc'ed)
int stream_order(struct stream *s, uint64_t now_ms, const struct order *order, struct err *err);
enum order_state stream_order_state(const struct stream *s, uint64_t number, struct err *err);
// The samples of a complete order in order of (prompt, sample): *at counts from
// 0; NULL at the end.
const struct ingest_sample *stream_order_sample(const struct stream *s, uint64_t number,
                                                uint64_t *at);
int stream_commit(struct stream *s, uint64_t now_ms, uint64_t number, uint64_t step,
                  const struct order_fate *fates, size_t n, struct err *err);
struct gate_status stream_status(const struct stream *s); // but for n_journal_bytes
// The last words: BYE to everybody.  Final: what is still open ends as cancelled.
void stream_finish(struct stream *s, uint64_t now_ms, bool is_final, const char *reason);

// After it: who has not said good-bye in turn.
bool stream_has_peers(const struct stream *s);

// A line for the log about something a peer did; false: no more.
bool stream_next_event(struct stream *s, char *out, size_t out_bytes);

#endif
