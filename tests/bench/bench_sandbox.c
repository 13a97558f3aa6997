/*
 * bench_sandbox - what a sandboxed run costs beside starting Python.
 *
 *   bench_sandbox [ROUNDS]
 *
 * In turns, one at a time, each from its start to its verdict: Python that does
 * nothing, without a sandbox; a program with one standard input case; a program
 * with an assertion, which takes two sandboxes.  Then as many as go through two
 * workers.  Medians in ms; items a second.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "actor/sandbox/code_pool.h"
#include "common/base/clock.h"

enum { ROUNDS_MAX = 2000, WAIT_MS = 60000 };

struct subject {
    const char *name, *row, *program;
    struct code_tests tests;
    double ms[ROUNDS_MAX];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_sandbox: %s\n", what);
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_size);
    return values[n / 2];
}

static double plain_ms(void)
{
    char *argv[] = {(char[]){"python3"},
                    (char[]){"-S"},
                    (char[]){"-s"},
                    (char[]){"-B"},
                    (char[]){"-c"},
                    (char[]){"pass"},
                    NULL};
    char *none[] = {NULL};
    pid_t pid;
    const double start_s = clock_now_s();
    if (posix_spawn(&pid, "/usr/bin/python3", NULL, NULL, argv, none) != 0) die("no python3");
    waitpid(pid, NULL, 0);
    return 1e3 * (clock_now_s() - start_s);
}

static uint64_t submit(struct code_pool *pool, const struct subject *s)
{
    struct err err;
    uint64_t ticket;
    const struct code_job job = {.program = {s->program, strlen(s->program)},
                                 .tests = &s->tests,
                                 .limits = code_limits_default()};
    if (code_pool_submit(pool, &job, &ticket, &err) != 0) die(err.text);
    return ticket;
}

static void finish(struct code_pool *pool, uint64_t ticket)
{
    struct code_verdict v;
    if (!code_pool_wait(pool, ticket, WAIT_MS, &v)) die("no verdict");
    if (v.outcome != CODE_PASSED) die(v.detail);
}

static double throughput(struct code_pool *pool, const struct subject *s, int n)
{
    static uint64_t tickets[ROUNDS_MAX];
    const double start_s = clock_now_s();
    for (int i = 0; i < n; i++)
        tickets[i] = submit(pool, s);
    for (int i = 0; i < n; i++)
        finish(pool, tickets[i]);
    return n / (clock_now_s() - start_s);
}

int main(int argc, char **argv)
{
    static struct subject subjects[] = {{.name = "standard input, 1 case",
                                         .row = "{\"inputs\": [\"1\"], \"outputs\": [\"2\"]}",
                                         .program = "print(int(input()) + 1)"},
                                        {.name = "1 assertion",
                                         .row = "{\"test_list\": [\"assert f(1) == 2\"]}",
                                         .program = "def f(x):\n    return x + 1\n"}};
    enum { N = sizeof subjects / sizeof subjects[0] };
    static double plain[ROUNDS_MAX];
    const int asked = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
    const int rounds = asked < 1 ? 1 : asked > ROUNDS_MAX ? ROUNDS_MAX : asked;
    struct err err;
    struct code_pool *pool = code_pool_create(&(struct code_pool_options){.workers = 2}, &err);
    if (pool == NULL) die(err.text);
    for (int k = 0; k < N; k++)
        if (code_tests_read(&subjects[k].tests,
                            (struct view){subjects[k].row, strlen(subjects[k].row)},
                            (struct view){"", 0}, &err) != 0)
            die(err.text);
    for (int i = 0; i < rounds; i++) {
        plain[i] = plain_ms();
        for (int k = 0; k < N; k++) {
            const double start_s = clock_now_s();
            finish(pool, submit(pool, &subjects[k]));
            subjects[k].ms[i] = 1e3 * (clock_now_s() - start_s);
        }
    }
    const double base = median(plain, rounds);
    printf("python3 -S -c pass, no sandbox: %.1f ms\n", base);
    for (int k = 0; k < N; k++) {
        const double ms = median(subjects[k].ms, rounds);
        printf("%s: %.1f ms, %.1f more, %.1f times; two workers: %.0f items/s\n", subjects[k].name,
               ms, ms - base, ms / base, throughput(pool, &subjects[k], rounds));
        code_tests_fini(&subjects[k].tests);
    }
    code_pool_destroy(pool);
    return 0;
}
