/*
 * gate_loop.h - the gate's own thread: sockets, journal and stream, in turn.
 *
 * Receives, stages, syncs, and only then sends: the order that makes an ACK
 * mean what it says.  Talks to the trainer over a pipe and shares nothing with
 * it, so that it can become a process of its own.
 */
#ifndef ARGOSY_LEARNER_GATE_LOOP_H
#define ARGOSY_LEARNER_GATE_LOOP_H

#include "learner/gate.h"
#include "learner/gate_pipe.h"

struct gate_loop;

// Recovers the journal, listens, writes the endpoint.  Takes the pipe.
struct gate_loop *gate_loop_create(const struct gate_config *config, struct gate_pipe *pipe,
                                   struct err *err);
// Until PIPE_STOP, a failure (told as PIPE_ENDED) or the end of the pipe.
void gate_loop_run(struct gate_loop *l);
void gate_loop_destroy(struct gate_loop *l);

#endif
