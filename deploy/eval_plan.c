#include "deploy/eval_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/json.h"

#define IDENTITY_BYTES_MAX ((size_t)16 << 20)

// R1.md section 5: the directive of the paper's mathematics prompts.
#define BOXED "\nPlease reason step by step, and put your final answer within \\boxed{}."

const char eval_usage[] =
    "usage: argosy eval --model DIR (--data FILE ... | --task SPEC) [options] [key=value ...]\n"
    "\n"
    "pass@1 with its standard error, pass@k, cons@k, lengths, by source and level.  Every\n"
    "sample is kept in RUN/samples.jsonl; the same command goes on where it was stopped.\n"
    "\n"
    "  --data FILE       JSONL of problems; repeat it for more\n"
    "  --task SPEC       a task's name or its JSON, as in a recipe\n"
    "  --grader NAME     instead of the one the data asks for\n"
    "  --template NAME   auto: the model's own (default), r1_zero, plain, text with {prompt}, ...\n"
    "  --suffix TEXT     put after each problem; 'boxed': step by step, answer in \\boxed{}\n"
    "  --n N             samples of each prompt (default 16)\n"
    "  --n-prompts N     the first N (default: all)\n"
    "  --temperature T   (default 0.6), --top-p P (default 0.95), --top-k K (default 0: off)\n"
    "  --max-tokens N    of a response, as far as the context goes (default 32768)\n"
    "  --max-prompt-tokens N   longer prompts are an error (default 4096)\n"
    "  --seed N          (default 1)\n"
    "  --actors N        started here (default 1); others: argosy-actor --run RUN, or --connect\n"
    "                    with net.bind=ADDRESS\n"
    "  --threads N       of an actor (default: as the machine allows), --slots N (default 64)\n"
    "  --run DIR         the run folder (default: runs/eval-MODEL-DATA)\n"
    "  --fresh           remove what an earlier evaluation left in it\n"
    "  --json            print the report as JSON instead of a table\n"
    "  key=value         any key of a recipe, such as net.bind or resources.actor_cache_mib\n";

// --- options -------------------------------------------------------------------------------------

static int parse_u64(const char *name, const char *text, uint64_t max, uint64_t *out,
                     struct err *err)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && text[0] != '-' && *out <= max) return 0;
    return err_set(err, ERR_USAGE, "%s: want a whole number up to %" PRIu64 ", got \"%s\"", name,
                   max, text);
}

static int parse_double(const char *name, const char *text, double max, double *out,
                        struct err *err)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out >= 0.0 && *out <= max) return 0;
    return err_set(err, ERR_USAGE, "%s: want a number from 0 to %g, got \"%s\"", name, max, text);
}

struct option {
    const char *name;
    const char **text;
    uint64_t *number;
    uint64_t max;
    double *real;
    double real_max;
};

static int take_value(const struct option *o, const char *value, struct err *err)
{
    if (o->number != NULL) return parse_u64(o->name, value, o->max, o->number, err);
    if (o->real != NULL) return parse_double(o->name, value, o->real_max, o->real, err);
    *o->text = value;
    return 0;
}

static int parse_option(struct eval_plan *p, const char *name, const char *value, struct err *err)
{
    const struct option options[] = {
        {.name = "--model", .text = &p->model},
        {.name = "--task", .text = &p->task},
        {.name = "--template", .text = &p->template},
        {.name = "--grader", .text = &p->grader},
        {.name = "--suffix", .text = &p->suffix},
        {.name = "--run", .text = &p->run},
        {.name = "--n", .number = &p->n, .max = 4096},
        {.name = "--n-prompts", .number = &p->n_prompts, .max = 1000000},
        {.name = "--top-k", .number = &p->top_k, .max = 1000000},
        {.name = "--max-tokens", .number = &p->max_tokens, .max = 131072},
        {.name = "--max-prompt-tokens", .number = &p->max_prompt_tokens, .max = 131072},
        {.name = "--seed", .number = &p->seed, .max = UINT64_C(9007199254740991)},
        {.name = "--actors", .number = &p->actors, .max = 256},
        {.name = "--threads", .number = &p->threads, .max = 1024},
        {.name = "--slots", .number = &p->slots, .max = 65536},
        {.name = "--temperature", .real = &p->temperature, .real_max = 10.0},
        {.name = "--top-p", .real = &p->top_p, .real_max = 1.0}};
    if (value == NULL) return err_set(err, ERR_USAGE, "%s: a value is missing", name);
    if (strcmp(name, "--data") == 0) {
        if (p->n_data == EVAL_DATA_MAX)
            return err_set(err, ERR_USAGE, "--data: more than %d files", EVAL_DATA_MAX);
        p->data[p->n_data++] = value;
        return 0;
    }
    for (size_t k = 0; k < sizeof options / sizeof *options; k++)
        if (strcmp(name, options[k].name) == 0) return take_value(&options[k], value, err);
    return err_set(err, ERR_USAGE, "unknown option %s", name);
}

// The last part of a path, without slashes at its end and what follows a dot.
static void stem(const char *path, char *out, size_t out_bytes)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    snprintf(out, out_bytes, "%.*s", (int)(end - start), path + start);
    char *dot = strrchr(out, '.');
    if (dot != NULL && dot != out && strspn(dot + 1, "jsonlgz") == strlen(dot + 1)) *dot = '\0';
}

static int name_folder(struct eval_plan *p, struct err *err)
{
    char model[200], data[200], name[512];
    if (p->run != NULL) {
        if (snprintf(p->folder, sizeof p->folder, "%s", p->run) < (int)sizeof p->folder) return 0;
        return err_set(err, ERR_USAGE, "--run: the path is too long");
    }
    stem(p->model, model, sizeof model);
    stem(p->n_data > 0 ? p->data[0] : p->task[0] == '{' ? "task" : p->task, data, sizeof data);
    snprintf(name, sizeof name, "eval-%s-%s", model, data);
    return file_join(p->folder, sizeof p->folder, "runs", name, err);
}

int eval_plan_parse(struct eval_plan *p, int argc, char **argv, struct err *err)
{
    *p = (struct eval_plan){.template = "auto",
                            .suffix = "",
                            .temperature = 0.6,
                            .top_p = 0.95,
                            .n = 16,
                            .max_tokens = 32768,
                            .max_prompt_tokens = 4096,
                            .seed = 1,
                            .actors = 1,
                            .slots = 64};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            p->is_json = true;
        } else if (strcmp(argv[i], "--fresh") == 0) {
            p->is_fresh = true;
        } else if (argv[i][0] == '-') {
            if (parse_option(p, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err) != 0) return -1;
            i++;
        } else if (strchr(argv[i], '=') != NULL && p->n_overrides < EVAL_OVERRIDES_MAX) {
            p->overrides[p->n_overrides++] = argv[i];
        } else {
            return err_set(err, ERR_USAGE, "%s: want an option or key=value", argv[i]);
        }
    }
    if (p->model == NULL || (p->task == NULL && p->n_data == 0))
        return err_set(err, ERR_USAGE, "--model, and --data or --task, are needed; see --help");
    if (p->n == 0 || p->max_tokens == 0 || p->max_prompt_tokens == 0 || p->slots == 0 ||
        p->top_p <= 0.0)
        return err_set(err, ERR_USAGE,
                       "--n, --max-tokens, --max-prompt-tokens, --slots and --top-p must be above "
                       "0");
    if (p->task == NULL) p->task = "jsonl";
    if (strcmp(p->suffix, "boxed") == 0) p->suffix = BOXED;
    return name_folder(p, err);
}

// --- the recipe ----------------------------------------------------------------------------------

static int put_task(const struct eval_plan *p, struct json_writer *w, struct err *err)
{
    if (p->task[0] != '{') {
        json_open(w, "task", '{');
        json_put_string(w, "name", p->task);
        if (p->grader != NULL) json_put_string(w, "grader", p->grader);
        json_close(w, '}');
        return 0;
    }
    if (p->grader != NULL) return err_set(err, ERR_USAGE, "--grader: say it in the JSON of --task");
    struct json_document *task = json_parse(p->task, strlen(p->task), "--task", err);
    if (task == NULL) return -1;
    json_put_value(w, "task", json_root(task));
    json_destroy(task);
    return 0;
}

static void put_data(const struct eval_plan *p, struct json_writer *w)
{
    json_open(w, "data", '{');
    if (p->n_data > 0) {
        json_open(w, "val_files", '[');
        for (size_t i = 0; i < p->n_data; i++)
            json_put_string(w, NULL, p->data[i]);
        json_close(w, ']');
    }
    json_put_u64(w, "seed", p->seed);
    json_put_string(w, "prompt_suffix", p->suffix);
    json_put_u64(w, "max_prompt_length", p->max_prompt_tokens);
    json_put_u64(w, "max_response_length", p->max_tokens);
    json_close(w, '}');
}

static void put_eval(const struct eval_plan *p, struct json_writer *w)
{
    json_open(w, "eval", '{');
    json_put_u64(w, "n_prompts", p->n_prompts);
    json_put_u64(w, "n", p->n);
    json_put_u64(w, "samples_per_lease", 8);
    json_put_double(w, "temperature", p->temperature);
    json_put_double(w, "top_p", p->top_p);
    json_put_u64(w, "top_k", p->top_k);
    json_close(w, '}');
}

// JSON, which is YAML too.  What a sample depends on and nothing else: threads
// and actors may change between two lives of an evaluation.
static int write_recipe(const struct eval_plan *p, struct json_writer *w, struct err *err)
{
    json_open(w, NULL, '{');
    json_open(w, "stages", '[');
    json_open(w, NULL, '{');
    json_put_string(w, "name", "eval");
    json_put_string(w, "kind", "eval");
    json_open(w, "model", '{');
    json_put_string(w, "path", p->model);
    json_close(w, '}');
    json_put_string(w, "template", p->template);
    if (put_task(p, w, err) != 0) return -1;
    json_put_json(w, "rewards", "[{\"name\": \"accuracy\"}]");
    put_data(p, w);
    put_eval(p, w);
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
    return 0;
}

// --- is it the same evaluation? ------------------------------------------------------------------

static int put_file_hash(const char *path, struct json_writer *w, struct err *err)
{
    struct file_map map;
    char hex[HASH_HEX_BYTES];
    if (file_map(&map, path, err) != 0) return -1;
    const struct hash hash = hash_of(map.bytes, map.size_bytes);
    file_unmap(&map);
    hash_hex(&hash, hex);
    json_put_string(w, path, hex);
    return 0;
}

// Weights are gigabytes: their sizes and times say enough.
static void put_weights(const char *folder, struct json_writer *w)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[EVAL_PATH_BYTES];
        struct err ignored;
        struct stat status;
        if (file_join(path, sizeof path, folder, names[i], &ignored) != 0) continue;
        if (stat(path, &status) != 0) continue;
        json_put_i64(w, path, (int64_t)status.st_size);
        json_put_i64(w, "changed", (int64_t)status.st_mtime);
    }
}

static int write_identity(const struct eval_plan *p, const char *recipe, struct json_writer *w,
                          struct err *err)
{
    char config[EVAL_PATH_BYTES];
    json_open(w, NULL, '{');
    json_put_json(w, "recipe", recipe);
    json_open(w, "files", '{');
    if (file_join(config, sizeof config, p->model, "config.json", err) != 0 ||
        put_file_hash(config, w, err) != 0)
        return -1;
    for (size_t i = 0; i < p->n_data; i++)
        if (put_file_hash(p->data[i], w, err) != 0) return -1;
    put_weights(p->model, w);
    json_close(w, '}');
    json_open(w, "overrides", '[');
    for (size_t i = 0; i < p->n_overrides; i++)
        if (strncmp(p->overrides[i], "net.", 4) != 0 &&
            strncmp(p->overrides[i], "resources.", 10) != 0)
            json_put_string(w, NULL, p->overrides[i]);
    json_close(w, ']');
    json_close(w, '}');
    return 0;
}

static int compare_identity(const char *path, const char *identity, struct err *err)
{
    char *before;
    size_t size_bytes;
    if (file_read(path, IDENTITY_BYTES_MAX, &before, &size_bytes, err) != 0) return -1;
    const bool is_same =
        strlen(identity) == size_bytes && memcmp(before, identity, size_bytes) == 0;
    free(before);
    if (is_same) return 0;
    return err_set(err, ERR_MISMATCH,
                   "%s is of another evaluation (other options, data or weights): give another "
                   "--run, or --fresh to begin again",
                   path);
}

static int place(const struct eval_plan *p, const char *recipe, const char *recipe_path,
                 struct err *err)
{
    struct json_writer identity;
    char path[EVAL_PATH_BYTES];
    json_writer_init(&identity);
    int status = write_identity(p, recipe, &identity, err);
    if (status == 0) status = file_join(path, sizeof path, p->folder, "eval-identity.json", err);
    if (status == 0 && file_exists(path)) {
        status = compare_identity(path, identity.bytes, err);
    } else if (status == 0) {
        status = file_make_folders(p->folder, err);
        if (status == 0) status = file_write_atomic(path, identity.bytes, identity.size_bytes, err);
    }
    free(identity.bytes);
    if (status != 0) return -1;
    return file_write_atomic(recipe_path, recipe, strlen(recipe), err);
}

int eval_plan_place(const struct eval_plan *p, char recipe_path[EVAL_PATH_BYTES], struct err *err)
{
    struct json_writer recipe;
    if (file_join(recipe_path, EVAL_PATH_BYTES, p->folder, "eval.yaml", err) != 0) return -1;
    json_writer_init(&recipe);
    int status = write_recipe(p, &recipe, err);
    if (status == 0) status = place(p, recipe.bytes, recipe_path, err);
    free(recipe.bytes);
    return status;
}
