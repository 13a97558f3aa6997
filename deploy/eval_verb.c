#include "deploy/eval_verb.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "deploy/eval_plan.h"
#include "deploy/process.h"
#include "deploy/stage.h"

#define REPORT "eval-0.json"
#define REPORT_BYTES_MAX ((size_t)64 << 20)
#define SHOW_MS 3600000u
#define SHOW_BYTES_MAX 4096u

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

// --- the run -------------------------------------------------------------------------------------

static int run(const struct eval_plan *p, const char *recipe_path, struct err *err)
{
    const char *overrides[EVAL_OVERRIDES_MAX + 1];
    memcpy(overrides, p->overrides, p->n_overrides * sizeof *overrides);
    const struct stage_plan plan = {.name = "eval",
                                    .run_folder = p->folder,
                                    .recipe_path = recipe_path,
                                    .recipe_stage = "eval",
                                    .overrides = overrides,
                                    .n_overrides = p->n_overrides,
                                    .n_ranks = 1,
                                    .n_actors = (uint32_t)p->actors,
                                    .actor_threads = (uint32_t)p->threads,
                                    .actor_slots = (uint32_t)p->slots,
                                    .restart_actors = true,
                                    .is_quiet = p->is_json};
    return stage_run(&plan, &stop_asked, err);
}

// The samples as text, which only an actor's program can write.
static int write_samples(const struct eval_plan *p, char path[EVAL_PATH_BYTES], struct err *err)
{
    char program[EVAL_PATH_BYTES], *output;
    if (file_join(path, EVAL_PATH_BYTES, p->folder, "samples.jsonl", err) != 0 ||
        process_sibling(program, sizeof program, "argosy-actor", err) != 0)
        return -1;
    const char *argv[] = {program,   "show",  p->folder, "--kind", "eval",
                          "--jsonl", "--out", path,      NULL};
    if (process_capture(argv, NULL, SHOW_MS, SHOW_BYTES_MAX, &output, err) != 0)
        return err_prefix(err, "write %s", path);
    free(output);
    return 0;
}

// --- the report
// ------------------------------------------------------------------------------------

static double number(struct json row, const char *key)
{
    return json_to_double(json_member(row, key));
}

static void print_row(const char *name, struct json row, uint64_t n)
{
    char cons[32], pass[32];
    snprintf(cons, sizeof cons, "cons@%llu", (unsigned long long)n);
    snprintf(pass, sizeof pass, "pass@%llu", (unsigned long long)n);
    printf("%-24.24s %7.0f  %6.2f +- %-5.2f  %6.2f  %6.2f  %8.1f  %6.2f\n", name,
           number(row, "n_prompts"), 100.0 * number(row, "pass@1"),
           100.0 * number(row, "pass@1_stderr"), 100.0 * number(row, cons),
           100.0 * number(row, pass), number(row, "response_length_mean"),
           100.0 * number(row, "truncated"));
}

static void print_parts(struct json report, const char *key, const char *label, uint64_t n)
{
    const struct json parts = json_member(report, key);
    if (json_count(parts) < 2) return;
    for (void *it = json_first(parts); it != NULL; it = json_next(parts, it)) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", label, json_key(it));
        print_row(name, json_value(parts, it), n);
    }
}

static void print_table(struct json report, uint64_t n)
{
    printf("%-24s %7s  %15s  cons@%-3llu pass@%-3llu %8s  %6s\n", "", "prompts", "pass@1, %",
           (unsigned long long)n, (unsigned long long)n, "length", "cut, %");
    print_parts(report, "by_source", "", n);
    print_parts(report, "by_level", "level ", n);
    print_row("all", report, n);
    if (number(report, "ties") > 0)
        printf("ties of the majority: %.0f prompts (a tie counts the share of its answers that "
               "is right)\n",
               number(report, "ties"));
}

static int print_report(const struct eval_plan *p, struct err *err)
{
    char path[EVAL_PATH_BYTES], samples[EVAL_PATH_BYTES];
    if (write_samples(p, samples, err) != 0 ||
        file_join(path, sizeof path, p->folder, REPORT, err) != 0)
        return -1;
    struct json_document *report = json_read_file(path, REPORT_BYTES_MAX, err);
    if (report == NULL) return -1;
    if (p->is_json) {
        struct json_writer w;
        json_writer_init(&w);
        json_put_value(&w, NULL, json_root(report));
        puts(w.bytes);
        free(w.bytes);
    } else {
        print_table(json_root(report), p->n);
        printf("report:  %s\nsamples: %s\n", path, samples);
    }
    json_destroy(report);
    return 0;
}

int eval_verb(int argc, char **argv)
{
    struct eval_plan plan;
    struct err err;
    char recipe_path[EVAL_PATH_BYTES], done[EVAL_PATH_BYTES];
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(eval_usage, stdout);
        return 0;
    }
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int status = eval_plan_parse(&plan, argc, argv, &err);
    if (status == 0 && plan.is_fresh) status = file_remove_tree(plan.folder, &err);
    if (status == 0) status = eval_plan_place(&plan, recipe_path, &err);
    if (status == 0) status = file_join(done, sizeof done, plan.folder, "result.json", &err);
    if (status == 0 && !file_exists(done)) status = run(&plan, recipe_path, &err);
    if (status == 0) status = print_report(&plan, &err);
    if (status == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
