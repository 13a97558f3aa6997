/*
 * link.h - an actor's connection to wherever its learner is now.
 *
 * With an address it dials that; with a run folder it reads RUN/endpoint, at
 * every reconnect again, because a restarted learner has a new port.  Only
 * ever dials out.  ZeroMQ reconnects by itself; the link notices ups and downs
 * and gives up after a bounded wait with the reason of the last failure.
 */
#ifndef ARGOSY_ACTOR_LINK_H
#define ARGOSY_ACTOR_LINK_H

#include "common/base/err.h"
#include "proto/sock.h"

struct link_config {
    const char *endpoint;   // "tcp://HOST:PORT", or NULL: from the run folder
    const char *key_path;   // actor.key, or NULL: none, or the run folder's
    const char *run_folder; // or NULL
    uint64_t patience_ms;   // without a connection for this long: an error
};

struct link;
struct link *link_open(const struct link_config *config, uint64_t now_ms, struct err *err);
void link_close(struct link *l);

// NULL while there is nothing to dial (no endpoint file yet).
struct sock *link_sock(struct link *l);

enum link_change {
    LINK_SAME,
    LINK_UP,
    LINK_DOWN,
    LINK_OVER, // nobody to reach, and the run folder has its result: the run is done
};
// Notices changes, dials again where that helps; -1: patience is at an end.
int link_check(struct link *l, uint64_t now_ms, enum link_change *change, struct err *err);

#endif
