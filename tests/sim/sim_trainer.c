#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "learner/ledger.h"
#include "tests/sim/sim_sample.h"
#include "tests/sim/sim_world.h"

#define EVAL_EVERY 2 // steps

static uint64_t order_number(uint64_t step)
{
    return 3 * step + 3;
}

static uint64_t version_at(uint64_t step)
{
    return step + 1;
}

static uint64_t ahead(const struct sim_world *w)
{
    return w->plan.mode == SIM_SYNC ? 0 : w->plan.mode == SIM_ONE_STEP_OFF ? 1 : 2;
}

static struct order order_of(const struct sim_world *w, uint64_t step)
{
    const struct sim_plan *p = &w->plan;
    if (p->mode == SIM_FEED)
        return (struct order){.number = order_number(step),
                              .kind = LEASE_FEED,
                              .prompt_first = step * p->n_prompts,
                              .n_prompts = p->n_prompts,
                              .n_samples = 1,
                              .max_new_tokens = 1};
    const bool is_off = p->mode == SIM_ONE_STEP_OFF && step > 0;
    return (struct order){.number = order_number(step),
                          .kind = LEASE_GENERATE,
                          .prompt_first = step * p->n_prompts,
                          .n_prompts = p->n_prompts,
                          .n_samples = p->n_samples,
                          .weights_version = version_at(is_off ? step - 1 : step),
                          .temperature = 1.0f,
                          .top_p = 1.0f,
                          .max_new_tokens = 8};
}

static struct order eval_of(const struct sim_world *w, uint64_t step)
{
    // Behind the training orders that are placed by then.
    const uint64_t last = w->plan.mode == SIM_FEED ? step + ahead(w) : step;
    return (struct order){.number = order_number(last) + 1,
                          .kind = LEASE_EVAL,
                          .n_prompts = 3,
                          .n_samples = 2,
                          .weights_version = version_at(step),
                          .max_new_tokens = 8};
}

static bool is_eval_due(const struct sim_world *w)
{
    const struct sim_trainer *t = &w->trainer;
    return t->step % EVAL_EVERY == 0 || t->step == w->plan.n_steps;
}

static void publish(struct sim_world *w, uint64_t version)
{
    struct err err;
    unsigned char *bytes = malloc(SIM_WEIGHTS_BYTES);
    CHECK(bytes != NULL);
    stream_make_room(w->stream);
    for (size_t i = 0; i < SIM_WEIGHTS_BYTES; i++)
        bytes[i] = sim_weight_byte(version, i);
    if (stream_publish(w->stream, w->now_ms, version, bytes, SIM_WEIGHTS_BYTES, &err) != 0)
        sim_blame(w, "publish: %.200s", err.text);
}

static void place(struct sim_world *w, const struct order *order)
{
    struct err err;
    if (stream_order(w->stream, w->now_ms, order, &err) != 0)
        sim_blame(w, "order: %.200s", err.text);
}

// Training orders up to `beyond` the step.
static void place_ahead(struct sim_world *w, uint64_t beyond)
{
    struct sim_trainer *t = &w->trainer;
    while (t->placed <= t->step + beyond && t->placed < w->plan.n_steps) {
        const struct order order = order_of(w, t->placed++);
        place(w, &order);
    }
}

// At a step's border: what is due before it, then the step.
static void go_on(struct sim_world *w, bool is_evaluated)
{
    struct sim_trainer *t = &w->trainer;
    const bool is_evaluation = is_eval_due(w) && !is_evaluated;
    // One step off, the order ahead comes behind the evaluation.
    place_ahead(w, w->plan.mode == SIM_ONE_STEP_OFF && is_evaluation ? 0 : ahead(w));
    t->state = SIM_AWAITS;
    if (is_evaluation) {
        const struct order order = eval_of(w, t->step);
        place(w, &order);
        t->state = SIM_AWAITS_EVAL;
    } else if (t->step == w->plan.n_steps) {
        t->state = SIM_DONE;
        stream_finish(w->stream, w->now_ms, true, "done");
    }
}

void sim_trainer_begin(struct sim_world *w)
{
    struct sim_trainer *t = &w->trainer;
    t->step = t->placed = t->checkpoint;
    for (uint64_t i = order_number(t->step); i < SIM_ORDERS_MAX; i++)
        memset(t->fates[i], SIM_NO_FATE, sizeof t->fates[i]); // undone
    if (w->plan.mode == SIM_ONE_STEP_OFF && t->step > 0) {
        publish(w, version_at(t->step - 1));
        place_ahead(w, 0); // the order that needs it keeps it
    }
    publish(w, version_at(t->step));
    go_on(w, false);
}

// --- orders and commits -----------------------------------------------------------------

static void check_sample(struct sim_world *w, const struct order *order, uint64_t i,
                         const struct ingest_sample *found)
{
    const struct journal_record record = {
        .type = JOURNAL_RESULT, .payload = found->payload, .payload_bytes = found->payload_bytes};
    struct sim_sample want;
    struct message m;
    struct err err;
    if (journal_decode_result(&record, &m, &err) != 0) {
        sim_blame(w, "a kept sample does not decode: %.180s", err.text);
        return;
    }
    sim_sample_make(&want, w->plan.seed, order->kind, order->prompt_first + i / order->n_samples,
                    (uint32_t)(i % order->n_samples), order->weights_version);
    if (!sim_sample_is(&want, &m.result))
        sim_blame(w, "order %" PRIu64 ": sample %" PRIu64 " is not the function of its key",
                  order->number, i);
}

// The samples of a complete order, looked at; which prompts it has.
static uint32_t look_at(struct sim_world *w, const struct order *order, bool has[])
{
    const struct ingest_sample *found;
    uint32_t n_of[SIM_PROMPTS_MAX] = {0}, n_prompts = 0;
    uint64_t at = 0;
    while ((found = stream_order_sample(w->stream, order->number, &at)) != NULL) {
        check_sample(w, order, at - 1, found);
        n_of[(at - 1) / order->n_samples]++;
    }
    for (uint32_t i = 0; i < order->n_prompts; i++) {
        has[i] = n_of[i] > 0;
        n_prompts += has[i];
        if (n_of[i] != (has[i] || !w->plan.weather.is_voiding ? order->n_samples : 0))
            sim_blame(w, "order %" PRIu64 ": prompt %u complete with %u samples", order->number, i,
                      n_of[i]);
    }
    w->counts.voids += order->n_prompts - n_prompts;
    return n_prompts;
}

static void commit(struct sim_world *w, const struct order *order)
{
    struct sim_trainer *t = &w->trainer;
    struct order_fate fates[SIM_PROMPTS_MAX];
    bool has[SIM_PROMPTS_MAX];
    struct err err;
    uint32_t n = 0;
    look_at(w, order, has);
    for (uint32_t i = 0; i < order->n_prompts; i++) {
        const bool is_dropped = order->kind == LEASE_EVAL || i % 4 == 1;
        if (!has[i]) continue;
        fates[n++] = (struct order_fate){order->prompt_first + i,
                                         order->kind == LEASE_EVAL ? LEASE_END_EVALUATED
                                         : is_dropped              ? LEASE_END_ZERO_VARIANCE
                                                                   : 0};
        t->fates[order->number][i] = is_dropped ? SIM_DROPPED : SIM_TRAINED;
    }
    if (stream_commit(w->stream, w->now_ms, order->number, t->step + 1, fates, n, &err) != 0)
        sim_blame(w, "commit: %.200s", err.text);
}

// Complete?
static bool is_here(struct sim_world *w, const struct order *order)
{
    struct err err;
    switch (stream_order_state(w->stream, order->number, &err)) {
    case ORDER_COMPLETE:
        return true;
    case ORDER_FAILED:
        sim_blame(w, "order %" PRIu64 " failed: %.180s", order->number, err.text);
        return false;
    case ORDER_UNKNOWN:
        sim_blame(w, "order %" PRIu64 " is unknown", order->number);
        return false;
    case ORDER_OPEN:
        break;
    }
    return false;
}

void sim_trainer_turn(struct sim_world *w)
{
    struct sim_trainer *t = &w->trainer;
    const struct order order = order_of(w, t->step), eval = eval_of(w, t->step);
    switch (t->state) {
    case SIM_AWAITS:
        if (!is_here(w, &order)) break;
        t->state = SIM_TRAINS;
        t->until_ms = w->now_ms + sim_below(w, w->plan.weather.train_ms + 1);
        break;
    case SIM_TRAINS:
        if (w->now_ms < t->until_ms) break;
        commit(w, &order);
        t->state = SIM_COMMITS;
        break;
    case SIM_AWAITS_EVAL:
        if (!is_here(w, &eval)) break;
        commit(w, &eval);
        t->state = SIM_COMMITS_EVAL;
        break;
    case SIM_COMMITS:
    case SIM_COMMITS_EVAL:
    case SIM_DONE:
        break;
    }
}

// What was committed is durable.
void sim_trainer_synced(struct sim_world *w)
{
    struct sim_trainer *t = &w->trainer;
    const bool is_evaluated = t->state == SIM_COMMITS_EVAL;
    if (t->state != SIM_COMMITS && !is_evaluated) return;
    if (!is_evaluated) {
        t->step++;
        publish(w, version_at(t->step));
    }
    if ((is_evaluated || !is_eval_due(w)) && sim_below(w, 2) == 0) t->checkpoint = t->step;
    go_on(w, is_evaluated);
}

// --- the audit ------------------------------------------------------------------------

// Takes the prompts of a lease off the trainer's list.
static void settle(struct sim_world *w, const struct ledger_lease *e)
{
    struct sim_trainer *t = &w->trainer;
    const uint64_t number = e->lease.step;
    const uint64_t first = e->lease.kind == LEASE_EVAL
                               ? 0
                               : (number / 3 - 1) * w->plan.n_prompts; // of a training order
    bool has_trained = false;
    for (uint32_t i = 0; i < e->lease.n_prompts; i++)
        has_trained |= t->fates[number][e->lease.prompt_first - first + i] == SIM_TRAINED;
    if (e->fate == FATE_TRAINED && !has_trained)
        sim_blame(w, "lease %" PRIu64 " was trained, or twice, and the trainer knows nothing of it",
                  e->lease.id);
    if (e->fate == FATE_DROPPED && has_trained)
        sim_blame(w, "lease %" PRIu64 " was dropped, and the trainer trained it", e->lease.id);
    for (uint32_t i = 0; i < e->lease.n_prompts; i++)
        t->fates[number][e->lease.prompt_first - first + i] = SIM_NO_FATE;
}

void sim_trainer_audit(struct sim_world *w)
{
    struct ledger *l = ledger_create();
    struct ledger_sum sum;
    struct journal_record r;
    struct err err;
    size_t at = 0;
    while (sim_journal_next(&w->journal, &at, &r))
        if (ledger_add(l, &r, &err) != 0) sim_blame(w, "ledger: %.200s", err.text);
    ledger_sum(l, &sum);
    if (!sum.is_balanced)
        sim_blame(w, "the ledger does not balance: %.150s",
                  ledger_violation(l, 0) ? ledger_violation(l, 0) : "sums differ");
    if (sum.in_flight.leases != 0)
        sim_blame(w, "%" PRIu64 " leases in flight at the end", sum.in_flight.leases);
    for (const struct ledger_lease *e = ledger_first(l); e != NULL; e = e->next)
        if (e->fate == FATE_TRAINED ||
            (e->fate == FATE_DROPPED && e->reason != LEASE_END_SCORER_FAULT))
            settle(w, e);
    for (uint64_t i = 0; i < SIM_ORDERS_MAX; i++)
        for (uint32_t k = 0; k < SIM_PROMPTS_MAX; k++)
            if (w->trainer.fates[i][k] != SIM_NO_FATE)
                sim_blame(w, "prompt %u of order %" PRIu64 " was committed; the journal lost it", k,
                          i);
    w->counts.issued = sum.issued.leases;
    w->counts.returned = sum.returned.leases;
    ledger_destroy(l);
}
