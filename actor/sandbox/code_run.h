/*
 * code_run.h - one job of a code pool while it runs.
 *
 * A state machine over sandboxes: the pool starts it, steps it whenever one of
 * its descriptors is ready or its deadline has passed, and is told when there
 * is a verdict.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_CODE_RUN_H
#define ARGOSY_ACTOR_SANDBOX_CODE_RUN_H

#include "actor/sandbox/code_pool.h"
#include "actor/sandbox/sandbox.h"

struct code_task { // a job, owned
    char *program;
    size_t program_bytes;
    enum code_tests_kind kind;
    char *judge_spec;        // what the judge reads; NULL: standard input cases
    struct code_case *cases; // malloc'ed, their texts too
    uint32_t n_cases;
    char *command[CODE_COMMAND_MAX + 1]; // malloc'ed; [0] NULL: Python
    struct code_limits limits;
    bool keep_going;
};
struct code_task *code_task_create(const struct code_job *job, struct err *err);
void code_task_destroy(struct code_task *task);

struct code_run {
    const struct sandbox_host *host;
    struct code_task *task; // NULL: idle
    struct sandbox program, judge;
    int program_out, program_error, judge_out, judge_error; // anonymous files; -1: none
    struct sandbox_end program_end, judge_end;
    uint32_t n_case; // of standard input cases: the one that runs
    uint64_t started_ms, deadline_ms;
    uint64_t look_ms; // when a command's memory is looked at next
    bool is_killed;   // by us, for its time
    bool is_too_big;  // by us, for its memory
    struct code_verdict verdict;
};

void code_run_init(struct code_run *run, const struct sandbox_host *host);
// Takes the task.
void code_run_start(struct code_run *run, struct code_task *task, uint64_t now_ms);
// True when the verdict is there; the task is gone then and the run idle.
bool code_run_step(struct code_run *run, uint64_t now_ms);
// When it must be stepped at the latest; UINT64_MAX when idle.
uint64_t code_run_wake_ms(const struct code_run *run);
void code_run_stop(struct code_run *run); // kills and waits

#endif
