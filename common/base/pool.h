/*
 * pool.h - the compute threads of a process.
 *
 * pool_for() runs fn(context, i) for every i < n_tasks and returns when all
 * are done; the caller works too.  Which thread runs which task is not fixed,
 * so a task's result may depend on i alone: then it is the same for any number
 * of threads.  Idle threads spin for some microseconds, then sleep: other
 * programs live on the same cores.
 */
#ifndef ARGOSY_COMMON_BASE_POOL_H
#define ARGOSY_COMMON_BASE_POOL_H

#include <stddef.h>

struct pool;

typedef void (*pool_fn)(void *context, size_t task, unsigned thread);

// n_threads counts the caller; 0 means what the affinity mask and the cgroup
// quota allow.  A NULL pool is valid everywhere and means the caller alone.
struct pool *pool_create(unsigned n_threads);
void pool_destroy(struct pool *pool);

unsigned pool_thread_count(const struct pool *pool);
void pool_for(struct pool *pool, size_t n_tasks, pool_fn fn, void *context);

// Processors this process may really use: affinity mask, capped by cgroup quota.
unsigned pool_usable_processors(void);

// A thread that is not part of a pool (the gate): start and join.
struct thread;
typedef void (*thread_fn)(void *context);
struct thread *thread_start(thread_fn fn, void *context, const char *name);
void thread_join(struct thread *thread);

#endif
