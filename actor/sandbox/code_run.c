#define _GNU_SOURCE // pipe2
#include "actor/sandbox/code_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/sandbox/code_output.h"
#include "actor/sandbox/harness.h"
#include "actor/sandbox/sandbox_memory.h"
#include "common/base/json.h"

enum {
    STATUS_UNCOMPILED = 97, // program_runner.py ends with it
    STATUS_SIGNAL = 128,
    SANDBOX_TASKS = 2,   // bubblewrap's own process inside, and the program's first
    JUDGE_CPU_S = 10,    // beyond what the program may take
    KILL_MS = 2000,      // until a kill is tried again
    LOOK_MS = 50,        // between two looks at the memory of many processes
    ADDRESS_FACTOR = 16, // a command may map more than it uses, as many interpreters do
    SAID_BYTES = 2048,
    NUMBER_BYTES = 24,
};
static const uint64_t JUDGE_MEMORY_BYTES = 1 << 30;
static const uint64_t JUDGE_FILE_BYTES = 1 << 20;
static const uint64_t OUTPUT_MAX_BYTES = 256 << 20;

void code_run_init(struct code_run *run, const struct sandbox_host *host)
{
    *run = (struct code_run){
        .host = host, .program_out = -1, .program_error = -1, .judge_out = -1, .judge_error = -1};
    run->program = run->judge = (struct sandbox){.pid_fd = -1, .inner_fd = -1, .status_fd = -1};
}

static void close_one(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void close_files(struct code_run *run)
{
    close_one(&run->program_out);
    close_one(&run->program_error);
    close_one(&run->judge_out);
    close_one(&run->judge_error);
}

__attribute__((format(printf, 3, 4))) static void
decide(struct code_run *run, enum code_outcome outcome, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    run->verdict.outcome = outcome;
    vsnprintf(run->verdict.detail, sizeof run->verdict.detail, fmt, args);
    va_end(args);
}

// The end of what was written to an anonymous file: errors are told last.
static void read_said(int fd, char said[SAID_BYTES])
{
    const off_t size = lseek(fd, 0, SEEK_END);
    const off_t from = size > SAID_BYTES - 1 ? size - (SAID_BYTES - 1) : 0;
    const ssize_t n = size < 0 ? 0 : pread(fd, said, SAID_BYTES - 1, from);
    said[n < 0 ? 0 : n] = '\0';
    for (char *c = said; *c != '\0'; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
}

// What goes into a verdict's detail: the end of it.
static const char *tail(const char *said)
{
    enum { TAIL_BYTES = 160 };
    const size_t n = strlen(said);
    return n > TAIL_BYTES ? said + n - TAIL_BYTES : said;
}

// --- starting sandboxes --------------------------------------------------------------------------

static struct sandbox_limits limits_of(const struct code_run *run)
{
    const struct code_limits *l = &run->task->limits;
    const bool is_looked_at = run->task->command[0] != NULL && run->host->knows_memory;
    const uint64_t factor = is_looked_at ? ADDRESS_FACTOR : 1;
    return (struct sandbox_limits){.cpu_s = (uint32_t)ceil(l->cpu_s),
                                   .memory_bytes = l->memory_bytes * factor,
                                   .disk_bytes = l->disk_bytes};
}

// python HARNESS TASKS BYTES, what entry.py reads.
struct python_start {
    const char *argv[7 + CODE_COMMAND_MAX + 1];
    char tasks[NUMBER_BYTES], bytes[NUMBER_BYTES];
};

static void python_start(struct python_start *p, const struct code_run *run,
                         enum harness_file harness, uint64_t file_bytes)
{
    snprintf(p->tasks, sizeof p->tasks, "%u", run->task->limits.tasks + SANDBOX_TASKS);
    snprintf(p->bytes, sizeof p->bytes, "%" PRIu64, file_bytes);
    const char *const words[] = {run->host->python,     "-S",     "-s",    "-B",
                                 harness_path(harness), p->tasks, p->bytes};
    memcpy(p->argv, words, sizeof words);
    memcpy(p->argv + 7, run->task->command, sizeof run->task->command); // NULL-terminated
}

static int open_all(int *fds, const enum harness_file *files, uint32_t n, struct err *err)
{
    for (uint32_t i = 0; i < n; i++)
        if ((fds[i] = harness_open(files[i], err)) < 0) {
            while (i > 0)
                close(fds[--i]);
            return -1;
        }
    return 0;
}

// Puts the harness files and the program, unless it is NULL, beside what the
// spec says, and starts it.
static int start_with(struct code_run *run, struct sandbox *s, struct sandbox_spec *spec,
                      const enum harness_file *files, uint32_t n_files, bool with_program,
                      struct err *err)
{
    int fds[SANDBOX_FILES_MAX];
    uint32_t n = n_files;
    if (open_all(fds, files, n_files, err) != 0) return -1;
    int status = -1;
    if (with_program) {
        fds[n] = harness_open_bytes(run->task->program, run->task->program_bytes, err);
        if (fds[n] < 0) goto close_all;
        n++;
    }
    for (uint32_t i = 0; i < n; i++)
        spec->files[i] = (struct sandbox_file){fds[i], i < n_files ? harness_path(files[i])
                                                                   : SANDBOX_PROGRAM_PATH};
    spec->n_files = n;
    status = sandbox_start(s, run->host, spec, err);
close_all:
    while (n > 0)
        close(fds[--n]);
    return status;
}

static int open_output(int *out, int *error, struct err *err)
{
    *out = harness_open_bytes("", 0, err);
    if (*out < 0) return -1;
    *error = harness_open_bytes("", 0, err);
    return *error < 0 ? -1 : 0;
}

static uint64_t output_limit(const struct code_run *run)
{
    const uint64_t expected = run->task->cases[run->n_case].output.size_bytes;
    const uint64_t all = run->task->limits.output_bytes + expected;
    return all < OUTPUT_MAX_BYTES ? all : OUTPUT_MAX_BYTES;
}

static int start_case(struct code_run *run, struct err *err)
{
    const struct code_case *c = &run->task->cases[run->n_case];
    const bool is_command = run->task->command[0] != NULL;
    const enum harness_file runner = is_command ? HARNESS_COMMAND_RUNNER : HARNESS_PROGRAM_RUNNER;
    const enum harness_file files[] = {runner, HARNESS_ENTRY};
    struct python_start python;
    python_start(&python, run, runner, output_limit(run));
    if (open_output(&run->program_out, &run->program_error, err) != 0) return -1;
    const int input = harness_open_bytes(c->input.bytes, c->input.size_bytes, err);
    if (input < 0) return -1;
    struct sandbox_spec spec = {.argv = python.argv,
                                .is_command = is_command,
                                .stdio = {input, run->program_out, run->program_error},
                                .channel = {-1, -1},
                                .limits = limits_of(run)};
    const int status = start_with(run, &run->program, &spec, files, 2, true, err);
    close(input);
    return status;
}

static int start_answering(struct code_run *run, int in, int out, struct err *err)
{
    static const enum harness_file files[] = {HARNESS_ANSWERING, HARNESS_ENTRY, HARNESS_LITERALS};
    struct python_start python;
    python_start(&python, run, HARNESS_ANSWERING, run->task->limits.output_bytes);
    struct sandbox_spec spec = {.argv = python.argv,
                                .stdio = {-1, -1, run->program_error},
                                .channel = {in, out},
                                .limits = limits_of(run)};
    return start_with(run, &run->program, &spec, files, 3, true, err);
}

static int start_judge(struct code_run *run, int in, int out, struct err *err)
{
    static const enum harness_file files[] = {HARNESS_JUDGE, HARNESS_ENTRY, HARNESS_LITERALS};
    struct python_start python;
    python_start(&python, run, HARNESS_JUDGE, JUDGE_FILE_BYTES);
    const int tests = harness_open_bytes(run->task->judge_spec, strlen(run->task->judge_spec), err);
    if (tests < 0) return -1;
    struct sandbox_spec spec = {.argv = python.argv,
                                .stdio = {tests, run->judge_out, run->judge_error},
                                .channel = {in, out},
                                .limits = limits_of(run)};
    spec.limits.cpu_s += JUDGE_CPU_S;
    spec.limits.memory_bytes = JUDGE_MEMORY_BYTES;
    const int status = start_with(run, &run->judge, &spec, files, 3, false, err);
    close(tests);
    return status;
}

// Two sandboxes with a pipe each way between them; this process keeps no end.
static int start_pair(struct code_run *run, struct err *err)
{
    int asks[2], answers[2], status = -1;
    if (open_output(&run->judge_out, &run->judge_error, err) != 0) return -1;
    run->program_error = harness_open_bytes("", 0, err);
    if (run->program_error < 0) return -1;
    if (pipe2(asks, O_CLOEXEC) != 0)
        return err_set(err, ERR_IO, "code job: pipe: %s", strerror(errno));
    if (pipe2(answers, O_CLOEXEC) != 0) {
        err_set(err, ERR_IO, "code job: pipe: %s", strerror(errno));
        goto close_asks;
    }
    if (start_answering(run, asks[0], answers[1], err) == 0 &&
        start_judge(run, answers[0], asks[1], err) == 0)
        status = 0;
    close(answers[0]);
    close(answers[1]);
close_asks:
    close(asks[0]);
    close(asks[1]);
    return status;
}

static void set_deadline(struct code_run *run, uint64_t now_ms)
{
    run->deadline_ms = now_ms + (uint64_t)(1000 * run->task->limits.wall_s);
    run->look_ms = run->task->command[0] != NULL ? now_ms + LOOK_MS : UINT64_MAX;
    run->is_killed = run->is_too_big = false;
}

// Starts the next thing to run; without success the verdict is that.
static bool start(struct code_run *run, uint64_t now_ms)
{
    struct err err;
    close_files(run);
    set_deadline(run, now_ms);
    const int status =
        run->task->judge_spec == NULL ? start_case(run, &err) : start_pair(run, &err);
    if (status == 0) return true;
    sandbox_stop(&run->program);
    sandbox_stop(&run->judge);
    decide(run, CODE_SANDBOX_FAILED, "%s", err.text);
    return false;
}

// --- what an end means ---------------------------------------------------------------------------

// Of a program that did not end with status 0, by itself or by our hand.
static void decide_by_end(struct code_run *run, const char *said)
{
    const struct sandbox_end *end = &run->program_end;
    const double cpu_s = ceil(run->task->limits.cpu_s);
    const bool is_spent = end->cpu_s > cpu_s - 0.1;
    if (run->is_too_big)
        decide(run, CODE_MEMORY, "its processes took more than %" PRIu64 " MiB",
               run->task->limits.memory_bytes >> 20);
    else if (run->is_killed)
        decide(run, CODE_TIMEOUT, "no end after %g s", run->task->limits.wall_s);
    else if (!end->was_set_up)
        decide(run, CODE_SANDBOX_FAILED, "%s", tail(said));
    else if (end->status == STATUS_SIGNAL + SIGXCPU ||
             (end->status == STATUS_SIGNAL + SIGKILL && is_spent))
        decide(run, CODE_TIMEOUT, "more than %g s of processor time", cpu_s);
    else if (end->status == STATUS_SIGNAL + SIGXFSZ)
        decide(run, CODE_TOO_MUCH_OUTPUT, "a file or output too long");
    else if (strstr(said, "MemoryError") != NULL || strstr(said, "bad_alloc") != NULL)
        decide(run, CODE_MEMORY, "%s", tail(said));
    else
        decide(run, CODE_RAISED, "status %d: %s", end->status, tail(said));
}

static void judge_output(struct code_run *run)
{
    const struct code_case *c = &run->task->cases[run->n_case];
    const off_t size = lseek(run->program_out, 0, SEEK_END);
    if (size >= (off_t)output_limit(run)) {
        decide(run, CODE_TOO_MUCH_OUTPUT, "%lld bytes of output", (long long)size);
        return;
    }
    char *bytes = malloc((size_t)size + 1);
    CHECK(bytes != NULL);
    const ssize_t n = pread(run->program_out, bytes, (size_t)size, 0);
    const struct view got = {bytes, n < 0 ? 0 : (size_t)n};
    if (code_output_is_right(got, c->output))
        run->verdict.n_passed++;
    else
        decide(run, CODE_WRONG, "case %u: it printed \"%.*s\"", run->n_case,
               (int)(got.size_bytes < 100 ? got.size_bytes : 100), got.bytes);
    free(bytes);
}

static void end_case(struct code_run *run)
{
    char said[SAID_BYTES];
    const off_t size = lseek(run->program_out, 0, SEEK_END);
    read_said(run->program_error, said);
    if (!run->is_killed && run->program_end.was_set_up && run->program_end.status == 0)
        judge_output(run);
    else if (!run->is_killed && run->program_end.status == STATUS_UNCOMPILED)
        decide(run, CODE_UNCOMPILED, "%s", tail(said));
    else if (size >= (off_t)output_limit(run))
        decide(run, CODE_TOO_MUCH_OUTPUT, "%lld bytes of output", (long long)size);
    else
        decide_by_end(run, said);
}

// The last whole line the judge wrote; false: none.
static bool read_report(const struct code_run *run, struct json_document **document)
{
    char said[SAID_BYTES];
    const off_t size = lseek(run->judge_out, 0, SEEK_END);
    const off_t from = size > SAID_BYTES - 1 ? size - (SAID_BYTES - 1) : 0;
    const ssize_t n = pread(run->judge_out, said, SAID_BYTES - 1, from);
    if (n < 2 || said[n - 1] != '\n') return false;
    said[n - 1] = '\0';
    const char *before = strrchr(said, '\n');
    const char *line = before == NULL ? said : before + 1;
    struct err err;
    *document = json_parse(line, strlen(line), "verdict", &err);
    return *document != NULL;
}

static const struct {
    const char *name;
    enum code_outcome outcome;
} reports[] = {{"passed", CODE_PASSED}, {"wrong", CODE_WRONG},   {"uncompiled", CODE_UNCOMPILED},
               {"raised", CODE_RAISED}, {"memory", CODE_MEMORY}, {"bad_tests", CODE_BAD_TESTS}};

// The judge ended without a verdict, or was ended.
static void decide_without_verdict(struct code_run *run, bool has_begun)
{
    char said[SAID_BYTES];
    read_said(run->judge_error, said);
    if (run->is_killed && has_begun)
        decide(run, CODE_TIMEOUT, "no end after %g s", run->task->limits.wall_s);
    else if (run->is_killed)
        decide(run, CODE_BAD_TESTS, "the tests were not ready after %g s",
               run->task->limits.wall_s);
    else if (!run->judge_end.was_set_up || !has_begun)
        decide(run, CODE_SANDBOX_FAILED, "the judge: status %d: %s", run->judge_end.status,
               tail(said));
    else if (run->judge_end.status == STATUS_SIGNAL + SIGXCPU ||
             run->judge_end.status == STATUS_SIGNAL + SIGKILL)
        decide(run, CODE_TIMEOUT, "the tests used up their time on an answer");
    else
        decide(run, CODE_RAISED, "the tests ended at an answer: %s", tail(said));
}

static void end_pair(struct code_run *run)
{
    struct json_document *document = NULL;
    const char *name = "", *detail = "";
    uint64_t n_passed = 0, n_tests = 0;
    struct err err;
    bool is_read = read_report(run, &document);
    if (is_read) {
        const struct json root = json_root(document);
        is_read = json_get_string(root, "outcome", &name, &err) == 0 &&
                  json_get_string(root, "detail", &detail, &err) == 0 &&
                  json_get_u64(root, "n_passed", UINT32_MAX, &n_passed, &err) == 0 &&
                  json_get_u64(root, "n_tests", UINT32_MAX, &n_tests, &err) == 0;
    }
    run->verdict.n_passed = (uint32_t)n_passed;
    run->verdict.n_tests = (uint32_t)n_tests;
    char said[SAID_BYTES];
    read_said(run->program_error, said);
    const bool has_begun = is_read && strcmp(name, "begun") == 0;
    if (!is_read || has_begun) {
        decide_without_verdict(run, has_begun);
    } else if (strcmp(name, "ended") == 0) {
        // Its own end says more, unless it only closed its pipes.
        decide_by_end(run, said);
        if (run->verdict.outcome == CODE_RAISED)
            decide(run, CODE_RAISED, "%s: %s", detail, tail(said));
    } else {
        run->verdict.outcome = CODE_SANDBOX_FAILED;
        for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++)
            if (strcmp(name, reports[i].name) == 0) decide(run, reports[i].outcome, "%s", detail);
    }
    json_destroy(document);
}

// --- steps ---------------------------------------------------------------------------------------

void code_run_start(struct code_run *run, struct code_task *task, uint64_t now_ms)
{
    run->task = task;
    run->n_case = 0;
    run->started_ms = now_ms;
    run->verdict = (struct code_verdict){.n_tests = task->n_cases};
    (void)start(run, now_ms);
}

static void finish(struct code_run *run, uint64_t now_ms)
{
    close_files(run);
    code_task_destroy(run->task);
    run->task = NULL;
    run->verdict.wall_s = 1e-3 * (double)(now_ms - run->started_ms);
}

// A process more or less is no matter: what counts is what they take together.
static void kill_big(struct code_run *run, uint64_t now_ms)
{
    if (now_ms < run->look_ms) return;
    run->look_ms = now_ms + LOOK_MS;
    if (sandbox_memory_bytes(&run->program) <= run->task->limits.memory_bytes) return;
    run->is_too_big = run->is_killed = true;
    sandbox_kill(&run->program);
}

static void kill_late(struct code_run *run, uint64_t now_ms)
{
    if (now_ms < run->deadline_ms) return;
    run->is_killed = true;
    run->deadline_ms = now_ms + KILL_MS;
    sandbox_kill(&run->judge);
    sandbox_kill(&run->program);
}

// The case ended; true when it was the last one to run.
static bool step_cases(struct code_run *run, uint64_t now_ms)
{
    const struct code_verdict before = run->verdict;
    run->verdict.outcome = CODE_PASSED;
    end_case(run);
    run->verdict.cpu_s += run->program_end.cpu_s;
    const enum code_outcome outcome = run->verdict.outcome;
    // The first failure is the one to tell, unless there can be no score at all.
    if (before.outcome != CODE_PASSED && code_outcome_is_score(outcome)) {
        run->verdict.outcome = before.outcome;
        memcpy(run->verdict.detail, before.detail, sizeof before.detail);
    }
    // Whoever uses up the time of one case would use up that of all others.
    const bool must_stop =
        outcome != CODE_PASSED &&
        (!run->task->keep_going || outcome == CODE_TIMEOUT || !code_outcome_is_score(outcome));
    if (must_stop || ++run->n_case == run->task->n_cases) return true;
    return !start(run, now_ms);
}

bool code_run_step(struct code_run *run, uint64_t now_ms)
{
    struct sandbox_end end;
    if (run->task == NULL) return false;
    // An end is looked for before the deadline: whoever steps late must not
    // make a program that was in time late.
    if (sandbox_reap(&run->program, &end)) run->program_end = end;
    if (sandbox_reap(&run->judge, &end)) {
        run->judge_end = end;
        sandbox_kill(&run->program); // there is nobody left to answer
    }
    if (run->program.pid != 0 || run->judge.pid != 0) {
        kill_big(run, now_ms);
        kill_late(run, now_ms);
        return false;
    }
    if (run->verdict.outcome != CODE_SANDBOX_FAILED) {
        if (run->task->judge_spec == NULL) {
            if (!step_cases(run, now_ms)) return false;
        } else {
            end_pair(run);
            run->verdict.cpu_s = run->program_end.cpu_s + run->judge_end.cpu_s;
        }
    }
    finish(run, now_ms);
    return true;
}

uint64_t code_run_wake_ms(const struct code_run *run)
{
    if (run->task == NULL) return UINT64_MAX;
    return run->look_ms < run->deadline_ms ? run->look_ms : run->deadline_ms;
}

void code_run_stop(struct code_run *run)
{
    sandbox_stop(&run->judge);
    sandbox_stop(&run->program);
    close_files(run);
    code_task_destroy(run->task);
    run->task = NULL;
}
