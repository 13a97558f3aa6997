/*
 * code: the program in the response passes its tests, in a sandbox (code_pool.h).
 *   workers     sandboxes at once (default: one for each processor)
 *   python      the interpreter (default: the first python3 of the usual places)
 *   command     a list of words that runs /box/program instead, for other
 *               languages: ["/usr/bin/node", "/box/program"]
 *   cpu_s       of one case, or of all tests of a function; the row's own
 *               time_limit replaces it (5); wall_s by the clock (20)
 *   memory_mib  of a process (512); disk_mib of its /tmp (16); output_kib beyond
 *               what is expected (64); tasks, threads (16)
 *   partial     the share of tests passed instead of all or nothing
 * A response without a program is worth 0.  Tests that make no sense and a sandbox
 * that fails are outcomes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/reward/reward_kind.h"
#include "actor/sandbox/code_pool.h"
#include "actor/sandbox/code_program.h"

struct asked {
    struct asked *next;
    uint64_t ticket, job;
    bool is_cancelled;
};

struct early_answer { // known without a sandbox
    struct early_answer *next;
    struct reward_answer answer;
};

struct code {
    uint32_t n_workers, tasks;
    double cpu_s, wall_s, memory_mib, disk_mib, output_kib;
    bool is_partial;
    char python[SPEC_STRING_BYTES];
    char *command[CODE_COMMAND_MAX + 1]; // malloc'ed words; none: Python
    struct code_pool *pool;
    struct asked *asked;
    uint32_t n_asked;
    struct early_answer *ready;
};

static const struct code defaults = {
    .cpu_s = 5, .wall_s = 20, .memory_mib = 512, .disk_mib = 16, .output_kib = 64, .tasks = 16};

static const struct spec_field fields[] = {
    {"workers", SPEC_U32, offsetof(struct code, n_workers), 0, 1024},
    {"python", SPEC_STRING, offsetof(struct code, python), 0, 0},
    {"command", SPEC_OTHER, 0, 0, 0},
    {"cpu_s", SPEC_DOUBLE, offsetof(struct code, cpu_s), 0.01, 3600},
    {"wall_s", SPEC_DOUBLE, offsetof(struct code, wall_s), 0.01, 3600},
    {"memory_mib", SPEC_DOUBLE, offsetof(struct code, memory_mib), 64, 1 << 20},
    {"disk_mib", SPEC_DOUBLE, offsetof(struct code, disk_mib), 1, 1 << 16},
    {"output_kib", SPEC_DOUBLE, offsetof(struct code, output_kib), 1, 1 << 20},
    {"tasks", SPEC_U32, offsetof(struct code, tasks), 1, 4096},
    {"partial", SPEC_BOOL, offsetof(struct code, is_partial), 0, 0},
};

// --- life ----------------------------------------------------------------------------------------

static void release(void *state)
{
    struct code *s = state;
    code_pool_destroy(s->pool);
    for (size_t i = 0; i < CODE_COMMAND_MAX; i++)
        free(s->command[i]);
    while (s->asked != NULL) {
        struct asked *next = s->asked->next;
        free(s->asked);
        s->asked = next;
    }
    while (s->ready != NULL) {
        struct early_answer *next = s->ready->next;
        free(s->ready);
        s->ready = next;
    }
}

static int prepare(void *state, struct json spec, const struct reward_setting *setting,
                   const char *what, struct err *err)
{
    struct code *s = state;
    const struct json list = json_member(spec, "command");
    const size_t n = json_count(list);
    (void)setting;
    if (!json_is_present(list)) return 0;
    if (!json_is_array(list) || n == 0 || n > CODE_COMMAND_MAX)
        return err_set(err, ERR_USAGE, "%s.command: want a list of 1 to %d words", what,
                       CODE_COMMAND_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t size_bytes;
        const char *word = json_to_string(json_item(list, i), &size_bytes);
        if (word == NULL || strlen(word) != size_bytes) {
            release(s);
            return err_set(err, ERR_USAGE, "%s.command: want words", what);
        }
        s->command[i] = text_copy(word, size_bytes);
    }
    return 0;
}

static int start(void *state, struct err *err)
{
    struct code *s = state;
    const struct code_pool_options options = {.workers = s->n_workers,
                                              .python = s->python[0] == '\0' ? NULL : s->python};
    s->pool = code_pool_create(&options, err);
    return s->pool == NULL ? -1 : 0;
}

// --- asking --------------------------------------------------------------------------------------

static void push_ready(struct code *s, uint64_t ticket, enum outcome outcome, const char *text)
{
    struct early_answer *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    r->next = s->ready;
    r->answer = (struct reward_answer){.ticket = ticket, .outcome = outcome, .has_verdict = true};
    snprintf(r->answer.outcome_text, sizeof r->answer.outcome_text, "%s", text);
    s->ready = r;
}

static struct view view_of(const char *text)
{
    return (struct view){text == NULL ? "" : text, text == NULL ? 0 : strlen(text)};
}

static int submit_job(struct code *s, uint64_t ticket, struct view program,
                      const struct code_tests *tests, struct err *err)
{
    struct code_job job = {.program = program,
                           .tests = tests,
                           .limits = code_limits_default(),
                           .keep_going = s->is_partial};
    if (s->command[0] != NULL) job.command = (const char *const *)(const void *)s->command;
    job.limits.cpu_s = s->cpu_s;
    job.limits.wall_s = s->wall_s;
    job.limits.memory_bytes = (uint64_t)(s->memory_mib * 1048576);
    job.limits.disk_bytes = (uint64_t)(s->disk_mib * 1048576);
    job.limits.output_bytes = (uint64_t)(s->output_kib * 1024);
    job.limits.tasks = s->tasks;
    uint64_t id;
    if (code_pool_submit(s->pool, &job, &id, err) != 0) return -1;
    struct asked *a = malloc(sizeof *a);
    CHECK(a != NULL);
    *a = (struct asked){.next = s->asked, .ticket = ticket, .job = id};
    s->asked = a;
    s->n_asked++;
    return 0;
}

static int submit(void *state, uint64_t ticket, const struct reward_case *c, uint64_t now_ms,
                  struct err *err)
{
    struct code *s = state;
    struct code_tests tests;
    struct view code;
    struct err why;
    (void)now_ms;
    if (code_tests_read(&tests, view_of(c->problem->metadata), view_of(c->problem->answer), &why) !=
        0) {
        push_ready(s, ticket, OUTCOME_BAD_DATA, why.text);
        return 0;
    }
    int result = 0;
    struct text_buffer program;
    text_buffer_init(&program);
    if (code_program_find(c->response, &code)) code_program_make(&tests, code, &program);
    if (program.size_bytes == 0 || program.size_bytes > CODE_PROGRAM_BYTES_MAX)
        push_ready(s, ticket, OUTCOME_OK, ""); // nothing there that could be right
    else
        result = submit_job(s, ticket, text_buffer_view(&program), &tests, err);
    text_buffer_fini(&program);
    code_tests_fini(&tests);
    return result;
}

static void cancel(void *state, uint64_t ticket)
{
    struct code *s = state;
    for (struct asked *a = s->asked; a != NULL; a = a->next)
        if (a->ticket == ticket) a->is_cancelled = true;
}

// --- answers -------------------------------------------------------------------------------------

static void read_verdict(const struct code *s, const struct code_verdict *v,
                         struct reward_answer *out)
{
    out->has_verdict = true;
    out->is_correct = v->outcome == CODE_PASSED;
    if (v->outcome == CODE_BAD_TESTS)
        out->outcome = OUTCOME_BAD_DATA;
    else if (!code_outcome_is_score(v->outcome))
        out->outcome = OUTCOME_SCORER_ERROR;
    if (out->outcome != OUTCOME_OK)
        snprintf(out->outcome_text, sizeof out->outcome_text, "%s: %s",
                 code_outcome_name(v->outcome), v->detail);
    out->value = out->is_correct ? 1 : 0;
    if (s->is_partial && v->n_tests > 0) out->value = (double)v->n_passed / v->n_tests;
}

// The first finished job that somebody still waits for.
static bool take_verdict(struct code *s, struct reward_answer *out)
{
    for (struct asked **link = &s->asked; *link != NULL;) {
        struct asked *a = *link;
        struct code_verdict verdict;
        if (!code_pool_take(s->pool, a->job, &verdict)) {
            link = &a->next;
            continue;
        }
        const bool is_wanted = !a->is_cancelled;
        *out = (struct reward_answer){.ticket = a->ticket};
        *link = a->next;
        free(a);
        s->n_asked--;
        if (!is_wanted) continue;
        read_verdict(s, &verdict, out);
        return true;
    }
    return false;
}

static bool poll_answer(void *state, uint64_t now_ms, struct reward_answer *out)
{
    struct code *s = state;
    (void)now_ms;
    if (s->ready != NULL) {
        struct early_answer *r = s->ready;
        *out = r->answer;
        s->ready = r->next;
        free(r);
        return true;
    }
    if (s->pool == NULL) return false;
    code_pool_step(s->pool);
    return code_pool_pending(s->pool) < s->n_asked && take_verdict(s, out);
}

static int wake_fd(const void *state)
{
    const struct code *s = state;
    return s->pool == NULL ? -1 : code_pool_fd(s->pool);
}

static const struct scorer scorer = {
    .start = start, .submit = submit, .poll = poll_answer, .cancel = cancel, .fd = wake_fd};

const struct reward_kind reward_code = {
    .name = "code",
    .help = "the program passes its tests, in a sandbox (cpu_s, memory_mib, workers, partial, ...)",
    .state_bytes = sizeof(struct code),
    .defaults = &defaults,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .prepare = prepare,
    .release = release,
    .scorer = &scorer,
};
