#include "deploy/plot.h"

#include <dirent.h>
#include <math.h>
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

// Columns of the data file, after the step.
static const char *const columns[] = {
    "reward/mean",
    "train/pass@1",
    "train/cons@n",
    "response_length/mean",
    "custom/reflective_words/mean",
    "actor/entropy",
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

static const char script[] = "set terminal pngcairo size 1200,800\n"
                             "set output '%s'\n"
                             "set datafile missing '?'\n"
                             "set multiplot layout 2,3 title '%s'\n"
                             "set xlabel 'step'\n"
                             "set key bottom right\n"
                             "set grid\n"
                             "set title 'reward'\n"
                             "plot d using 1:2 with lines lw 2 notitle\n"
                             "set title 'accuracy on the training prompts'\n"
                             "set yrange [0:1]\n"
                             "plot d using 1:3 with lines lw 2 title 'pass@1', "
                             "d using 1:4 with lines lw 2 title 'cons@n'\n"
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

// One line of metrics.jsonl to one row; lines that are not of a step are skipped.
static bool write_row(FILE *out, const char *line, size_t size_bytes)
{
    struct err err;
    struct json_document *d = json_parse(line, size_bytes, "metrics line", &err);
    if (d == NULL) return false;
    const struct json root = json_root(d);
    const struct json step = json_member(root, "training/global_step");
    const bool is_step = json_is_number(step) && json_is_number(json_member(root, columns[0]));
    if (is_step) {
        fprintf(out, "%.0f", json_to_double(step));
        for (size_t i = 0; i < N_COLUMNS; i++) {
            const struct json v = json_member(root, columns[i]);
            if (json_is_number(v))
                fprintf(out, " %.9g", json_to_double(v));
            else
                fputs(" ?", out);
        }
        fputc('\n', out);
    }
    json_destroy(d);
    return is_step;
}

// Rows of a metrics file; 0 when it has no step with a reward or is not there.
static size_t write_rows(FILE *out, const char *metrics_path)
{
    struct file_map map;
    struct err err;
    if (file_map(&map, metrics_path, &err) != 0) return 0;
    size_t n = 0;
    const char *text = (const char *)map.bytes;
    for (size_t at = 0; at < map.size_bytes;) {
        const char *end = memchr(text + at, '\n', map.size_bytes - at);
        const size_t size = end != NULL ? (size_t)(end - text) - at : map.size_bytes - at;
        n += write_row(out, text + at, size);
        at += size + 1;
    }
    file_unmap(&map);
    return n;
}

// RUN may be one stage's folder or hold those of several: the first with
// rewards is drawn.
static size_t write_data(FILE *out, const char *run_folder)
{
    char path[PATH_BYTES];
    struct err err;
    size_t n = 0;
    if (file_join(path, sizeof path, run_folder, "metrics.jsonl", &err) == 0)
        n = write_rows(out, path);
    if (n != 0) return n;
    struct dirent **names;
    const int count = scandir(run_folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (n == 0 && names[i]->d_name[0] != '.' &&
            snprintf(path, sizeof path, "%s/%s/metrics.jsonl", run_folder, names[i]->d_name) <
                (int)sizeof path)
            n = write_rows(out, path);
        free(names[i]);
    }
    if (count >= 0) free(names);
    return n;
}

static int write_script(const char *path, const char *data_path, const char *png_path,
                        const char *title, struct err *err)
{
    char text[sizeof script + 3 * PATH_BYTES];
    if (strchr(png_path, '\'') != NULL || strchr(data_path, '\'') != NULL)
        return err_set(err, ERR_USAGE, "plot to %s: a quote in the path", png_path);
    int n = snprintf(text, sizeof text, "d = '%s'\n", data_path);
    n += snprintf(text + n, sizeof text - (size_t)n, script, png_path, title);
    return file_write_atomic(path, text, (size_t)n, err);
}

int plot_run(const char *run_folder, const char *png_path, struct err *err)
{
    char data_path[PATH_BYTES], script_path[PATH_BYTES], *output;
    if (file_join(data_path, sizeof data_path, run_folder, "curves.dat", err) != 0 ||
        file_join(script_path, sizeof script_path, run_folder, "curves.gnuplot", err) != 0)
        return -1;
    FILE *data = fopen(data_path, "w");
    if (data == NULL) return err_set(err, ERR_IO, "open %s for writing failed", data_path);
    const size_t n = write_data(data, run_folder);
    if (fclose(data) != 0) return err_set(err, ERR_IO, "write %s failed", data_path);
    if (n == 0)
        return err_set(err, ERR_IO, "%s: no metrics.jsonl with a step that has a reward",
                       run_folder);
    if (write_script(script_path, data_path, png_path, run_folder, err) != 0) return -1;
    const char *argv[] = {"gnuplot", script_path, NULL};
    if (process_capture(argv, NULL, GNUPLOT_MS, 1u << 20, &output, err) != 0) return -1;
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
