#define _GNU_SOURCE // sched_setaffinity, CPU_SET

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/pool.h"
#include "common/base/processors.h"

enum { TASKS_MAX = 5000, THREADS_MAX = 8 };

struct count {
    int runs[TASKS_MAX]; // plain ints: each task its own
    atomic_uint on_thread[THREADS_MAX];
};

static void count_task(void *context, size_t task, unsigned thread)
{
    struct count *c = context;
    c->runs[task]++;
    atomic_fetch_add(&c->on_thread[thread], 1);
}

static void expect_each_once(struct pool *pool, size_t n_tasks)
{
    struct count c = {0};
    pool_for(pool, n_tasks, count_task, &c);
    unsigned total = 0;
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (i >= pool_thread_count(pool)) assert_int_equal(c.on_thread[i], 0);
        total += c.on_thread[i];
    }
    assert_int_equal(total, n_tasks);
    for (size_t i = 0; i < TASKS_MAX; i++) {
        assert_int_equal(c.runs[i], i < n_tasks);
    }
}

static void test_every_task_runs_once_for_any_number_of_threads(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= THREADS_MAX; n *= 2) {
        struct pool *pool = pool_create(n);
        assert_int_equal(pool_thread_count(pool), n);
        for (size_t tasks = 0; tasks <= 20; tasks++) {
            expect_each_once(pool, tasks);
        }
        expect_each_once(pool, TASKS_MAX);
        pool_destroy(pool);
    }
}

static void test_no_pool_means_the_caller_alone(void **state)
{
    (void)state;
    assert_int_equal(pool_thread_count(NULL), 1);
    expect_each_once(NULL, 100);
    pool_destroy(NULL);
}

static void stay_away(double seconds)
{
    for (double end_s = clock_now_s() + seconds; clock_now_s() < end_s;) {
    }
}

// Short jobs find the workers spinning, jobs after a pause find them asleep,
// and everything between finds them on the way to either.
static void test_jobs_at_any_distance_all_complete(void **state)
{
    (void)state;
    struct pool *pool = pool_create(3);
    for (uint64_t i = 0; i < 600; i++) {
        expect_each_once(pool, 1 + i % 7);
        if (i % 3 == 0) stay_away((double)i * 5e-7);
    }
    pool_destroy(pool);
}

static void sum_upto(void *context, size_t task, unsigned thread)
{
    (void)thread;
    uint64_t *sums = context;
    uint64_t sum = 0;
    for (uint64_t i = 0; i <= task * 20; i++) {
        sum += i;
    }
    sums[task] = sum;
}

// What tasks wrote is seen by the caller, and by the tasks of the next job.
static void test_results_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    static uint64_t alone[TASKS_MAX], shared[TASKS_MAX];
    struct pool *pool = pool_create(4);
    pool_for(NULL, TASKS_MAX, sum_upto, alone);
    for (int i = 0; i < 20; i++) {
        memset(shared, 0, sizeof shared);
        pool_for(pool, TASKS_MAX, sum_upto, shared);
        assert_memory_equal(alone, shared, sizeof alone);
    }
    pool_destroy(pool);
}

struct nest {
    struct pool *pool;
    atomic_uint inner_runs;
    atomic_uint strays;
};

struct inner {
    struct nest *nest;
    unsigned thread;
};

static void inner_task(void *context, size_t task, unsigned thread)
{
    (void)task;
    struct inner *inner = context;
    atomic_fetch_add(&inner->nest->inner_runs, 1);
    if (thread != inner->thread) atomic_fetch_add(&inner->nest->strays, 1);
}

static void outer_task(void *context, size_t task, unsigned thread)
{
    (void)task;
    struct nest *nest = context;
    struct inner inner = {.nest = nest, .thread = thread};
    pool_for(nest->pool, 5, inner_task, &inner);
}

static void test_a_job_inside_a_task_stays_on_its_thread(void **state)
{
    (void)state;
    struct nest nest = {.pool = pool_create(4)};
    pool_for(nest.pool, 100, outer_task, &nest);
    assert_int_equal(nest.inner_runs, 500);
    assert_int_equal(nest.strays, 0);
    pool_destroy(nest.pool);
}

static void spend_a_while(void *context, size_t task, unsigned thread)
{
    count_task(context, task, thread);
    stay_away(0.001);
}

static void test_more_than_one_thread_does_the_work(void **state)
{
    (void)state;
    struct count c = {0};
    struct pool *pool = pool_create(2);
    // On a busy machine a worker may come late: given enough jobs it comes.
    for (int i = 0; i < 100 && c.on_thread[1] == 0; i++) {
        pool_for(pool, 20, spend_a_while, &c);
    }
    assert_true(c.on_thread[0] > 0 && c.on_thread[1] > 0);
    pool_destroy(pool);
}

static void test_pools_come_and_go_without_having_worked(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct pool *pool = pool_create(1 + (unsigned)i % 5);
        if (i % 2 == 0) expect_each_once(pool, 3);
        pool_destroy(pool);
    }
}

// --- processors --------------------------------------------------------------------------------

static void test_usable_processors_follow_the_affinity_mask(void **state)
{
    (void)state;
    cpu_set_t old, one;
    assert_int_equal(sched_getaffinity(0, sizeof old, &old), 0);
    unsigned all = pool_usable_processors();
    assert_true(all >= 1 && all <= (unsigned)CPU_COUNT(&old));

    size_t first = 0;
    while (!CPU_ISSET(first, &old)) {
        first++;
    }
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(pool_usable_processors(), 1);
    struct pool *pool = pool_create(0);
    assert_int_equal(pool_thread_count(pool), 1);
    pool_destroy(pool);
    assert_int_equal(sched_setaffinity(0, sizeof old, &old), 0);
}

static void put_file(const char *root, const char *name, const char *text)
{
    struct err err;
    char path[512];
    assert_int_equal(file_join(path, sizeof path, root, name, &err), 0);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_folders(path, &err), 0);
    *slash = '/';
    assert_int_equal(file_write_atomic(path, text, strlen(text), &err), 0);
}

static void expect_quota(const char *membership, const char *root, double want)
{
    double got = processors_quota(membership, root);
    assert_true(got > want - 1e-9 && got < want + 1e-9);
}

static void test_the_quota_is_the_smallest_on_the_way_up(void **state)
{
    (void)state;
    struct err err;
    char root[] = "build/test-cgroup-XXXXXX";
    assert_non_null(mkdtemp(root));

    put_file(root, "cpu.max", "max 100000\n");
    put_file(root, "job/cpu.max", "250000 100000\n");
    put_file(root, "job/step/cpu.max", "max 100000\n");
    put_file(root, "job/step/small/cpu.max", "50000 100000\n");
    expect_quota("0::/job/step\n", root, 2.5);
    expect_quota("0::/job/step/small\n", root, 0.5);
    expect_quota("0::/\n", root, 0);
    expect_quota("", root, 0);
    expect_quota("nonsense\n::\n:\n", root, 0);

    put_file(root, "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    put_file(root, "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    put_file(root, "cpu,cpuacct/pod/cpu.cfs_quota_us", "300000\n");
    put_file(root, "cpu,cpuacct/pod/cpu.cfs_period_us", "100000\n");
    expect_quota("12:memory:/pod\n4:cpu,cpuacct:/pod\n1:cpuset:/\n", root, 3);
    // A container sees its own group at the mount, whatever path the host gave it.
    put_file(root, "cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
    expect_quota("4:cpu,cpuacct:/kubepods/unseen/deep\n", root, 1.5);

    assert_int_equal(file_remove_tree(root, &err), 0);
}

// --- a thread of its own -----------------------------------------------------------------------

static void add_one(void *context)
{
    ++*(int *)context;
}

static void test_a_joined_thread_has_done_its_work(void **state)
{
    (void)state;
    int value = 41;
    struct thread *thread = thread_start(add_one, &value, "a name over fifteen bytes");
    thread_join(thread);
    assert_int_equal(value, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_runs_once_for_any_number_of_threads),
        cmocka_unit_test(test_no_pool_means_the_caller_alone),
        cmocka_unit_test(test_jobs_at_any_distance_all_complete),
        cmocka_unit_test(test_results_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(test_a_job_inside_a_task_stays_on_its_thread),
        cmocka_unit_test(test_more_than_one_thread_does_the_work),
        cmocka_unit_test(test_pools_come_and_go_without_having_worked),
        cmocka_unit_test(test_usable_processors_follow_the_affinity_mask),
        cmocka_unit_test(test_the_quota_is_the_smallest_on_the_way_up),
        cmocka_unit_test(test_a_joined_thread_has_done_its_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
