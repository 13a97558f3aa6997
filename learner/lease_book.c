#include "learner/lease_book.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/lease_parts.h"

struct book_action *book_action_add(struct lease_book *b, enum book_action_type type)
{
    if (b->n_actions == b->actions_capacity) {
        b->actions_capacity = b->actions_capacity > 0 ? 2 * b->actions_capacity : 32;
        b->actions = realloc(b->actions, b->actions_capacity * sizeof *b->actions);
        CHECK(b->actions != NULL);
    }
    struct book_action *a = &b->actions[b->n_actions++];
    memset(a, 0, offsetof(struct book_action, text));
    a->type = type;
    a->text[0] = 0;
    return a;
}

bool lease_book_next(struct lease_book *b, struct book_action *out)
{
    if (b->next_action == b->n_actions) {
        b->next_action = b->n_actions = 0;
        return false;
    }
    *out = b->actions[b->next_action++];
    return true;
}

struct lease_book *lease_book_create(const struct lease_book_config *config,
                                     uint64_t first_lease_id)
{
    CHECK(first_lease_id > 0 && config->prompts_per_lease > 0);
    CHECK(config->prompts_per_lease <= LEASE_PROMPTS_MAX);
    struct lease_book *b = calloc(1, sizeof *b);
    CHECK(b != NULL);
    b->config = *config;
    b->next_id = b->reserved_end = first_lease_id;
    id_map_init(&b->by_id);
    return b;
}

static void order_free(struct book_order *o)
{
    free(o->prompts);
    free(o);
}

static void free_list(struct book_lease *l)
{
    while (l != NULL) {
        struct book_lease *next = l->next;
        free(l);
        l = next;
    }
}

void lease_book_destroy(struct lease_book *b)
{
    if (b == NULL) return;
    for (uint32_t i = 0; i < b->n_orders; i++)
        order_free(b->orders[i]);
    free_list(b->whole);
    free_list(b->held);
    for (struct book_peer *p = b->peers; p != NULL;) {
        struct book_peer *next = p->next;
        free_list(p->leases);
        free(p);
        p = next;
    }
    id_map_fini(&b->by_id);
    free(b->actions);
    free(b);
}

// --- leases ------------------------------------------------------------------------

uint32_t lease_samples(const struct lease *lease)
{
    return lease->n_prompts * lease->n_samples;
}

void lease_put(struct book_lease *l, struct book_lease **list)
{
    if (l->prev != NULL) l->prev->next = l->next;
    if (l->next != NULL) l->next->prev = l->prev;
    if (l->list != NULL && *l->list == l) *l->list = l->next;
    l->list = list;
    l->prev = NULL;
    l->next = list != NULL ? *list : NULL;
    if (l->next != NULL) l->next->prev = l;
    if (list != NULL) *list = l;
}

struct book_lease *lease_add(struct lease_book *b, const struct lease *lease,
                             struct book_lease **list)
{
    struct book_lease *l = calloc(1, sizeof *l);
    CHECK(l != NULL);
    l->lease = *lease;
    l->n_unsettled = lease->n_prompts;
    lease_put(l, list);
    id_map_put(&b->by_id, lease->id, l);
    return l;
}

void lease_release(struct book_lease *l, struct book_lease **list)
{
    struct book_peer *p = l->holder;
    if (p != NULL) {
        p->n_leases--;
        p->outstanding -= lease_samples(&l->lease) - l->n_received;
        l->holder = NULL;
    }
    lease_put(l, list);
}

struct book_prompt *lease_prompt(const struct book_lease *l, uint32_t i)
{
    return &l->order->prompts[l->lease.prompt_first - l->order->order.prompt_first + i];
}

void lease_finish(struct lease_book *b, struct book_lease *l, enum journal_type type,
                  enum lease_end reason, const struct book_peer *told)
{
    struct book_action *a = book_action_add(b, BOOK_END);
    a->lease = l->lease;
    a->peer = told != NULL ? told->owner : NULL;
    a->end_type = type;
    a->end = (struct journal_end){.lease = l->lease.id, .step = l->step, .reason = reason};
    lease_release(l, NULL);
    id_map_remove(&b->by_id, l->lease.id);
    free(l);
}

void lease_return(struct lease_book *b, struct book_lease *l, enum journal_type type,
                  enum lease_end reason, const struct book_peer *told)
{
    struct book_order *o = l->order;
    for (uint32_t i = 0; o != NULL && i < l->lease.n_prompts; i++) {
        struct book_prompt *p = lease_prompt(l, i);
        if (p->state != PROMPT_LEASED || p->lease != l->lease.id) continue;
        p->state = PROMPT_PENDING;
        o->n_leased--;
        o->n_pending++;
        uint32_t at = (uint32_t)(p - o->prompts);
        if (at < o->first_pending) o->first_pending = at;
    }
    if (o != NULL) o->samples_done -= l->n_received;
    lease_finish(b, l, type, reason, told);
}

static struct book_order *order_of(const struct lease_book *b, uint64_t number)
{
    for (uint32_t i = 0; i < b->n_orders; i++)
        if (b->orders[i]->order.number == number) return b->orders[i];
    return NULL;
}

// --- orders ------------------------------------------------------------------------

bool order_wants_weights(const struct order *o)
{
    return o->kind != LEASE_FEED;
}

static int order_check(const struct lease_book *b, const struct order *order, struct err *err)
{
    if (order->kind != LEASE_GENERATE && order->kind != LEASE_FEED && order->kind != LEASE_EVAL)
        return err_set(err, ERR_USAGE, "order %" PRIu64 ": lease kind %u is not served",
                       order->number, order->kind);
    if (order->n_prompts == 0 || order->n_prompts > ORDER_PROMPTS_MAX || order->n_samples == 0 ||
        order->n_samples > GROUP_SAMPLES_MAX ||
        (order->kind == LEASE_FEED && order->n_samples != 1))
        return err_set(err, ERR_USAGE,
                       "order %" PRIu64 ": %u prompts of %u samples cannot be leased",
                       order->number, order->n_prompts, order->n_samples);
    if (!(order->temperature >= 0.0f && order->temperature < INFINITY) ||
        !(order->top_p >= 0.0f && order->top_p <= 1.0f) ||
        order->max_new_tokens > SAMPLE_TOKENS_MAX ||
        order->prompt_first > UINT64_MAX - LEASE_PROMPTS_MAX)
        return err_set(err, ERR_USAGE, "order %" PRIu64 ": sampling parameters out of range",
                       order->number);
    if (b->has_ordered && order->number <= b->last_order)
        return err_set(err, ERR_USAGE, "order %" PRIu64 " comes after order %" PRIu64,
                       order->number, b->last_order);
    if (b->n_orders == ORDERS_OPEN_MAX)
        return err_set(err, ERR_LIMIT, "%u orders are open already", b->n_orders);
    return 0;
}

void lease_book_hold(struct lease_book *b, const struct lease *lease)
{
    struct book_lease *l = lease_add(b, lease, &b->held);
    l->is_complete = true;
    l->n_received = lease_samples(lease);
}

// Would this order have cut this lease?
static bool order_cuts(const struct order *o, const struct lease *l)
{
    return l->step == o->number && l->kind == o->kind && l->prompt_first >= o->prompt_first &&
           l->prompt_first + l->n_prompts <= o->prompt_first + o->n_prompts &&
           l->n_samples == o->n_samples && l->n_parts == (o->n_parts > 0 ? o->n_parts : 1) &&
           l->seed == o->seed &&
           (l->kind == LEASE_FEED ||
            (l->weights_version == o->weights_version && l->temperature == o->temperature &&
             l->top_p == o->top_p && l->top_k == o->top_k &&
             l->max_new_tokens == o->max_new_tokens));
}

static void order_adopt_held(struct lease_book *b, struct book_order *o)
{
    struct book_lease *next;
    for (struct book_lease *l = b->held; l != NULL; l = next) {
        next = l->next;
        if (l->lease.step > o->order.number) continue;
        bool is_free = order_cuts(&o->order, &l->lease);
        uint32_t at = is_free ? (uint32_t)(l->lease.prompt_first - o->order.prompt_first) : 0;
        for (uint32_t i = 0; is_free && i < l->lease.n_prompts; i++)
            is_free = o->prompts[at + i].state == PROMPT_PENDING;
        if (!is_free) {
            lease_return(b, l, JOURNAL_RETURNED, LEASE_END_RESTART, NULL);
            continue;
        }
        l->order = o;
        lease_put(l, &b->whole);
        for (uint32_t i = 0; i < l->lease.n_prompts; i++) {
            o->prompts[at + i].state = PROMPT_DONE;
            o->prompts[at + i].lease = l->lease.id;
        }
        o->n_pending -= l->lease.n_prompts;
        o->samples_done += l->n_received;
    }
}

int lease_book_order(struct lease_book *b, uint64_t now_ms, const struct order *order,
                     struct err *err)
{
    if (order_check(b, order, err) != 0) return -1;
    struct book_order *o = calloc(1, sizeof *o);
    CHECK(o != NULL);
    o->order = *order;
    o->prompts = calloc(order->n_prompts, sizeof *o->prompts);
    CHECK(o->prompts != NULL);
    o->n_pending = o->n_unsettled = order->n_prompts;
    b->orders[b->n_orders++] = o;
    b->last_order = order->number;
    b->has_ordered = true;
    order_adopt_held(b, o);
    book_assign(b, book_time(b, now_ms));
    return 0;
}

enum order_state lease_book_order_state(const struct lease_book *b, uint64_t number,
                                        struct err *err)
{
    const struct book_order *o = order_of(b, number);
    if (o == NULL) return ORDER_UNKNOWN;
    if (o->is_failed) {
        *err = o->failure;
        return ORDER_FAILED;
    }
    return o->n_pending + o->n_leased == 0 ? ORDER_COMPLETE : ORDER_OPEN;
}

const struct order *lease_book_order_find(const struct lease_book *b, uint64_t number)
{
    const struct book_order *o = order_of(b, number);
    return o != NULL ? &o->order : NULL;
}

uint64_t lease_book_order_lease(const struct lease_book *b, uint64_t number, uint32_t i)
{
    const struct book_order *o = order_of(b, number);
    if (o == NULL || i >= o->order.n_prompts || o->prompts[i].state != PROMPT_DONE) return 0;
    return o->prompts[i].lease;
}

// Gives one prompt its fate; the lease ends with the last of its prompts:
// trained if any of them was, since its samples then entered a step.
static void prompt_settle(struct lease_book *b, struct book_order *o, struct book_prompt *p,
                          uint64_t step, uint32_t reason)
{
    struct book_lease *l = id_map_get(&b->by_id, p->lease);
    CHECK(l != NULL);
    p->state = PROMPT_SETTLED;
    o->n_unsettled--;
    if (reason == 0) l->is_trained = true;
    if (reason != 0) l->reason = reason;
    l->step = step;
    if (--l->n_unsettled > 0) return;
    lease_finish(b, l, l->is_trained ? JOURNAL_TRAINED : JOURNAL_DROPPED,
                 l->is_trained ? 0 : (enum lease_end)l->reason, NULL);
}

static void order_close_if_settled(struct lease_book *b, struct book_order *o)
{
    if (o->n_unsettled > 0) return;
    uint32_t at = 0;
    while (b->orders[at] != o)
        at++;
    memmove(&b->orders[at], &b->orders[at + 1], (b->n_orders - at - 1) * sizeof b->orders[0]);
    b->n_orders--;
    order_free(o);
}

int lease_book_commit(struct lease_book *b, uint64_t number, uint64_t step,
                      const struct order_fate *fates, size_t n, struct err *err)
{
    struct book_order *o = order_of(b, number);
    if (o == NULL) return err_set(err, ERR_MISMATCH, "order %" PRIu64 " is not open", number);
    size_t n_marked = 0;
    for (; n_marked < n; n_marked++) { // marked as they are checked, so that a repeat is found
        uint64_t at = fates[n_marked].prompt_index - o->order.prompt_first;
        if (fates[n_marked].prompt_index < o->order.prompt_first || at >= o->order.n_prompts ||
            o->prompts[at].state != PROMPT_DONE || fates[n_marked].reason > LEASE_END_NONFINITE)
            break;
        o->prompts[at].state = PROMPT_SETTLED;
    }
    for (size_t i = 0; i < n_marked; i++)
        o->prompts[fates[i].prompt_index - o->order.prompt_first].state = PROMPT_DONE;
    if (n_marked < n)
        return err_set(err, ERR_MISMATCH,
                       "order %" PRIu64 ": prompt %" PRIu64 " cannot be settled for reason %u",
                       number, fates[n_marked].prompt_index, fates[n_marked].reason);
    for (size_t i = 0; i < n; i++)
        prompt_settle(b, o, &o->prompts[fates[i].prompt_index - o->order.prompt_first], step,
                      fates[i].reason);
    order_close_if_settled(b, o);
    return 0;
}

bool lease_book_wanted_version(const struct lease_book *b, uint64_t *version)
{
    for (uint32_t i = 0; i < b->n_orders; i++) {
        const struct book_order *o = b->orders[i];
        if (o->is_failed || o->n_pending == 0 || !order_wants_weights(&o->order)) continue;
        *version = o->order.weights_version;
        return true;
    }
    return false;
}

bool lease_book_needs_version(const struct lease_book *b, uint64_t version)
{
    for (uint32_t i = 0; i < b->n_orders; i++) {
        const struct book_order *o = b->orders[i];
        if (o->n_pending + o->n_leased > 0 && order_wants_weights(&o->order) &&
            o->order.weights_version == version)
            return true;
    }
    return false;
}

void lease_book_oldest(const struct lease_book *b, uint64_t *samples_done, uint64_t *samples_wanted)
{
    *samples_done = *samples_wanted = 0;
    if (b->n_orders == 0) return;
    const struct book_order *o = b->orders[0];
    *samples_done = o->samples_done;
    *samples_wanted = (uint64_t)o->order.n_prompts * o->order.n_samples;
}

static void cancel(struct lease_book *b, struct book_lease *list)
{
    for (struct book_lease *l = list, *next; l != NULL; l = next) {
        next = l->next;
        for (uint32_t i = 0; l->order != NULL && i < l->lease.n_prompts; i++)
            if (lease_prompt(l, i)->lease == l->lease.id)
                lease_prompt(l, i)->state = PROMPT_SETTLED;
        lease_finish(b, l, JOURNAL_RETURNED, LEASE_END_CANCELLED, l->holder);
    }
}

void lease_book_cancel_all(struct lease_book *b)
{
    cancel(b, b->whole);
    cancel(b, b->held);
    for (struct book_peer *p = b->peers; p != NULL; p = p->next)
        cancel(b, p->leases);
    while (b->n_orders > 0)
        order_free(b->orders[--b->n_orders]);
}

// --- results -----------------------------------------------------------------------

const struct lease *lease_book_lease(const struct lease_book *b, uint64_t id)
{
    const struct book_lease *l = id_map_get(&b->by_id, id);
    return l != NULL ? &l->lease : NULL;
}

bool lease_book_is_holder(const struct lease_book *b, uint64_t id, const struct book_peer *peer)
{
    const struct book_lease *l = id_map_get(&b->by_id, id);
    return l != NULL && l->holder == peer;
}

void lease_book_received(struct lease_book *b, uint64_t now_ms, uint64_t id)
{
    struct book_lease *l = id_map_get(&b->by_id, id);
    now_ms = book_time(b, now_ms);
    if (l == NULL || l->holder == NULL) return;
    CHECK(l->n_received < lease_samples(&l->lease));
    l->n_received++;
    l->is_seen = true;
    l->is_moved = false;
    l->n_unnamed = 0;
    l->named_ms = l->progress_ms = l->holder->progress_ms = now_ms;
    l->holder->outstanding--;
    l->order->samples_done++;
    lease_book_works(l->holder);
}

void lease_book_complete(struct lease_book *b, uint64_t now_ms, uint64_t id)
{
    struct book_lease *l = id_map_get(&b->by_id, id);
    CHECK(l != NULL && l->order != NULL && !l->is_complete);
    CHECK(l->n_received == lease_samples(&l->lease));
    lease_release(l, &b->whole);
    l->is_complete = true;
    for (uint32_t i = 0; i < l->lease.n_prompts; i++)
        lease_prompt(l, i)->state = PROMPT_DONE;
    l->order->n_leased -= l->lease.n_prompts;
    book_assign(b, book_time(b, now_ms));
}

void lease_book_fault(struct lease_book *b, uint64_t now_ms, uint64_t id, uint64_t prompt,
                      bool is_lasting, const char *what)
{
    struct book_lease *l = id_map_get(&b->by_id, id);
    if (l == NULL || l->order == NULL || l->is_complete) return;
    struct book_order *o = l->order;
    CHECK(prompt >= l->lease.prompt_first && prompt < l->lease.prompt_first + l->lease.n_prompts);
    struct book_prompt *p = lease_prompt(l, (uint32_t)(prompt - l->lease.prompt_first));
    p->n_faults++;
    bool is_over = is_lasting || p->n_faults > b->config.fault_retries;
    enum journal_type type = JOURNAL_RETURNED;
    if (is_over && b->config.void_on_fault) {
        p->state = PROMPT_VOID;
        o->n_leased--;
        o->n_unsettled--;
        if (l->lease.n_prompts == 1) type = JOURNAL_DROPPED;
        struct book_action *a = book_action_add(b, BOOK_NOTE);
        snprintf(a->text, sizeof a->text,
                 "determinism: void(order %" PRIu64 " prompt %" PRIu64 ": %s)", o->order.number,
                 prompt, what);
    } else if (is_over && !o->is_failed) {
        o->is_failed = true;
        err_set(&o->failure, ERR_IO, "order %" PRIu64 ", prompt %" PRIu64 ": %s, after %u attempts",
                o->order.number, prompt, what, p->n_faults);
    }
    lease_return(b, l, type, LEASE_END_SCORER_FAULT, l->holder);
    book_assign(b, book_time(b, now_ms));
}
