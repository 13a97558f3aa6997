#include "tests/sim/sim_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAREWELL_MS 2000

void sim_blame(struct sim_world *w, const char *fmt, ...)
{
    va_list ap;
    if (w->failure[0] != '\0') return;
    va_start(ap, fmt);
    vsnprintf(w->failure, sizeof w->failure, fmt, ap);
    va_end(ap);
}

uint32_t sim_below(struct sim_world *w, uint32_t bound)
{
    return rng_below(&w->rng, bound);
}

static bool is_faulty(const struct sim_world *w)
{
    return w->now_ms < SIM_HEALED_MS && w->trainer.state != SIM_DONE;
}

bool sim_strikes(struct sim_world *w, uint32_t n)
{
    return n > 0 && is_faulty(w) && sim_below(w, n) == 0;
}

uint64_t sim_until(const struct sim_world *w, uint32_t ms)
{
    const uint64_t until_ms = w->now_ms + ms;
    return until_ms < SIM_HEALED_MS ? until_ms : SIM_HEALED_MS;
}

unsigned char sim_weight_byte(uint64_t version, size_t i)
{
    return (unsigned char)(version * 31 + i * 7);
}

static void trace(struct sim_world *w, uint64_t what)
{
    w->trace = (w->trace ^ what) * UINT64_C(0x100000001b3);
}

// --- the network ------------------------------------------------------------------------

void sim_transmit(struct sim_world *w, int actor, uint64_t conn, bool to_learner,
                  const struct frames *frames)
{
    const struct sim_weather *weather = &w->plan.weather;
    const struct sim_actor *a = &w->actors[actor];
    const struct packet head = {.conn = conn, .actor = actor, .to_learner = to_learner};
    struct sim_sending how = {.now_ms = w->now_ms,
                              .delay_ms = 1 + sim_below(w, is_faulty(w) ? weather->delay_ms : 20),
                              .bytes_per_ms = is_faulty(w) ? weather->bytes_per_ms : 0};
    trace(w, w->now_ms * 16 + (uint64_t)actor * 2 + to_learner);
    if (w->now_ms < a->cut_ms) {
        if (!weather->is_ordered) {
            w->counts.lost++;
            return;
        }
        how.delay_ms += a->cut_ms - w->now_ms; // until TCP tries again
    }
    if (sim_strikes(w, weather->lose)) {
        w->counts.lost++;
        return;
    }
    const int copies = sim_strikes(w, weather->repeat) ? 2 : 1;
    w->counts.repeated += copies == 2;
    for (int i = 0; i < copies; i++) {
        how.overtakes = sim_strikes(w, weather->overtake);
        w->counts.overtaken += how.overtakes;
        sim_network_send(&w->network, &head, &how, frames);
    }
}

// The actor notices at once, the learner perhaps later.
void sim_break(struct sim_world *w, int actor, uint32_t pause_ms)
{
    struct sim_actor *a = &w->actors[actor];
    if (a->conn != 0) {
        sim_network_break(&w->network, actor, a->conn, w->now_ms + sim_below(w, 60));
        a->old_conn = a->conn;
        a->ghost_ms = sim_below(w, 2) == 0 ? w->now_ms : w->now_ms + sim_below(w, SIM_HEARTBEAT_MS);
        if (a->client != NULL) client_disconnected(a->client, w->now_ms);
    }
    a->conn = 0;
    a->back_ms = w->now_ms + 50 + sim_below(w, pause_ms);
}

// --- a run ------------------------------------------------------------------------------

static bool have_all_quit(const struct sim_world *w)
{
    for (int i = 0; i < w->plan.n_actors; i++)
        if (!w->actors[i].has_quit) return false;
    return true;
}

static void turn(struct sim_world *w)
{
    w->now_ms += SIM_TICK_MS;
    sim_learner_turn(w);
    for (int i = 0; i < w->plan.n_actors; i++)
        sim_actor_turn(w, i);
}

void sim_world_run(struct sim_world *w, const struct sim_plan *plan)
{
    memset(w, 0, sizeof *w);
    w->plan = *plan;
    rng_stream_init(&w->rng, (struct rng_key){plan->seed, RNG_TEST}, 0, 0);
    sim_journal_init(&w->journal);
    while (w->failure[0] == '\0' && w->trainer.state != SIM_DONE) {
        if (w->now_ms > SIM_LIMIT_MS)
            sim_blame(w, "no end at step %d of %d", (int)w->trainer.step, (int)w->plan.n_steps);
        turn(w);
    }
    w->counts.healed_ms = w->now_ms > SIM_HEALED_MS ? w->now_ms - SIM_HEALED_MS : 0;
    // Those who are connected are told, and take their leave.
    const uint64_t deadline_ms = w->now_ms + FAREWELL_MS;
    while (w->failure[0] == '\0' && w->now_ms < deadline_ms && !have_all_quit(w))
        turn(w);
    if (w->failure[0] != '\0') return;
    w->counts.duplicates += stream_status(w->stream).n_duplicates;
    sim_trainer_audit(w);
    trace(w, checksum_of(w->journal.records.bytes, w->journal.records.size_bytes));
}

void sim_world_fini(struct sim_world *w)
{
    stream_destroy(w->stream);
    for (int i = 0; i < SIM_ACTORS_MAX; i++)
        if (w->actors[i].client != NULL) client_destroy(w->actors[i].client);
    sim_network_fini(&w->network);
    sim_journal_fini(&w->journal);
}
