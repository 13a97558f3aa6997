/*
 * client.h - the actor's side of the stream, as a state machine.
 *
 * No sockets, no clocks: the caller feeds it messages and time and does what
 * it says.  It greets, fetches and verifies files and weights, holds leases,
 * reports progress, keeps every result until its ACK (bounded in bytes) and
 * sends it again after a reconnect or a silence.
 */
#ifndef ARGOSY_ACTOR_CLIENT_H
#define ARGOSY_ACTOR_CLIENT_H

#include "actor/data/served_files.h"
#include "common/base/err.h"
#include "proto/messages.h"
#include "proto/wire.h"

struct client_config {
    const char *name;
    uint64_t session;
    struct hash fingerprint;
    uint64_t result_bytes_max; // un-acknowledged results held at most
    uint32_t samples_max;      // samples willing to hold at once
    uint32_t silence_ms;       // no word for this long: greet again
};

enum client_action_type {
    CLIENT_SEND,    // frames: send them; valid until the next call
    CLIENT_SPEC,    // spec and all files are here: build from them, then client_ready()
    CLIENT_WEIGHTS, // a verified version: load it, then client_applied(); bytes until then
    CLIENT_LEASE,   // work
    CLIENT_CANCEL,  // drop this lease if it is still under way
    CLIENT_QUIT,    // the run is over, or we were refused: err has the reason
};

struct client_action {
    enum client_action_type type;
    const struct frames *frames;
    const char *spec; // 0-terminated
    bool deterministic;
    const struct served_file *files; // owned by the client; valid until the next CLIENT_SPEC
    size_t n_files;
    uint64_t version;
    struct hash object; // CLIENT_WEIGHTS: the hash of the bytes
    const unsigned char *bytes;
    uint64_t size_bytes;
    struct lease lease;
    uint64_t lease_id;
    bool is_refused; // CLIENT_QUIT: exit status 1
    char reason[TEXT_BYTES_MAX + 1];
};

struct client;
struct client *client_create(const struct client_config *config);
void client_destroy(struct client *c);

// The link came up (again) or went down.
void client_connected(struct client *c, uint64_t now_ms);
void client_disconnected(struct client *c, uint64_t now_ms);

// A message from the learner; malformed or stale ones are counted and ignored.
void client_receive(struct client *c, uint64_t now_ms, const struct frames *in);

// The next thing to do, or false.  Call until false after every event.
bool client_next(struct client *c, uint64_t now_ms, struct client_action *out);
// The CLIENT_SEND just handed out could not go: it is handed out again.  Try
// later, when the socket has moved on.
void client_unsent(struct client *c);
// How long the caller may wait for an event before calling client_next again.
uint32_t client_wait_ms(const struct client *c, uint64_t now_ms);

void client_ready(struct client *c, const struct ready *hashes);
void client_applied(struct client *c, uint64_t version);
void client_progress(struct client *c, uint64_t lease, uint64_t n_tokens);
// So many samples are generated and wait for their scores: they leave the engine's
// room to others, up to samples_max of them.
void client_scoring(struct client *c, size_t n_samples);
// A finished sample (copied).  When the lease's last sample is in, the lease is done.
void client_submit(struct client *c, uint64_t now_ms, const struct result *result);
// A lease given back untouched: another actor, or this one later, can do it.
void client_return(struct client *c, uint64_t lease, const char *reason);
// All leases given back unfinished (SIGTERM); no further one is asked for.
void client_return_all(struct client *c, uint64_t now_ms, const char *reason);
bool client_is_drained(const struct client *c); // nothing un-acknowledged is held

struct client_status {
    bool is_connected, is_ready;
    uint32_t n_leases, n_held_results;
    uint64_t n_sent, n_resent, n_acked, n_stale, n_malformed;
};
struct client_status client_status(const struct client *c);

#endif
