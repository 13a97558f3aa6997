/*
 * endpoint.h - one learner per run folder, and how actors find it.
 *
 * A run folder has one writer: it holds the lock (run_folder.h) and has made the
 * next file of RUN/epochs/, which exists or not and cannot be made twice, for
 * file systems whose locks do not hold.  The number is the epoch: one life of
 * the learner.
 *
 * RUN/endpoint is a JSON object, replaced at once: endpoint (tcp://HOST:PORT),
 * host, port, has_curve, public_key, run (16 hex digits), epoch, key_file (name
 * of the actors' key file in the folder, or null).
 */
#ifndef ARGOSY_LEARNER_ENDPOINT_H
#define ARGOSY_LEARNER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

#define LEARNER_KEY_NAME "learner.key"
#define ACTOR_KEY_NAME "actor.key"

// One more than any epoch before.
int run_epoch_raise(const char *run_folder, uint32_t *epoch, struct err *err);

struct endpoint {
    const char *host;
    uint16_t port;
    const char *public_key; // of the learner; NULL: no CURVE
    uint64_t run;
    uint32_t epoch;
};
int endpoint_write(const char *run_folder, const struct endpoint *endpoint, struct err *err);

#endif
