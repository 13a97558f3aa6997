/*
 * team.h - rank 0 decides, all ranks do.
 *
 * Rank 0 runs the stage: it talks to the gate, makes batches, writes metrics.
 * The others wait in team_follow() for what it asks of everybody: an update, a
 * checkpoint, a new reference.  Each call here on rank 0 is one such request.
 */
#ifndef ARGOSY_LEARNER_TEAM_H
#define ARGOSY_LEARNER_TEAM_H

#include "learner/checkpoint.h"
#include "learner/replica.h"

struct team {
    struct replica *replica;
    const char *checkpoints; // folder
    uint64_t n_kept;         // checkpoints
    uint16_t *previous;      // weights before the last update (rank 0, or NULL)
    uint64_t beat_ms;        // of the last request
};

// The other ranks' whole life.  Returns when rank 0 called team_end.
void team_follow(struct team *t);

// Rank 0's.
void team_update(struct team *t, const struct sample *samples, size_t n,
                 const struct update *update, struct update_result *out);
int team_checkpoint(struct team *t, const struct checkpoint_meta *meta, struct err *err);
void team_refresh_reference(struct team *t);
void team_beat(struct team *t, uint64_t now_ms); // "still waiting", every now and then
void team_end(struct team *t);

// Collective, before the stage: the newest checkpoint, if any, put in place.
int team_resume(struct team *t, struct checkpoint_meta *meta, bool *found, struct err *err);

#endif
