/*
 * The stream under faults: production state machines, one seed a run.
 *
 * Clients (actor/client.c) and the learner's struct stream exchange encoded
 * frames through a network that loses, repeats, delays and reorders them and
 * breaks connections; actors and the learner crash and come back.  The journal
 * is memory: a crash of the learner loses what was staged and not synced, and
 * the next life replays the rest.  A trainer stub places orders, awaits and
 * commits them; its checkpoint may be older than the journal.
 *
 * First faults, then a healed network in which every run must end.  Checked:
 * an ACK never speaks of a result that is not durable; a complete order has
 * exactly its samples, each the pure function of its key, drawn by the right
 * weights; nothing is trained twice or lost on the surviving timeline; the
 * ledger recomputed from the journal balances.
 *
 * SEEDS=n runs n seeds (default 500), SEED=n that one alone.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/client.h"
#include "common/base/rng.h"
#include "learner/ledger.h"
#include "learner/stream.h"
#include "tests/sim/sim_network.h"

#define ACTORS 3
#define STEPS 5
#define PROMPTS 4 // of an order
#define SAMPLES 3 // of a prompt, when generating
#define FEED_PROMPTS 12
#define TICK_MS 10
#define FAULTS_END_MS 12000
#define BUDGET_MS 180000
#define WEIGHTS_BYTES 3000
#define RUN_ID UINT64_C(0x1234)
#define JOBS_MAX 64
#define KEYS_MAX 4096

enum mode { MODE_SYNC_RUN, MODE_OFF_RUN, MODE_FEED_RUN, N_MODES };

struct job {
    struct lease lease;
    uint32_t n_done; // results submitted
};

struct actor_sim {
    struct client *client; // NULL: crashed
    uint64_t conn;         // number of its connection; 0: none
    uint64_t back_ms;      // when it starts again, or dials again
    struct job jobs[JOBS_MAX];
    size_t n_jobs;
    uint64_t version, waiting_version;
    bool has_version, has_waiting, has_quit;
};

struct key {
    uint64_t lease, prompt;
    uint32_t sample;
};

struct world {
    struct rng_stream rng;
    uint64_t seed, now_ms, n_conns, n_sessions;
    enum mode mode;
    bool acks_early; // the planted bug: tells the stream "synced" before it is
    char failure[256];
    uint64_t trace;

    struct sim_network network;
    struct actor_sim actors[ACTORS];

    struct stream *stream; // NULL: crashed
    uint32_t epoch;
    uint64_t learner_back_ms;
    struct wire_buffer journal; // whole records that are durable
    struct wire_buffer limbo;   // the planted bug's: synced by word only
    uint64_t last_sequence;
    struct key durable[KEYS_MAX];
    size_t n_durable;

    uint64_t step, checkpoint, placed;
    bool is_committing, is_done;
    uint64_t n_lost, n_repeated, n_actor_crashes, n_learner_crashes, n_breaks, n_faults, n_returned;
};

static void blame(struct world *w, const char *fmt, ...)
{
    va_list ap;
    if (w->failure[0] != '\0') return;
    va_start(ap, fmt);
    vsnprintf(w->failure, sizeof w->failure, fmt, ap);
    va_end(ap);
}

static uint32_t below(struct world *w, uint32_t bound)
{
    return rng_below(&w->rng, bound);
}

static bool is_faulty(const struct world *w)
{
    return w->now_ms < FAULTS_END_MS;
}

// Once in n, while faults last.
static bool strikes(struct world *w, uint32_t n)
{
    return is_faulty(w) && below(w, n) == 0;
}

// --- what results are: pure functions of their key -------------------------------

struct made {
    uint32_t tokens[16];
    float mask[16], logprobs[16];
    struct result result;
};

static void make_result(struct made *m, const struct world *w, uint32_t kind, uint64_t prompt,
                        uint32_t sample, uint64_t version)
{
    const struct rng_words words =
        rng_at((struct rng_key){w->seed, RNG_SAMPLE}, prompt, sample, kind);
    const uint32_t n_prompt = 3, n = n_prompt + 1 + words.word[0] % 7;
    for (uint32_t i = 0; i < n; i++) {
        m->tokens[i] = (words.word[1] >> i) % 50;
        m->mask[i] = 1.0f;
        m->logprobs[i] = -(float)((words.word[2] >> i) % 8) / 8.0f;
    }
    m->result = (struct result){.kind = kind,
                                .prompt_index = prompt,
                                .sample = sample,
                                .n_prompt_tokens = kind == LEASE_FEED ? n : n_prompt,
                                .n_tokens = n,
                                .tokens = m->tokens,
                                .loss_mask = m->mask,
                                .logprobs = kind == LEASE_FEED ? NULL : m->logprobs,
                                .n_spans = kind == LEASE_FEED ? 0 : 1,
                                .spans = {{0, version}},
                                .reward = words.word[3] % 2};
}

static unsigned char weight_byte(uint64_t version, size_t i)
{
    return (unsigned char)(version * 31 + i * 7);
}

// --- the network ------------------------------------------------------------------

static void transmit(struct world *w, int actor, bool to_learner, const struct frames *frames)
{
    const struct packet head = {
        .conn = w->actors[actor].conn, .actor = actor, .to_learner = to_learner};
    if (strikes(w, 20)) {
        w->n_lost++;
        return;
    }
    const int copies = strikes(w, 15) ? 2 : 1;
    w->n_repeated += copies == 2;
    for (int i = 0; i < copies; i++) {
        const bool overtakes = strikes(w, 10);
        const uint64_t due_ms = w->now_ms + 1 + below(w, is_faulty(w) ? 300 : 20);
        sim_network_send(&w->network, &head, due_ms, overtakes, frames);
    }
}

static void deliver_due(struct world *w)
{
    struct packet *p;
    while ((p = sim_network_take(&w->network, w->now_ms)) != NULL) {
        struct actor_sim *a = &w->actors[p->actor];
        w->trace = (w->trace ^ (p->order * 2 + p->to_learner)) * UINT64_C(0x100000001b3);
        if (p->conn != 0 && p->conn == a->conn) { // else its connection is gone
            if (p->to_learner && w->stream != NULL)
                stream_receive(w->stream, w->now_ms, p->conn, &p->frames);
            if (!p->to_learner && a->client != NULL)
                client_receive(a->client, w->now_ms, &p->frames);
        }
        free(p);
    }
}

static void break_link(struct world *w, struct actor_sim *a, uint32_t pause_ms)
{
    if (a->conn != 0 && a->client != NULL) client_disconnected(a->client, w->now_ms);
    a->conn = 0;
    a->back_ms = w->now_ms + 50 + below(w, pause_ms);
}

// --- actors -------------------------------------------------------------------------

static void actor_start(struct world *w, struct actor_sim *a)
{
    const struct client_config config = {.name = "sim",
                                         .session = ++w->n_sessions,
                                         .result_bytes_max = 1u << 20,
                                         .samples_max = 8,
                                         .silence_ms = 2000};
    a->client = client_create(&config);
    a->n_jobs = 0;
    a->has_version = a->has_waiting = false;
}

static void actor_crash(struct world *w, struct actor_sim *a)
{
    w->n_actor_crashes++;
    break_link(w, a, 1500);
    client_destroy(a->client);
    a->client = NULL;
}

static void drop_job(struct actor_sim *a, uint64_t lease)
{
    for (size_t i = 0; i < a->n_jobs; i++)
        if (a->jobs[i].lease.id == lease) a->jobs[i--] = a->jobs[--a->n_jobs];
}

static void check_weights(struct world *w, const struct client_action *action)
{
    bool is_right = action->size_bytes == WEIGHTS_BYTES;
    for (size_t i = 0; is_right && i < WEIGHTS_BYTES; i++)
        is_right = action->bytes[i] == weight_byte(action->version, i);
    if (!is_right) blame(w, "weights %" PRIu64 " arrived as other bytes", action->version);
}

static void actor_act(struct world *w, int index, const struct client_action *action)
{
    struct actor_sim *a = &w->actors[index];
    switch (action->type) {
    case CLIENT_SEND:
        if (a->conn == 0) return;
        if (strikes(w, 40)) { // the socket's queue is full
            client_unsent(a->client);
            return;
        }
        transmit(w, index, true, action->frames);
        return;
    case CLIENT_SPEC: {
        const struct ready ready = {.shape = {{1}}};
        a->n_jobs = 0;
        a->has_version = a->has_waiting = false;
        client_ready(a->client, &ready);
        return;
    }
    case CLIENT_WEIGHTS:
        check_weights(w, action);
        a->waiting_version = action->version;
        a->has_waiting = true;
        return;
    case CLIENT_LEASE:
        assert_true(a->n_jobs < JOBS_MAX);
        if (action->lease.kind != LEASE_FEED &&
            (!a->has_version || a->version != action->lease.weights_version)) {
            w->n_returned++; // it crossed with a swap
            client_return(a->client, action->lease.id, "other weights");
            return;
        }
        a->jobs[a->n_jobs++] = (struct job){.lease = action->lease};
        return;
    case CLIENT_CANCEL:
        drop_job(a, action->lease_id);
        return;
    case CLIENT_QUIT:
        if (action->is_refused) blame(w, "an honest actor was refused: %.150s", action->reason);
        a->has_quit = true;
        return;
    }
}

// One sample of a job; the last one ends it.
static void work_on(struct world *w, struct actor_sim *a, size_t i)
{
    struct job *job = &a->jobs[i];
    const struct lease *l = &job->lease;
    struct made made;
    make_result(&made, w, l->kind, l->prompt_first + job->n_done / l->n_samples,
                job->n_done % l->n_samples, l->weights_version);
    made.result.lease = l->id;
    if (strikes(w, 60)) {
        w->n_faults++;
        made.result.outcome = OUTCOME_SCORER_ERROR;
    }
    client_submit(a->client, w->now_ms, &made.result);
    client_progress(a->client, l->id, ++job->n_done);
    if (job->n_done == l->n_prompts * l->n_samples) a->jobs[i] = a->jobs[--a->n_jobs];
}

static void actor_turn(struct world *w, int index)
{
    struct actor_sim *a = &w->actors[index];
    struct client_action action;
    if (a->has_quit) return;
    if (a->client == NULL) {
        if (w->now_ms < a->back_ms) return;
        actor_start(w, a);
    }
    if (a->conn == 0 && w->stream != NULL && w->now_ms >= a->back_ms) {
        a->conn = ++w->n_conns;
        sim_network_connect(&w->network, index);
        client_connected(a->client, w->now_ms);
    }
    if (a->has_waiting && a->n_jobs == 0) {
        a->version = a->waiting_version;
        a->has_version = true;
        a->has_waiting = false;
        client_applied(a->client, a->version);
    }
    for (size_t i = 0; i < a->n_jobs; i++)
        if (below(w, 4) == 0) {
            work_on(w, a, i);
            break;
        }
    for (int i = 0; i < 200 && !a->has_quit && client_next(a->client, w->now_ms, &action); i++)
        actor_act(w, index, &action);
    if (strikes(w, 700)) actor_crash(w, a);
    if (a->client != NULL && strikes(w, 400)) {
        w->n_breaks++;
        break_link(w, a, 3000);
    }
}

// --- the journal in memory ------------------------------------------------------------

// The record at *at; moves *at behind it.
static struct journal_record record_at(const struct wire_buffer *b, size_t *at)
{
    struct journal_record r = {0};
    uint16_t type;
    memcpy(&r.payload_bytes, b->bytes + *at, 4);
    memcpy(&type, b->bytes + *at + 4, 2);
    memcpy(&r.sequence, b->bytes + *at + 8, 8);
    r.type = type;
    r.payload = b->bytes + *at + JOURNAL_RECORD_BYTES;
    *at += JOURNAL_RECORD_BYTES + ((r.payload_bytes + 7u) & ~7u);
    return r;
}

static void make_durable(struct world *w, const void *bytes, size_t size)
{
    size_t at = w->journal.size_bytes;
    if (size == 0) return;
    memcpy(wire_buffer_take(&w->journal, size), bytes, size);
    while (at < w->journal.size_bytes) {
        const struct journal_record r = record_at(&w->journal, &at);
        struct message m;
        struct err err;
        w->last_sequence = r.sequence;
        if (r.type != JOURNAL_RESULT) continue;
        if (journal_decode_result(&r, &m, &err) != 0) blame(w, "journal: %.200s", err.text);
        assert_true(w->n_durable < KEYS_MAX);
        w->durable[w->n_durable++] =
            (struct key){m.result.lease, m.result.prompt_index, m.result.sample};
    }
}

static void sync_journal(struct world *w)
{
    const struct wire_buffer *staged = stream_staged(w->stream);
    if (w->acks_early) {
        if (below(w, 5) == 0) {
            make_durable(w, w->limbo.bytes, w->limbo.size_bytes);
            w->limbo.size_bytes = 0;
        }
        if (staged->size_bytes != 0)
            memcpy(wire_buffer_take(&w->limbo, staged->size_bytes), staged->bytes,
                   staged->size_bytes);
    } else {
        make_durable(w, staged->bytes, staged->size_bytes);
    }
    stream_synced(w->stream);
}

static void check_acks(struct world *w, const struct frames *frames)
{
    struct message m;
    struct err err;
    if (wire_decode(&m, frames, NULL, &err) != 0) {
        blame(w, "the learner sends what does not decode: %.180s", err.text);
        return;
    }
    for (uint32_t i = 0; m.type == MESSAGE_ACK && i < m.ack.n; i++) {
        const struct ack_entry *e = &m.ack.entries[i];
        bool is_durable = e->verdict != VERDICT_OK && e->verdict != VERDICT_DUPLICATE;
        for (size_t k = 0; k < w->n_durable && !is_durable; k++)
            is_durable = w->durable[k].lease == e->lease &&
                         w->durable[k].prompt == e->prompt_index &&
                         w->durable[k].sample == e->sample;
        if (!is_durable) blame(w, "an ACK before the journal: lease %" PRIu64, e->lease);
    }
}

// --- the trainer ------------------------------------------------------------------------

static uint64_t order_number(uint64_t step)
{
    return 2 * step + 2;
}

static uint64_t version_at(uint64_t step)
{
    return step + 1;
}

static uint64_t ahead(const struct world *w)
{
    return w->mode == MODE_SYNC_RUN ? 0 : w->mode == MODE_OFF_RUN ? 1 : 2;
}

static struct order order_of(const struct world *w, uint64_t step)
{
    if (step == STEPS)
        return (struct order){.number = order_number(STEPS + 3),
                              .kind = LEASE_EVAL,
                              .n_prompts = PROMPTS,
                              .n_samples = SAMPLES,
                              .weights_version = version_at(STEPS),
                              .max_new_tokens = 8};
    if (w->mode == MODE_FEED_RUN)
        return (struct order){.number = order_number(step),
                              .kind = LEASE_FEED,
                              .prompt_first = step * FEED_PROMPTS,
                              .n_prompts = FEED_PROMPTS,
                              .n_samples = 1,
                              .max_new_tokens = 1};
    const bool is_off = w->mode == MODE_OFF_RUN && step > 0;
    return (struct order){.number = order_number(step),
                          .kind = LEASE_GENERATE,
                          .prompt_first = step * PROMPTS,
                          .n_prompts = PROMPTS,
                          .n_samples = SAMPLES,
                          .weights_version = version_at(is_off ? step - 1 : step),
                          .max_new_tokens = 8};
}

static void publish(struct world *w, uint64_t version)
{
    struct err err;
    unsigned char *bytes = malloc(WEIGHTS_BYTES);
    assert_non_null(bytes);
    for (size_t i = 0; i < WEIGHTS_BYTES; i++)
        bytes[i] = weight_byte(version, i);
    if (stream_publish(w->stream, w->now_ms, version, bytes, WEIGHTS_BYTES, &err) != 0)
        blame(w, "publish: %.200s", err.text);
}

// Orders up to `ahead` beyond the step; evaluation alone, when training is over.
static void place_orders(struct world *w)
{
    struct err err;
    while (w->placed <= w->step + ahead(w) && w->placed <= STEPS &&
           (w->placed < STEPS || w->step == STEPS)) {
        const struct order order = order_of(w, w->placed++);
        if (stream_order(w->stream, w->now_ms, &order, &err) != 0)
            blame(w, "order: %.200s", err.text);
    }
}

static void trainer_begin(struct world *w)
{
    w->step = w->placed = w->checkpoint;
    w->is_committing = false;
    if (w->mode == MODE_OFF_RUN && w->step > 0) publish(w, version_at(w->step - 1));
    publish(w, version_at(w->step));
    place_orders(w);
}

static void check_sample(struct world *w, const struct order *order, uint64_t i,
                         const struct ingest_sample *found)
{
    const struct journal_record record = {
        .type = JOURNAL_RESULT, .payload = found->payload, .payload_bytes = found->payload_bytes};
    const uint64_t prompt = order->prompt_first + i / order->n_samples;
    struct message m;
    struct made want;
    struct err err;
    if (journal_decode_result(&record, &m, &err) != 0) {
        blame(w, "a kept sample does not decode: %.180s", err.text);
        return;
    }
    const struct result *r = &m.result;
    make_result(&want, w, order->kind, prompt, (uint32_t)(i % order->n_samples),
                order->weights_version);
    if (r->prompt_index != prompt || r->sample != want.result.sample ||
        r->n_tokens != want.result.n_tokens ||
        memcmp(r->tokens, want.tokens, r->n_tokens * sizeof *r->tokens) != 0)
        blame(w, "order %" PRIu64 ": sample %" PRIu64 " is not the function of its key",
              order->number, i);
    if (order->kind != LEASE_FEED && r->spans[0].version != order->weights_version)
        blame(w, "order %" PRIu64 ": drawn by other weights", order->number);
}

static void commit_step(struct world *w, const struct order *order)
{
    struct order_fate fates[FEED_PROMPTS];
    const struct ingest_sample *found;
    struct err err;
    uint64_t at = 0, n = 0;
    while ((found = stream_order_sample(w->stream, order->number, &at)) != NULL)
        check_sample(w, order, n++, found);
    if (n != (uint64_t)order->n_prompts * order->n_samples)
        blame(w, "order %" PRIu64 " complete with %" PRIu64 " samples", order->number, n);
    for (uint32_t i = 0; i < order->n_prompts; i++) {
        const bool is_dropped = order->kind == LEASE_GENERATE && i == 1;
        fates[i] = (struct order_fate){order->prompt_first + i,
                                       order->kind == LEASE_EVAL ? LEASE_END_EVALUATED
                                       : is_dropped              ? LEASE_END_ZERO_VARIANCE
                                                                 : 0};
    }
    if (stream_commit(w->stream, w->now_ms, order->number, w->step + 1, fates, order->n_prompts,
                      &err) != 0)
        blame(w, "commit: %.200s", err.text);
    w->is_committing = true;
}

// Before the journal is synced.
static void trainer_turn(struct world *w)
{
    const struct order order = order_of(w, w->step);
    struct err err;
    if (w->is_done) return;
    switch (stream_order_state(w->stream, order.number, &err)) {
    case ORDER_COMPLETE:
        commit_step(w, &order);
        break;
    case ORDER_FAILED:
        blame(w, "order %" PRIu64 " failed: %.180s", order.number, err.text);
        break;
    case ORDER_UNKNOWN:
        blame(w, "order %" PRIu64 " is unknown", order.number);
        break;
    case ORDER_OPEN:
        break;
    }
}

// After it: what was committed is durable, the trainer goes on.
static void trainer_synced(struct world *w)
{
    if (!w->is_committing) return;
    w->is_committing = false;
    if (w->step == STEPS) {
        w->is_done = true;
        stream_finish(w->stream, w->now_ms, true, "done");
        return;
    }
    w->step++;
    if (below(w, 2) == 0) w->checkpoint = w->step;
    publish(w, version_at(w->step));
    place_orders(w);
}

// --- the learner ---------------------------------------------------------------------------

static void learner_start(struct world *w)
{
    const struct stream_config config = {.run = RUN_ID,
                                         .epoch = ++w->epoch,
                                         .deterministic = true,
                                         .spec = "{}",
                                         .limits = {.vocab_size = 50, .context_length = 16},
                                         .book = {.lease_timeout_ms = 4000,
                                                  .progress_ms = 200,
                                                  .prompts_per_lease = 5,
                                                  .fault_retries = 1000},
                                         .next_order = order_number(w->checkpoint)};
    struct err err;
    size_t at = 0;
    w->stream = stream_create(&config, &err);
    assert_non_null(w->stream);
    while (at < w->journal.size_bytes) {
        const struct journal_record r = record_at(&w->journal, &at);
        if (stream_replay(w->stream, &r, &err) != 0) blame(w, "replay: %.200s", err.text);
    }
    stream_resume(w->stream, w->last_sequence + 1);
    sync_journal(w);
    trainer_begin(w);
}

static void learner_crash(struct world *w)
{
    w->n_learner_crashes++;
    stream_destroy(w->stream);
    w->stream = NULL;
    w->limbo.size_bytes = 0;
    w->learner_back_ms = w->now_ms + 100 + below(w, 1500);
    for (int i = 0; i < ACTORS; i++)
        if (w->actors[i].client != NULL) break_link(w, &w->actors[i], 500);
}

static int actor_of(const struct world *w, uint64_t conn)
{
    for (int i = 0; i < ACTORS; i++)
        if (w->actors[i].conn == conn && w->actors[i].client != NULL) return i;
    return -1;
}

static void send_all(struct world *w)
{
    uint64_t peer;
    const struct frames *out;
    stream_begin_sending(w->stream);
    while (stream_next_send(w->stream, &peer, &out)) {
        const int actor = actor_of(w, peer);
        if (actor >= 0 && strikes(w, 40)) { // its queue is full
            stream_sent(w->stream, w->now_ms, 1);
            continue;
        }
        check_acks(w, out);
        if (actor >= 0) transmit(w, actor, false, out);
        stream_sent(w->stream, w->now_ms, actor >= 0 ? 0 : -1);
    }
}

static void learner_turn(struct world *w)
{
    if (w->stream == NULL) {
        if (w->now_ms < w->learner_back_ms) return;
        learner_start(w);
    }
    stream_tick(w->stream, w->now_ms);
    trainer_turn(w);
    if (!w->is_done && strikes(w, 900)) { // with records staged, perhaps
        learner_crash(w);
        return;
    }
    sync_journal(w);
    trainer_synced(w);
    if (!w->is_done && strikes(w, 900)) { // synced, and nobody told
        learner_crash(w);
        return;
    }
    sync_journal(w);
    send_all(w);
}

// --- a run ------------------------------------------------------------------------------------

static void check_ledger(struct world *w)
{
    struct ledger *l = ledger_create();
    struct ledger_sum sum;
    struct err err;
    size_t at = 0;
    while (at < w->journal.size_bytes) {
        const struct journal_record r = record_at(&w->journal, &at);
        if (ledger_add(l, &r, &err) != 0) blame(w, "ledger: %.200s", err.text);
    }
    ledger_sum(l, &sum);
    const bool is_feed = w->mode == MODE_FEED_RUN;
    const uint64_t n_trained =
        is_feed ? STEPS * FEED_PROMPTS : (uint64_t)STEPS * (PROMPTS - 1) * SAMPLES;
    const uint64_t n_dropped =
        (is_feed ? 0 : (uint64_t)STEPS * SAMPLES) + (uint64_t)PROMPTS * SAMPLES;
    if (!sum.is_balanced)
        blame(w, "the ledger does not balance: %.150s",
              ledger_violation(l, 0) ? ledger_violation(l, 0) : "sums differ");
    if (sum.trained.samples != n_trained || sum.dropped.samples != n_dropped)
        blame(w, "trained %" PRIu64 " of %" PRIu64 " samples, dropped %" PRIu64 " of %" PRIu64,
              sum.trained.samples, n_trained, sum.dropped.samples, n_dropped);
    if (sum.in_flight.leases != 0)
        blame(w, "%" PRIu64 " leases in flight at the end", sum.in_flight.leases);
    w->trace = (w->trace ^ sum.issued.leases) * UINT64_C(0x100000001b3);
    ledger_destroy(l);
}

static bool have_all_quit(const struct world *w)
{
    for (int i = 0; i < ACTORS; i++)
        if (!w->actors[i].has_quit) return false;
    return true;
}

static void run_world(struct world *w, uint64_t seed, bool acks_early)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->acks_early = acks_early;
    w->mode = (enum mode)(seed % N_MODES);
    rng_stream_init(&w->rng, (struct rng_key){seed, RNG_TEST}, 0, 0);
    wire_buffer_init(&w->journal);
    wire_buffer_init(&w->limbo);
    while (w->failure[0] == '\0' && !w->is_done) {
        if (w->now_ms > BUDGET_MS) blame(w, "no end at step %" PRIu64 " of %d", w->step, STEPS);
        w->now_ms += TICK_MS;
        deliver_due(w);
        learner_turn(w);
        for (int i = 0; i < ACTORS; i++)
            actor_turn(w, i);
    }
    // Those who are connected are told, and take their leave.
    const uint64_t deadline_ms = w->now_ms + 1000;
    while (w->failure[0] == '\0' && w->now_ms < deadline_ms && !have_all_quit(w)) {
        w->now_ms += TICK_MS;
        deliver_due(w);
        sync_journal(w);
        send_all(w);
        for (int i = 0; i < ACTORS; i++)
            actor_turn(w, i);
    }
    if (w->failure[0] == '\0') check_ledger(w);
}

static void end_world(struct world *w)
{
    stream_destroy(w->stream);
    for (int i = 0; i < ACTORS; i++)
        client_destroy(w->actors[i].client);
    sim_network_fini(&w->network);
    wire_buffer_fini(&w->journal);
    wire_buffer_fini(&w->limbo);
}

static struct world world;

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : fallback;
}

static void every_run_ends_with_its_books_balanced(void **state)
{
    (void)state;
    const bool is_one = getenv("SEED") != NULL && getenv("SEED")[0] != '\0';
    const uint64_t first = is_one ? from_environment("SEED", 0) : 1;
    const uint64_t n = is_one ? 1 : from_environment("SEEDS", 500);
    uint64_t lost = 0, repeated = 0, crashes = 0, restarts = 0, breaks = 0, faults = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        run_world(&world, seed, false);
        if (world.failure[0] != '\0')
            fail_msg("seed %" PRIu64 " at %" PRIu64 " ms: %s", seed, world.now_ms, world.failure);
        lost += world.n_lost;
        repeated += world.n_repeated;
        crashes += world.n_actor_crashes;
        restarts += world.n_learner_crashes;
        breaks += world.n_breaks;
        faults += world.n_faults;
        end_world(&world);
    }
    print_message("%" PRIu64 " runs: %" PRIu64 " messages lost, %" PRIu64 " repeated, %" PRIu64
                  " actor and %" PRIu64 " learner crashes, %" PRIu64 " links broken, %" PRIu64
                  " scorer faults\n",
                  n, lost, repeated, crashes, restarts, breaks, faults);
    if (n < 50) return;
    assert_true(lost > n && repeated > n && crashes > n / 10 && restarts > n / 10);
    assert_true(breaks > n / 10 && faults > n / 10);
}

static void a_seed_gives_the_same_run_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2 * N_MODES; seed++) {
        run_world(&world, seed, false);
        const uint64_t trace = world.trace;
        end_world(&world);
        run_world(&world, seed, false);
        assert_true(trace == world.trace);
        end_world(&world);
    }
}

static void a_learner_that_acknowledges_too_early_is_found_out(void **state)
{
    (void)state;
    int n_found = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_world(&world, seed, true);
        n_found += strstr(world.failure, "an ACK before the journal") != NULL;
        end_world(&world);
    }
    assert_in_range(n_found, 18, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_ends_with_its_books_balanced),
        cmocka_unit_test(a_seed_gives_the_same_run_again),
        cmocka_unit_test(a_learner_that_acknowledges_too_early_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
