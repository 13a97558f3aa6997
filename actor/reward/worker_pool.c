#include "actor/reward/worker_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "actor/reward/worker_process.h"
#include "common/base/log.h"

struct request {
    struct request *next;
    uint64_t id, ticket;
    char *line;
    size_t size_bytes;
    uint32_t n_failures; // of workers that had it
    uint64_t sent_ms;
    bool is_cancelled; // the answer is read and forgotten
};

struct worker {
    struct worker_process process;
    struct request *asked;
    uint32_t n_asked;
    bool has_answered;   // anything in this life
    uint64_t heard_ms;   // or when it was first asked after silence
    uint32_t n_failures; // in a row
    uint64_t restart_ms; // not before
};

struct finished {
    struct finished *next;
    struct reward_answer answer;
};

struct worker_pool {
    struct worker_pool_config config;
    int epoll_fd;
    struct request *queue, **queue_end;
    size_t n_queued, queued_bytes;
    struct finished *done, **done_end;
    uint32_t n_failures;
    struct worker workers[WORKERS_MAX];
};

// --- creation ------------------------------------------------------------------------------------

struct worker_pool *worker_pool_create(const struct worker_pool_config *config)
{
    struct worker_pool *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    CHECK(config->n_workers >= 1 && config->n_workers <= WORKERS_MAX);
    p->config = *config;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC); // -1 only costs promptness
    p->queue_end = &p->queue;
    p->done_end = &p->done;
    return p;
}

static void request_destroy(struct request *r)
{
    free(r->line);
    free(r);
}

static void free_requests(struct request *r)
{
    while (r != NULL) {
        struct request *next = r->next;
        request_destroy(r);
        r = next;
    }
}

void worker_pool_destroy(struct worker_pool *p)
{
    char how[128];
    if (p == NULL) return;
    for (uint32_t i = 0; i < p->config.n_workers; i++) {
        free_requests(p->workers[i].asked);
        worker_process_stop(&p->workers[i].process, how, sizeof how);
    }
    free_requests(p->queue);
    while (p->done != NULL) {
        struct finished *next = p->done->next;
        free(p->done);
        p->done = next;
    }
    if (p->epoll_fd >= 0) close(p->epoll_fd);
    free(p);
}

int worker_pool_fd(const struct worker_pool *p)
{
    return p->epoll_fd;
}

struct worker_pool_status worker_pool_status(const struct worker_pool *p)
{
    struct worker_pool_status s = {.n_failures = p->n_failures, .n_queued = p->n_queued};
    for (uint32_t i = 0; i < p->config.n_workers; i++) {
        s.n_running += worker_process_is_running(&p->workers[i].process);
        s.n_asked += p->workers[i].n_asked;
    }
    return s;
}

// --- the queue -----------------------------------------------------------------------------------

static void queue_push(struct worker_pool *p, struct request *r, bool at_front)
{
    p->n_queued++;
    p->queued_bytes += r->size_bytes;
    if (at_front) {
        r->next = p->queue;
        p->queue = r;
        if (r->next == NULL) p->queue_end = &r->next;
        return;
    }
    r->next = NULL;
    *p->queue_end = r;
    p->queue_end = &r->next;
}

// Takes the request out that `link` points to.
static struct request *queue_take(struct worker_pool *p, struct request **link)
{
    struct request *r = *link;
    *link = r->next;
    if (r->next == NULL) p->queue_end = link;
    p->n_queued--;
    p->queued_bytes -= r->size_bytes;
    return r;
}

int worker_pool_submit(struct worker_pool *p, uint64_t id, uint64_t ticket, char *line,
                       size_t size_bytes, struct err *err)
{
    if (size_bytes > WORKER_QUEUE_BYTES_MAX - p->queued_bytes)
        return err_set(err, ERR_LIMIT, "more than %zu bytes of requests wait for %s",
                       WORKER_QUEUE_BYTES_MAX, p->config.name);
    struct request *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    *r = (struct request){.id = id, .ticket = ticket, .line = line, .size_bytes = size_bytes};
    queue_push(p, r, false);
    return 0;
}

void worker_pool_cancel(struct worker_pool *p, uint64_t ticket)
{
    for (struct request **link = &p->queue; *link != NULL; link = &(*link)->next) {
        if ((*link)->ticket != ticket) continue;
        request_destroy(queue_take(p, link));
        return;
    }
    for (uint32_t i = 0; i < p->config.n_workers; i++)
        for (struct request *r = p->workers[i].asked; r != NULL; r = r->next)
            if (r->ticket == ticket) r->is_cancelled = true;
}

static void finish(struct worker_pool *p, struct request *r, const struct reward_answer *answer)
{
    if (!r->is_cancelled) {
        struct finished *f = malloc(sizeof *f);
        CHECK(f != NULL);
        *f = (struct finished){.answer = *answer};
        f->answer.ticket = r->ticket;
        *p->done_end = f;
        p->done_end = &f->next;
    }
    request_destroy(r);
}

// --- failures ------------------------------------------------------------------------------------

// To be asked again, alone, or given up with the reason.
static void retry(struct worker_pool *p, struct request *r, const struct err *why)
{
    if (!r->is_cancelled && ++r->n_failures <= p->config.retries) {
        queue_push(p, r, true);
        return;
    }
    struct reward_answer answer = {.outcome = reward_outcome(why)};
    if (answer.outcome == OUTCOME_BAD_DATA) answer.outcome = OUTCOME_SCORER_ERROR;
    snprintf(answer.outcome_text, sizeof answer.outcome_text, "%s (tried %u times)", why->text,
             r->n_failures);
    finish(p, r, &answer);
}

static void worker_failed(struct worker_pool *p, struct worker *w, uint64_t now_ms, struct err *why)
{
    char how[128];
    worker_process_stop(&w->process, how, sizeof how);
    if (how[0] != '\0' && why->code == ERR_IO)
        err_set(why, ERR_IO, "%s", how); // says more than that it stopped
    uint64_t pause_ms = WORKER_PAUSE_MS << (w->n_failures < 10 ? w->n_failures : 10);
    if (pause_ms > WORKER_PAUSE_MAX_MS) pause_ms = WORKER_PAUSE_MAX_MS;
    w->n_failures++;
    p->n_failures++;
    w->restart_ms = now_ms + pause_ms;
    log_line(LOG_WARN, "scorer %s failed requests=%u pause_ms=%llu reason=\"%s\"", p->config.name,
             w->n_asked, (unsigned long long)pause_ms, why->text);
    struct request *asked = w->asked;
    w->asked = NULL;
    w->n_asked = 0;
    while (asked != NULL) {
        struct request *next = asked->next;
        retry(p, asked, why);
        asked = next;
    }
}

static uint64_t allowed_ms(const struct worker_pool *p, const struct worker *w)
{
    return p->config.timeout_ms + (w->has_answered ? 0 : p->config.startup_ms);
}

static bool is_overdue(const struct worker_pool *p, const struct worker *w, uint64_t now_ms)
{
    if (w->n_asked == 0) return false;
    if (now_ms - w->heard_ms > allowed_ms(p, w)) return true;
    // Others are answered and this one is not.
    const uint64_t whole_ms = p->config.timeout_ms * p->config.batch_size + p->config.startup_ms;
    for (const struct request *r = w->asked; r != NULL; r = r->next)
        if (now_ms - r->sent_ms > whole_ms) return true;
    return false;
}

// --- answers -------------------------------------------------------------------------------------

static struct request *take_asked(struct worker *w, uint64_t id)
{
    for (struct request **link = &w->asked; *link != NULL; link = &(*link)->next) {
        struct request *r = *link;
        if (r->id != id) continue;
        *link = r->next;
        w->n_asked--;
        return r;
    }
    return NULL;
}

static int take_line(struct worker_pool *p, struct worker *w, struct view line, uint64_t now_ms,
                     struct err *err)
{
    uint64_t id;
    struct reward_answer answer;
    if (p->config.read(p->config.context, line, &id, &answer, err) != 0) return -1;
    struct request *r = take_asked(w, id);
    if (r == NULL)
        return err_set(err, ERR_FORMAT, "an answer to id %llu, which it was not asked",
                       (unsigned long long)id);
    w->heard_ms = now_ms;
    w->has_answered = true;
    w->n_failures = 0;
    finish(p, r, &answer);
    return 0;
}

static void hear(struct worker_pool *p, struct worker *w, uint64_t now_ms)
{
    struct err err;
    struct view line;
    worker_process_pump(&w->process);
    int got;
    while ((got = worker_process_line(&w->process, &line, &err)) > 0)
        if (take_line(p, w, line, now_ms, &err) != 0) {
            got = -1;
            break;
        }
    if (got == 0 && is_overdue(p, w, now_ms))
        got =
            err_set(&err, ERR_TIMEOUT, "no answer within %.3g s", (double)allowed_ms(p, w) / 1000);
    if (got < 0) worker_failed(p, w, now_ms, &err);
}

// --- questions -----------------------------------------------------------------------------------

// May the first of the queue go to this worker?
static bool is_free(const struct worker_pool *p, const struct worker *w)
{
    if (p->queue == NULL || w->n_asked >= p->config.batch_size) return false;
    if (p->queue->n_failures > 0) return w->n_asked == 0; // it is asked alone
    return w->asked == NULL || w->asked->n_failures == 0;
}

static void start(struct worker_pool *p, struct worker *w, uint64_t now_ms)
{
    struct err err;
    if (worker_process_start(&w->process, p->config.name, p->config.argv, p->config.environment,
                             p->epoll_fd, &err) == 0) {
        w->has_answered = false;
        return;
    }
    // It is the request's failure too, or it would wait for ever.
    w->asked = queue_take(p, &p->queue);
    w->asked->next = NULL;
    w->n_asked = 1;
    worker_failed(p, w, now_ms, &err);
}

static void ask(struct worker_pool *p, struct worker *w, uint64_t now_ms)
{
    struct request *r = queue_take(p, &p->queue);
    worker_process_send(&w->process, r->line, r->size_bytes);
    if (w->n_asked == 0) w->heard_ms = now_ms;
    r->sent_ms = now_ms;
    r->next = w->asked;
    w->asked = r;
    w->n_asked++;
}

// Whom to ask next: who has least to do.  NULL: nobody has room now.
static struct worker *choose(struct worker_pool *p, uint64_t now_ms)
{
    struct worker *best = NULL;
    for (uint32_t i = 0; i < p->config.n_workers; i++) {
        struct worker *w = &p->workers[i];
        const bool may_start = worker_process_is_running(&w->process) || now_ms >= w->restart_ms;
        if (!may_start || !is_free(p, w)) continue;
        if (best == NULL || w->n_asked < best->n_asked) best = w;
    }
    return best;
}

static void work(struct worker_pool *p, uint64_t now_ms)
{
    struct worker *w;
    for (uint32_t i = 0; i < p->config.n_workers; i++)
        if (worker_process_is_running(&p->workers[i].process)) hear(p, &p->workers[i], now_ms);
    while ((w = choose(p, now_ms)) != NULL) {
        if (!worker_process_is_running(&w->process)) start(p, w, now_ms);
        if (worker_process_is_running(&w->process)) ask(p, w, now_ms);
    }
    for (uint32_t i = 0; i < p->config.n_workers; i++)
        if (p->workers[i].n_asked > 0) worker_process_pump(&p->workers[i].process);
}

bool worker_pool_poll(struct worker_pool *p, uint64_t now_ms, struct reward_answer *out)
{
    if (p->done == NULL) work(p, now_ms);
    struct finished *f = p->done;
    if (f == NULL) return false;
    p->done = f->next;
    if (p->done == NULL) p->done_end = &p->done;
    *out = f->answer;
    free(f);
    return true;
}
