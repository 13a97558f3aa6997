/*
 * bench_math.c - verdicts a second of the math grader, on one core.
 *
 * bench_math FILE: rows {"gold", "pred"}, read first; the timed window holds
 * grading alone, the whole file several times, and the median pass is printed.
 * bench_math FILE --verdicts: one line a row: 1 or 0, the hash, the steps
 * and the microseconds it took.
 * Without a file: integers, fractions, radicals and tuples made here.
 */
#include <stdlib.h>
#include <string.h>

#include "actor/grading/math_compare.h"
#include "actor/text/text_buffer.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/json.h"

enum { PASSES = 5, LINE_MAX = 1 << 22, MADE_ROWS = 4000 };

struct row {
    struct view gold, pred;
};

struct rows {
    struct row *rows;
    size_t n, capacity;
};

static void add_row(struct rows *rows, const char *gold, size_t gold_bytes, const char *pred,
                    size_t pred_bytes)
{
    if (rows->n == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 1024 : 2 * rows->capacity;
        rows->rows = realloc(rows->rows, rows->capacity * sizeof *rows->rows);
        CHECK(rows->rows != NULL);
    }
    struct row *row = &rows->rows[rows->n++];
    row->gold = (struct view){text_copy(gold, gold_bytes), gold_bytes};
    row->pred = (struct view){text_copy(pred, pred_bytes), pred_bytes};
}

static int read_rows(const char *path, struct rows *rows, struct err *err)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) return err_set(err, ERR_IO, "open %s", path);
    char *line = malloc(LINE_MAX);
    CHECK(line != NULL);
    int result = 0;
    while (result == 0 && fgets(line, LINE_MAX, file) != NULL) {
        struct json_document *document = json_parse(line, strlen(line), path, err);
        if (document == NULL) {
            result = -1;
            break;
        }
        size_t gold_bytes, pred_bytes;
        const char *gold = json_to_string(json_member(json_root(document), "gold"), &gold_bytes);
        const char *pred = json_to_string(json_member(json_root(document), "pred"), &pred_bytes);
        if (gold == NULL || pred == NULL)
            result = err_set(err, ERR_FORMAT, "%s: want rows {gold, pred}", path);
        else
            add_row(rows, gold, gold_bytes, pred, pred_bytes);
        json_destroy(document);
    }
    free(line);
    fclose(file);
    return result;
}

static void make_rows(struct rows *rows)
{
    static const char *const shapes[][2] = {
        {"%d", "%d.0"},
        {"\\frac{%d}{7}", "%d/7"},
        {"%d\\sqrt{2}", "\\frac{2 \\cdot %d}{\\sqrt{2}}"},
        {"(%d, \\frac{1}{2})", "\\left( %d, 0.5 \\right)"},
    };
    for (int i = 0; i < MADE_ROWS; i++) {
        char gold[128], pred[128];
        const char *const *shape = shapes[i % 4];
        for (int side = 0; side < 2; side++) {
            const char *hole = strchr(shape[side], '%');
            snprintf(side == 0 ? gold : pred, 128, "%.*s%d%s", (int)(hole - shape[side]),
                     shape[side], i, hole + 2);
        }
        add_row(rows, gold, strlen(gold), pred, strlen(pred));
    }
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

int main(int argc, char **argv)
{
    struct rows rows = {0};
    struct err err;
    if (argc < 2) {
        make_rows(&rows);
    } else if (read_rows(argv[1], &rows, &err) != 0) {
        fprintf(stderr, "bench_math: %s\n", err.text);
        return 1;
    }
    struct math_verdict verdict;
    if (argc > 2 && strcmp(argv[2], "--verdicts") == 0) {
        for (size_t i = 0; i < rows.n; i++) {
            double least = 1e9; // of three, for a busy machine
            for (int again = 0; again < 3; again++) {
                double start = clock_now_s();
                math_compare(rows.rows[i].gold, rows.rows[i].pred, &verdict);
                double took = clock_now_s() - start;
                least = took < least ? took : least;
            }
            printf("%d %016llx %llu %.0f\n", verdict.is_same, (unsigned long long)verdict.hash,
                   (unsigned long long)verdict.n_steps, least * 1e6);
        }
        return 0;
    }
    double seconds[PASSES];
    size_t n_same = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        n_same = 0;
        double start = clock_now_s();
        for (size_t i = 0; i < rows.n; i++) {
            math_compare(rows.rows[i].gold, rows.rows[i].pred, &verdict);
            n_same += verdict.is_same;
        }
        seconds[pass] = clock_now_s() - start;
    }
    qsort(seconds, PASSES, sizeof *seconds, compare_doubles);
    printf("rows,same,verdicts_per_s\n%zu,%zu,%.0f\n", rows.n, n_same,
           (double)rows.n / seconds[PASSES / 2]);
    return 0;
}
