/*
 * code_tool - scores programs as the code reward does, for the scripts here.
 *
 *   code_tool [WORKERS] < cases.jsonl > verdicts.jsonl
 *
 * A case: {"id", "response" or "program", "row", "gold"?, "command"?, "limits"?}.
 * A verdict: {"id", "outcome", "n_passed", "n_tests", "detail", "cpu_s", "wall_s"}.
 */
#define _GNU_SOURCE // getline
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/sandbox/code_pool.h"
#include "actor/sandbox/code_program.h"
#include "common/base/json.h"

enum { CASES_MAX = 65536 };

struct waiting {
    uint64_t ticket; // 0: over
    char id[128];
};

static _Noreturn void die(const char *what, const struct err *err)
{
    fprintf(stderr, "code_tool: %s: %s\n", what, err->text);
    exit(1);
}

static void say(const char *id, const struct code_verdict *v)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_string(&w, "id", id);
    json_put_string(&w, "outcome", code_outcome_name(v->outcome));
    json_put_bool(&w, "is_score", code_outcome_is_score(v->outcome));
    json_put_u64(&w, "n_passed", v->n_passed);
    json_put_u64(&w, "n_tests", v->n_tests);
    json_put_double(&w, "cpu_s", v->cpu_s);
    json_put_double(&w, "wall_s", v->wall_s);
    // It may hold any bytes a program wrote.
    char detail[CODE_DETAIL_BYTES];
    size_t n = 0;
    for (const char *c = v->detail; *c != '\0'; c++)
        detail[n++] = (unsigned char)*c < 127 ? *c : '?';
    json_put_text(&w, "detail", detail, n);
    json_close(&w, '}');
    puts(w.bytes);
    fflush(stdout);
    free(w.bytes);
}

static struct view view_of(struct json object, const char *key)
{
    struct view v = {"", 0};
    const struct json text = json_member(object, key);
    if (json_is_string(text)) v.bytes = json_to_string(text, &v.size_bytes);
    return v;
}

static double number_or(struct json object, const char *key, double other)
{
    struct err err;
    double value;
    return json_get_double(object, key, &value, &err) == 0 ? value : other;
}

static void read_limits(struct json limits, struct code_limits *l)
{
    *l = code_limits_default();
    l->cpu_s = number_or(limits, "cpu_s", l->cpu_s);
    l->wall_s = number_or(limits, "wall_s", l->wall_s);
    l->tasks = (uint32_t)number_or(limits, "tasks", l->tasks);
    l->memory_bytes = (uint64_t)number_or(limits, "memory_bytes", (double)l->memory_bytes);
    l->disk_bytes = (uint64_t)number_or(limits, "disk_bytes", (double)l->disk_bytes);
    l->output_bytes = (uint64_t)number_or(limits, "output_bytes", (double)l->output_bytes);
}

static size_t read_command(struct json list, const char **command)
{
    size_t size, n = json_count(list) < CODE_COMMAND_MAX ? json_count(list) : CODE_COMMAND_MAX;
    for (size_t i = 0; i < n; i++)
        command[i] = json_to_string(json_item(list, i), &size);
    command[n] = NULL;
    return n;
}

// The row is text inside the case's JSON, so that it is what a data file has.
static uint64_t submit(struct code_pool *pool, struct json c, const char *id)
{
    struct err err;
    struct code_tests tests;
    struct text_buffer program;
    const char *command[CODE_COMMAND_MAX + 1];
    struct code_verdict none = {.outcome = CODE_WRONG, .detail = "no program in the response"};
    uint64_t ticket = 0;
    text_buffer_init(&program);
    if (code_tests_read(&tests, view_of(c, "row"), view_of(c, "gold"), &err) != 0) {
        none.outcome = CODE_BAD_TESTS;
        snprintf(none.detail, sizeof none.detail, "%s", err.text);
        say(id, &none);
        return 0;
    }
    struct view code = view_of(c, "program");
    if (!json_is_present(json_member(c, "program")) &&
        !code_program_find(view_of(c, "response"), &code)) {
        say(id, &none);
        goto done;
    }
    code_program_make(&tests, code, &program);
    struct code_job job = {.program = text_buffer_view(&program), .tests = &tests};
    job.keep_going = json_is_present(json_member(c, "keep_going"));
    read_limits(json_member(c, "limits"), &job.limits);
    if (read_command(json_member(c, "command"), command) > 0) job.command = command;
    if (code_pool_submit(pool, &job, &ticket, &err) != 0) die(id, &err);
done:
    text_buffer_fini(&program);
    code_tests_fini(&tests);
    return ticket;
}

static void take_all(struct code_pool *pool, struct waiting *all, size_t n)
{
    struct code_verdict v;
    code_pool_step(pool);
    for (size_t i = 0; i < n; i++)
        if (all[i].ticket != 0 && code_pool_take(pool, all[i].ticket, &v)) {
            say(all[i].id, &v);
            all[i].ticket = 0;
        }
}

int main(int argc, char **argv)
{
    struct err err;
    struct code_pool_options options = {.workers =
                                            argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2};
    struct code_pool *pool = code_pool_create(&options, &err);
    if (pool == NULL) die("start", &err);
    struct waiting *all = calloc(CASES_MAX, sizeof *all);
    if (all == NULL) return 1;
    char *line = NULL;
    size_t capacity = 0, n = 0;
    for (ssize_t size; n < CASES_MAX && (size = getline(&line, &capacity, stdin)) > 0; n++) {
        struct json_document *document = json_parse(line, (size_t)size, "case", &err);
        if (document == NULL) die("case", &err);
        const char *id;
        if (json_get_string(json_root(document), "id", &id, &err) != 0) die("case", &err);
        snprintf(all[n].id, sizeof all[n].id, "%s", id);
        all[n].ticket = submit(pool, json_root(document), all[n].id);
        json_destroy(document);
    }
    while (code_pool_pending(pool) > 0) {
        struct pollfd ready = {.fd = code_pool_fd(pool), .events = POLLIN};
        (void)poll(&ready, 1, -1);
        take_all(pool, all, n);
    }
    take_all(pool, all, n);
    code_pool_destroy(pool);
    free(all);
    free(line);
    return 0;
}
