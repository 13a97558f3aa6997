#include "actor/data/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/permutation.h"
#include "actor/text/text_buffer.h"
#include "common/base/log.h"

#define BAD_ROWS_NAMED 100u // in the log, of those left out
#define ATTEMPT_SALT UINT64_C(0x9e3779b97f4a7c15)

// --- which row -----------------------------------------------------------------------------------

static uint64_t shuffled(const struct dataset *d, uint64_t salt, uint64_t n_rows, uint64_t n)
{
    return permutation_at(d->setting.seed ^ salt, (uint32_t)(n / n_rows), n_rows, n % n_rows);
}

// Rows left out close up: the place among all rows of the n-th that stays.
static uint64_t nth_good(const struct dataset *d, uint64_t n)
{
    size_t low = 0, high = d->n_bad; // the first bad row with more than n good ones before it
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (d->bad[middle] - middle <= n)
            low = middle + 1;
        else
            high = middle;
    }
    return n + low;
}

static uint64_t choose_row(const struct dataset *d, uint64_t n, uint32_t attempt)
{
    if (!d->setting.is_shuffled) return nth_good(d, n % dataset_count(d));
    const uint64_t salt = ATTEMPT_SALT * attempt;
    if (!d->is_mixed) return shuffled(d, salt, d->rows.n_rows, n);
    const struct mixture_place place = mixture_at(&d->mixture, d->setting.seed, n);
    const struct jsonl_file *file = &d->rows.files[place.file];
    return file->first_row + shuffled(d, salt + place.file, file->n_rows, place.draw);
}

// --- one row -------------------------------------------------------------------------------------

// Where metrics say that a row is from: as the recipe calls its file, as the row
// says, by the file's name.
static void settle_source(const struct dataset *d, uint32_t file, struct row_content *c)
{
    const char *name = d->options[file].source;
    if (name[0] == '\0' && c->source != NULL) return;
    if (name[0] == '\0') {
        name = d->rows.files[file].data->file->name;
        if (strncmp(name, "data/", 5) == 0) name += 5;
    }
    free(c->source);
    c->source = text_copy(name, strlen(name));
}

static int read_line(const struct dataset *d, uint64_t row, struct row_content *out,
                     struct err *err)
{
    const struct jsonl_line line = jsonl_line_at(&d->rows, row);
    const struct data_options *options = &d->options[line.file];
    struct json_document *document = jsonl_parse(&d->rows, &line, err);
    *out = (struct row_content){0};
    if (document == NULL) return -1;
    int result = convention_read(d->conventions[line.file], options, json_root(document), out, err);
    json_destroy(document);
    if (result == 0 && options->grader[0] != '\0') out->grader = options->grader;
    if (result == 0) result = d->setting.accept(out, err);
    if (result == 0) {
        settle_source(d, line.file, out);
        return 0;
    }
    row_content_fini(out);
    return jsonl_blame(&d->rows, &line, err);
}

int dataset_read(const struct dataset *d, uint64_t n, uint32_t attempt, struct row_content *out,
                 struct err *err)
{
    if (dataset_count(d) == 0)
        return err_set(err, ERR_USAGE, "spec.files: no file for this kind of prompt is named");
    return read_line(d, choose_row(d, n, attempt), out, err);
}

// --- opening -------------------------------------------------------------------------------------

static void leave_out_bad_rows(struct dataset *d)
{
    size_t room = 0;
    for (uint64_t row = 0; row < d->rows.n_rows; row++) {
        struct row_content content;
        struct err why;
        if (read_line(d, row, &content, &why) == 0) {
            row_content_fini(&content);
            continue;
        }
        if (d->n_bad == room) {
            room = room == 0 ? 64 : 2 * room;
            d->bad = realloc(d->bad, room * sizeof *d->bad);
            CHECK(d->bad != NULL);
        }
        d->bad[d->n_bad++] = row;
        if (d->n_bad <= BAD_ROWS_NAMED) log_line(LOG_WARN, "skipped row: %s", why.text);
    }
    if (d->n_bad > 0)
        log_line(LOG_WARN, "skipped rows: %zu of %" PRIu64 " are left out", d->n_bad,
                 d->rows.n_rows);
}

static int settle_file(struct dataset *d, size_t i, struct err *err)
{
    struct data_options *o = &d->options[i];
    *o = d->rows.files[i].data->options;
    data_options_fill(o, &d->setting.usual);
    const bool has_columns =
        o->prompt_key[0] != '\0' && (o->answer_key[0] != '\0' || o->completion_key[0] != '\0');
    if (d->rows.files[i].n_rows > 0 && (!has_columns || o->convention[0] != '\0')) {
        d->conventions[i] = convention_of_file(&d->rows, i, d->setting.files->skips_bad_rows, err);
        const bool has_some = o->prompt_key[0] != '\0' || o->answer_key[0] != '\0';
        if (d->conventions[i] == NULL && (!has_some || o->convention[0] != '\0')) return -1;
    }
    const struct convention *convention = d->conventions[i];
    log_line(LOG_INFO, "data file=%s rows=%" PRIu64 " convention=%s grader=%s source=%s",
             d->rows.files[i].data->file->name, d->rows.files[i].n_rows,
             convention == NULL ? "columns" : convention->name,
             o->grader[0] != '\0'                               ? o->grader
             : convention != NULL && convention->grader != NULL ? convention->grader
             : convention == NULL                               ? "exact"
                                                                : "of-each-row",
             o->source[0] != '\0' ? o->source : "of-each-row-or-the-file");
    return 0;
}

static int mix_files(struct dataset *d, struct err *err)
{
    double weights[FILES_MAX];
    for (size_t i = 0; i < d->rows.n_files; i++) {
        d->is_mixed = d->is_mixed || d->options[i].weight != 0;
        weights[i] = d->options[i].weight == 0 ? 1 : d->options[i].weight;
    }
    for (size_t i = 0; d->is_mixed && i < d->rows.n_files; i++)
        if (d->rows.files[i].n_rows == 0)
            return err_set(err, ERR_FORMAT, "%s: no row to mix in",
                           d->rows.files[i].data->file->name);
    if (d->is_mixed) mixture_init(&d->mixture, weights, d->rows.n_files);
    return 0;
}

int dataset_open(struct dataset *d, const struct dataset_setting *setting, struct err *err)
{
    *d = (struct dataset){.setting = *setting};
    if (jsonl_init(&d->rows, setting->files, setting->role, setting->part, err) != 0) return -1;
    for (size_t i = 0; i < d->rows.n_files; i++)
        if (settle_file(d, i, err) != 0) return -1;
    if (setting->is_shuffled) return mix_files(d, err);
    if (setting->files->skips_bad_rows) leave_out_bad_rows(d);
    if (d->n_bad == d->rows.n_rows)
        return err_set(err, ERR_FORMAT, "%s: every row is bad", d->rows.files[0].data->file->name);
    return 0;
}

void dataset_close(struct dataset *d)
{
    jsonl_fini(&d->rows);
    free(d->bad);
    *d = (struct dataset){0};
}

uint64_t dataset_count(const struct dataset *d)
{
    return d->rows.n_rows - d->n_bad;
}
