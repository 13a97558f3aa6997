/*
 * argosy-learner - one stage of a recipe as an MPI job.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "learner/comm.h"
#include "learner/ledger.h"
#include "learner/options.h"
#include "learner/preview.h"
#include "learner/trainer.h"

#define EXIT_REQUEUE 75         // stopped by a signal after a checkpoint: start it again
#define PORTABLE_CORE "Haswell" // OpenBLAS kernels that every x86-64-v3 machine runs

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static const char usage[] =
    "usage: mpirun -n R argosy-learner RECIPE [key=value ...] [--stage NAME] [--run DIR]\n"
    "       argosy-learner RECIPE [key=value ...] --dry-run | --resolve\n"
    "       argosy-learner RECIPE [key=value ...] [--stage NAME] --check-memory\n"
    "       argosy-learner ledger RUN [--json]\n"
    "       argosy-learner keys\n"
    "\n"
    "  --stage NAME  the stage to run (default: the first)\n"
    "  --run DIR     its run folder (default: runs/ and the stage's name)\n"
    "  --dry-run     print every stage with all its keys, and the memory it takes\n"
    "  --resolve     print every stage with all its keys as JSON\n"
    "  --check-memory  print why the stage's ranks and actors do not fit this machine\n"
    "                  together; nothing when they do\n"
    "\n"
    "A signal (TERM, INT or USR1) ends it after the step under way, with a checkpoint\n"
    "and status 75; the same command goes on from there.\n";

struct command {
    const char *recipe, *stage, *run;
    bool is_dry, is_resolve, is_memory;
    char **overrides; // of main's argv, moved to its front
    size_t n_overrides;
};

static int parse(int argc, char **argv, struct command *c, struct err *err)
{
    c->overrides = argv; // argv[0] on is free to be written over
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--dry-run") == 0) {
            c->is_dry = true;
        } else if (strcmp(argv[i], "--resolve") == 0) {
            c->is_resolve = true;
        } else if (strcmp(argv[i], "--check-memory") == 0) {
            c->is_memory = true;
        } else if (strcmp(argv[i], "--stage") == 0 && value != NULL) {
            c->stage = argv[++i];
        } else if (strcmp(argv[i], "--run") == 0 && value != NULL) {
            c->run = argv[++i];
        } else if (argv[i][0] == '-') {
            return err_set(err, ERR_USAGE, "unknown option %s, or its value is missing", argv[i]);
        } else if (c->recipe == NULL) {
            c->recipe = argv[i];
        } else if (strchr(argv[i], '=') != NULL) {
            c->overrides[c->n_overrides++] = argv[i];
        } else {
            return err_set(err, ERR_USAGE, "%s: want key=value", argv[i]);
        }
    }
    return c->recipe != NULL ? 0 : err_set(err, ERR_USAGE, "no recipe given; see --help");
}

// OpenBLAS chooses its kernels when it is loaded, by the environment: what the
// recipe asks for has to be there before, so the program starts itself again.
static int pin_blas(const struct options *o, char **argv, struct err *err)
{
    const char *core = getenv("OPENBLAS_CORETYPE");
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    const bool wants_core = o->numerics == NUMERICS_PORTABLE;
    char self[4096];

    if (threads != NULL && strcmp(threads, "1") == 0 &&
        (!wants_core || (core != NULL && strcmp(core, PORTABLE_CORE) == 0))) {
        return 0;
    }
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (wants_core) setenv("OPENBLAS_CORETYPE", PORTABLE_CORE, 1);
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0'; // by this name ps shows it
        execv(self, argv);
    }
    return err_set(err, ERR_IO, "start again with OpenBLAS pinned: %s", strerror(errno));
}

static int find_stage(struct recipe *recipe, const char *name, size_t *stage, struct err *err)
{
    *stage = 0;
    if (name == NULL) return 0;
    const int found = recipe_find_stage(recipe, name);
    if (found < 0) {
        return err_set(err, ERR_USAGE, "%s has no stage %s", recipe_path(recipe), name);
    }
    *stage = (size_t)found;
    return 0;
}

static int read_stage(struct recipe *recipe, size_t stage, struct options *o, struct err *err)
{
    // Every stage is read, so that a key unknown to one is found before any runs.
    for (size_t i = 0; i < recipe_stage_count(recipe); i++) {
        struct options other;
        if (options_read(i == stage ? o : &other, recipe, i, err) != 0) return -1;
    }
    return recipe_check_unused(recipe, err);
}

static void log_as_rank(void)
{
    char origin[32];

    snprintf(origin, sizeof origin, "learner.%d", comm_rank());
    log_init(origin, LOG_INFO);
}

static int train(const struct options *o, const char *stage, const char *run_folder)
{
    enum trainer_end end = TRAINER_STOPPED;
    struct err err;
    int status;

    comm_start();
    log_as_rank();
    if ((uint64_t)comm_size() != o->ranks && comm_rank() == 0) {
        log_line(LOG_WARN, "mpirun started %d ranks, resources.ranks is %d", comm_size(),
                 (int)o->ranks);
    }
    status = trainer_run(o, stage, run_folder, &stop_asked, &end, &err);
    if (status != 0 && comm_rank() == 0) log_line(LOG_ERROR, "%s", err.text);
    comm_end();
    if (status != 0) return err_exit_status(&err);
    return end == TRAINER_DONE ? 0 : EXIT_REQUEUE;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); // a limit of file sizes is an error like a full disk
}

static int fail(const struct err *err)
{
    log_line(LOG_ERROR, "%s", err->text);
    return err_exit_status(err);
}

static int run(int argc, char **argv, char **original)
{
    struct command c = {0};
    struct options o;
    struct recipe *recipe = NULL;
    char folder[4096];
    size_t stage;
    struct err err;
    int status = parse(argc, argv, &c, &err);

    if (status == 0) {
        recipe = recipe_open(c.recipe, c.n_overrides, c.overrides, &err);
        if (recipe == NULL) status = -1;
    }
    if (status == 0) status = find_stage(recipe, c.stage, &stage, &err);
    if (status == 0) status = read_stage(recipe, stage, &o, &err);
    if (status == 0 && (c.is_dry || c.is_resolve)) {
        status = preview_print(recipe, c.is_dry, stdout, &err);
    } else if (status == 0 && c.is_memory) {
        preview_refusal(&o, recipe_stage_name(recipe, stage), stdout);
    } else if (status == 0 && (status = pin_blas(&o, original, &err)) == 0) {
        snprintf(folder, sizeof folder, "runs/%s", recipe_stage_name(recipe, stage));
        catch_signals();
        const int exit_status =
            train(&o, recipe_stage_name(recipe, stage), c.run != NULL ? c.run : folder);
        recipe_destroy(recipe);
        return exit_status;
    }
    recipe_destroy(recipe);
    return status == 0 ? 0 : fail(&err);
}

int main(int argc, char **argv)
{
    log_init("learner", LOG_INFO);
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "ledger") == 0) return ledger_verb(argc - 1, argv + 1);
    if (strcmp(argv[1], "keys") == 0) {
        options_print_keys(stdout);
        return 0;
    }
    // parse() reorders its argv; starting again needs the original.
    char **copy = calloc((size_t)argc + 1, sizeof(char *));
    CHECK(copy != NULL);
    memcpy(copy, argv, (size_t)argc * sizeof(char *));
    const int status = run(argc, copy, argv);
    free(copy);
    return status;
}
