#include "learner/team.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "learner/comm.h"

#define BEAT_MS 30000u

enum request_type {
    REQUEST_BEAT,
    REQUEST_UPDATE, // and a block of samples
    REQUEST_CHECKPOINT,
    REQUEST_REFERENCE,
    REQUEST_END,
};

struct request { // plain bytes, of one program to itself
    enum request_type type;
    struct update update;
    struct checkpoint_meta meta;
};

static struct checkpoint_state state_of(const struct team *t)
{
    return (struct checkpoint_state){
        .n_elements = t->replica->params.n_elements,
        .adam = &t->replica->adam,
        .reference = t->replica->flat_reference,
        .previous = t->previous,
    };
}

static void ask(struct team *t, struct request *request)
{
    t->beat_ms = clock_now_ms();
    comm_broadcast(request, sizeof *request);
}

static void follow_update(struct team *t, const struct update *update)
{
    struct update_result ignored;
    struct sample *samples;
    void *bytes = NULL;
    size_t size_bytes = 0, n;

    comm_broadcast_block(&bytes, &size_bytes);
    samples_decode(bytes, size_bytes, &samples, &n);
    replica_update(t->replica, samples, n, update, &ignored);
    free(samples);
    free(bytes);
}

static void follow_checkpoint(struct team *t, const struct checkpoint_meta *meta)
{
    struct checkpoint_state state = state_of(t);
    struct err err; // rank 0 has it too, and speaks

    (void)checkpoint_save(t->checkpoints, &state, meta, t->n_kept, &err);
}

void team_follow(struct team *t)
{
    for (;;) {
        struct request request;

        comm_broadcast(&request, sizeof request);
        switch (request.type) {
        case REQUEST_BEAT:
            break;
        case REQUEST_UPDATE:
            follow_update(t, &request.update);
            break;
        case REQUEST_CHECKPOINT:
            follow_checkpoint(t, &request.meta);
            break;
        case REQUEST_REFERENCE:
            replica_refresh_reference(t->replica);
            break;
        case REQUEST_END:
            return;
        }
    }
}

void team_update(struct team *t, const struct sample *samples, size_t n,
                 const struct update *update, struct update_result *out)
{
    struct request request = {.type = REQUEST_UPDATE, .update = *update};

    ask(t, &request);
    if (comm_size() > 1) {
        size_t size_bytes;
        void *bytes = samples_encode(samples, n, &size_bytes);

        comm_broadcast_block(&bytes, &size_bytes);
        free(bytes);
    }
    replica_update(t->replica, samples, n, update, out);
}

int team_checkpoint(struct team *t, const struct checkpoint_meta *meta, struct err *err)
{
    struct request request = {.type = REQUEST_CHECKPOINT, .meta = *meta};
    struct checkpoint_state state = state_of(t);

    ask(t, &request);
    return checkpoint_save(t->checkpoints, &state, meta, t->n_kept, err);
}

void team_refresh_reference(struct team *t)
{
    struct request request = {.type = REQUEST_REFERENCE};

    if (t->replica->reference == NULL) return;
    ask(t, &request);
    replica_refresh_reference(t->replica);
}

void team_beat(struct team *t, uint64_t now_ms)
{
    struct request request = {.type = REQUEST_BEAT};

    if (now_ms - t->beat_ms >= BEAT_MS) ask(t, &request);
}

void team_end(struct team *t)
{
    struct request request = {.type = REQUEST_END};

    ask(t, &request);
}

int team_resume(struct team *t, struct checkpoint_meta *meta, bool *found, struct err *err)
{
    struct checkpoint_state state = state_of(t);

    if (checkpoint_load(t->checkpoints, &state, meta, found, err) != 0) return -1;
    if (!*found) return 0;
    t->replica->n_updates = meta->n_updates;
    replica_round(t->replica);
    replica_load_reference(t->replica);
    return 0;
}
