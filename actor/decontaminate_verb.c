/*
 * `argosy decontaminate`: training rows that have a part of a benchmark in them
 * are named, counted and left out.
 *
 * Training files are read once, front to back, and may be of any size; every
 * text of a row counts, whatever its column.  The rows that stay are written as
 * they are, byte for byte.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/data/contamination.h"
#include "actor/option_number.h"
#include "actor/verbs.h"
#include "common/base/file.h"
#include "common/base/file_kind.h"
#include "common/base/log.h"

#define PATH_BYTES 4096
#define DEPTH_MAX 64 // of a text within a row
#define FORGET_BYTES ((size_t)64 << 20)

static const char usage[] =
    "usage: argosy decontaminate --train FILE... --against FILE... [options]\n"
    "\n"
    "  --train FILE...     JSONL to clean; every text of a row is looked through\n"
    "  --against FILE...   benchmarks, JSONL: their questions and worked solutions\n"
    "  --out FILE          write the rows that stay here, byte for byte\n"
    "  --report FILE       write a JSON line for each row removed: file, line, column, reason,\n"
    "                      the words that match, and the benchmark's file and line\n"
    "  --ngram N           words in a row that make a match (default 10)\n"
    "  --common SHARE      phrases in more than this share of a benchmark's rows are its\n"
    "                      wording and do not count (default 0.1; 1: everything counts)\n"
    "  --any-number        a number is a number: finds problems with other numbers too\n"
    "  --prompt-key KEY, --answer-key KEY, --completion-key KEY\n"
    "                      columns of the benchmarks, where they are of no convention\n"
    "  --on-bad-row WHAT   stop (default), or drop rows that cannot be read\n"
    "  --json              print the counts as JSON\n"
    "\n"
    "Texts are compared without case, punctuation, white space and LaTeX's spacing;\n"
    "1,000 is 1000 and \\frac12 is 1/2.  A question of fewer than N words matches whole.\n";

struct counts {
    uint64_t n_rows, n_words, n_whole, n_bad;
};

struct cleaning {
    const char *train[FILES_MAX], *against[FILES_MAX];
    size_t n_train, n_against;
    const char *out_path, *report_path;
    struct contamination_setting setting;
    bool drops_bad_rows, is_json;

    struct benchmark benchmark;
    struct canonical_words words;
    FILE *out, *report;
    char out_temporary[PATH_BYTES], report_temporary[PATH_BYTES];
    char last; // byte written
    struct counts counts[FILES_MAX];
    uint64_t removed_for[FILES_MAX]; // by benchmark
};

// --- one row -------------------------------------------------------------------------------------

static bool find_in_value(struct cleaning *c, struct json value, const char *column, int depth,
                          const char **found_in, struct contamination *out)
{
    size_t size_bytes;
    const char *text = json_to_string(value, &size_bytes);
    if (text != NULL) {
        canonical_words_read(&c->words, (struct view){text, size_bytes}, c->setting.any_number);
        *found_in = column;
        return benchmark_find(&c->benchmark, &c->words, out);
    }
    if (depth == DEPTH_MAX) return false;
    for (size_t i = 0; json_is_array(value) && i < json_count(value); i++)
        if (find_in_value(c, json_item(value, i), column, depth + 1, found_in, out)) return true;
    if (!json_is_object(value)) return false;
    for (void *it = json_first(value); it != NULL; it = json_next(value, it))
        if (find_in_value(c, json_value(value, it), depth == 0 ? json_key(it) : column, depth + 1,
                          found_in, out))
            return true;
    return false;
}

static void report_row(struct cleaning *c, size_t file, uint64_t number, const char *reason,
                       const char *column, const struct contamination *match)
{
    struct json_writer w;
    char against[SPEC_STRING_BYTES + 32];
    if (c->report == NULL) return;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_string(&w, "file", c->train[file]);
    json_put_u64(&w, "line", number);
    json_put_string(&w, "reason", reason);
    if (match != NULL) {
        snprintf(against, sizeof against, "%s:%" PRIu64, match->file, match->line);
        json_put_string(&w, "column", column);
        json_put_text(&w, "words", match->words.bytes, match->words.size_bytes);
        json_put_string(&w, "against", against);
    } else {
        json_put_string(&w, "why", column);
    }
    json_close(&w, '}');
    fprintf(c->report, "%s\n", w.bytes);
    free(w.bytes);
}

static void count_match(struct cleaning *c, size_t file, const struct contamination *match)
{
    if (match->is_whole)
        c->counts[file].n_whole++;
    else
        c->counts[file].n_words++;
    for (size_t i = 0; i < c->n_against; i++)
        if (c->benchmark.files[i] == match->file) c->removed_for[i]++;
}

// 1: the row stays; 0: it goes; -1: it cannot be read, and that ends it.
static int judge_row(struct cleaning *c, size_t file, struct view line, uint64_t number,
                     struct err *err)
{
    struct contamination match;
    const char *column = "";
    struct json_document *document = NULL;
    c->counts[file].n_rows++;
    if (line.size_bytes > JSONL_LINE_BYTES_MAX)
        err_set(err, ERR_FORMAT, "a line of %zu bytes, at most %zu", line.size_bytes,
                JSONL_LINE_BYTES_MAX);
    else
        document = json_parse(line.bytes, line.size_bytes, "row", err);
    if (document == NULL) {
        c->counts[file].n_bad++;
        report_row(c, file, number, "bad", err->text, NULL);
        err->code = ERR_FORMAT;
        return c->drops_bad_rows ? 0 : err_prefix(err, "%s:%" PRIu64, c->train[file], number);
    }
    const bool is_found = find_in_value(c, json_root(document), "", 0, &column, &match);
    if (is_found) {
        count_match(c, file, &match);
        report_row(c, file, number, match.is_whole ? "whole" : "words", column, &match);
    }
    json_destroy(document);
    return is_found ? 0 : 1;
}

// --- files ---------------------------------------------------------------------------------------

static int write_out(struct cleaning *c, const char *bytes, size_t size_bytes, struct err *err)
{
    if (c->out == NULL || size_bytes == 0) return 0;
    c->last = bytes[size_bytes - 1];
    if (fwrite(bytes, 1, size_bytes, c->out) == size_bytes) return 0;
    return err_set(err, ERR_IO, "write %s: %s", c->out_path, strerror(errno));
}

static int clean_mapped(struct cleaning *c, size_t file, const struct file_map *map,
                        struct err *err)
{
    const struct view bytes = {map->size_bytes == 0 ? "" : (const char *)map->bytes,
                               map->size_bytes};
    const size_t first = jsonl_first_line(bytes);
    uint64_t number = 1;
    size_t forgotten = 0;
    if (file_kind_want_jsonl(bytes.bytes, bytes.size_bytes, c->train[file], err) != 0 ||
        (c->last != '\n' && write_out(c, "\n", 1, err) != 0) ||
        (c->last == '\n' && file == 0 && write_out(c, bytes.bytes, first, err) != 0))
        return -1;
    for (size_t at = first; at < bytes.size_bytes; number++) {
        const size_t start = at;
        const struct view line = jsonl_next_line(bytes, &at);
        const int verdict = text_is_blank(line) ? 1 : judge_row(c, file, line, number, err);
        if (verdict < 0 ||
            (verdict == 1 && write_out(c, bytes.bytes + start, at - start, err) != 0))
            return -1;
        if (at - forgotten < FORGET_BYTES) continue;
        file_forget(map, at);
        forgotten = at;
    }
    return 0;
}

static int clean_file(struct cleaning *c, size_t file, struct err *err)
{
    struct file_map map;
    if (file_map(&map, c->train[file], err) != 0) return -1;
    const int result = clean_mapped(c, file, &map, err);
    file_unmap(&map);
    return result;
}

static int add_benchmark(struct cleaning *c, const char *path, struct err *err)
{
    struct file_map map;
    if (file_map(&map, path, err) != 0) return -1;
    const struct view bytes = {map.size_bytes == 0 ? "" : (const char *)map.bytes, map.size_bytes};
    int result = file_kind_want_jsonl(bytes.bytes, bytes.size_bytes, path, err);
    if (result == 0) result = benchmark_add(&c->benchmark, path, bytes, err);
    file_unmap(&map);
    return result;
}

// A file under a name of its own until it is whole.
static FILE *open_output(const char *path, char *temporary, struct err *err)
{
    if (snprintf(temporary, PATH_BYTES, "%s.tmp-%ld", path, (long)getpid()) >= PATH_BYTES) {
        err_set(err, ERR_LIMIT, "%.200s: the path is too long", path);
        return NULL;
    }
    FILE *file = fopen(temporary, "w");
    if (file == NULL) err_set(err, ERR_IO, "open %s: %s", temporary, strerror(errno));
    return file;
}

static int finish_output(FILE **file, const char *temporary, const char *path, struct err *err)
{
    if (*file == NULL) return 0;
    const bool is_written = ferror(*file) == 0 && fflush(*file) == 0 && fsync(fileno(*file)) == 0;
    const bool is_closed = fclose(*file) == 0;
    *file = NULL;
    if (is_written && is_closed && rename(temporary, path) == 0) return 0;
    err_set(err, ERR_IO, "write %s: %s", path, strerror(errno));
    (void)remove(temporary);
    return -1;
}

static void drop_output(FILE *file, const char *temporary)
{
    if (file == NULL) return;
    (void)fclose(file);
    (void)remove(temporary);
}

static int clean(struct cleaning *c, struct err *err)
{
    for (size_t i = 0; i < c->n_against; i++)
        if (add_benchmark(c, c->against[i], err) != 0) return -1;
    if (c->out_path != NULL) {
        c->out = open_output(c->out_path, c->out_temporary, err);
        if (c->out == NULL) return -1;
    }
    if (c->report_path != NULL) {
        c->report = open_output(c->report_path, c->report_temporary, err);
        if (c->report == NULL) return -1;
    }
    for (size_t i = 0; i < c->n_train; i++)
        if (clean_file(c, i, err) != 0) return -1;
    if (finish_output(&c->out, c->out_temporary, c->out_path, err) != 0) return -1;
    return finish_output(&c->report, c->report_temporary, c->report_path, err);
}

// --- what it says --------------------------------------------------------------------------------

static uint64_t kept(const struct counts *n)
{
    return n->n_rows - n->n_words - n->n_whole - n->n_bad;
}

static void print_json(const struct cleaning *c)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_open(&w, "train", '[');
    for (size_t i = 0; i < c->n_train; i++) {
        const struct counts *n = &c->counts[i];
        json_open(&w, NULL, '{');
        json_put_string(&w, "file", c->train[i]);
        json_put_u64(&w, "rows", n->n_rows);
        json_put_u64(&w, "kept", kept(n));
        json_put_u64(&w, "removed_words", n->n_words);
        json_put_u64(&w, "removed_whole", n->n_whole);
        json_put_u64(&w, "removed_bad", n->n_bad);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_open(&w, "against", '[');
    for (size_t i = 0; i < c->n_against; i++) {
        json_open(&w, NULL, '{');
        json_put_string(&w, "file", c->against[i]);
        json_put_u64(&w, "removed", c->removed_for[i]);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_put_u64(&w, "sequences", c->benchmark.grams.n);
    json_put_u64(&w, "common_sequences", c->benchmark.n_common);
    json_close(&w, '}');
    puts(w.bytes);
    free(w.bytes);
}

static void print_table(const struct cleaning *c)
{
    printf("%10s %10s %10s %10s %10s  file\n", "rows", "kept", "words", "whole", "bad");
    for (size_t i = 0; i < c->n_train; i++) {
        const struct counts *n = &c->counts[i];
        printf("%10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "  %s\n",
               n->n_rows, kept(n), n->n_words, n->n_whole, n->n_bad, c->train[i]);
    }
    for (size_t i = 0; i < c->n_against; i++)
        printf("%10" PRIu64 " rows removed because of %s\n", c->removed_for[i], c->against[i]);
    printf("%10zu sequences of %" PRIu32 " words looked for, %" PRIu64
           " left aside as the benchmarks' common wording\n",
           c->benchmark.grams.n, c->setting.n_words, c->benchmark.n_common);
}

// --- options -------------------------------------------------------------------------------------

static int take_files(const char **files, size_t *n, int argc, char **argv, int *at,
                      struct err *err)
{
    const char *option = argv[*at];
    while (*at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0) {
        if (*n == FILES_MAX)
            return err_set(err, ERR_USAGE, "%s: more than %d files", option, FILES_MAX);
        files[(*n)++] = argv[++*at];
    }
    return *n > 0 ? 0 : err_set(err, ERR_USAGE, "%s: want one file or more", option);
}

static int take_key(const char *option, const char *text, char *out, struct err *err)
{
    if (snprintf(out, SPEC_STRING_BYTES, "%s", text) < SPEC_STRING_BYTES) return 0;
    return err_set(err, ERR_USAGE, "%s: the name is too long", option);
}

static int take_value(struct cleaning *c, const char *option, const char *value, struct err *err)
{
    struct data_options *o = &c->setting.options;
    double n_words = 0;
    if (strcmp(option, "--out") == 0) {
        c->out_path = value;
    } else if (strcmp(option, "--report") == 0) {
        c->report_path = value;
    } else if (strcmp(option, "--ngram") == 0) {
        if (option_real(option, value, 2, CONTAMINATION_GRAM_MAX, &n_words, err) != 0) return -1;
        c->setting.n_words = (uint32_t)n_words;
    } else if (strcmp(option, "--common") == 0) {
        return option_real(option, value, 0, 1, &c->setting.common_share, err);
    } else if (strcmp(option, "--prompt-key") == 0) {
        return take_key(option, value, o->prompt_key, err);
    } else if (strcmp(option, "--answer-key") == 0) {
        return take_key(option, value, o->answer_key, err);
    } else if (strcmp(option, "--completion-key") == 0) {
        return take_key(option, value, o->completion_key, err);
    } else if (strcmp(option, "--on-bad-row") == 0) {
        c->drops_bad_rows = strcmp(value, "drop") == 0;
        if (!c->drops_bad_rows && strcmp(value, "stop") != 0)
            return err_set(err, ERR_USAGE, "--on-bad-row: want stop or drop, got \"%s\"", value);
    } else {
        return err_set(err, ERR_USAGE, "unknown option %s", option);
    }
    return 0;
}

static int parse(int argc, char **argv, struct cleaning *c, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        int status = 0;
        if (strcmp(argv[i], "--json") == 0)
            c->is_json = true;
        else if (strcmp(argv[i], "--any-number") == 0)
            c->setting.any_number = true;
        else if (strcmp(argv[i], "--train") == 0)
            status = take_files(c->train, &c->n_train, argc, argv, &i, err);
        else if (strcmp(argv[i], "--against") == 0)
            status = take_files(c->against, &c->n_against, argc, argv, &i, err);
        else if (i + 1 == argc)
            status = err_set(err, ERR_USAGE, "%s: unknown, or its value is missing", argv[i]);
        else
            status = take_value(c, argv[i], argv[i + 1], err), i++;
        if (status != 0) return -1;
    }
    if (c->n_train > 0 && c->n_against > 0) return 0;
    return err_set(err, ERR_USAGE, "--train and --against are needed; see --help");
}

int decontaminate_verb(int argc, char **argv)
{
    struct cleaning *c = calloc(1, sizeof *c);
    struct err err;
    CHECK(c != NULL);
    log_init("decontaminate", LOG_INFO);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        free(c);
        return 0;
    }
    c->setting = (struct contamination_setting){.n_words = 10, .common_share = 0.1};
    c->last = '\n';
    int status = parse(argc, argv, c, &err);
    if (status == 0) {
        benchmark_init(&c->benchmark, &c->setting);
        canonical_words_init(&c->words);
        status = clean(c, &err);
        if (status == 0 && c->is_json) print_json(c);
        if (status == 0 && !c->is_json) print_table(c);
        canonical_words_fini(&c->words);
        benchmark_fini(&c->benchmark);
    }
    drop_output(c->out, c->out_temporary);
    drop_output(c->report, c->report_temporary);
    free(c);
    if (status == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
