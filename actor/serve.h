/*
 * serve.h - an actor at work: leases in, scored samples out.
 *
 * One thread: socket, client state machine, engine step, scorer, in turn; the
 * pool's threads work inside a step.
 */
#ifndef ARGOSY_ACTOR_SERVE_H
#define ARGOSY_ACTOR_SERVE_H

#include <signal.h>

#include "actor/link.h"
#include "common/base/err.h"

struct serve_options {
    struct link_config link;
    const char *name;          // for logs
    unsigned n_threads;        // 0: what the machine allows
    uint32_t n_slots;          // samples generated at once
    uint64_t cache_bytes_max;  // keys and values
    uint64_t result_bytes_max; // results held until acknowledged
    bool runs_commands;        // those that a recipe names as rewards
    const char *share_folder;  // where actors of a host share weights; "": each has its own
    int64_t flip_weight;       // fault injection: flip the last bit of this bf16 weight; -1: none
};

// Until the run is over (0), a signal (0, leases given back) or an error (-1).
int serve(const struct serve_options *options, const volatile sig_atomic_t *stop, struct err *err);

#endif
