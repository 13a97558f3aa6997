/*
 * sock.h - frames over ZeroMQ; the only user of zmq.
 *
 * The learner listens (ROUTER), an actor dials (DEALER) and only ever dials
 * out.  Sends never block: a full peer is reported and the caller keeps the
 * message.  A successful send proves nothing; that is what ACK is for.
 * Settings and their reasons: proto/README.md.  One thread a socket, and that
 * thread answers handshakes while it waits: more than 2 s away from sock_wait()
 * and sock_receive(), and newcomers have to try again.
 *
 * CURVE always, except for a plain bind on loopback; a bind beyond loopback
 * without keys is refused.  Only keys on the allow-list get past the handshake.
 */
#ifndef ARGOSY_PROTO_SOCK_H
#define ARGOSY_PROTO_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "proto/wire.h"

#define SOCK_KEY_BYTES 41 // Z85 text with its 0

struct sock_keys {
    char server_public[SOCK_KEY_BYTES];
    char server_secret[SOCK_KEY_BYTES]; // empty on the actor's side
    char client_public[SOCK_KEY_BYTES];
    char client_secret[SOCK_KEY_BYTES]; // empty: none on the learner's side
};

// Makes a fresh server and client pair.
int sock_keys_make(struct sock_keys *keys, struct err *err);
// Key files are YAML-like `name: value` lines, mode 0600 (a wider mode is refused).
// learner.key holds the server's pair and the allowed client; actor.key the
// client's pair and the server's public key.  Files that exist are replaced.
int sock_keys_write(const struct sock_keys *keys, const char *learner_path, const char *actor_path,
                    struct err *err);
// Errors name file and line; a secret that does not fit its public key is one.
int sock_keys_read(struct sock_keys *keys, const char *path, struct err *err);

bool sock_key_is_valid(const char *key); // well formed
bool sock_key_is_pair(const char *public_key, const char *secret_key);

struct peer { // who a message came from or goes to; on the dialling side always 0
    uint64_t id;
};

struct sock;

// address "127.0.0.1", port 0: any.  keys NULL: no CURVE, on loopback only.  The
// error for a port in use names it.
struct sock *sock_listen(const char *address, uint16_t port, const struct sock_keys *keys,
                         struct err *err);
uint16_t sock_port(const struct sock *s);

struct sock *sock_dial(const char *endpoint, const struct sock_keys *keys, struct err *err);
void sock_close(struct sock *s); // drains for at most a second

// Waits for the socket or, when other_fd >= 0, for that to be readable.
enum sock_ready { SOCK_READY = 1, SOCK_READY_OTHER = 2 };
// Bits of enum sock_ready; 0: timeout, or a dialled link went up or down.
int sock_wait(struct sock *s, int other_fd, int timeout_ms);

// 1: *in is valid until the next call; 0: nothing there; -1: not a message we
// can hold (too many or too large frames; the peer is in *from) and is gone now.
int sock_receive(struct sock *s, struct frames *in, struct peer *from, struct err *err);

// 0: handed over; 1: the peer is full, try later; -1: it is gone.
int sock_send(struct sock *s, struct peer to, const struct frames *out, struct err *err);

// A dialled socket only: connected and through the handshake at the moment, and
// why the last attempt failed ("handshake refused: wrong key", "connection refused").
bool sock_is_connected(struct sock *s);
const char *sock_last_failure(struct sock *s);
// Handshakes refused in a row since the last one that went through.
uint32_t sock_refusals(struct sock *s);

#endif
