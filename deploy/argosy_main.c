/*
 * argosy - what a person types.
 *
 * `run`, `eval` and `plot` live here; every other verb is a program's beside this one,
 * which takes over.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "deploy/eval_verb.h"
#include "deploy/plot.h"
#include "deploy/process.h"
#include "deploy/run_verb.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv); // NULL: `program` has it
    const char *program;
    const char *help;
} verbs[] = {
    {"run", run_verb, NULL, "run a recipe on this machine"},
    {"eval", eval_verb, NULL, "a model on a benchmark: pass@1, pass@k, cons@k"},
    {"show", NULL, "argosy-actor", "the samples of a run, as text or JSONL"},
    {"plot", plot_verb, NULL, "draw a run's curves to PNG"},
    {"init", NULL, "argosy-actor", "make a model folder from scratch"},
    {"generate", NULL, "argosy-actor", "problems of a task as JSONL"},
    {"decontaminate", NULL, "argosy-actor", "training rows that hold a part of a benchmark"},
    {"chat", NULL, "argosy-actor", "talk to a model, in its own template"},
    {"score", NULL, "argosy-actor", "any reward on rows of responses, offline"},
    {"tokenize", NULL, "argosy-actor", "text to token ids and back"},
    {"ledger", NULL, "argosy-learner", "prove from the journal where every lease went"},
    {"keys", NULL, "argosy-learner", "the keys of a recipe, with defaults"},
};
#define N_VERBS (sizeof verbs / sizeof *verbs)

static void print_usage(FILE *out)
{
    fputs("usage: argosy VERB ...   (VERB --help)\n\n", out);
    for (size_t i = 0; i < N_VERBS; i++)
        fprintf(out, "  %-13s %s\n", verbs[i].name, verbs[i].help);
}

static int hand_over(const char *program, char **argv)
{
    char path[4096];
    struct err err;
    if (process_sibling(path, sizeof path, program, &err) == 0) {
        // argv[0] is "argosy": the program's own path takes its place, the verb stays.
        argv[0] = path;
        execv(path, argv);
        err_set(&err, ERR_IO, "start %s: %s", path, strerror(errno));
    }
    log_line(LOG_ERROR, "%s", err.text);
    return 1;
}

int main(int argc, char **argv)
{
    log_init("argosy", LOG_INFO);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    for (size_t i = 0; i < N_VERBS; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0) continue;
        if (verbs[i].run != NULL) return verbs[i].run(argc - 1, argv + 1);
        return hand_over(verbs[i].program, argv);
    }
    log_line(LOG_ERROR, "unknown verb %s", argv[1]);
    print_usage(stderr);
    return 2;
}
