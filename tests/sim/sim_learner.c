#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_sample.h"
#include "tests/sim/sim_world.h"

#define MESSAGES_PER_TURN 64
#define SOCKET_MESSAGES 32 // for one peer, then it is full

// --- the journal --------------------------------------------------------------------

void sim_learner_sync(struct sim_world *w)
{
    const struct wire_buffer *staged = stream_staged(w->stream);
    struct wire_buffer *word_of = &w->journal.word_of;
    if (w->plan.bug != SIM_EARLY_ACKS) {
        sim_journal_add(&w->journal, staged->bytes, staged->size_bytes);
    } else {
        if (sim_below(w, 5) == 0) {
            sim_journal_add(&w->journal, word_of->bytes, word_of->size_bytes);
            word_of->size_bytes = 0;
        }
        if (staged->size_bytes > 0)
            memcpy(wire_buffer_take(word_of, staged->size_bytes), staged->bytes,
                   staged->size_bytes);
    }
    stream_synced(w->stream);
}

// What is said must be durable when it is said.
static void check_durable(struct sim_world *w, const struct frames *frames)
{
    struct message m;
    struct err err;
    if (wire_decode(&m, frames, NULL, &err) != 0) {
        sim_blame(w, "the learner sends what does not decode: %.180s", err.text);
        return;
    }
    if (m.type == MESSAGE_LEASE && !sim_journal_has_lease(&w->journal, m.lease.id))
        sim_blame(w, "lease %" PRIu64 " is sent before the journal has it", m.lease.id);
    for (uint32_t i = 0; m.type == MESSAGE_ACK && i < m.ack.n; i++) {
        const struct ack_entry *e = &m.ack.entries[i];
        if (e->verdict == VERDICT_STALE) continue;
        if (e->verdict == VERDICT_REFUSED || e->verdict == VERDICT_CONFLICT)
            sim_blame(w, "an honest result got verdict %u", e->verdict);
        if (!sim_journal_has(&w->journal, e->lease, e->prompt_index, e->sample))
            sim_blame(w, "an ACK before the journal: lease %" PRIu64, e->lease);
    }
}

// --- life and death --------------------------------------------------------------------

static void start(struct sim_world *w)
{
    const bool is_voiding = w->plan.weather.is_voiding;
    const struct stream_config config = {
        .run = SIM_RUN,
        .epoch = ++w->epoch,
        .deterministic = true,
        .spec = "{}",
        .limits = {.vocab_size = SIM_VOCAB, .context_length = SIM_TOKENS_MAX},
        .book = {.lease_timeout_ms = SIM_LEASE_TIMEOUT_MS,
                 .progress_ms = SIM_PROGRESS_MS,
                 .prompts_per_lease = 5,
                 .fault_retries = is_voiding ? 0 : 10000,
                 .void_on_fault = is_voiding},
        .next_order = 3 * w->trainer.checkpoint + 3};
    struct journal_record r;
    struct err err;
    size_t at = 0;
    w->stream = stream_create(&config, &err);
    CHECK(w->stream != NULL);
    while (sim_journal_next(&w->journal, &at, &r))
        if (stream_replay(w->stream, &r, &err) != 0) sim_blame(w, "replay: %.200s", err.text);
    stream_resume(w->stream, w->journal.last_sequence + 1);
    sim_learner_sync(w);
    sim_trainer_begin(w);
}

static void die(struct sim_world *w)
{
    w->counts.duplicates += stream_status(w->stream).n_duplicates;
    stream_destroy(w->stream);
    w->stream = NULL;
    w->journal.word_of.size_bytes = 0;
    w->learner_back_ms = w->now_ms + 100 + sim_below(w, 1500);
    w->learner_frozen_ms = 0;
    sim_network_forget_learner(&w->network);
    for (int i = 0; i < w->plan.n_actors; i++)
        if (w->actors[i].client != NULL) sim_break(w, i, 500);
}

// --- messages ---------------------------------------------------------------------------

// A planted bug: the sample comes again under another number.
static void renumber(struct sim_world *w, const struct packet *p)
{
    struct message m;
    struct err err;
    struct wire_buffer encoded, aligned;
    wire_buffer_init(&encoded);
    wire_buffer_init(&aligned);
    if (wire_decode(&m, &p->frames, &aligned, &err) == 0 && m.type == MESSAGE_RESULT &&
        m.result.kind != LEASE_FEED && m.result.outcome == OUTCOME_OK) {
        m.result.sample = (m.result.sample + 1) % w->plan.n_samples;
        wire_encode(&encoded, &m);
        stream_receive(w->stream, w->now_ms, p->conn, &encoded.frames);
    }
    wire_buffer_fini(&encoded);
    wire_buffer_fini(&aligned);
}

static void receive(struct sim_world *w)
{
    struct packet *p;
    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        if ((p = sim_network_take(&w->network, SIM_LEARNER, w->now_ms)) == NULL) return;
        w->counts.late += p->conn != w->actors[p->actor].conn;
        stream_receive(w->stream, w->now_ms, p->conn, &p->frames);
        if (w->plan.bug == SIM_RENUMBERING && sim_below(w, 4) == 0) renumber(w, p);
        free(p);
    }
}

// The socket's answer: 0 taken, 1 full, -1 gone.
static int send(struct sim_world *w, uint64_t peer, const struct frames *frames)
{
    for (int i = 0; i < w->plan.n_actors; i++) {
        struct sim_actor *a = &w->actors[i];
        if (a->old_conn == peer && w->now_ms < a->ghost_ms) return 0; // into the void
        if (a->conn != peer) continue;
        if (sim_network_waiting(&w->network, i, false) >= SOCKET_MESSAGES ||
            sim_strikes(w, w->plan.weather.full)) {
            w->counts.full++;
            return 1;
        }
        sim_transmit(w, i, peer, false, frames);
        return 0;
    }
    return -1;
}

static void send_all(struct sim_world *w)
{
    uint64_t peer;
    const struct frames *out;
    stream_begin_sending(w->stream);
    while (stream_next_send(w->stream, &peer, &out)) {
        check_durable(w, out);
        const int status = send(w, peer, out);
        stream_sent(w->stream, w->now_ms, status);
    }
}

static void drop_events(struct sim_world *w)
{
    char text[256];
    while (stream_next_event(w->stream, text, sizeof text)) {
    }
}

static bool crashes(struct sim_world *w)
{
    if (w->trainer.state == SIM_DONE || !sim_strikes(w, w->plan.weather.learner_crash))
        return false;
    w->counts.learner_crashes++;
    die(w);
    return true;
}

void sim_learner_turn(struct sim_world *w)
{
    const bool is_over = w->trainer.state == SIM_DONE;
    if (w->stream == NULL) {
        if (w->now_ms < w->learner_back_ms) return;
        start(w);
    }
    if (w->now_ms < w->learner_frozen_ms) return;
    receive(w);
    if (!is_over) sim_trainer_turn(w);
    if (!is_over) stream_tick(w->stream, w->now_ms);
    if (crashes(w)) return; // with records staged, perhaps
    sim_learner_sync(w);
    if (crashes(w)) return; // synced, and nobody told
    send_all(w);
    if (!is_over) sim_trainer_synced(w);
    drop_events(w);
    if (w->trainer.state == SIM_DONE) return;
    if (crashes(w)) return;
    if (sim_strikes(w, w->plan.weather.learner_freeze)) {
        w->counts.learner_freezes++;
        w->learner_frozen_ms = sim_until(w, sim_below(w, w->plan.weather.freeze_ms));
    }
    if (sim_strikes(w, w->plan.weather.learner_stop)) {
        w->counts.learner_stops++;
        stream_finish(w->stream, w->now_ms, false, "stopped");
        sim_learner_sync(w);
        send_all(w);
        die(w);
    }
}
