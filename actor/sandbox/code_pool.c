#define _GNU_SOURCE // epoll and timerfd are Linux's own
#include "actor/sandbox/code_pool.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "actor/sandbox/code_run.h"
#include "common/base/clock.h"
#include "common/base/processors.h"

enum { WORKERS_MAX = 1024, QUEUE_DEFAULT = 65536 };

struct entry {
    struct entry *next;
    uint64_t ticket;
    struct code_task *task; // NULL once it runs
    struct code_verdict verdict;
};

struct list { // first in, first out
    struct entry *first, **end;
};

struct worker {
    struct code_run run;
    struct entry *entry; // NULL: idle
};

struct code_pool {
    struct sandbox_host host;
    struct worker *workers;
    uint32_t n_workers, n_entries, n_pending, queue_max;
    struct list waiting, done;
    uint64_t next_ticket;
    int epoll_fd, timer_fd;
};

const char *code_outcome_name(enum code_outcome outcome)
{
    static const char *const names[] = {
        [CODE_PASSED] = "passed",
        [CODE_WRONG] = "wrong answer",
        [CODE_UNCOMPILED] = "compile error",
        [CODE_RAISED] = "runtime error",
        [CODE_TIMEOUT] = "timeout",
        [CODE_MEMORY] = "out of memory",
        [CODE_TOO_MUCH_OUTPUT] = "too much output",
        [CODE_BAD_TESTS] = "bad tests",
        [CODE_SANDBOX_FAILED] = "sandbox failed",
    };
    return names[outcome];
}

bool code_outcome_is_score(enum code_outcome outcome)
{
    return outcome != CODE_BAD_TESTS && outcome != CODE_SANDBOX_FAILED;
}

struct code_limits code_limits_default(void)
{
    return (struct code_limits){.cpu_s = 5,
                                .wall_s = 20,
                                .memory_bytes = 512 << 20,
                                .output_bytes = 64 << 10,
                                .disk_bytes = 16 << 20,
                                .tasks = 16};
}

// --- lists ---------------------------------------------------------------------------------------

static void list_init(struct list *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void list_push(struct list *l, struct entry *e)
{
    e->next = NULL;
    *l->end = e;
    l->end = &e->next;
}

static struct entry *list_take(struct list *l, struct entry **at)
{
    struct entry *e = *at;
    *at = e->next;
    if (l->end == &e->next) l->end = at;
    return e;
}

static void list_free(struct list *l)
{
    while (l->first != NULL) {
        struct entry *e = list_take(l, &l->first);
        code_task_destroy(e->task);
        free(e);
    }
}

// --- life ----------------------------------------------------------------------------------------

static int open_events(struct code_pool *pool, struct err *err)
{
    struct epoll_event wake = {.events = EPOLLIN};
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pool->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (pool->epoll_fd < 0 || pool->timer_fd < 0 ||
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, pool->timer_fd, &wake) != 0)
        return err_set(err, ERR_IO, "code reward: epoll, timerfd: %s", strerror(errno));
    return 0;
}

struct code_pool *code_pool_create(const struct code_pool_options *options, struct err *err)
{
    const uint32_t workers = options->workers > 0 ? options->workers : processors_usable();
    struct code_pool *pool = calloc(1, sizeof *pool);
    CHECK(pool != NULL);
    pool->host = (struct sandbox_host)SANDBOX_HOST_NONE;
    pool->epoll_fd = pool->timer_fd = -1;
    pool->n_workers = workers < WORKERS_MAX ? workers : WORKERS_MAX;
    pool->queue_max = options->queue_max > 0 ? options->queue_max : QUEUE_DEFAULT;
    pool->next_ticket = 1;
    list_init(&pool->waiting);
    list_init(&pool->done);
    pool->workers = calloc(pool->n_workers, sizeof *pool->workers);
    CHECK(pool->workers != NULL);
    for (uint32_t i = 0; i < pool->n_workers; i++)
        code_run_init(&pool->workers[i].run, &pool->host);
    if (open_events(pool, err) != 0 || sandbox_host_init(&pool->host, options->python, err) != 0) {
        code_pool_destroy(pool);
        return NULL;
    }
    return pool;
}

void code_pool_destroy(struct code_pool *pool)
{
    if (pool == NULL) return;
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        code_run_stop(&pool->workers[i].run);
        free(pool->workers[i].entry);
    }
    list_free(&pool->waiting);
    list_free(&pool->done);
    sandbox_host_fini(&pool->host);
    if (pool->epoll_fd >= 0) close(pool->epoll_fd);
    if (pool->timer_fd >= 0) close(pool->timer_fd);
    free(pool->workers);
    free(pool);
}

// --- jobs ----------------------------------------------------------------------------------------

// A closed descriptor leaves an epoll set by itself, so only new ones are told.
static void watch(struct code_pool *pool, struct worker *w)
{
    const int fds[2] = {sandbox_fd(&w->run.program), sandbox_fd(&w->run.judge)};
    for (int i = 0; i < 2; i++) {
        struct epoll_event ended = {.events = EPOLLIN};
        if (fds[i] >= 0) (void)epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fds[i], &ended);
    }
}

static void set_timer(struct code_pool *pool)
{
    uint64_t next_ms = UINT64_MAX;
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        const uint64_t wake_ms = code_run_wake_ms(&pool->workers[i].run);
        if (wake_ms < next_ms) next_ms = wake_ms;
    }
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (next_ms != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(next_ms / 1000);
        when.it_value.tv_nsec = (long)(next_ms % 1000) * 1000000;
    }
    (void)timerfd_settime(pool->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void end_entry(struct code_pool *pool, struct worker *w)
{
    w->entry->verdict = w->run.verdict;
    list_push(&pool->done, w->entry);
    w->entry = NULL;
    pool->n_pending--;
}

void code_pool_step(struct code_pool *pool)
{
    const uint64_t now_ms = clock_now_ms();
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        struct worker *w = &pool->workers[i];
        if (w->entry != NULL && code_run_step(&w->run, now_ms)) end_entry(pool, w);
        while (w->entry == NULL && pool->waiting.first != NULL) {
            w->entry = list_take(&pool->waiting, &pool->waiting.first);
            code_run_start(&w->run, w->entry->task, now_ms);
            w->entry->task = NULL;
            if (code_run_step(&w->run, now_ms)) end_entry(pool, w); // it could not start
        }
        if (w->entry != NULL) watch(pool, w);
    }
    set_timer(pool);
}

int code_pool_submit(struct code_pool *pool, const struct code_job *job, uint64_t *ticket,
                     struct err *err)
{
    if (pool->n_entries >= pool->queue_max)
        return err_set(err, ERR_LIMIT, "code reward: %u jobs are waiting or not taken",
                       pool->n_entries);
    struct code_task *task = code_task_create(job, err);
    if (task == NULL) return -1;
    struct entry *e = calloc(1, sizeof *e);
    CHECK(e != NULL);
    e->task = task;
    e->ticket = *ticket = pool->next_ticket++;
    list_push(&pool->waiting, e);
    pool->n_entries++;
    pool->n_pending++;
    code_pool_step(pool); // an idle worker starts at once
    return 0;
}

int code_pool_fd(const struct code_pool *pool)
{
    return pool->epoll_fd;
}

bool code_pool_take(struct code_pool *pool, uint64_t ticket, struct code_verdict *verdict)
{
    for (struct entry **at = &pool->done.first; *at != NULL; at = &(*at)->next) {
        if ((*at)->ticket != ticket) continue;
        struct entry *e = list_take(&pool->done, at);
        *verdict = e->verdict;
        free(e);
        pool->n_entries--;
        return true;
    }
    return false;
}

bool code_pool_wait(struct code_pool *pool, uint64_t ticket, int timeout_ms,
                    struct code_verdict *verdict)
{
    const uint64_t end_ms = clock_now_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    for (;;) {
        code_pool_step(pool);
        if (code_pool_take(pool, ticket, verdict)) return true;
        const uint64_t now_ms = clock_now_ms();
        if (now_ms >= end_ms) return false;
        struct pollfd ready = {.fd = pool->epoll_fd, .events = POLLIN};
        (void)poll(&ready, 1, (int)(end_ms - now_ms));
    }
}

uint32_t code_pool_pending(const struct code_pool *pool)
{
    return pool->n_pending;
}
