/*
 * `argosy generate`: problems of a task as rows of JSONL, laid out as
 * reasoning-gym's are, so that other tools read them and `task: jsonl` does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/option_number.h"
#include "actor/task/task.h"
#include "actor/verbs.h"
#include "common/base/log.h"

static const char usage[] =
    "usage: argosy generate --task SPEC [--count N] [--split train|eval] [--start N] [--seed N]\n"
    "                       > rows.jsonl\n"
    "\n"
    "  Writes problems as rows {question, answer, metadata}, one a line.\n"
    "  --task   as in a recipe, as JSON ({\"name\":\"chain_sum\",\"max_terms\":4}), or a bare "
    "name\n"
    "  --count  how many (500)\n"
    "  --split  train, or eval for the held-out ones; they share no problem (train)\n"
    "  --start  the number of the first (0)\n"
    "  --seed   problem n is a function of task, seed, split and n alone (1)\n"
    "\n"
    "  tasks: dials mix";

struct generate_options {
    const char *task;
    enum task_split split;
    uint64_t count, start, seed;
};

static int read_option(const char *option, const char *value, struct generate_options *o,
                       struct err *err)
{
    if (strcmp(option, "--task") == 0) {
        o->task = value;
        return 0;
    }
    if (strcmp(option, "--split") == 0) {
        bool is_eval = strcmp(value, "eval") == 0;
        if (!is_eval && strcmp(value, "train") != 0)
            return err_set(err, ERR_USAGE, "--split: want train or eval, got '%.40s'", value);
        o->split = is_eval ? TASK_HELD_OUT : TASK_TRAIN;
        return 0;
    }
    if (strcmp(option, "--count") == 0)
        return option_whole(option, value, 0, UINT64_MAX, &o->count, err);
    if (strcmp(option, "--start") == 0)
        return option_whole(option, value, 0, UINT64_MAX, &o->start, err);
    if (strcmp(option, "--seed") == 0)
        return option_whole(option, value, 0, UINT64_MAX, &o->seed, err);
    return err_set(err, ERR_USAGE, "unexpected argument %.60s; see --help", option);
}

static int parse(int argc, char **argv, struct generate_options *o, struct err *err)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            return err_set(err, ERR_USAGE, "%.60s: its value is missing; see --help", argv[i]);
        if (read_option(argv[i], argv[i + 1], o, err) != 0) return -1;
    }
    return o->task != NULL ? 0 : err_set(err, ERR_USAGE, "--task is needed; see --help");
}

// {"name": TEXT} for a bare name.
static struct json_document *read_task(const char *text, struct err *err)
{
    if (text[strspn(text, " \t\n")] == '{') return json_parse(text, strlen(text), "--task", err);
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_string(&w, "name", text);
    json_close(&w, '}');
    struct json_document *document = json_parse(w.bytes, w.size_bytes, "--task", err);
    free(w.bytes);
    return document;
}

// A task without metadata of its own says at least where a row is from.
static void write_row(const struct problem *p, uint64_t n)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_string(&w, "question", conversation_last(&p->conversation, "user"));
    json_put_string(&w, "answer", p->answer == NULL ? "" : p->answer);
    if (p->metadata != NULL) {
        json_put_json(&w, "metadata", p->metadata);
    } else {
        json_open(&w, "metadata", '{');
        json_put_string(&w, "source_dataset", p->source);
        json_put_u64(&w, "source_index", n);
        json_open(&w, "difficulty", '{');
        json_put_u64(&w, "level", p->level);
        json_close(&w, '}');
        json_close(&w, '}');
    }
    json_close(&w, '}');
    puts(w.bytes);
    free(w.bytes);
}

static int write_rows(const struct generate_options *o, struct json spec, struct err *err)
{
    static const struct served_files no_files;
    struct task task;
    if (task_init(&task, spec, &no_files, o->seed, err) != 0) return -1;
    int result = 0;
    for (uint64_t n = o->start; n - o->start < o->count && result == 0 && !ferror(stdout); n++) {
        struct problem p;
        result = task.kind->problem(task.state, o->split, n, &p, err);
        if (result != 0) break;
        write_row(&p, n);
        problem_fini(&p);
    }
    task_fini(&task);
    if (result == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        result = err_set(err, ERR_IO, "standard output: %s", strerror(errno));
    return result;
}

int generate_verb(int argc, char **argv)
{
    struct generate_options options = {.count = 500, .seed = 1};
    struct err err;
    log_init("generate", LOG_INFO);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        for (size_t i = 0; i < n_generators; i++)
            printf(" %s", generators[i]->name);
        puts("");
        return 0;
    }
    struct json_document *spec = NULL;
    int result = parse(argc, argv, &options, &err);
    if (result == 0) result = (spec = read_task(options.task, &err)) == NULL ? -1 : 0;
    if (result == 0) result = write_rows(&options, json_root(spec), &err);
    json_destroy(spec);
    if (result == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
