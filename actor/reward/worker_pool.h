/*
 * worker_pool.h - requests to a pool of children that answer in lines.
 *
 * A worker is started when there is something to ask and is sent up to
 * batch_size requests before their answers, which may come in any order.  One
 * that ends, says something that is no answer, or answers nothing for timeout_ms
 * is killed and started anew after a pause that doubles with every failure in a
 * row.  The requests it had not answered are asked again, each alone, of a fresh
 * worker, `retries` times; then they are answered with an outcome that says what
 * happened.  So a request that breaks workers cannot take others with it, and
 * every request is answered: between two answers of a worker timeout_ms passes
 * at most (startup_ms more for its first), and batch_size times that until any
 * one request is answered.
 *
 * Never waits; one thread.
 */
#ifndef ARGOSY_ACTOR_REWARD_WORKER_POOL_H
#define ARGOSY_ACTOR_REWARD_WORKER_POOL_H

#include "actor/reward/reward_kind.h"

#define WORKERS_MAX 64
#define WORKER_BATCH_MAX 1024
#define WORKER_QUEUE_BYTES_MAX ((size_t)1 << 30) // of requests that wait
#define WORKER_PAUSE_MS 100u                     // after the first failure
#define WORKER_PAUSE_MAX_MS 10000u

struct worker_pool_config { // all borrowed
    const char *name;       // for logs
    char *const *argv;
    char *const *environment;
    uint32_t n_workers, batch_size, retries;
    uint64_t timeout_ms, startup_ms;
    // What a line says, all but the ticket.  -1: it is no answer.
    int (*read)(void *context, struct view line, uint64_t *id, struct reward_answer *out,
                struct err *err);
    void *context;
};

struct worker_pool;
struct worker_pool *worker_pool_create(const struct worker_pool_config *config);
void worker_pool_destroy(struct worker_pool *p); // kills and reaps all

// The line (malloc'ed, with its end) becomes the pool's if it is taken.  Ids are
// the caller's and differ.
int worker_pool_submit(struct worker_pool *p, uint64_t id, uint64_t ticket, char *line,
                       size_t size_bytes, struct err *err);
void worker_pool_cancel(struct worker_pool *p, uint64_t ticket);
// Drives the pool; true: a request was answered or given up.
bool worker_pool_poll(struct worker_pool *p, uint64_t now_ms, struct reward_answer *out);
int worker_pool_fd(const struct worker_pool *p); // an epoll instance

struct worker_pool_status {
    uint32_t n_running, n_failures; // of workers, failures since the start
    size_t n_queued, n_asked;
};
struct worker_pool_status worker_pool_status(const struct worker_pool *p);

#endif
