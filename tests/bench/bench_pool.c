/*
 * bench_pool.c - what one pool_for() costs beside the same tasks run in place.
 *
 * CSV: threads, tasks a job, nanoseconds of work a task, then microseconds a job:
 * the fastest, the median and the mean.  The window holds the calls and nothing
 * else.  `pause_us` is what the caller
 * does alone between two jobs: beyond the spin limit the workers sleep.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/pool.h"

enum { JOBS = 20000 };

static void spend(double seconds)
{
    for (double end_s = clock_now_s() + seconds; clock_now_s() < end_s;) {
    }
}

static void task(void *context, size_t i, unsigned thread)
{
    (void)i;
    (void)thread;
    const double *seconds = context;
    if (*seconds > 0) spend(*seconds);
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure(unsigned n_threads, size_t n_tasks, double work_us, double pause_us)
{
    struct pool *pool = pool_create(n_threads);
    double work_s = work_us * 1e-6;
    int jobs = pause_us > 0 || work_us > 0 ? JOBS / 10 : JOBS;
    static double taken_us[JOBS];
    double sum_us = 0;
    pool_for(pool, n_tasks, task, &work_s);
    for (int i = 0; i < jobs; i++) {
        if (pause_us > 0) spend(pause_us * 1e-6);
        double start_s = clock_now_s();
        pool_for(pool, n_tasks, task, &work_s);
        taken_us[i] = (clock_now_s() - start_s) * 1e6;
        sum_us += taken_us[i];
    }
    qsort(taken_us, (size_t)jobs, sizeof *taken_us, compare_doubles);
    printf("%u,%zu,%.0f,%.0f,%.2f,%.2f,%.2f\n", n_threads, n_tasks, work_us * 1000, pause_us,
           taken_us[0], taken_us[jobs / 2], sum_us / jobs);
    pool_destroy(pool);
}

int main(void)
{
    printf("threads,tasks,task_ns,pause_us,fastest_us,median_us,mean_us\n");
    for (unsigned n = 1; n <= pool_usable_processors() && n <= 4; n++) {
        measure(n, n, 0, 0);
        measure(n, 16, 0, 0);
        measure(n, 16, 10, 0);
        measure(n, 16, 10, 20);
        measure(n, 16, 10, 200);
    }
    return 0;
}
