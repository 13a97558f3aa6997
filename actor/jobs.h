/*
 * jobs.h - the leases an actor is working on, and their samples on the way
 * from the engine through the scorer to a result.
 */
#ifndef ARGOSY_ACTOR_JOBS_H
#define ARGOSY_ACTOR_JOBS_H

#include "actor/client.h"
#include "actor/engine/rollout.h"
#include "actor/workload.h"

struct jobs;
struct jobs *jobs_create(void);
void jobs_destroy(struct jobs *j);

// Takes up a lease.  FEED is answered at once; GENERATE and EVAL go into the
// engine.  What cannot be done is answered with an outcome for every sample.
void jobs_take(struct jobs *j, const struct lease *lease, uint64_t held_version,
               struct workload *workload, struct rollout *rollout, struct client *client,
               uint64_t now_ms);

void jobs_cancel(struct jobs *j, uint64_t lease, struct workload *workload,
                 struct rollout *rollout);

// Finished samples to the scorer, scored ones to the client, progress besides.
void jobs_advance(struct jobs *j, struct workload *workload, struct rollout *rollout,
                  struct client *client, uint64_t now_ms);

#endif
