#include "deploy/plot.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "deploy/process.h"

#define PATH_BYTES 4096
#define METRICS_BYTES_MAX (1u << 30)
#define GNUPLOT_MS 60000u

// The curves: rows of a step, and rows of an evaluation.
struct table {
    const char *file;       // in the run folder
    const char *columns[6]; // after the step; a row has the first
};
static const struct table tables[] = {
    {"curves-train.dat",
     {"reward/mean", "train/pass@1", "train/cons@n", "response_length/mean",
      "custom/reflective_words/mean", "actor/entropy"}},
    {"curves-held-out.dat", {"val/pass@1", "val/cons@n", NULL}},
};
enum { TRAIN, HELD_OUT, N_TABLES };
#define N_COLUMNS (sizeof tables[0].columns / sizeof *tables[0].columns)

static const char script[] = "set terminal pngcairo noenhanced size 1200,800\n"
                             "set output '%s'\n"
                             "set datafile missing '?'\n"
                             "set multiplot layout 2,3 title '%s'\n"
                             "set xlabel 'step'\n"
                             "set key bottom right\n"
                             "set grid\n"
                             "set yrange [0:*]\n"
                             "set title 'reward'\n"
                             "plot d using 1:2 with lines lw 2 notitle\n"
                             "set title 'accuracy'\n"
                             "set yrange [0:1]\n"
                             "plot d using 1:3 with lines lw 2 title 'pass@1', "
                             "d using 1:4 with lines lw 2 title 'cons@n'%s\n"
                             "set yrange [0:*]\n"
                             "set title 'response length, tokens'\n"
                             "plot d using 1:5 with lines lw 2 notitle\n"
                             "set title 'reflective words per response'\n"
                             "plot d using 1:6 with lines lw 2 notitle\n"
                             "set title 'reflective words per 1000 tokens'\n"
                             "plot d using 1:(1000*$6/$5) with lines lw 2 notitle\n"
                             "set title 'entropy, nats per token'\n"
                             "plot d using 1:7 with lines lw 2 notitle\n"
                             "unset multiplot\n";

static bool write_row(FILE *out, const struct table *table, struct json line)
{
    const struct json step = json_member(line, "training/global_step");
    if (!json_is_number(step) || !json_is_number(json_member(line, table->columns[0])))
        return false;
    fprintf(out, "%.0f", json_to_double(step));
    for (size_t i = 0; i < N_COLUMNS && table->columns[i] != NULL; i++) {
        const struct json v = json_member(line, table->columns[i]);
        if (json_is_number(v))
            fprintf(out, " %.9g", json_to_double(v));
        else
            fputs(" ?", out);
    }
    fputc('\n', out);
    return true;
}

// Rows of a metrics file; none when it is not there.
static void write_rows(FILE *const *out, size_t *n_rows, const char *metrics_path)
{
    struct file_map map;
    struct err err;
    if (file_map(&map, metrics_path, &err) != 0) return;
    const char *text = (const char *)map.bytes;
    for (size_t at = 0; at < map.size_bytes;) {
        const char *end = memchr(text + at, '\n', map.size_bytes - at);
        const size_t size = end != NULL ? (size_t)(end - text) - at : map.size_bytes - at;
        struct json_document *d = json_parse(text + at, size, "metrics line", &err);
        for (int i = 0; i < N_TABLES && d != NULL; i++)
            n_rows[i] += write_row(out[i], &tables[i], json_root(d));
        json_destroy(d);
        at += size + 1;
    }
    file_unmap(&map);
}

// RUN may be one stage's folder or hold those of several: the first with
// rewards is drawn.
static void write_data(FILE *const *out, size_t *n_rows, const char *run_folder)
{
    char path[PATH_BYTES];
    struct err err;
    if (file_join(path, sizeof path, run_folder, "metrics.jsonl", &err) == 0)
        write_rows(out, n_rows, path);
    if (n_rows[TRAIN] != 0) return;
    struct dirent **names;
    const int count = scandir(run_folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const int n =
            snprintf(path, sizeof path, "%s/%s/metrics.jsonl", run_folder, names[i]->d_name);
        if (n_rows[TRAIN] == 0 && names[i]->d_name[0] != '.' && n < (int)sizeof path)
            write_rows(out, n_rows, path);
        free(names[i]);
    }
    if (count >= 0) free(names);
}

static int make_data(const char *run_folder, size_t *n_rows, struct err *err)
{
    FILE *out[N_TABLES] = {NULL};
    char path[PATH_BYTES];
    int status = 0;
    if (!file_exists(run_folder))
        return err_set(err, ERR_IO, "plot %s: there is no such run", run_folder);
    for (int i = 0; i < N_TABLES && status == 0; i++) {
        status = file_join(path, sizeof path, run_folder, tables[i].file, err);
        if (status == 0 && (out[i] = fopen(path, "w")) == NULL)
            status = err_set(err, ERR_IO, "open %s for writing: %s", path, strerror(errno));
    }
    if (status == 0) write_data(out, n_rows, run_folder);
    for (int i = 0; i < N_TABLES; i++)
        if (out[i] != NULL && fclose(out[i]) != 0 && status == 0)
            status = err_set(err, ERR_IO, "write %s/%s: %s", run_folder, tables[i].file,
                             strerror(errno));
    if (status == 0 && n_rows[TRAIN] == 0)
        return err_set(err, ERR_IO, "%s: no metrics.jsonl with a step that has a reward",
                       run_folder);
    return status;
}

static int write_script(const char *path, const char *run_folder, bool has_held_out,
                        const char *png_path, struct err *err)
{
    static const char held_out[] = ", h using 1:2 with linespoints lw 2 title 'held-out pass@1', "
                                   "h using 1:3 with linespoints lw 2 title 'held-out cons@n'";
    char text[sizeof script + sizeof held_out + 5 * PATH_BYTES];
    if (strchr(png_path, '\'') != NULL || strchr(run_folder, '\'') != NULL)
        return err_set(err, ERR_USAGE, "plot %s to %s: a quote in the path", run_folder, png_path);
    int n = snprintf(text, sizeof text, "d = '%s/%s'\nh = '%s/%s'\n", run_folder,
                     tables[TRAIN].file, run_folder, tables[HELD_OUT].file);
    n += snprintf(text + n, sizeof text - (size_t)n, script, png_path, run_folder,
                  has_held_out ? held_out : "");
    return file_write_atomic(path, text, (size_t)n, err);
}

int plot_run(const char *run_folder, const char *png_path, struct err *err)
{
    char script_path[PATH_BYTES], log_path[PATH_BYTES], *output;
    size_t n_rows[N_TABLES] = {0};
    if (file_join(script_path, sizeof script_path, run_folder, "curves.gnuplot", err) != 0 ||
        file_join(log_path, sizeof log_path, run_folder, "curves.log", err) != 0 ||
        make_data(run_folder, n_rows, err) != 0 ||
        write_script(script_path, run_folder, n_rows[HELD_OUT] != 0, png_path, err) != 0)
        return -1;
    const char *argv[] = {"gnuplot", script_path, NULL};
    if (process_capture(argv, log_path, GNUPLOT_MS, 1u << 20, &output, err) != 0) return -1;
    free(output);
    return 0;
}

int plot_verb(int argc, char **argv)
{
    char png[PATH_BYTES];
    struct err err;
    if (argc < 2 || argc > 3 || strcmp(argv[1], "--help") == 0) {
        fputs("usage: argosy plot RUN [FILE.png]   (default RUN/curves.png)\n",
              argc == 2 ? stdout : stderr);
        return argc == 2 ? 0 : 2;
    }
    int status = 0;
    if (argc == 3)
        snprintf(png, sizeof png, "%s", argv[2]);
    else
        status = file_join(png, sizeof png, argv[1], "curves.png", &err);
    if (status == 0) status = plot_run(argv[1], png, &err);
    if (status != 0) {
        log_line(LOG_ERROR, "%s", err.text);
        return err_exit_status(&err);
    }
    puts(png);
    return 0;
}
