#define _GNU_SOURCE // pthread_setname_np

#include "common/base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/err.h"
#include "common/base/processors.h"

enum {
    THREADS_MAX = 1024,
    SPIN_NS = 50000,
    PAUSES_PER_LOOK = 32, // the clock is read once in so many pauses
};

struct worker {
    struct pool *pool;
    pthread_t thread;
    unsigned number;
};

/*
 * A job is published by storing `ticket`, the job's number in its upper half
 * and the count of unclaimed tasks in its lower half.  A thread claims a task
 * by taking one off.  Whoever holds a claim keeps the job alive, because the
 * caller does not return before `n_done` has counted that task; so fn, context
 * and n_tasks may be plain fields, read only between a claim and its count.
 * A worker that wakes late claims nothing and touches nothing.
 */
struct pool {
    unsigned n_threads;
    struct worker *workers; // n_threads - 1

    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic size_t n_done;

    _Alignas(64) pool_fn fn;
    void *context;
    size_t n_tasks;
    atomic_flag is_busy; // pool_for() has one caller at a time

    pthread_mutex_t mutex;
    pthread_cond_t work_came;
    pthread_cond_t work_ended;
    atomic_uint n_asleep;
    atomic_bool caller_sleeps;
    atomic_bool is_ending;
};

// Which thread of a pool this is, while it runs a task.
static _Thread_local bool inside_task;
static _Thread_local unsigned own_number;

static uint64_t now_ns(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_a_moment(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Claims and runs tasks until none is left.
static void run_tasks(struct pool *pool, unsigned number)
{
    inside_task = true;
    own_number = number;
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    while ((uint32_t)ticket != 0) {
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1,
                                                   memory_order_acquire, memory_order_acquire)) {
            continue; // ticket now holds the newer value
        }
        size_t n_tasks = pool->n_tasks;
        pool->fn(pool->context, n_tasks - (uint32_t)ticket, number);

        // From this count on the job may be over and its fields another's.
        if (atomic_fetch_add(&pool->n_done, 1) + 1 == n_tasks &&
            atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->work_ended);
            pthread_mutex_unlock(&pool->mutex);
        }
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
    inside_task = false;
    own_number = 0;
}

static bool has_work(struct pool *pool)
{
    return (uint32_t)atomic_load(&pool->ticket) != 0 || atomic_load(&pool->is_ending);
}

static bool is_done(struct pool *pool)
{
    return atomic_load(&pool->n_done) == pool->n_tasks;
}

// True when the condition came about within SPIN_NS.
static bool spin_until(bool (*condition)(struct pool *), struct pool *pool)
{
    if (condition(pool)) return true;
    uint64_t end_ns = now_ns() + SPIN_NS;
    do {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            pause_a_moment();
            if (condition(pool)) return true;
        }
    } while (now_ns() < end_ns);
    return false;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    while (!atomic_load(&pool->is_ending)) {
        if (!spin_until(has_work, pool)) {
            // n_asleep is raised before the last look for work, and read by the
            // caller after it published work: one of the two sees the other.
            pthread_mutex_lock(&pool->mutex);
            atomic_fetch_add(&pool->n_asleep, 1);
            while (!has_work(pool)) {
                pthread_cond_wait(&pool->work_came, &pool->mutex);
            }
            atomic_fetch_sub(&pool->n_asleep, 1);
            pthread_mutex_unlock(&pool->mutex);
        }
        run_tasks(pool, worker->number);
    }
    return NULL;
}

static void wake_workers(struct pool *pool)
{
    if (atomic_load(&pool->n_asleep) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->work_came);
    pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_workers(struct pool *pool)
{
    if (spin_until(is_done, pool)) return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (!is_done(pool)) {
        pthread_cond_wait(&pool->work_ended, &pool->mutex);
    }
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_for(struct pool *pool, size_t n_tasks, pool_fn fn, void *context)
{
    // A task that asks for more runs it itself, under its own thread's number,
    // so that scratch kept per thread stays its own.
    if (pool == NULL || pool->n_threads == 1 || n_tasks <= 1 || inside_task) {
        for (size_t task = 0; task < n_tasks; task++) {
            fn(context, task, own_number);
        }
        return;
    }
    CHECK(n_tasks < UINT32_MAX);
    CHECK(!atomic_flag_test_and_set(&pool->is_busy));

    pool->fn = fn;
    pool->context = context;
    pool->n_tasks = n_tasks;
    atomic_store(&pool->n_done, 0);
    uint64_t job = (atomic_load(&pool->ticket) >> 32) + 1;
    atomic_store(&pool->ticket, job << 32 | n_tasks);
    wake_workers(pool);
    run_tasks(pool, 0);
    wait_for_workers(pool);
    atomic_flag_clear(&pool->is_busy);
}

// Signals are for the main thread: its loop looks at their flags.
static void start_without_signals(pthread_t *thread, void *(*run)(void *), void *argument,
                                  const char *name)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    CHECK(pthread_create(thread, NULL, run, argument) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);

    char short_name[16]; // what the kernel keeps of it
    snprintf(short_name, sizeof short_name, "%s", name);
    pthread_setname_np(*thread, short_name);
}

struct pool *pool_create(unsigned n_threads)
{
    if (n_threads == 0) n_threads = processors_usable();
    if (n_threads > THREADS_MAX) n_threads = THREADS_MAX;

    struct pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
    CHECK(pool != NULL);
    *pool = (struct pool){.n_threads = n_threads, .is_busy = ATOMIC_FLAG_INIT};
    CHECK(pthread_mutex_init(&pool->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&pool->work_came, NULL) == 0);
    CHECK(pthread_cond_init(&pool->work_ended, NULL) == 0);
    pool->workers = calloc(n_threads, sizeof *pool->workers);
    CHECK(pool->workers != NULL);
    for (unsigned i = 0; i + 1 < n_threads; i++) {
        pool->workers[i] = (struct worker){.pool = pool, .number = i + 1};
        char name[16];
        snprintf(name, sizeof name, "pool.%u", i + 1);
        start_without_signals(&pool->workers[i].thread, work, &pool->workers[i], name);
    }
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->is_ending, true);
    pthread_cond_broadcast(&pool->work_came);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i + 1 < pool->n_threads; i++) {
        CHECK(pthread_join(pool->workers[i].thread, NULL) == 0);
    }
    pthread_cond_destroy(&pool->work_came);
    pthread_cond_destroy(&pool->work_ended);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool);
}

unsigned pool_thread_count(const struct pool *pool)
{
    return pool == NULL ? 1 : pool->n_threads;
}

unsigned pool_usable_processors(void)
{
    return processors_usable();
}

// --- a thread of its own -----------------------------------------------------------------------

struct thread {
    pthread_t thread;
    thread_fn fn;
    void *context;
};

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    thread->fn(thread->context);
    return NULL;
}

struct thread *thread_start(thread_fn fn, void *context, const char *name)
{
    struct thread *thread = malloc(sizeof *thread);
    CHECK(thread != NULL);
    thread->fn = fn;
    thread->context = context;
    start_without_signals(&thread->thread, run_thread, thread, name);
    return thread;
}

void thread_join(struct thread *thread)
{
    if (thread == NULL) return;
    CHECK(pthread_join(thread->thread, NULL) == 0);
    free(thread);
}
