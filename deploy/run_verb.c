#include "deploy/run_verb.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "deploy/plot.h"
#include "deploy/process.h"
#include "deploy/stage.h"
#include "deploy/summary.h"

#define PATH_BYTES 4096
#define STAGES_MAX 64
#define OVERRIDES_MAX 256
#define RESOLVE_MS 60000u
#define RESOLVE_BYTES (4u << 20)
#define INIT_MS 600000u
#define STAGE_PREFIX "stage:" // model.path: stage:NAME is the model that stage made

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static const char usage[] =
    "usage: argosy run RECIPE [--run DIR] [--fresh] [--stage NAME] [--dry-run] [key=value ...]\n"
    "\n"
    "Runs the stages of a recipe on this machine: for each, a learner under mpirun\n"
    "and its actors.  A run that was stopped goes on where it was.\n"
    "\n"
    "  --run DIR     the run folder (default: runs/ and the recipe's name)\n"
    "  --fresh       remove what an earlier run left in it\n"
    "  --stage NAME  only this stage\n"
    "  --dry-run     print the resolved recipe and the memory it takes\n"
    "  key=value     overrides a key of every stage; stages.NAME.key=value of one\n";

struct run {
    const char *recipe_path;
    char folder[PATH_BYTES];
    const char *only_stage;
    bool is_fresh, is_dry;
    const char *overrides[OVERRIDES_MAX]; // the user's, then the stage's model path
    size_t n_overrides;
    struct json_document *resolved;
    char stage_folders[STAGES_MAX][PATH_BYTES];
    size_t n_stages;
};

static int default_folder(struct run *r, struct err *err)
{
    const char *slash = strrchr(r->recipe_path, '/');
    char stem[256];
    snprintf(stem, sizeof stem, "%s", slash != NULL ? slash + 1 : r->recipe_path);
    char *dot = strrchr(stem, '.');
    if (dot != NULL && dot != stem) *dot = '\0';
    return file_join(r->folder, sizeof r->folder, "runs", stem, err);
}

static int parse(struct run *r, int argc, char **argv, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--fresh") == 0) {
            r->is_fresh = true;
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            r->is_dry = true;
        } else if (strcmp(argv[i], "--run") == 0 && value != NULL) {
            if (snprintf(r->folder, sizeof r->folder, "%s", value) >= (int)sizeof r->folder)
                return err_set(err, ERR_USAGE, "--run: the path is too long");
            i++;
        } else if (strcmp(argv[i], "--stage") == 0 && value != NULL) {
            r->only_stage = value;
            i++;
        } else if (argv[i][0] == '-') {
            return err_set(err, ERR_USAGE, "unknown option %s, or its value is missing", argv[i]);
        } else if (r->recipe_path == NULL) {
            r->recipe_path = argv[i];
        } else if (strchr(argv[i], '=') != NULL) {
            if (r->n_overrides + 2 >= OVERRIDES_MAX)
                return err_set(err, ERR_USAGE, "more than %d overrides", OVERRIDES_MAX - 2);
            r->overrides[r->n_overrides++] = argv[i];
        } else {
            return err_set(err, ERR_USAGE, "%s: want key=value", argv[i]);
        }
    }
    if (r->recipe_path == NULL) return err_set(err, ERR_USAGE, "no recipe given; see --help");
    return r->folder[0] != '\0' ? 0 : default_folder(r, err);
}

// argosy-learner knows the keys; it prints the whole recipe with every default.
static int ask_learner(const struct run *r, const char *flag, char **output, struct err *err)
{
    char program[PATH_BYTES];
    const char *argv[OVERRIDES_MAX + 8];
    size_t n = 0;
    if (process_sibling(program, sizeof program, "argosy-learner", err) != 0) return -1;
    argv[n++] = program;
    argv[n++] = r->recipe_path;
    argv[n++] = flag;
    for (size_t i = 0; i < r->n_overrides; i++)
        argv[n++] = r->overrides[i];
    argv[n] = NULL;
    if (process_capture(argv, NULL, RESOLVE_MS, RESOLVE_BYTES, output, err) == 0) return 0;
    return err_prefix(err, "resolve %s", r->recipe_path);
}

static int resolve(struct run *r, struct err *err)
{
    char *text;
    if (ask_learner(r, "--resolve", &text, err) != 0) return -1;
    r->resolved = json_parse(text, strlen(text), "resolved recipe", err);
    free(text);
    if (r->resolved == NULL) return -1;
    r->n_stages = json_count(json_member(json_root(r->resolved), "stages"));
    if (r->n_stages == 0 || r->n_stages > STAGES_MAX)
        return err_set(err, ERR_USAGE, "%s: %zu stages, want 1 to %d", r->recipe_path, r->n_stages,
                       STAGES_MAX);
    return 0;
}

static struct json stage_of(const struct run *r, size_t i)
{
    return json_item(json_member(json_root(r->resolved), "stages"), i);
}

static const char *stage_name(const struct run *r, size_t i)
{
    return json_to_string(json_member(stage_of(r, i), "name"), NULL);
}

// The folder of the stage called `name`, or NULL.
static const char *folder_of_stage(const struct run *r, const char *name)
{
    for (size_t i = 0; i < r->n_stages; i++)
        if (strcmp(stage_name(r, i), name) == 0) return r->stage_folders[i];
    return NULL;
}

static const char *tokenizer_of(struct json model)
{
    const char *folder = json_to_string(json_member(model, "tokenizer"), NULL);
    return folder != NULL && folder[0] != '\0' ? folder : NULL;
}

static int make_preset(const char *preset, const char *tokenizer, uint64_t seed, const char *folder,
                       struct err *err)
{
    char program[PATH_BYTES], number[24], *output;
    if (process_sibling(program, sizeof program, "argosy-actor", err) != 0) return -1;
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    const char *argv[] = {program, "init", "--preset",    preset,    "--seed",
                          number,  folder, "--tokenizer", tokenizer, NULL};
    if (tokenizer == NULL) argv[7] = NULL;
    if (process_capture(argv, NULL, INIT_MS, RESOLVE_BYTES, &output, err) != 0)
        return err_prefix(err, "make a model of preset %s", preset);
    free(output);
    return 0;
}

// Where the stage's model comes from, as an override of model.path; an empty
// string when the recipe's own path stands.
static int place_model(const struct run *r, size_t i, char *override, size_t bytes, struct err *err)
{
    const struct json model = json_member(stage_of(r, i), "model");
    const char *path = json_to_string(json_member(model, "path"), NULL);
    const char *preset = json_to_string(json_member(model, "preset"), NULL);
    char folder[PATH_BYTES];
    override[0] = '\0';
    if (path != NULL && strncmp(path, STAGE_PREFIX, strlen(STAGE_PREFIX)) == 0) {
        const char *from = folder_of_stage(r, path + strlen(STAGE_PREFIX));
        if (from == NULL)
            return err_set(err, ERR_USAGE, "stage %s: model.path: %s names no stage",
                           stage_name(r, i), path);
        if (file_join(folder, sizeof folder, from, "model", err) != 0) return -1;
    } else if ((path == NULL || path[0] == '\0') && preset != NULL && preset[0] != '\0') {
        uint64_t seed;
        if (json_get_u64(json_member(stage_of(r, i), "data"), "seed", UINT64_MAX, &seed, err) !=
                0 ||
            file_join(folder, sizeof folder, r->stage_folders[i], "init", err) != 0)
            return -1;
        if (!file_exists(folder) &&
            make_preset(preset, tokenizer_of(model), seed, folder, err) != 0)
            return -1;
    } else {
        return 0;
    }
    const int n = snprintf(override, bytes, "stages.%s.model.path=%s", stage_name(r, i), folder);
    if (n < 0 || (size_t)n >= bytes) return err_set(err, ERR_LIMIT, "%s: path too long", folder);
    return 0;
}

static int resource(const struct run *r, size_t i, const char *key, uint32_t max, uint32_t *out,
                    struct err *err)
{
    uint64_t value;
    if (json_get_u64(json_member(stage_of(r, i), "resources"), key, max, &value, err) != 0)
        return -1;
    *out = (uint32_t)value;
    return 0;
}

static int run_stage(struct run *r, size_t i, struct err *err)
{
    char model[PATH_BYTES + 128], done[PATH_BYTES];
    struct stage_plan plan = {.name = stage_name(r, i),
                              .run_folder = r->stage_folders[i],
                              .recipe_path = r->recipe_path,
                              .recipe_stage = stage_name(r, i)};
    if (file_join(done, sizeof done, plan.run_folder, "result.json", err) != 0) return -1;
    if (file_exists(done)) {
        printf("%s is done already (%s); --fresh begins the run anew\n", plan.name, done);
        return 0;
    }
    const struct json resources = json_member(stage_of(r, i), "resources");
    bool share_weights;
    if (file_make_folders(plan.run_folder, err) != 0 ||
        place_model(r, i, model, sizeof model, err) != 0 ||
        resource(r, i, "ranks", 4096, &plan.n_ranks, err) != 0 ||
        resource(r, i, "actors", STAGE_ACTORS_MAX, &plan.n_actors, err) != 0 ||
        resource(r, i, "actor_threads", 1024, &plan.actor_threads, err) != 0 ||
        resource(r, i, "actor_slots", 65536, &plan.actor_slots, err) != 0 ||
        resource(r, i, "actor_cache_mib", 1u << 22, &plan.actor_cache_mib, err) != 0 ||
        json_get_bool(resources, "share_weights", &share_weights, err) != 0 ||
        json_get_bool(resources, "restart_actors", &plan.restart_actors, err) != 0)
        return -1;
    plan.separate_weights = !share_weights;
    plan.n_overrides = r->n_overrides;
    if (model[0] != '\0') r->overrides[plan.n_overrides++] = model;
    plan.overrides = r->overrides;
    return stage_run(&plan, &stop_asked, err);
}

static int run_all(struct run *r, struct err *err)
{
    const double start_s = clock_now_s();
    const char *folders[STAGES_MAX];
    for (size_t i = 0; i < r->n_stages; i++) {
        if (file_join(r->stage_folders[i], PATH_BYTES, r->folder, stage_name(r, i), err) != 0)
            return -1;
        folders[i] = r->stage_folders[i];
    }
    if (r->only_stage != NULL && folder_of_stage(r, r->only_stage) == NULL)
        return err_set(err, ERR_USAGE, "%s has no stage %s", r->recipe_path, r->only_stage);
    for (size_t i = 0; i < r->n_stages; i++) {
        if (r->only_stage != NULL && strcmp(stage_name(r, i), r->only_stage) != 0) continue;
        if (run_stage(r, i, err) != 0) return -1;
    }
    if (r->only_stage != NULL) return 0;
    if (summary_write(r->folder, folders, r->n_stages, clock_now_s() - start_s, err) != 0)
        return -1;
    char png[PATH_BYTES];
    if (summary_print(r->folder, err) != 0 ||
        file_join(png, sizeof png, r->folder, "curves.png", err) != 0)
        return -1;
    // The run is whole without its picture: say what is missing and go on.
    struct err plot_err;
    if (plot_run(r->folder, png, &plot_err) == 0)
        printf("curves:  %s\n", png);
    else
        log_line(LOG_WARN, "no plot: %s", plot_err.text);
    printf("summary: %s/summary.json\n", r->folder);
    return 0;
}

// --- the dry run -----------------------------------------------------------------

// The stage whose model stage i starts from, itself if it takes no other's.
static size_t first_stage(const struct run *r, size_t i)
{
    for (size_t hops = 0; hops < r->n_stages; hops++) {
        const struct json model = json_member(stage_of(r, i), "model");
        const char *path = json_to_string(json_member(model, "path"), NULL);
        size_t from = 0;
        if (path == NULL || strncmp(path, STAGE_PREFIX, strlen(STAGE_PREFIX)) != 0) return i;
        while (from < r->n_stages && strcmp(stage_name(r, from), path + strlen(STAGE_PREFIX)) != 0)
            from++;
        if (from == r->n_stages) return i;
        i = from;
    }
    return i;
}

// Writes the config.json that a preset's model would have.
static int preview_preset(const char *preset, const char *tokenizer, const char *folder,
                          struct err *err)
{
    char program[PATH_BYTES], path[PATH_BYTES], *config;
    if (process_sibling(program, sizeof program, "argosy-actor", err) != 0 ||
        file_make_folders(folder, err) != 0 ||
        file_join(path, sizeof path, folder, "config.json", err) != 0)
        return -1;
    const char *argv[] = {program,    "init",        "--preset", preset,
                          "--config", "--tokenizer", tokenizer,  NULL};
    if (tokenizer == NULL) argv[5] = NULL;
    if (process_capture(argv, NULL, INIT_MS, RESOLVE_BYTES, &config, err) != 0)
        return err_prefix(err, "the shape of preset %s", preset);
    const int status = file_write_atomic(path, config, strlen(config), err);
    free(config);
    return status;
}

// Overrides that let every stage's memory be known before any model is there.
static int preview_models(struct run *r, const char *scratch, char (*overrides)[2 * PATH_BYTES],
                          struct err *err)
{
    for (size_t i = 0; i < r->n_stages; i++) {
        const struct json model = json_member(stage_of(r, first_stage(r, i)), "model");
        const char *path = json_to_string(json_member(model, "path"), NULL);
        const char *preset = json_to_string(json_member(model, "preset"), NULL);
        char folder[PATH_BYTES];
        snprintf(folder, sizeof folder, "%s", path != NULL ? path : "");
        if (folder[0] == '\0' && preset != NULL &&
            (file_join(folder, sizeof folder, scratch, preset, err) != 0 ||
             preview_preset(preset, tokenizer_of(model), folder, err) != 0))
            return -1;
        if (r->n_overrides + 1 >= OVERRIDES_MAX)
            return err_set(err, ERR_USAGE, "more than %d overrides", OVERRIDES_MAX - 2);
        snprintf(overrides[i], sizeof overrides[i], "stages.%s.model.path=%s", stage_name(r, i),
                 folder);
        r->overrides[r->n_overrides++] = overrides[i];
    }
    return 0;
}

// The recipe as it stands, then the memory with every model's shape known.
static int print_preview(struct run *r, const char *scratch, struct err *err)
{
    static char overrides[STAGES_MAX][2 * PATH_BYTES];
    char *recipe = NULL, *text = NULL;
    int status = ask_learner(r, "--resolve", &recipe, err);
    if (status == 0) status = preview_models(r, scratch, overrides, err);
    if (status == 0) status = ask_learner(r, "--dry-run", &text, err);
    if (status == 0) {
        const char *memory = strchr(text, '\n');
        fputs(recipe, stdout);
        if (memory != NULL) fputs(memory + 1, stdout);
    }
    free(recipe);
    free(text);
    return status;
}

static int dry_run(struct run *r, struct err *err)
{
    const char *parent = getenv("TMPDIR");
    char scratch[PATH_BYTES];
    struct err ignored;
    if (resolve(r, err) != 0) return -1;
    snprintf(scratch, sizeof scratch, "%s/argosy-dry-run.XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(scratch) == NULL)
        return err_set(err, ERR_IO, "make %s: %s", scratch, strerror(errno));
    const int status = print_preview(r, scratch, err);
    (void)file_remove_tree(scratch, &ignored);
    return status;
}

int run_verb(int argc, char **argv)
{
    static struct run r; // paths of every stage: too much for a stack
    struct err err;
    int status = 0;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    status = parse(&r, argc, argv, &err);
    if (status == 0 && r.is_dry) {
        status = dry_run(&r, &err);
    } else if (status == 0) {
        if (r.is_fresh) status = file_remove_tree(r.folder, &err);
        if (status == 0) status = resolve(&r, &err);
        if (status == 0) status = run_all(&r, &err);
    }
    json_destroy(r.resolved);
    if (status == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
