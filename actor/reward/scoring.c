#include "actor/reward/scoring.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "actor/reward/reward_kind.h"

struct flight {
    struct flight *next;
    uint64_t ticket;
    struct score score;
    bool is_known[REWARDS_MAX]; // of each component: its scorer has answered
    uint32_t n_awaited;
    struct reward_answer *answers; // (rewards.count); NULL: only rules
};

struct scoring {
    const struct rewards *rewards;
    struct flight *first, **last; // asked, in order
    struct flight *done, **done_last;
    size_t n;
    int wake_fd; // epoll over the scorers' own; -1: none
};

struct scoring *scoring_create(const struct rewards *rewards)
{
    struct scoring *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    *s = (struct scoring){.rewards = rewards, .wake_fd = -1};
    s->last = &s->first;
    s->done_last = &s->done;
    return s;
}

void scoring_watch(struct scoring *s)
{
    for (uint32_t i = 0; i < s->rewards->count; i++) {
        const struct reward *item = &s->rewards->items[i];
        const int fd = item->kind->scorer == NULL ? -1 : item->kind->scorer->fd(item->state);
        if (fd < 0) continue;
        if (s->wake_fd < 0) s->wake_fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event wanted = {.events = EPOLLIN};
        // Without it polls still find everything, only later.
        if (s->wake_fd >= 0) (void)epoll_ctl(s->wake_fd, EPOLL_CTL_ADD, fd, &wanted);
    }
}

static void flight_destroy(struct flight *f)
{
    free(f->answers);
    free(f);
}

static void free_list(struct flight *f)
{
    while (f != NULL) {
        struct flight *next = f->next;
        flight_destroy(f);
        f = next;
    }
}

void scoring_destroy(struct scoring *s)
{
    if (s == NULL) return;
    free_list(s->first);
    free_list(s->done);
    if (s->wake_fd >= 0) close(s->wake_fd);
    free(s);
}

size_t scoring_waiting(const struct scoring *s)
{
    return s->n;
}

int scoring_fd(const struct scoring *s)
{
    return s->wake_fd;
}

// --- the end of a score --------------------------------------------------------------------------

static void push_done(struct scoring *s, struct flight *f)
{
    f->next = NULL;
    *s->done_last = f;
    s->done_last = &f->next;
}

static struct flight *unlink_flight(struct scoring *s, uint64_t ticket)
{
    for (struct flight **link = &s->first; *link != NULL; link = &(*link)->next) {
        struct flight *f = *link;
        if (f->ticket != ticket) continue;
        *link = f->next;
        if (f->next == NULL) s->last = link;
        return f;
    }
    return NULL;
}

// Nobody needs the rest of a score that has failed.
static void stop_scorers(const struct scoring *s, const struct flight *f)
{
    for (uint32_t i = 0; i < s->rewards->count && f->answers != NULL; i++) {
        const struct reward *item = &s->rewards->items[i];
        if (item->kind->scorer != NULL && !f->is_known[i])
            item->kind->scorer->cancel(item->state, f->ticket);
    }
}

static void set_failure(struct score *score, enum outcome outcome, const char *label,
                        const char *text)
{
    const struct text source = score->source;
    *score = (struct score){.outcome = outcome, .source = source};
    snprintf(score->outcome_text, sizeof score->outcome_text, "%s: %s", label, text);
}

static struct text label_of(const struct reward *item)
{
    return (struct text){item->label, (uint32_t)strlen(item->label)};
}

// The rules' values stand in score.rewards in the order of the list; the
// scorers' go between them, and what those are made of behind.
static void total(const struct scoring *s, struct flight *f)
{
    struct named_number rules[REWARDS_MAX];
    struct score *score = &f->score;
    uint32_t next_rule = 0;
    memcpy(rules, score->rewards, sizeof rules);
    score->reward = 0;
    score->n_rewards = 0;
    for (uint32_t i = 0; i < s->rewards->count; i++) {
        const struct reward *item = &s->rewards->items[i];
        const double value =
            item->kind->scorer == NULL ? rules[next_rule++].value : f->answers[i].value;
        score->reward += item->weight * value;
        score->rewards[score->n_rewards++] = (struct named_number){label_of(item), value};
    }
    for (uint32_t i = 0; i < s->rewards->count; i++)
        for (uint32_t k = 0; k < f->answers[i].n_parts; k++) {
            if (score->n_rewards == REWARDS_MAX) {
                set_failure(score, OUTCOME_SCORER_ERROR, s->rewards->items[i].label,
                            "more components in all than a result holds");
                return;
            }
            score->rewards[score->n_rewards++] = f->answers[i].parts[k];
        }
}

// A scorer's verdict stands where no accuracy component has given one.
static void take_verdict(const struct scoring *s, struct flight *f, const struct reward_answer *a)
{
    if (!a->has_verdict) return;
    for (uint32_t i = 0; i < s->rewards->count; i++)
        if (s->rewards->items[i].kind == &reward_accuracy) return;
    f->score.is_correct = a->is_correct;
}

static void take_answer(struct scoring *s, uint32_t component, const struct reward_answer *a)
{
    struct flight *f = s->first;
    while (f != NULL && f->ticket != a->ticket)
        f = f->next;
    if (f == NULL || f->is_known[component]) return; // cancelled meanwhile
    f->is_known[component] = true;
    f->answers[component] = *a;
    f->n_awaited--;
    if (a->outcome != OUTCOME_OK) {
        set_failure(&f->score, a->outcome, s->rewards->items[component].label, a->outcome_text);
        stop_scorers(s, f);
    } else if (!isfinite(a->value)) {
        set_failure(&f->score, OUTCOME_SCORER_ERROR, s->rewards->items[component].label,
                    "the value is not a finite number");
        stop_scorers(s, f);
    } else {
        take_verdict(s, f, a);
        if (f->n_awaited > 0) return;
        total(s, f);
    }
    push_done(s, unlink_flight(s, a->ticket));
}

// --- asking --------------------------------------------------------------------------------------

static int ask(struct scoring *s, struct flight *f, const struct reward_case *c, uint64_t now_ms,
               struct err *err)
{
    const struct rewards *r = s->rewards;
    f->answers = calloc(r->count, sizeof *f->answers);
    CHECK(f->answers != NULL);
    f->n_awaited = r->n_scorers;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct scorer *scorer = r->items[i].kind->scorer;
        if (scorer == NULL) continue;
        if (!r->has_started) {
            set_failure(&f->score, OUTCOME_SCORER_ERROR, r->items[i].label,
                        "nothing is run here to score with");
        } else if (scorer->submit(r->items[i].state, f->ticket, c, now_ms, err) != 0) {
            for (uint32_t k = 0; k < i; k++)
                if (r->items[k].kind->scorer != NULL)
                    r->items[k].kind->scorer->cancel(r->items[k].state, f->ticket);
            return err_prefix(err, "%s", r->items[i].label);
        }
    }
    return 0;
}

int scoring_submit(struct scoring *s, uint64_t ticket, const struct reward_case *c, uint64_t now_ms,
                   struct err *err)
{
    if (s->n >= SCORES_MAX)
        return err_set(err, ERR_LIMIT, "%d scores are under way already", SCORES_MAX);
    struct flight *f = calloc(1, sizeof *f);
    CHECK(f != NULL);
    f->ticket = ticket;
    rewards_judge(s->rewards, c, &f->score);
    if (s->rewards->n_scorers > 0 && f->score.outcome == OUTCOME_OK) {
        if (ask(s, f, c, now_ms, err) != 0) {
            flight_destroy(f);
            return -1;
        }
        if (f->score.outcome != OUTCOME_OK) stop_scorers(s, f);
    }
    s->n++;
    if (f->answers == NULL || f->score.outcome != OUTCOME_OK) {
        push_done(s, f);
    } else {
        *s->last = f;
        s->last = &f->next;
    }
    return 0;
}

void scoring_cancel(struct scoring *s, uint64_t ticket)
{
    struct flight *f = unlink_flight(s, ticket);
    if (f != NULL) {
        stop_scorers(s, f);
    } else { // it may be finished already
        struct flight **link = &s->done;
        while (*link != NULL && (*link)->ticket != ticket)
            link = &(*link)->next;
        f = *link;
        if (f == NULL) return;
        *link = f->next;
        if (f->next == NULL) s->done_last = link;
    }
    s->n--;
    flight_destroy(f);
}

bool scoring_poll(struct scoring *s, uint64_t now_ms, uint64_t *ticket, struct score *out)
{
    for (uint32_t i = 0; i < s->rewards->count && s->done == NULL; i++) {
        const struct reward *item = &s->rewards->items[i];
        struct reward_answer answer;
        while (item->kind->scorer != NULL && item->kind->scorer->poll(item->state, now_ms, &answer))
            take_answer(s, i, &answer);
    }
    struct flight *f = s->done;
    if (f == NULL) return false;
    s->done = f->next;
    if (s->done == NULL) s->done_last = &s->done;
    s->n--;
    *ticket = f->ticket;
    *out = f->score;
    flight_destroy(f);
    return true;
}
