#include "learner/ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "learner/id_map.h"

struct ledger {
    struct id_map by_id;
    struct ledger_lease *first, *last;
    uint64_t reserved_end; // one past the highest id reserved
    struct ledger_sum sum; // but for in_flight and is_balanced
    char violations[LEDGER_VIOLATIONS_KEPT][160];
};

struct ledger *ledger_create(void)
{
    struct ledger *l = calloc(1, sizeof *l);
    CHECK(l != NULL);
    id_map_init(&l->by_id);
    l->reserved_end = 1;
    return l;
}

void ledger_destroy(struct ledger *l)
{
    if (l == NULL) return;
    for (struct ledger_lease *e = l->first; e != NULL;) {
        struct ledger_lease *next = e->next;
        free(e->has);
        free(e);
        e = next;
    }
    id_map_fini(&l->by_id);
    free(l);
}

__attribute__((format(printf, 2, 3))) static void violation(struct ledger *l, const char *fmt, ...)
{
    if (l->sum.n_violations < LEDGER_VIOLATIONS_KEPT) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(l->violations[l->sum.n_violations], sizeof l->violations[0], fmt, ap);
        va_end(ap);
    }
    l->sum.n_violations++;
}

static uint32_t samples_of(const struct lease *lease)
{
    return lease->n_prompts * lease->n_samples;
}

static void count_add(struct ledger_count *c, const struct lease *lease)
{
    c->leases++;
    c->samples += samples_of(lease);
}

static void count_take(struct ledger_count *c, const struct lease *lease)
{
    c->leases--;
    c->samples -= samples_of(lease);
}

static void add_issued(struct ledger *l, const struct lease *lease)
{
    count_add(&l->sum.issued, lease);
    if (lease->id == 0 || lease->id >= l->reserved_end) {
        violation(l, "lease %" PRIu64 " was issued without being reserved", lease->id);
        if (lease->id == 0) return;
    }
    if (id_map_get(&l->by_id, lease->id) != NULL) {
        violation(l, "lease %" PRIu64 " was issued twice", lease->id);
        return;
    }
    struct ledger_lease *e = calloc(1, sizeof *e);
    CHECK(e != NULL);
    e->lease = *lease;
    id_map_put(&l->by_id, lease->id, e);
    if (l->last != NULL) l->last->next = e;
    if (l->first == NULL) l->first = e;
    l->last = e;
}

static void add_result(struct ledger *l, const struct result *r)
{
    struct ledger_lease *e = id_map_get(&l->by_id, r->lease);
    if (r->outcome != OUTCOME_OK) {
        l->sum.n_faults++;
        return;
    }
    l->sum.n_results++;
    if (e == NULL || r->prompt_index < e->lease.prompt_first ||
        r->prompt_index - e->lease.prompt_first >= e->lease.n_prompts ||
        r->sample >= e->lease.n_samples) {
        violation(l,
                  "a result is journaled of prompt %" PRIu64 ", sample %u, lease %" PRIu64
                  ", which was not issued so",
                  r->prompt_index, r->sample, r->lease);
        return;
    }
    if (e->fate != FATE_IN_FLIGHT) {
        violation(l, "a result is journaled of lease %" PRIu64 ", which had ended", r->lease);
        return;
    }
    if (e->has == NULL) {
        e->has = calloc((samples_of(&e->lease) + 7u) / 8u, 1);
        CHECK(e->has != NULL);
    }
    uint64_t bit = (r->prompt_index - e->lease.prompt_first) * e->lease.n_samples + r->sample;
    unsigned char mask = (unsigned char)(1u << (bit % 8));
    if (e->has[bit / 8] & mask) {
        violation(l, "prompt %" PRIu64 ", sample %u of lease %" PRIu64 " is journaled twice",
                  r->prompt_index, r->sample, r->lease);
        return;
    }
    e->has[bit / 8] |= mask;
    e->n_results++;
}

static void add_end(struct ledger *l, uint32_t type, const struct journal_end *end)
{
    struct ledger_lease *e = id_map_get(&l->by_id, end->lease);
    if (e == NULL) {
        violation(l, "lease %" PRIu64 " ended without being issued", end->lease);
        return;
    }
    if (e->fate != FATE_IN_FLIGHT) {
        violation(l, "lease %" PRIu64 " of order %" PRIu64 " ended twice", end->lease,
                  e->lease.step);
    }
    uint32_t reason = end->reason < LEDGER_REASONS ? end->reason : 0;
    e->reason = reason;
    if (type == JOURNAL_TRAINED) {
        count_add(&l->sum.trained, &e->lease);
        e->fate = FATE_TRAINED;
        if (!ledger_is_complete(e))
            violation(l, "lease %" PRIu64 " was trained with %u of %u samples in the journal",
                      end->lease, e->n_results, samples_of(&e->lease));
    } else if (type == JOURNAL_DROPPED) {
        count_add(&l->sum.dropped, &e->lease);
        count_add(&l->sum.dropped_by[reason], &e->lease);
        e->fate = FATE_DROPPED;
    } else {
        count_add(&l->sum.returned, &e->lease);
        count_add(&l->sum.returned_by[reason], &e->lease);
        e->fate = FATE_RETURNED;
    }
}

// Training went back to before this order: what it had done since is undone.
static void add_resume(struct ledger *l, uint64_t order)
{
    for (struct ledger_lease *e = l->first; e != NULL; e = e->next) {
        if (e->lease.step < order || (e->fate != FATE_TRAINED && e->fate != FATE_DROPPED)) continue;
        count_take(e->fate == FATE_TRAINED ? &l->sum.trained : &l->sum.dropped, &e->lease);
        if (e->fate == FATE_DROPPED) count_take(&l->sum.dropped_by[e->reason], &e->lease);
        e->fate = FATE_IN_FLIGHT;
        l->sum.n_superseded++;
    }
}

static void add_note(struct ledger *l, const char *text)
{
    uint64_t order;
    if (sscanf(text, LEDGER_RESUME_NOTE "%" SCNu64, &order) == 1) add_resume(l, order);
    if (strncmp(text, "epoch ", 6) == 0) l->sum.n_epochs++;
    if (strncmp(text, "determinism: void", 17) == 0) l->sum.n_voids++;
}

int ledger_add(struct ledger *l, const struct journal_record *record, struct err *err)
{
    switch (record->type) {
    case JOURNAL_RESERVED: {
        struct journal_reserved reserved;
        if (journal_decode_reserved(record, &reserved, err) != 0) return -1;
        if (reserved.first < l->reserved_end)
            violation(l, "lease ids from %" PRIu64 " were reserved twice", reserved.first);
        if (reserved.first + reserved.count > l->reserved_end)
            l->reserved_end = reserved.first + reserved.count;
        return 0;
    }
    case JOURNAL_ISSUED: {
        struct journal_issued issued;
        if (journal_decode_issued(record, &issued, err) != 0) return -1;
        add_issued(l, &issued.lease);
        return 0;
    }
    case JOURNAL_RESULT: {
        struct message message;
        if (journal_decode_result(record, &message, err) != 0) return -1;
        add_result(l, &message.result);
        return 0;
    }
    case JOURNAL_RETURNED:
    case JOURNAL_TRAINED:
    case JOURNAL_DROPPED: {
        struct journal_end end;
        if (journal_decode_end(record, &end, err) != 0) return -1;
        add_end(l, record->type, &end);
        return 0;
    }
    case JOURNAL_NOTE: {
        char text[TEXT_BYTES_MAX + 1];
        if (journal_decode_note(record, text, sizeof text, err) != 0) return -1;
        add_note(l, text);
        return 0;
    }
    default:
        return 0; // of a later version
    }
}

// --- the sum ---------------------------------------------------------------------

// Trained leases by order, then by prompt, to find overlaps in one pass.
static int compare_prompts(const void *a, const void *b)
{
    const struct lease *x = &(*(const struct ledger_lease *const *)a)->lease;
    const struct lease *y = &(*(const struct ledger_lease *const *)b)->lease;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->prompt_first != y->prompt_first) return x->prompt_first < y->prompt_first ? -1 : 1;
    return 0;
}

static void find_trained_twice(struct ledger *l)
{
    size_t n = 0;
    const struct ledger_lease **sorted = malloc((l->by_id.n + 1) * sizeof *sorted);
    CHECK(sorted != NULL);
    for (struct ledger_lease *e = l->first; e != NULL; e = e->next)
        if (e->fate == FATE_TRAINED) sorted[n++] = e;
    qsort(sorted, n, sizeof *sorted, compare_prompts);
    for (size_t i = 1, reach = 0; i < n; i++) { // sorted[reach] goes furthest of those before
        const struct lease *a = &sorted[reach]->lease, *b = &sorted[i]->lease;
        bool is_same = a->step == b->step && a->kind == b->kind;
        if (is_same && a->prompt_first + a->n_prompts > b->prompt_first)
            violation(l,
                      "prompt %" PRIu64 " of order %" PRIu64 " was trained twice: leases %" PRIu64
                      " and %" PRIu64,
                      b->prompt_first, b->step, a->id, b->id);
        if (!is_same || b->prompt_first + b->n_prompts > a->prompt_first + a->n_prompts) reach = i;
    }
    free(sorted);
}

void ledger_sum(struct ledger *l, struct ledger_sum *out)
{
    uint64_t n_violations = l->sum.n_violations;
    find_trained_twice(l);
    *out = l->sum;
    l->sum.n_violations = n_violations; // what was found here is found again the next time
    out->in_flight = (struct ledger_count){0};
    for (const struct ledger_lease *e = l->first; e != NULL; e = e->next)
        if (e->fate == FATE_IN_FLIGHT) count_add(&out->in_flight, &e->lease);
    out->is_balanced = out->n_violations == 0 &&
                       out->issued.leases == out->trained.leases + out->dropped.leases +
                                                 out->returned.leases + out->in_flight.leases &&
                       out->issued.samples == out->trained.samples + out->dropped.samples +
                                                  out->returned.samples + out->in_flight.samples;
}

const char *ledger_violation(const struct ledger *l, size_t i)
{
    return i < LEDGER_VIOLATIONS_KEPT && l->violations[i][0] != 0 ? l->violations[i] : NULL;
}

const struct ledger_lease *ledger_first(const struct ledger *l)
{
    return l->first;
}

bool ledger_is_complete(const struct ledger_lease *l)
{
    return l->n_results == samples_of(&l->lease);
}

uint64_t ledger_next_lease_id(const struct ledger *l)
{
    return l->reserved_end;
}

int ledger_read(struct ledger *l, const char *run_folder, struct err *err)
{
    char folder[4096];
    if (file_join(folder, sizeof folder, run_folder, "journal", err) != 0) return -1;
    struct journal_reader *reader = journal_open(folder, err);
    if (reader == NULL) return -1;
    struct journal_record record;
    int got;
    while ((got = journal_next(reader, &record, err)) == 1) {
        if (ledger_add(l, &record, err) == 0) continue;
        got = err_prefix(err, "%s: record %" PRIu64, folder, record.sequence);
        break;
    }
    journal_close(reader);
    return got;
}
