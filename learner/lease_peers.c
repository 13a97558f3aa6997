#include "learner/lease_parts.h"

#include <stdlib.h>

// A lease of a busy peer that gets nowhere itself is stuck after this many timeouts.
#define STUCK_TIMEOUTS 8
#define SILENCE_PERIODS 3
#define CREDITS_UNNAMED 3     // in a row that do not name a lease: its holder has not got it
#define TRIAL_TIMEOUTS_MAX 64 // between two trials of a suspect

uint64_t book_time(struct lease_book *b, uint64_t now_ms)
{
    const uint64_t gap_ms = now_ms - b->last_ms;
    if (b->last_ms != 0 && gap_ms > b->config.progress_ms)
        b->deaf_ms += gap_ms - b->config.progress_ms;
    b->last_ms = now_ms;
    return now_ms - b->deaf_ms;
}

static uint64_t silence_ms(const struct lease_book *b)
{
    return (uint64_t)SILENCE_PERIODS * b->config.progress_ms;
}

// --- handing out -----------------------------------------------------------------

// The next lease of an order has this many prompts at most, from `at` on.
static uint32_t lease_prompts(const struct lease_book *b, const struct book_order *o, uint32_t at)
{
    uint32_t most = o->order.kind == LEASE_FEED ? b->config.prompts_per_lease : 1;
    uint32_t n = 1;
    while (n < most && at + n < o->order.n_prompts && o->prompts[at + n].state == PROMPT_PENDING)
        n++;
    return n;
}

// A hung peer is always idle and would be the first choice each time: it gets
// work when nobody else works, and else one lease now and then.
static bool is_trusted(const struct book_peer *p, uint64_t now_ms)
{
    return !p->is_suspect || (p->n_leases == 0 && now_ms >= p->trial_ms);
}

// The peer with the least to do among those that may have it; NULL: none now.
static struct book_peer *choose_peer(const struct lease_book *b, uint64_t now_ms,
                                     const struct book_order *o, uint32_t n_samples)
{
    struct book_peer *best = NULL;
    bool has_worker = false;
    for (const struct book_peer *p = b->peers; p != NULL; p = p->next)
        has_worker = has_worker || (p->is_alive && !p->is_suspect && p->has_spoken);
    for (struct book_peer *p = b->peers; p != NULL; p = p->next) {
        if (has_worker && !is_trusted(p, now_ms)) continue;
        if (!p->is_alive || p->credit == 0 || p->n_leases >= PROGRESS_MAX) continue;
        // A group larger than all the peer takes at once still goes to an idle one.
        if (p->credit < n_samples && p->n_leases > 0) continue;
        if (order_wants_weights(&o->order) &&
            (!p->has_weights || p->version != o->order.weights_version))
            continue;
        if (best == NULL || p->outstanding < best->outstanding) best = p;
    }
    return best;
}

static void lease_issue(struct lease_book *b, uint64_t now_ms, struct book_order *o, uint32_t at,
                        uint32_t n_prompts, struct book_peer *peer)
{
    if (b->next_id == b->reserved_end) {
        struct book_action *a = book_action_add(b, BOOK_RESERVE);
        a->first = b->next_id;
        a->count = LEASE_IDS_RESERVED;
        b->reserved_end += LEASE_IDS_RESERVED;
    }
    const struct order *order = &o->order;
    struct lease lease = {
        .id = b->next_id++,
        .kind = order->kind,
        .step = order->number,
        .prompt_first = order->prompt_first + at,
        .n_prompts = n_prompts,
        .n_samples = order->n_samples,
        .n_parts = order->n_parts > 0 ? order->n_parts : 1,
        .weights_version = order->weights_version,
        .seed = order->seed,
        .temperature = order->temperature,
        .top_p = order->top_p,
        .top_k = order->top_k,
        .max_new_tokens = order->max_new_tokens,
        .timeout_ms = b->config.lease_timeout_ms,
    };
    struct book_lease *l = lease_add(b, &lease, &peer->leases);
    l->order = o;
    l->holder = peer;
    l->named_ms = l->progress_ms = now_ms;
    for (uint32_t i = 0; i < n_prompts; i++) {
        o->prompts[at + i].state = PROMPT_LEASED;
        o->prompts[at + i].lease = lease.id;
    }
    o->n_pending -= n_prompts;
    o->n_leased += n_prompts;
    o->first_pending = at + n_prompts;

    uint32_t n_samples = lease_samples(&lease);
    if (peer->n_leases == 0) peer->progress_ms = now_ms;
    peer->n_leases++;
    peer->outstanding += n_samples;
    peer->credit -= n_samples < peer->credit ? n_samples : peer->credit;

    if (peer->is_suspect) {
        peer->trial_wait_ms *= 2;
        const uint64_t most_ms = (uint64_t)TRIAL_TIMEOUTS_MAX * b->config.lease_timeout_ms;
        if (peer->trial_wait_ms > most_ms) peer->trial_wait_ms = most_ms;
        peer->trial_ms = now_ms + peer->trial_wait_ms;
    }
    struct book_action *a = book_action_add(b, BOOK_ISSUE);
    a->lease = lease;
    a->peer = peer->owner;
}

void book_assign(struct lease_book *b, uint64_t now_ms)
{
    for (uint32_t i = 0; i < b->n_orders; i++) {
        struct book_order *o = b->orders[i];
        while (o->n_pending > 0 && !o->is_failed) {
            uint32_t at = o->first_pending;
            while (o->prompts[at].state != PROMPT_PENDING)
                at++;
            o->first_pending = at;
            uint32_t n = lease_prompts(b, o, at);
            struct book_peer *p = choose_peer(b, now_ms, o, n * o->order.n_samples);
            if (p == NULL) break;
            lease_issue(b, now_ms, o, at, n, p);
        }
    }
}

// --- peers -------------------------------------------------------------------------

struct book_peer *lease_book_join(struct lease_book *b, uint64_t now_ms, void *owner)
{
    struct book_peer *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    now_ms = book_time(b, now_ms);
    *p = (struct book_peer){.owner = owner,
                            .heard_ms = now_ms,
                            .progress_ms = now_ms,
                            .is_alive = true,
                            .next = b->peers};
    if (b->peers != NULL) b->peers->prev = p;
    b->peers = p;
    return p;
}

static void return_all_of(struct lease_book *b, struct book_peer *peer, enum lease_end reason,
                          const struct book_peer *told)
{
    while (peer->leases != NULL)
        lease_return(b, peer->leases, JOURNAL_RETURNED, reason, told);
}

void lease_book_leave(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                      enum lease_end reason)
{
    peer->is_alive = false;
    return_all_of(b, peer, reason, NULL);
    if (peer->prev != NULL) peer->prev->next = peer->next;
    if (peer->next != NULL) peer->next->prev = peer->prev;
    if (b->peers == peer) b->peers = peer->next;
    free(peer);
    book_assign(b, book_time(b, now_ms));
}

void lease_book_move(struct lease_book *b, uint64_t now_ms, struct book_peer *from,
                     struct book_peer *to)
{
    now_ms = book_time(b, now_ms);
    while (from->leases != NULL) {
        struct book_lease *l = from->leases;
        const uint32_t left = lease_samples(&l->lease) - l->n_received;
        lease_put(l, &to->leases);
        l->holder = to;
        // It may have been lost with the old connection: the actor has to name it anew.
        l->is_seen = false;
        l->is_moved = true;
        l->n_unnamed = 0;
        l->named_ms = l->progress_ms = now_ms;
        from->n_leases--;
        from->outstanding -= left;
        to->n_leases++;
        to->outstanding += left;
    }
    to->progress_ms = now_ms;
    to->is_suspect = from->is_suspect;
    to->trial_ms = from->trial_ms;
    to->trial_wait_ms = from->trial_wait_ms;
}

void lease_book_heard(struct lease_book *b, uint64_t now_ms, struct book_peer *peer)
{
    peer->heard_ms = book_time(b, now_ms);
    peer->is_alive = true;
}

void lease_book_credit(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                       const struct credit *credit)
{
    uint32_t left = credit->bytes > 0 ? credit->samples : 0;
    for (struct book_lease *l = peer->leases; l != NULL; l = l->next) {
        l->n_unnamed++;
        if (l->is_seen) continue;
        const uint32_t n = lease_samples(&l->lease);
        left -= n < left ? n : left;
    }
    peer->credit = left;
    peer->has_spoken = true;
    peer->has_weights = credit->has_weights;
    peer->version = credit->weights_version;
    book_assign(b, book_time(b, now_ms));
}

void lease_book_works(struct book_peer *peer)
{
    peer->is_suspect = false;
    peer->trial_wait_ms = 0;
}

void lease_book_progress(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                         const struct progress *progress, struct lease_list *unknown)
{
    now_ms = book_time(b, now_ms);
    unknown->n = 0;
    for (uint32_t i = 0; i < progress->n; i++) {
        const struct progress_entry *e = &progress->entries[i];
        struct book_lease *l = id_map_get(&b->by_id, e->lease);
        if (l != NULL && l->is_complete) continue;
        if (l == NULL || l->holder != peer) {
            unknown->leases[unknown->n++] = e->lease;
            continue;
        }
        l->is_seen = true;
        l->is_moved = false;
        l->n_unnamed = 0;
        l->named_ms = now_ms;
        if (e->n_tokens <= l->n_tokens) continue;
        l->n_tokens = e->n_tokens;
        l->progress_ms = peer->progress_ms = now_ms;
        lease_book_works(peer);
    }
}

void lease_book_give_back(struct lease_book *b, uint64_t now_ms, struct book_peer *peer,
                          const struct lease_list *leases)
{
    peer->credit = 0;
    for (uint32_t i = 0; i < leases->n; i++) {
        struct book_lease *l = id_map_get(&b->by_id, leases->leases[i]);
        if (l != NULL && l->holder == peer)
            lease_return(b, l, JOURNAL_RETURNED, LEASE_END_GIVEN_BACK, NULL);
    }
    book_assign(b, book_time(b, now_ms));
}

bool lease_book_peer_is_alive(const struct book_peer *peer)
{
    return peer->is_alive;
}

// --- losing ------------------------------------------------------------------------

static void suspect(struct lease_book *b, uint64_t now_ms, struct book_peer *p)
{
    p->credit = 0; // until it speaks of it again
    p->is_suspect = true;
    if (p->trial_wait_ms == 0) p->trial_wait_ms = b->config.lease_timeout_ms;
    p->trial_ms = now_ms + p->trial_wait_ms;
}

// Has its holder lost it, or never had it?
static bool is_lost(const struct lease_book *b, uint64_t now_ms, const struct book_lease *l)
{
    const uint64_t timeout_ms = b->config.lease_timeout_ms;
    // A LEASE may lie behind a lot on a slow link; after a reconnect none does.
    const uint64_t patience_ms = l->is_moved ? silence_ms(b) : timeout_ms;
    if (now_ms - l->progress_ms > STUCK_TIMEOUTS * timeout_ms) return true;
    return l->n_unnamed >= CREDITS_UNNAMED && now_ms - l->named_ms > patience_ms;
}

static void look_after(struct lease_book *b, uint64_t now_ms, struct book_peer *p)
{
    const uint64_t timeout_ms = b->config.lease_timeout_ms, silent_ms = now_ms - p->heard_ms;
    if (silent_ms > silence_ms(b)) {
        p->is_alive = false;
        p->credit = 0;
    }
    if (silent_ms > silence_ms(b) && silent_ms > timeout_ms) {
        return_all_of(b, p, LEASE_END_PEER_LOST, p);
    } else if (p->n_leases > 0 && now_ms - p->progress_ms > timeout_ms) {
        return_all_of(b, p, LEASE_END_EXPIRED, p);
        suspect(b, now_ms, p);
    }
    for (struct book_lease *l = p->leases, *next; l != NULL; l = next) {
        next = l->next;
        if (is_lost(b, now_ms, l)) lease_return(b, l, JOURNAL_RETURNED, LEASE_END_EXPIRED, p);
    }
}

void lease_book_tick(struct lease_book *b, uint64_t now_ms)
{
    now_ms = book_time(b, now_ms);
    for (struct book_peer *p = b->peers; p != NULL; p = p->next)
        look_after(b, now_ms, p);
    book_assign(b, now_ms);
}
