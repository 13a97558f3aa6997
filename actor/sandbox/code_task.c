#include <stdlib.h>
#include <string.h>

#include "actor/sandbox/code_run.h"
#include "common/base/json.h"

static const double TIME_MAX_S = 3600;

static char *judge_spec(const struct code_tests *t, bool keep_going)
{
    static const char *const names[] = {[CODE_TESTS_CHECK] = "check",
                                        [CODE_TESTS_ASSERTS] = "asserts",
                                        [CODE_TESTS_CALLS] = "calls"};
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_string(&w, "kind", names[t->kind]);
    json_put_string(&w, "entry_point", t->entry_point == NULL ? "" : t->entry_point);
    json_put_bool(&w, "keep_going", keep_going);
    json_put_json(&w, "path", t->path);
    json_put_json(&w, "row", t->row);
    json_close(&w, '}');
    return w.bytes;
}

static struct view copy_of(struct view text)
{
    return (struct view){text_copy(text.bytes, text.size_bytes), text.size_bytes};
}

static int copy_command(struct code_task *task, const char *const *command, struct err *err)
{
    for (int i = 0; command != NULL && command[i] != NULL; i++) {
        if (i == CODE_COMMAND_MAX)
            return err_set(err, ERR_LIMIT, "code job: a command of more than %d words",
                           CODE_COMMAND_MAX);
        task->command[i] = text_copy(command[i], strlen(command[i]));
    }
    return 0;
}

static int check(const struct code_job *job, struct err *err)
{
    const struct code_limits *l = &job->limits;
    if (job->program.size_bytes > CODE_PROGRAM_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "code job: a program of %zu bytes, at most %d",
                       job->program.size_bytes, CODE_PROGRAM_BYTES_MAX);
    if (!(l->cpu_s > 0 && l->cpu_s <= TIME_MAX_S && l->wall_s > 0 && l->wall_s <= TIME_MAX_S))
        return err_set(err, ERR_USAGE, "code job: want time limits above 0 and at most %g s",
                       TIME_MAX_S);
    if (l->memory_bytes < 64 << 20 || l->tasks == 0 || l->disk_bytes == 0)
        return err_set(err, ERR_USAGE,
                       "code job: want 64 MiB of memory, a task and a byte of disk");
    if (job->command != NULL && job->tests->kind != CODE_TESTS_STDIO)
        return err_set(err, ERR_USAGE,
                       "code job: function tests are for Python; a command wants standard input "
                       "cases");
    return 0;
}

struct code_task *code_task_create(const struct code_job *job, struct err *err)
{
    const struct code_tests *t = job->tests;
    if (check(job, err) != 0) return NULL;
    struct code_task *task = calloc(1, sizeof *task);
    CHECK(task != NULL);
    task->kind = t->kind;
    task->limits = job->limits;
    task->keep_going = job->keep_going;
    if (t->time_limit_s > 0)
        task->limits.cpu_s = t->time_limit_s < TIME_MAX_S ? t->time_limit_s : TIME_MAX_S;
    // The clock gives at least twice what the processor does: others use it too.
    if (task->limits.wall_s < 2 * task->limits.cpu_s) task->limits.wall_s = 2 * task->limits.cpu_s;
    if (copy_command(task, job->command, err) != 0) {
        code_task_destroy(task);
        return NULL;
    }
    task->program = text_copy(job->program.bytes, job->program.size_bytes);
    task->program_bytes = job->program.size_bytes;
    if (t->kind != CODE_TESTS_STDIO) {
        task->judge_spec = judge_spec(t, job->keep_going);
        return task;
    }
    task->cases = calloc(t->n_cases, sizeof *task->cases);
    CHECK(task->cases != NULL);
    for (; task->n_cases < t->n_cases; task->n_cases++)
        task->cases[task->n_cases] = (struct code_case){copy_of(t->cases[task->n_cases].input),
                                                        copy_of(t->cases[task->n_cases].output)};
    return task;
}

void code_task_destroy(struct code_task *task)
{
    if (task == NULL) return;
    for (uint32_t i = 0; i < task->n_cases; i++) {
        free((void *)(uintptr_t)task->cases[i].input.bytes);
        free((void *)(uintptr_t)task->cases[i].output.bytes);
    }
    for (char **word = task->command; *word != NULL; word++)
        free(*word);
    free(task->cases);
    free(task->program);
    free(task->judge_spec);
    free(task);
}
