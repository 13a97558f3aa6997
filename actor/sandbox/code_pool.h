/*
 * code_pool.h - code rewards: programs run against tests, some at a time.
 *
 * What is guarded against: a program that was written to be scored and does
 * anything for it.  It is run as sandbox.h says, each test case in a fresh
 * sandbox, and nothing it can write is believed:
 *  - Standard input to standard output: the program gets one input; what it
 *    printed is compared here, by this process.  Its exit status must be 0.
 *  - Function tests: the program sits in one sandbox and is called over a pair
 *    of pipes by a judge in another, which alone holds the tests.  Answers are
 *    data, rebuilt there from built-in types; a comparison never runs a method
 *    of the program's.  It learns the arguments of the calls made so far and
 *    nothing else; what it does to its arguments stays with it.
 * So a program can pass only by answering right.  What it can still do: use up
 * its limits, and answer from what the prompt itself shows.  The tests are data
 * and are trusted to be tests, yet run in a sandbox too.
 *
 * A test that cannot be run and a sandbox that does not work are errors
 * (code_outcome_is_score false), never a reward.  Everything ends: each job has
 * a limit on processor time and one on the clock.
 *
 * Nothing is left behind: a sandbox has no name in any file system, its output
 * is in anonymous memory, and all its processes die with it, or with the thread
 * that made the pool, which is the one that must use it.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_CODE_POOL_H
#define ARGOSY_ACTOR_SANDBOX_CODE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/sandbox/code_tests.h"
#include "common/base/err.h"

enum code_outcome {
    CODE_PASSED,
    CODE_WRONG,      // an answer other than the expected one
    CODE_UNCOMPILED, // not Python
    CODE_RAISED,     // ended with an error
    CODE_TIMEOUT,    // of processor time or of the clock
    CODE_MEMORY,     // ran out of it
    CODE_TOO_MUCH_OUTPUT,
    CODE_BAD_TESTS,      // no score: the data is at fault
    CODE_SANDBOX_FAILED, // no score: this machine is
};
const char *code_outcome_name(enum code_outcome outcome); // "passed", "runtime error", …
bool code_outcome_is_score(enum code_outcome outcome);

struct code_limits {
    double cpu_s;          // of one standard input case, or of all of a function's tests
    double wall_s;         // of the same, on the clock: for what sleeps
    uint64_t memory_bytes; // address space of the process; of a command, all its processes' memory
    uint64_t output_bytes; // of one case, on top of the size of what is expected
    uint64_t disk_bytes;   // of /tmp
    uint32_t tasks;        // threads; of a command, processes
};
// 5 s, 20 s, 512 MiB, 64 KiB, 16 MiB, 16.
struct code_limits code_limits_default(void);

enum { CODE_COMMAND_MAX = 32, CODE_PROGRAM_BYTES_MAX = 1 << 18, CODE_DETAIL_BYTES = 256 };

struct code_job {
    struct view program;            // its text (code_program.h)
    const struct code_tests *tests; // read, not kept
    const char *const *command;     // NULL: Python; else what runs /box/program, NULL-terminated,
                                    // such as {"/usr/bin/node", "/box/program", NULL}; it sees
                                    // the machine's /usr; standard input cases only
    struct code_limits limits;      // the row's time_limit, where it has one, replaces cpu_s
    bool keep_going; // past the first test that fails, to count them all; never past a timeout
};

struct code_verdict {
    enum code_outcome outcome;
    uint32_t n_passed, n_tests; // without keep_going, n_passed is of those before the first failure
    double cpu_s, wall_s;
    char detail[CODE_DETAIL_BYTES]; // for logs; it may quote the tests
};

struct code_pool;

struct code_pool_options {
    uint32_t workers;   // jobs at once; 0: one for each processor this process may use
    const char *python; // NULL: /usr/bin/python3
    uint32_t queue_max; // jobs waiting or not yet taken; 0: 65536
};

// Checks that a sandbox works here; ERR_USAGE with what is missing otherwise.
struct code_pool *code_pool_create(const struct code_pool_options *options, struct err *err);
void code_pool_destroy(struct code_pool *pool); // kills what runs, and waits until it is gone

// Copies what it needs.  -1: the job makes no sense or the queue is full.
int code_pool_submit(struct code_pool *pool, const struct code_job *job, uint64_t *ticket,
                     struct err *err);

// Readable when code_pool_step has something to do; for poll().
int code_pool_fd(const struct code_pool *pool);
void code_pool_step(struct code_pool *pool); // never waits

// True once, when the job is done.
bool code_pool_take(struct code_pool *pool, uint64_t ticket, struct code_verdict *verdict);
// Steps until the job is done; false after so long.
bool code_pool_wait(struct code_pool *pool, uint64_t ticket, int timeout_ms,
                    struct code_verdict *verdict);
uint32_t code_pool_pending(const struct code_pool *pool); // waiting or running

#endif
