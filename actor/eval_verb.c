/*
 * `argosy eval`: pass@1, cons@n and pass@n of a model folder on held-out
 * prompts, by this process alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/engine/rollout.h"
#include "actor/verbs.h"
#include "actor/workload.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/math/tally.h"
#include "common/model/safetensors.h"

#define MODEL_FILES_MAX 16
#define FILE_BYTES_MAX ((size_t)1 << 30)
#define PREFILL_ROWS 2048u

static const char usage[] =
    "usage: argosy eval --model DIR --task SPEC [options]\n"
    "\n"
    "  --task SPEC       a task's name or its JSON, as in a recipe\n"
    "  --data FILE       the JSONL file of a task that reads one\n"
    "  --template NAME   short | r1_zero | plain | text with {prompt} (default short)\n"
    "  --n N             samples of each prompt (default 16)\n"
    "  --n-prompts N     held-out prompts (default 250)\n"
    "  --temperature T   (default 1), --top-p P (default 1), --top-k K (default 0: off)\n"
    "  --max-tokens N    of a response (default 256)\n"
    "  --seed N          (default 1), --threads N, --slots N (default 64)\n"
    "  --cache-mib N     memory for keys and values (default 2048)\n"
    "  --json            one JSON object instead of a table\n";

struct eval_options {
    const char *model, *task, *data, *template;
    double temperature, top_p;
    uint64_t n, n_prompts, top_k, max_tokens, seed, threads, slots, cache_mib;
    bool is_json;
};

struct eval {
    const struct eval_options *options;
    struct served_file files[MODEL_FILES_MAX];
    size_t n_files;
    struct workload *workload;
    struct params params;
    struct weights *weights;
    struct pool *pool;
    struct rollout *rollout;
    struct prompt *prompts;       // (n_prompts)
    struct tally_sample *samples; // (n_prompts, n)
    uint64_t n_scored;
};

static int add_file(struct eval *e, const char *name, const char *path, struct err *err)
{
    struct served_file *f = &e->files[e->n_files];
    char *bytes;
    size_t size;
    CHECK(e->n_files < MODEL_FILES_MAX);
    if (file_read(path, FILE_BYTES_MAX, &bytes, &size, err) != 0) return -1;
    snprintf(f->name, sizeof f->name, "%s", name);
    f->bytes = (unsigned char *)bytes;
    f->size_bytes = size;
    e->n_files++;
    return 0;
}

// What the learner would serve to an actor.
static int gather_files(struct eval *e, struct err *err)
{
    static const char *const names[] = {"config.json", "tokenizer.json", "generation_config.json"};
    char path[4096];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (file_join(path, sizeof path, e->options->model, names[i], err) != 0) return -1;
        if (i == 2 && !file_exists(path)) continue;
        if (add_file(e, names[i], path, err) != 0) return -1;
    }
    return e->options->data == NULL ? 0 : add_file(e, "data/val/0", e->options->data, err);
}

static void write_spec(struct json_writer *w, const struct eval_options *o)
{
    json_writer_init(w);
    json_open(w, NULL, '{');
    json_put_u64(w, "seed", o->seed);
    json_put_string(w, "template", o->template);
    json_open(w, "rewards", '[');
    for (int i = 0; i < 2; i++) {
        json_open(w, NULL, '{');
        json_put_string(w, "name", i == 0 ? "accuracy" : "format");
        json_put_double(w, "weight", 1.0);
        if (i == 0) json_put_bool(w, "strict", true); // as R1-Zero: an answer in the asked form
        json_close(w, '}');
    }
    json_close(w, ']');
    if (o->task[0] == '{') {
        json_put_json(w, "task", o->task);
    } else {
        json_open(w, "task", '{');
        json_put_string(w, "name", o->task);
        json_close(w, '}');
    }
    json_close(w, '}');
}

static int open_workload(struct eval *e, struct err *err)
{
    struct json_writer spec;
    if (gather_files(e, err) != 0) return -1;
    write_spec(&spec, e->options);
    e->workload = workload_create(spec.bytes, e->files, e->n_files, err);
    free(spec.bytes);
    return e->workload == NULL ? -1 : 0;
}

static int open_engine(struct eval *e, struct err *err)
{
    const struct eval_options *o = e->options;
    const struct shape *shape = workload_shape(e->workload);
    if (params_init(&e->params, shape, err) != 0) return -1;
    uint16_t *flat = malloc(e->params.n_elements * sizeof *flat);
    CHECK(flat != NULL);
    if (safetensors_read_model(o->model, &e->params, flat, err) != 0) {
        free(flat);
        return -1;
    }
    e->pool = pool_create((unsigned)o->threads);
    e->weights = weights_create(&e->params, PANEL_BF16);
    weights_load(e->weights, flat, e->pool);
    free(flat);
    const uint32_t wanted = rollout_pages_needed((uint32_t)o->slots, shape->context_length);
    const uint64_t allowed = (o->cache_mib << 20) / kv_bytes(shape, 1);
    const struct rollout_limits limits = {
        (uint32_t)o->slots, allowed < wanted ? (uint32_t)allowed : wanted, PREFILL_ROWS};
    if (limits.n_pages == 0)
        return err_set(err, ERR_LIMIT, "--cache-mib %llu: not one page of this model fits",
                       (unsigned long long)o->cache_mib);
    e->rollout = rollout_create(shape, &limits, e->pool);
    rollout_set_weights(e->rollout, e->weights);
    return 0;
}

static int add_prompt(struct eval *e, uint64_t index, struct err *err)
{
    const struct eval_options *o = e->options;
    struct prompt *prompt = &e->prompts[index];
    if (workload_prompt(e->workload, LEASE_EVAL, index, prompt, err) != 0)
        return err_prefix(err, "held-out prompt %llu", (unsigned long long)index);
    struct rollout_group g = {
        .ticket = index,
        .prompt = prompt->tokens,
        .n_prompt_tokens = prompt->n_tokens,
        .n_samples = (uint32_t)o->n,
        .max_new_tokens = (uint32_t)o->max_tokens,
        .sampling = {(float)o->temperature, (float)o->top_p, (uint32_t)o->top_k},
        .seed = o->seed,
        .prompt_index = index};
    g.n_stop_ids = workload_stop_ids(e->workload, &g.stop_ids);
    if (rollout_add(e->rollout, &g, err) == 0) return 0;
    return err_prefix(err, "held-out prompt %llu", (unsigned long long)index);
}

static double metric(const struct score *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_metrics; i++) {
        const struct text *t = &s->metrics[i].name;
        if (strlen(name) == t->size_bytes && memcmp(t->bytes, name, t->size_bytes) == 0)
            return s->metrics[i].value;
    }
    return 0.0;
}

// Finished samples to the scorer, scores to their places.
static int collect(struct eval *e, struct err *err)
{
    struct rollout_sample s;
    while (rollout_pop(e->rollout, &s)) {
        const uint64_t place = s.ticket * e->options->n + s.sample;
        e->samples[place] = (struct tally_sample){
            .prompt = s.ticket, .n_tokens = s.n_tokens, .is_truncated = !s.is_stopped};
        if (workload_score(e->workload, place, &e->prompts[s.ticket], s.tokens, s.n_tokens,
                           s.is_stopped ? FINISH_STOP : FINISH_LENGTH, err) != 0)
            return err_prefix(err, "score held-out prompt %llu", (unsigned long long)s.ticket);
    }
    uint64_t place;
    struct score score;
    while (workload_poll(e->workload, &place, &score)) {
        if (score.outcome != OUTCOME_OK)
            return err_set(err, ERR_IO, "score held-out prompt %llu: %s",
                           (unsigned long long)(place / e->options->n), score.outcome_text);
        struct tally_sample *t = &e->samples[place];
        t->answer = score.answer;
        t->is_correct = score.is_correct;
        t->level = (uint32_t)metric(&score, "level");
        t->style = (uint32_t)metric(&score, "style");
        t->reflective_words = metric(&score, "reflective_words");
        t->format = metric(&score, "format");
        e->n_scored++;
    }
    return 0;
}

static int evaluate(struct eval *e, struct err *err)
{
    const uint64_t n_samples = e->options->n * e->options->n_prompts;
    e->prompts = calloc(e->options->n_prompts, sizeof *e->prompts);
    e->samples = calloc(n_samples, sizeof *e->samples);
    CHECK(e->prompts != NULL && e->samples != NULL);
    uint64_t next = 0;
    while (e->n_scored < n_samples) {
        while (next < e->options->n_prompts && rollout_room(e->rollout) > 0)
            if (add_prompt(e, next++, err) != 0) return -1;
        rollout_step(e->rollout);
        if (collect(e, err) != 0) return -1;
    }
    return 0;
}

static void print_row(const char *name, const struct tally *t)
{
    printf("%-8s %7llu  %6.2f +- %-5.2f  %6.2f  %6.2f  %8.1f  %7.3f\n", name,
           (unsigned long long)t->n_prompts, 100.0 * t->pass_1, 100.0 * t->pass_1_stderr,
           100.0 * t->cons_n, 100.0 * t->pass_n, t->length_mean, t->reflective_mean);
}

static void print(const struct eval *e)
{
    const uint64_t n = e->options->n, n_samples = n * e->options->n_prompts;
    if (e->options->is_json) {
        struct json_writer w;
        json_writer_init(&w);
        json_open(&w, NULL, '{');
        tally_write(e->samples, n_samples, (uint32_t)n, &w);
        json_close(&w, '}');
        puts(w.bytes);
        free(w.bytes);
        return;
    }
    printf("%-8s %7s  %15s  cons@%-3llu pass@%-3llu  %8s  %7s\n", "level", "prompts", "pass@1, %",
           (unsigned long long)n, (unsigned long long)n, "length", "reflect");
    for (uint32_t level = 0; level <= TALLY_LEVEL_MAX; level++) {
        const struct tally t = tally_of(e->samples, n_samples, level);
        char name[16];
        snprintf(name, sizeof name, "%u", level);
        if (t.n_prompts != 0) print_row(name, &t);
    }
    const struct tally all = tally_of(e->samples, n_samples, UINT32_MAX);
    print_row("all", &all);
    for (int style = 0; style < TALLY_STYLES; style++) {
        const struct tally_share s = tally_of_style(e->samples, n_samples, (enum tally_style)style);
        printf("%-20s %6.2f %% of samples, %6.2f %% right\n",
               tally_style_name((enum tally_style)style), 100.0 * s.share, 100.0 * s.accuracy);
    }
}

static void eval_close(struct eval *e)
{
    rollout_destroy(e->rollout);
    weights_destroy(e->weights);
    params_fini(&e->params);
    for (uint64_t i = 0; e->prompts != NULL && i < e->options->n_prompts; i++)
        prompt_fini(&e->prompts[i]);
    free(e->prompts);
    free(e->samples);
    workload_destroy(e->workload);
    for (size_t i = 0; i < e->n_files; i++)
        free(e->files[i].bytes);
    pool_destroy(e->pool);
}

static int parse_u64(const char *name, const char *text, uint64_t max, uint64_t *out,
                     struct err *err)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && text[0] != '-' && *out <= max) return 0;
    return err_set(err, ERR_USAGE, "%s: want a whole number up to %llu, got \"%s\"", name,
                   (unsigned long long)max, text);
}

static int parse_double(const char *name, const char *text, double max, double *out,
                        struct err *err)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out >= 0.0 && *out <= max) return 0;
    return err_set(err, ERR_USAGE, "%s: want a number from 0 to %g, got \"%s\"", name, max, text);
}

static int parse(int argc, char **argv, struct eval_options *o, struct err *err)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
        uint64_t max;
        double *real;
        double real_max;
    } options[] = {{.name = "--model", .text = &o->model},
                   {.name = "--task", .text = &o->task},
                   {.name = "--data", .text = &o->data},
                   {.name = "--template", .text = &o->template},
                   {.name = "--n", .number = &o->n, .max = 4096},
                   {.name = "--n-prompts", .number = &o->n_prompts, .max = 1000000},
                   {.name = "--top-k", .number = &o->top_k, .max = 1000000},
                   {.name = "--max-tokens", .number = &o->max_tokens, .max = SAMPLE_TOKENS_MAX},
                   {.name = "--seed", .number = &o->seed, .max = INT64_MAX},
                   {.name = "--threads", .number = &o->threads, .max = 1024},
                   {.name = "--slots", .number = &o->slots, .max = 65536},
                   {.name = "--cache-mib", .number = &o->cache_mib, .max = 1u << 22},
                   {.name = "--temperature", .real = &o->temperature, .real_max = 10.0},
                   {.name = "--top-p", .real = &o->top_p, .real_max = 1.0}};
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        if (strcmp(argv[i], "--json") == 0) {
            o->is_json = true;
            continue;
        }
        while (k < sizeof options / sizeof *options && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k == sizeof options / sizeof *options)
            return err_set(err, ERR_USAGE, "unknown option %s", argv[i]);
        if (++i == argc) return err_set(err, ERR_USAGE, "%s: a value is missing", argv[i - 1]);
        int status = 0;
        if (options[k].text != NULL)
            *options[k].text = argv[i];
        else if (options[k].number != NULL)
            status = parse_u64(options[k].name, argv[i], options[k].max, options[k].number, err);
        else
            status =
                parse_double(options[k].name, argv[i], options[k].real_max, options[k].real, err);
        if (status != 0) return -1;
    }
    if (o->model == NULL || o->task == NULL)
        return err_set(err, ERR_USAGE, "--model and --task are needed; see --help");
    if (o->n == 0 || o->n_prompts == 0 || o->max_tokens == 0 || o->slots == 0 || o->top_p == 0.0)
        return err_set(err, ERR_USAGE,
                       "--n, --n-prompts, --max-tokens, --slots and --top-p must be above 0");
    return 0;
}

int eval_verb(int argc, char **argv)
{
    struct eval_options options = {.template = "short",
                                   .temperature = 1.0,
                                   .top_p = 1.0,
                                   .n = 16,
                                   .n_prompts = 250,
                                   .max_tokens = 256,
                                   .seed = 1,
                                   .slots = 64,
                                   .cache_mib = 2048};
    struct eval e = {.options = &options};
    struct err err;
    log_init("eval", LOG_INFO);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    int status = parse(argc, argv, &options, &err);
    if (status == 0) status = open_workload(&e, &err);
    if (status == 0) status = open_engine(&e, &err);
    if (status == 0) status = evaluate(&e, &err);
    if (status == 0) print(&e);
    eval_close(&e);
    if (status == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
