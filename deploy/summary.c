#include "deploy/summary.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "deploy/process.h"

#define PATH_BYTES 4096
#define FILE_BYTES_MAX (64u << 20)
#define METRICS_BYTES_MAX ((size_t)1 << 30)
#define LEDGER_MS 120000u

// Evaluations of a stage, ascending step.
struct evals {
    uint64_t steps[1024];
    size_t n;
};

struct totals {
    struct json_document *base, *final;
    uint64_t steps, steps_of_documents;
    double skipped_rows; // of data files, passed over because they are bad
    double max_abs_diff;
    uint64_t issued, trained, dropped, in_flight, returned;
    bool balanced;
    char weights[80]; // hex digits
    char model[PATH_BYTES];
};

static int by_value(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static void find_evals(struct evals *out, const char *folder)
{
    out->n = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        unsigned long long step;
        int end = 0;
        if (sscanf(e->d_name, "eval-%llu.json%n", &step, &end) != 1 || e->d_name[end] != '\0' ||
            end == 0 || out->n == sizeof out->steps / sizeof *out->steps)
            continue;
        out->steps[out->n++] = step;
    }
    closedir(dir);
    qsort(out->steps, out->n, sizeof *out->steps, by_value);
}

static struct json_document *read_member(const char *folder, const char *name, struct err *err)
{
    char path[PATH_BYTES];
    if (file_join(path, sizeof path, folder, name, err) != 0) return NULL;
    return json_read_file(path, FILE_BYTES_MAX, err);
}

static struct json_document *read_eval(const char *folder, uint64_t step, struct err *err)
{
    char name[64];
    snprintf(name, sizeof name, "eval-%llu.json", (unsigned long long)step);
    return read_member(folder, name, err);
}

static int take_evals(struct totals *t, const char *folder, struct err *err)
{
    struct evals evals;
    find_evals(&evals, folder);
    if (evals.n == 0) return 0;
    if (t->base == NULL) {
        t->base = read_eval(folder, evals.steps[0], err);
        if (t->base == NULL) return -1;
    }
    json_destroy(t->final);
    t->final = read_eval(folder, evals.steps[evals.n - 1], err);
    return t->final == NULL ? -1 : 0;
}

static int take_result(struct totals *t, const char *folder, struct err *err)
{
    struct json_document *d = read_member(folder, "result.json", err);
    if (d == NULL) return -1;
    const struct json r = json_root(d);
    const char *kind = json_to_string(json_member(r, "kind"), NULL);
    const char *model = json_to_string(json_member(r, "model"), NULL);
    const char *weights = json_to_string(json_member(r, "weights_sha256"), NULL);
    const double diff = json_to_double(json_member(r, "rollout_corr_max_abs_diff"));
    const uint64_t steps = (uint64_t)json_to_i64(json_member(r, "steps"));
    if (kind != NULL && strcmp(kind, "grpo") == 0)
        t->steps += steps;
    else
        t->steps_of_documents += steps;
    if (diff > t->max_abs_diff) t->max_abs_diff = diff;
    if (model != NULL) snprintf(t->model, sizeof t->model, "%s", model);
    if (weights != NULL) snprintf(t->weights, sizeof t->weights, "%s", weights);
    json_destroy(d);
    return 0;
}

static int take_skipped(struct totals *t, const char *folder, struct err *err)
{
    static const char key[] = "\"data/skipped_rows\":";
    char path[PATH_BYTES], *bytes;
    size_t size_bytes;
    if (file_join(path, sizeof path, folder, "metrics.jsonl", err) != 0) return -1;
    if (!file_exists(path)) return 0;
    if (file_read(path, METRICS_BYTES_MAX, &bytes, &size_bytes, err) != 0) return -1;
    for (const char *at = strstr(bytes, key); at != NULL; at = strstr(at + 1, key))
        t->skipped_rows += strtod(at + sizeof key - 1, NULL);
    free(bytes);
    return 0;
}

// The ledger tool recomputes its sums from the stage's journal.
static int take_ledger(struct totals *t, const char *folder, struct err *err)
{
    char program[PATH_BYTES], *text;
    if (process_sibling(program, sizeof program, "argosy-learner", err) != 0) return -1;
    const char *argv[] = {program, "ledger", folder, "--json", NULL};
    struct err ledger_err;
    if (process_capture(argv, NULL, LEDGER_MS, FILE_BYTES_MAX, &text, &ledger_err) != 0) {
        log_line(LOG_ERROR, "ledger of %s: %s", folder, ledger_err.text);
        t->balanced = false;
        return 0;
    }
    struct json_document *d = json_parse(text, strlen(text), "ledger", err);
    free(text);
    if (d == NULL) return -1;
    const struct json l = json_root(d);
    t->issued += (uint64_t)json_to_i64(json_member(l, "issued"));
    t->trained += (uint64_t)json_to_i64(json_member(l, "trained"));
    t->dropped += (uint64_t)json_to_i64(json_member(l, "dropped"));
    t->in_flight += (uint64_t)json_to_i64(json_member(l, "in_flight"));
    t->returned += (uint64_t)json_to_i64(json_member(l, "returned"));
    t->balanced = t->balanced && json_to_bool(json_member(l, "balanced"));
    json_destroy(d);
    return 0;
}

static void write_totals(struct json_writer *w, const struct totals *t, double seconds)
{
    json_open(w, NULL, '{');
    if (t->base != NULL) json_put_value(w, "base", json_root(t->base));
    if (t->final != NULL) json_put_value(w, "final", json_root(t->final));
    // Of reinforcement learning, where there is any: the steps that a person asks about.
    json_put_u64(w, "steps", t->steps > 0 ? t->steps : t->steps_of_documents);
    json_put_double(w, "seconds", seconds);
    json_put_double(w, "skipped_rows", t->skipped_rows);
    json_put_double(w, "rollout_corr_max_abs_diff", t->max_abs_diff);
    json_open(w, "ledger", '{');
    json_put_u64(w, "issued", t->issued);
    json_put_u64(w, "trained", t->trained);
    json_put_u64(w, "dropped", t->dropped);
    json_put_u64(w, "in_flight", t->in_flight);
    json_put_u64(w, "returned", t->returned);
    json_put_bool(w, "balanced", t->balanced);
    json_close(w, '}');
    json_put_string(w, "weights_sha256", t->weights);
    json_put_string(w, "model", t->model);
    json_close(w, '}');
}

int summary_write(const char *run_folder, const char *const *folders, size_t n_folders,
                  double seconds, struct err *err)
{
    struct totals t = {.balanced = true};
    int status = 0;
    for (size_t i = 0; i < n_folders && status == 0; i++) {
        status = take_evals(&t, folders[i], err);
        if (status == 0) status = take_result(&t, folders[i], err);
        if (status == 0) status = take_skipped(&t, folders[i], err);
        if (status == 0) status = take_ledger(&t, folders[i], err);
    }
    char path[PATH_BYTES];
    if (status == 0) status = file_join(path, sizeof path, run_folder, "summary.json", err);
    if (status == 0) {
        struct json_writer w;
        json_writer_init(&w);
        write_totals(&w, &t, seconds);
        status = file_write_atomic(path, w.bytes, w.size_bytes, err);
        free(w.bytes);
    }
    json_destroy(t.base);
    json_destroy(t.final);
    return status;
}

static void print_row(const char *name, struct json base, struct json final, const char *key,
                      double scale, const char *unit)
{
    const struct json before = json_member(base, key), after = json_member(final, key);
    printf("  %-28s", name);
    if (json_is_number(before))
        printf("%9.1f%-2s", scale * json_to_double(before), unit);
    else
        printf("%9s  ", "-");
    if (json_is_number(after)) printf("%9.1f%-2s", scale * json_to_double(after), unit);
    putchar('\n');
}

static void print_levels(struct json base, struct json final)
{
    const struct json levels = json_member(final, "by_level");
    for (void *it = json_first(levels); it != NULL; it = json_next(levels, it)) {
        char name[64];
        const struct json before = json_member(json_member(base, "by_level"), json_key(it));
        snprintf(name, sizeof name, "pass@1, level %.16s", json_key(it));
        print_row(name, before, json_value(levels, it), "pass@1", 100.0, "%");
    }
}

static void print_styles(struct json base, struct json final)
{
    const struct json styles = json_member(final, "by_style");
    for (void *it = json_first(styles); it != NULL; it = json_next(styles, it)) {
        char name[64];
        const struct json before = json_member(json_member(base, "by_style"), json_key(it));
        snprintf(name, sizeof name, "share of %.32s", json_key(it));
        print_row(name, before, json_value(styles, it), "share", 100.0, "%");
        snprintf(name, sizeof name, "right if %.32s", json_key(it));
        print_row(name, before, json_value(styles, it), "accuracy", 100.0, "%");
    }
}

// pass@1, and pass@n and cons@n of all the samples of a prompt.
static bool is_headline(struct json final, const char *key)
{
    const double n_prompts = json_to_double(json_member(final, "n_prompts"));
    const double n_samples = json_to_double(json_member(final, "n_samples"));
    char pass[32], cons[32];
    if (!(n_prompts > 0)) return false;
    snprintf(pass, sizeof pass, "pass@%.0f", n_samples / n_prompts);
    snprintf(cons, sizeof cons, "cons@%.0f", n_samples / n_prompts);
    return strcmp(key, "pass@1") == 0 || strcmp(key, pass) == 0 || strcmp(key, cons) == 0;
}

int summary_print(const char *run_folder, struct err *err)
{
    struct json_document *d = read_member(run_folder, "summary.json", err);
    if (d == NULL) return -1;
    const struct json root = json_root(d);
    const struct json base = json_member(root, "base"), final = json_member(root, "final");
    if (json_is_object(final)) {
        printf("\n  %-28s%9s  %9s\n", "", "before", "after");
        for (void *it = json_first(final); it != NULL; it = json_next(final, it)) {
            const char *key = json_key(it);
            if (is_headline(final, key)) print_row(key, base, final, key, 100.0, "%");
        }
        print_row("response length, tokens", base, final, "response_length_mean", 1.0, "");
        print_row("reflective words / 100", base, final, "reflective_words_mean", 100.0, "");
        print_levels(base, final);
        print_styles(base, final);
    }
    printf("\nsteps %lld in %.0f s; trainer and rollout log-probabilities differ by at most %g; "
           "ledger %s\n",
           (long long)json_to_i64(json_member(root, "steps")),
           json_to_double(json_member(root, "seconds")),
           json_to_double(json_member(root, "rollout_corr_max_abs_diff")),
           json_to_bool(json_member(json_member(root, "ledger"), "balanced")) ? "balanced"
                                                                              : "NOT BALANCED");
    const double skipped = json_to_double(json_member(root, "skipped_rows"));
    if (skipped > 0)
        printf("data:    %.0f bad rows skipped (named in the actors' logs)\n", skipped);
    printf("model:   %s\n", json_to_string(json_member(root, "model"), NULL));
    json_destroy(d);
    return 0;
}
