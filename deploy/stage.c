#include "deploy/stage.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "deploy/process.h"
#include "deploy/progress.h"

#define ARGUMENTS_MAX 1024
#define PATH_BYTES 4096
#define LEARNER_GRACE_MS 60000u // to finish a step and write a checkpoint
#define ACTOR_GRACE_MS 7000u    // to give leases back
#define CHECK_MS 60000u
#define CHECK_BYTES ((size_t)64 << 10)
#define RESTARTS_MAX 100 // of one actor, then the run goes on without it
#define RESTART_PAUSE_MS 500u
#define QUICK_END_MS 5000u // an actor that ends by itself sooner than this, so often in a
#define QUICK_ENDS_MAX 3   // row, will not do better the next time
#define USAGE_STATUS 2     // a program's exit status for ERR_USAGE

struct fleet_actor {
    struct process process;
    char log_path[PATH_BYTES];
    char name[16];
    uint32_t n_starts, n_quick_ends;
    bool is_refused; // it ended saying that what it was asked for is wrong
    uint64_t started_ms, next_start_ms;
};

struct stage {
    const struct stage_plan *plan;
    struct process learner;
    char learner_program[PATH_BYTES], actor_program[PATH_BYTES], learner_log[PATH_BYTES];
    struct fleet_actor actors[STAGE_ACTORS_MAX];
    struct progress_view view;
};

struct arguments {
    const char *argv[ARGUMENTS_MAX];
    size_t n;
    char numbers[8][16];
    size_t n_numbers;
};

static void add(struct arguments *a, const char *text)
{
    CHECK(a->n + 1 < ARGUMENTS_MAX);
    a->argv[a->n++] = text;
    a->argv[a->n] = NULL;
}

static void add_number(struct arguments *a, uint32_t value)
{
    CHECK(a->n_numbers < sizeof a->numbers / sizeof *a->numbers);
    char *text = a->numbers[a->n_numbers++];
    snprintf(text, sizeof a->numbers[0], "%u", value);
    add(a, text);
}

// Before anything is started: whether all of it fits this machine's memory.
static int fits_memory(const struct stage *s, struct err *err)
{
    const struct stage_plan *p = s->plan;
    struct arguments a = {.n = 0};
    char *refusal;
    add(&a, s->learner_program);
    add(&a, p->recipe_path);
    add(&a, "--stage");
    add(&a, p->recipe_stage);
    add(&a, "--check-memory");
    for (size_t i = 0; i < p->n_overrides; i++)
        add(&a, p->overrides[i]);
    if (process_capture(a.argv, NULL, CHECK_MS, CHECK_BYTES, &refusal, err) != 0) return -1;
    refusal[strcspn(refusal, "\n")] = '\0';
    const int status = refusal[0] == '\0' ? 0 : err_set(err, ERR_LIMIT, "%s", refusal);
    free(refusal);
    return status;
}

static int start_learner(struct stage *s, struct err *err)
{
    const struct stage_plan *p = s->plan;
    struct arguments a = {.n = 0};
    add(&a, "mpirun");
    add(&a, "-n");
    add_number(&a, p->n_ranks);
    add(&a, "--bind-to"); // bare mpirun would bind a rank's threads to one core
    add(&a, "none");
    add(&a, "--oversubscribe");
    add(&a, s->learner_program);
    add(&a, p->recipe_path);
    add(&a, "--stage");
    add(&a, p->recipe_stage);
    add(&a, "--run");
    add(&a, p->run_folder);
    for (size_t i = 0; i < p->n_overrides; i++)
        add(&a, p->overrides[i]);
    // Root in a container is the common case of a laptop trial; mpirun asks twice.
    if (geteuid() == 0) {
        (void)setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        (void)setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    // One machine: probing the fabrics costs 0.2 s and finds nothing.
    (void)setenv("OMPI_MCA_pml", "ob1", 0);
    (void)setenv("OMPI_MCA_btl", "self,vader,tcp", 0);
    return process_start(&s->learner, a.argv, s->learner_log, true, err);
}

static int start_actor(struct stage *s, struct fleet_actor *actor, struct err *err)
{
    struct arguments a = {.n = 0};
    add(&a, s->actor_program);
    add(&a, "--run");
    add(&a, s->plan->run_folder);
    add(&a, "--name");
    add(&a, actor->name);
    add(&a, "--threads");
    add_number(&a, s->plan->actor_threads);
    add(&a, "--slots");
    add_number(&a, s->plan->actor_slots);
    if (s->plan->actor_cache_mib > 0) {
        add(&a, "--cache-mib");
        add_number(&a, s->plan->actor_cache_mib);
    }
    if (s->plan->separate_weights) {
        add(&a, "--share-weights");
        add(&a, "off");
    }
    actor->n_starts++;
    actor->started_ms = clock_now_ms();
    return process_start(&actor->process, a.argv, actor->log_path, false, err);
}

// The last line with " E " in a program's log: why it ended.
static void last_error(const char *path, char *out, size_t out_bytes)
{
    struct err err;
    char *text;
    size_t size;
    snprintf(out, out_bytes, "see %.300s", path);
    if (file_read(path, 64u << 20, &text, &size, &err) != 0) return;
    const char *found = NULL;
    for (const char *p = strstr(text, "Z E "); p != NULL; p = strstr(p + 1, "Z E "))
        found = p + 4;
    if (found != NULL) {
        const size_t n = strcspn(found, "\n");
        snprintf(out, out_bytes, "%.*s (log: %.200s)", (int)n, found, path);
    }
    free(text);
}

// An actor that cannot work here (a tokenizer that does not fit, say) says why in
// its log; starting it for ever would leave the learner to time out.  One that was
// asked for what there is not (a template's name) would say the same again.
static int check_actors(const struct stage *s, struct err *err)
{
    for (uint32_t i = 0; i < s->plan->n_actors; i++) {
        const struct fleet_actor *a = &s->actors[i];
        char reason[400];
        if (a->n_quick_ends < QUICK_ENDS_MAX && !a->is_refused) continue;
        last_error(a->log_path, reason, sizeof reason);
        if (a->is_refused) return err_set(err, ERR_USAGE, "stage %s: %s", s->plan->name, reason);
        return err_set(err, ERR_IO, "stage %s: actor %s fails at every start: %s", s->plan->name,
                       a->name, reason);
    }
    return 0;
}

static void tend_actors(struct stage *s, uint64_t now_ms)
{
    for (uint32_t i = 0; i < s->plan->n_actors; i++) {
        struct fleet_actor *a = &s->actors[i];
        int status = 0;
        if (a->process.pid != 0 && process_has_ended(&a->process, &status)) {
            a->next_start_ms = status == 0 ? UINT64_MAX : now_ms + RESTART_PAUSE_MS;
            log_line(status == 0 ? LOG_INFO : LOG_WARN, "actor %s ended status=%d log=%s", a->name,
                     status, a->log_path);
            a->is_refused = status == USAGE_STATUS;
            const bool is_own_failure = status != 0 && status < 128; // not a signal's
            const bool is_quick = now_ms - a->started_ms < QUICK_END_MS;
            a->n_quick_ends = is_own_failure && is_quick ? a->n_quick_ends + 1 : 0;
        }
        if (a->process.pid != 0 || !s->plan->restart_actors || now_ms < a->next_start_ms ||
            a->n_starts > RESTARTS_MAX)
            continue;
        struct err err;
        if (start_actor(s, a, &err) != 0) log_line(LOG_ERROR, "actor %s: %s", a->name, err.text);
    }
}

static void pass_output_on(struct stage *s, int timeout_ms)
{
    char bytes[4096];
    struct pollfd wait = {.fd = s->learner.out_fd, .events = POLLIN};
    if (poll(&wait, 1, timeout_ms) <= 0) return;
    const ssize_t n = read(s->learner.out_fd, bytes, sizeof bytes);
    if (n > 0 && !s->plan->is_quiet)
        progress_feed(&s->view, bytes, (size_t)n, clock_now_ms());
    else if (n == 0)
        (void)poll(NULL, 0, 10); // closed, and the process about to end
}

static int watch(struct stage *s, const volatile sig_atomic_t *stop, struct err *err)
{
    int status = 0;
    uint64_t stop_by_ms = 0;
    for (;;) {
        pass_output_on(s, 100);
        const uint64_t now_ms = clock_now_ms();
        if (process_has_ended(&s->learner, &status)) break;
        if (stop_by_ms == 0) tend_actors(s, now_ms);
        if (check_actors(s, err) != 0) {
            progress_end(&s->view);
            return -1;
        }
        if (*stop && stop_by_ms == 0) {
            stop_by_ms = now_ms + LEARNER_GRACE_MS;
            progress_end(&s->view);
            log_line(LOG_INFO, "stopping: the learner finishes its step and writes a checkpoint");
            // mpirun passes SIGUSR1 on to the ranks; SIGTERM it would take as its own end.
            (void)kill(s->learner.pid, SIGUSR1);
        }
        if (stop_by_ms != 0 && now_ms > stop_by_ms) status = process_stop(&s->learner, 0);
    }
    pass_output_on(s, 0);
    progress_end(&s->view);
    if (status == 0) return 0;
    if (*stop)
        return err_set(err, ERR_TIMEOUT, "stage %s: stopped by a signal; run it again to go on",
                       s->plan->name);
    char reason[400];
    last_error(s->learner_log, reason, sizeof reason);
    return err_set(err, status == 2 ? ERR_USAGE : ERR_IO, "stage %s: the learner ended (%d): %s",
                   s->plan->name, status, reason);
}

static int prepare(struct stage *s, struct err *err)
{
    const struct stage_plan *p = s->plan;
    if (p->n_actors > STAGE_ACTORS_MAX)
        return err_set(err, ERR_USAGE, "resources.actors: %u actors, at most %u on one machine",
                       p->n_actors, STAGE_ACTORS_MAX);
    if (process_sibling(s->learner_program, PATH_BYTES, "argosy-learner", err) != 0 ||
        process_sibling(s->actor_program, PATH_BYTES, "argosy-actor", err) != 0 ||
        file_make_folders(p->run_folder, err) != 0 ||
        file_join(s->learner_log, PATH_BYTES, p->run_folder, "learner.log", err) != 0)
        return -1;
    for (uint32_t i = 0; i < p->n_actors; i++) {
        struct fleet_actor *a = &s->actors[i];
        char file[32];
        snprintf(a->name, sizeof a->name, "%u", i);
        snprintf(file, sizeof file, "actor-%u.log", i);
        if (file_join(a->log_path, PATH_BYTES, p->run_folder, file, err) != 0) return -1;
    }
    return 0;
}

int stage_run(const struct stage_plan *plan, const volatile sig_atomic_t *stop, struct err *err)
{
    struct stage *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->plan = plan;
    progress_init(&s->view);
    int status = prepare(s, err);
    if (status == 0) status = fits_memory(s, err);
    if (status == 0) status = start_learner(s, err);
    if (status == 0) {
        for (uint32_t i = 0; i < plan->n_actors && status == 0; i++)
            status = start_actor(s, &s->actors[i], err);
        if (status == 0) status = watch(s, stop, err);
        (void)process_stop(&s->learner, LEARNER_GRACE_MS);
    }
    // Actors were told BYE by a learner that ended well: most are gone already.
    for (uint32_t i = 0; i < plan->n_actors; i++)
        (void)process_stop(&s->actors[i].process, ACTOR_GRACE_MS);
    free(s);
    return status;
}
