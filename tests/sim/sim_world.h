/*
 * sim_world.h - a learner, its actors and the network between them, in one thread.
 *
 * Only the engines, the trainer's arithmetic, the clock, the wire and the disk
 * are made up; the state machines at both ends are the production ones and
 * exchange encoded frames.  Everything that happens follows from the seed.
 *
 * First faults, as the weather has them; from SIM_HEALED_MS on none, and then
 * the run has to end.  Whatever is found wrong is kept in `failure`, the first
 * of it, and ends the run.
 */
#ifndef ARGOSY_TESTS_SIM_SIM_WORLD_H
#define ARGOSY_TESTS_SIM_SIM_WORLD_H

#include "actor/client.h"
#include "common/base/rng.h"
#include "learner/stream.h"
#include "tests/sim/sim_journal.h"
#include "tests/sim/sim_network.h"

#define SIM_TICK_MS 10
#define SIM_HEALED_MS 15000
#define SIM_LIMIT_MS 45000 // every run is over by then
#define SIM_RUN UINT64_C(0x1234)
#define SIM_STEPS_MAX 12
#define SIM_PROMPTS_MAX 24
#define SIM_ORDERS_MAX (3 * (SIM_STEPS_MAX + 2) + 5) // numbers are below it, two steps ahead
#define SIM_JOBS_MAX 64
#define SIM_WEIGHTS_BYTES 3000
#define SIM_LEASE_TIMEOUT_MS 4000
#define SIM_PROGRESS_MS 200
#define SIM_HEARTBEAT_MS 1500 // a connection cut for longer is known to be gone

enum sim_mode { SIM_SYNC, SIM_ONE_STEP_OFF, SIM_FEED, SIM_MODES };

// What the harness itself does wrong, to see whether the checkers find it.
enum sim_bug {
    SIM_HONEST,
    SIM_EARLY_ACKS,  // the stream is told "synced" before it is
    SIM_RENUMBERING, // a repeated result comes as another sample
};

struct sim_weather { // numbers are "once in n"; 0: never
    bool is_ordered; // messages get lost with their connection only, and never overtake
    uint32_t delay_ms, bytes_per_ms;
    uint32_t lose, repeat, overtake, full;                // messages
    uint32_t crash, leave, hang, freeze, drop, cut;       // ticks of an actor
    uint32_t fault;                                       // samples
    uint32_t learner_crash, learner_stop, learner_freeze; // turns of the learner
    uint32_t freeze_ms, train_ms;                         // at most
    bool is_voiding;                                      // faults cost prompts
};

struct sim_plan { // what is to be done
    uint64_t seed;
    enum sim_mode mode;
    int n_actors;
    uint64_t n_steps;
    uint32_t n_prompts, n_samples;
    struct sim_weather weather;
    enum sim_bug bug;
};
// A seed's plan, its weather drawn from it.
struct sim_plan sim_plan_of(uint64_t seed);

struct sim_job {
    struct lease lease;
    uint32_t n_done; // results submitted
};

struct sim_actor {
    struct client *client;       // NULL: it is not running
    uint64_t conn;               // number of its connection; 0: none
    uint64_t old_conn, ghost_ms; // the learner takes this one to be alive until then
    uint64_t back_ms;            // when it starts again, or dials again
    uint64_t frozen_ms, hung_ms; // until then: does not run; its engine does nothing
    uint64_t cut_ms;             // until then nothing gets through
    uint64_t cut_since_ms;
    struct sim_job jobs[SIM_JOBS_MAX];
    size_t n_jobs;
    uint64_t version, waiting_version;
    bool has_version, has_waiting, is_leaving, has_quit;
    uint64_t leave_ms; // it ends then at the latest
};

enum sim_trainer_state {
    SIM_AWAITS, // the order of the step
    SIM_TRAINS,
    SIM_COMMITS,
    SIM_AWAITS_EVAL,
    SIM_COMMITS_EVAL,
    SIM_DONE,
};
enum sim_fate { SIM_NO_FATE, SIM_TRAINED, SIM_DROPPED };

struct sim_trainer {
    enum sim_trainer_state state;
    uint64_t step, checkpoint; // steps done
    uint64_t placed;           // training orders, one past the last
    uint64_t until_ms;
    // Of the surviving timeline, as the trainer knows it: by order and prompt.
    unsigned char fates[SIM_ORDERS_MAX][SIM_PROMPTS_MAX];
};

struct sim_counts {
    uint64_t lost, repeated, overtaken, full, crashes, leaves, hangs, freezes, drops, cuts, faults;
    uint64_t learner_crashes, learner_stops, learner_freezes, late, crossed, voids;
    // Of the states' own counters, over all lives.
    uint64_t sent, resent, stale, duplicates, returned, issued;
    uint64_t healed_ms; // from the last fault to the end, at most
};

struct sim_world {
    struct sim_plan plan;
    struct rng_stream rng;
    uint64_t now_ms, n_conns, n_sessions;
    char failure[256];
    uint64_t trace;
    struct sim_counts counts;
    struct sim_network network;
    struct sim_actor actors[SIM_ACTORS_MAX];
    struct sim_journal journal;
    struct sim_trainer trainer;
    struct stream *stream; // NULL: it is not running
    uint32_t epoch;
    uint64_t learner_back_ms, learner_frozen_ms;
};

void sim_world_run(struct sim_world *w, const struct sim_plan *plan);
void sim_world_fini(struct sim_world *w);

// --- for its parts -----------------------------------------------------------------
__attribute__((format(printf, 2, 3))) void sim_blame(struct sim_world *w, const char *fmt, ...);
// So long from now, but nothing that ails lasts longer than the faults do.
uint64_t sim_until(const struct sim_world *w, uint32_t ms);
uint32_t sim_below(struct sim_world *w, uint32_t bound);
bool sim_strikes(struct sim_world *w, uint32_t n); // once in n, while faults last
void sim_transmit(struct sim_world *w, int actor, uint64_t conn, bool to_learner,
                  const struct frames *frames);
void sim_break(struct sim_world *w, int actor, uint32_t pause_ms);
unsigned char sim_weight_byte(uint64_t version, size_t i);

void sim_actor_turn(struct sim_world *w, int index);
void sim_actor_end(struct sim_world *w, int index);

void sim_learner_turn(struct sim_world *w);
void sim_learner_sync(struct sim_world *w);

void sim_trainer_begin(struct sim_world *w);
void sim_trainer_turn(struct sim_world *w);   // before the journal is synced
void sim_trainer_synced(struct sim_world *w); // after it
// Did the journal keep what the trainer knows?
void sim_trainer_audit(struct sim_world *w);

#endif
