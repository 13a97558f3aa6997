#include <stdlib.h>

#include "tests/sim/sim_sample.h"
#include "tests/sim/sim_world.h"

#define MESSAGES_PER_TURN 32
#define SOCKET_MESSAGES 48 // in a socket, then it is full

static void drop_job(struct sim_actor *a, uint64_t lease)
{
    for (size_t i = 0; i < a->n_jobs; i++)
        if (a->jobs[i].lease.id == lease) a->jobs[i--] = a->jobs[--a->n_jobs];
}

static void engine_reset(struct sim_actor *a)
{
    a->n_jobs = 0;
    a->has_version = a->has_waiting = false;
}

static void start(struct sim_world *w, struct sim_actor *a)
{
    const struct client_config config = {.name = "sim",
                                         .session = ++w->n_sessions,
                                         .result_bytes_max = 4000u + sim_below(w, 20000),
                                         .samples_max = 4 + sim_below(w, 12),
                                         .silence_ms = 2000};
    a->client = client_create(&config);
    a->is_leaving = false;
    a->hung_ms = 0;
    engine_reset(a);
}

void sim_actor_end(struct sim_world *w, int index)
{
    struct sim_actor *a = &w->actors[index];
    if (a->client == NULL) return;
    w->counts.sent += client_status(a->client).n_sent;
    w->counts.resent += client_status(a->client).n_resent;
    w->counts.stale += client_status(a->client).n_stale;
    client_destroy(a->client);
    a->client = NULL;
}

static void stop(struct sim_world *w, int index)
{
    sim_break(w, index, 1500);
    sim_actor_end(w, index);
}

static void check_weights(struct sim_world *w, const struct client_action *action)
{
    bool is_right = action->size_bytes == SIM_WEIGHTS_BYTES;
    for (size_t i = 0; is_right && i < SIM_WEIGHTS_BYTES; i++)
        is_right = action->bytes[i] == sim_weight_byte(action->version, i);
    if (!is_right)
        sim_blame(w, "weights %llu arrived as other bytes", (unsigned long long)action->version);
}

static void take_lease(struct sim_world *w, struct sim_actor *a, const struct lease *lease)
{
    if (a->n_jobs == SIM_JOBS_MAX) {
        sim_blame(w, "an actor was given more than it can hold");
        return;
    }
    for (size_t i = 0; i < a->n_jobs; i++)
        if (a->jobs[i].lease.id == lease->id) sim_blame(w, "a lease was taken up twice");
    if (lease->kind != LEASE_FEED && (!a->has_version || a->version != lease->weights_version)) {
        w->counts.crossed++; // on its way while the weights were swapped
        client_return(a->client, lease->id, "other weights");
        return;
    }
    a->jobs[a->n_jobs++] = (struct sim_job){.lease = *lease};
}

static void send(struct sim_world *w, int index, const struct frames *frames)
{
    struct sim_actor *a = &w->actors[index];
    if (a->conn == 0) return;
    if (sim_network_waiting(&w->network, index, true) >= SOCKET_MESSAGES ||
        sim_strikes(w, w->plan.weather.full)) {
        w->counts.full++;
        client_unsent(a->client);
        return;
    }
    sim_transmit(w, index, a->conn, true, frames);
}

static void act(struct sim_world *w, int index, const struct client_action *action)
{
    static const struct ready ready = {.shape = {{1}}};
    struct sim_actor *a = &w->actors[index];
    switch (action->type) {
    case CLIENT_SEND:
        send(w, index, action->frames);
        break;
    case CLIENT_SPEC:
        engine_reset(a);
        client_ready(a->client, &ready);
        break;
    case CLIENT_WEIGHTS:
        check_weights(w, action);
        a->waiting_version = action->version;
        a->has_waiting = true;
        break;
    case CLIENT_LEASE:
        take_lease(w, a, &action->lease);
        break;
    case CLIENT_CANCEL:
        drop_job(a, action->lease_id);
        break;
    case CLIENT_QUIT:
        if (action->is_refused) sim_blame(w, "an honest actor was refused: %.150s", action->reason);
        a->has_quit = true;
        break;
    }
}

static void act_all(struct sim_world *w, int index)
{
    struct sim_actor *a = &w->actors[index];
    struct client_action action;
    const uint64_t full = w->counts.full;
    for (int i = 0; !a->has_quit && w->counts.full == full; i++) {
        if (!client_next(a->client, w->now_ms, &action)) return;
        if (i == 5000) {
            sim_blame(w, "a client that never comes to rest");
            return;
        }
        act(w, index, &action);
    }
}

static void receive(struct sim_world *w, int index)
{
    struct sim_actor *a = &w->actors[index];
    struct packet *p;
    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        if ((p = sim_network_take(&w->network, index, w->now_ms)) == NULL) return;
        // What an earlier connection had brought may still be read; an earlier process's not.
        if (a->conn != 0 && (p->conn == a->conn || p->conn == a->old_conn))
            client_receive(a->client, w->now_ms, &p->frames);
        free(p);
        act_all(w, index);
        if (a->has_quit) return;
    }
}

// One sample of a job; the last one ends it.
static void work_on(struct sim_world *w, struct sim_actor *a, size_t i)
{
    struct sim_job *job = &a->jobs[i];
    const struct lease lease = job->lease;
    struct sim_sample made;
    sim_sample_make(&made, w->plan.seed, lease.kind,
                    lease.prompt_first + job->n_done / lease.n_samples,
                    job->n_done % lease.n_samples, lease.kind == LEASE_FEED ? 0 : a->version);
    made.result.lease = lease.id;
    if (sim_strikes(w, w->plan.weather.fault)) {
        w->counts.faults++;
        made.result.outcome = OUTCOME_SCORER_ERROR;
    }
    client_progress(a->client, lease.id, ++job->n_done);
    const bool is_over = job->n_done == lease.n_prompts * lease.n_samples;
    if (is_over) a->jobs[i] = a->jobs[--a->n_jobs];
    client_submit(a->client, w->now_ms, &made.result);
}

static void work(struct sim_world *w, struct sim_actor *a)
{
    if (a->has_waiting && a->n_jobs == 0) {
        a->version = a->waiting_version;
        a->has_version = true;
        a->has_waiting = false;
        client_applied(a->client, a->version);
    }
    if (w->now_ms < a->hung_ms || a->is_leaving) return;
    if (a->n_jobs > 0 && a->jobs[0].lease.kind == LEASE_FEED) { // at once, all of it
        while (a->n_jobs > 0)
            work_on(w, a, a->n_jobs - 1);
        return;
    }
    if (a->n_jobs > 0 && sim_below(w, 2) == 0) work_on(w, a, sim_below(w, (uint32_t)a->n_jobs));
}

static void suffer(struct sim_world *w, int index)
{
    struct sim_actor *a = &w->actors[index];
    const struct sim_weather *weather = &w->plan.weather;
    if (sim_strikes(w, weather->crash)) {
        w->counts.crashes++;
        stop(w, index);
        return;
    }
    if (sim_strikes(w, weather->drop) && a->conn != 0) {
        w->counts.drops++;
        sim_break(w, index, 3000);
    }
    if (sim_strikes(w, weather->cut) && a->conn != 0) {
        w->counts.cuts++;
        a->cut_since_ms = w->now_ms;
        a->cut_ms = sim_until(w, sim_below(w, 4000));
    }
    if (sim_strikes(w, weather->hang)) {
        w->counts.hangs++;
        a->hung_ms = sim_until(w, sim_below(w, 12000));
    }
    // A long step has something to show for it before the next.
    if (w->now_ms > a->frozen_ms + 1000 && sim_strikes(w, weather->freeze)) {
        w->counts.freezes++;
        a->frozen_ms = sim_until(w, sim_below(w, weather->freeze_ms));
    }
    if (sim_strikes(w, weather->leave) && !a->is_leaving) {
        w->counts.leaves++;
        a->is_leaving = true;
        a->leave_ms = w->now_ms + 2000;
        client_return_all(a->client, w->now_ms, "asked to stop");
        a->n_jobs = 0;
    }
}

void sim_actor_turn(struct sim_world *w, int index)
{
    struct sim_actor *a = &w->actors[index];
    if (a->conn != 0 && w->now_ms < a->cut_ms && w->now_ms - a->cut_since_ms >= SIM_HEARTBEAT_MS)
        sim_break(w, index, 3000);
    if (a->has_quit || (w->now_ms < a->frozen_ms && a->client != NULL)) return;
    if (a->client == NULL) {
        if (w->now_ms < a->back_ms) return;
        start(w, a);
    }
    if (a->conn == 0 && w->stream != NULL && w->now_ms >= a->back_ms && w->now_ms >= a->cut_ms) {
        a->conn = ++w->n_conns;
        sim_network_connect(&w->network, index, a->conn);
        client_connected(a->client, w->now_ms);
    }
    receive(w, index);
    if (a->has_quit) return;
    work(w, a);
    act_all(w, index);
    if (a->is_leaving && (client_is_drained(a->client) || w->now_ms >= a->leave_ms))
        stop(w, index);
    else
        suffer(w, index);
}
