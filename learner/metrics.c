#include "learner/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"

#define FILE_BYTES_MAX ((size_t)1 << 30)

static uint64_t step_of(const char *line, size_t size_bytes)
{
    struct err err;
    struct json_document *document = json_parse(line, size_bytes, METRICS_STEP, &err);
    uint64_t step = UINT64_MAX; // a torn line goes with the steps after it

    if (document != NULL) {
        (void)json_get_u64(json_root(document), METRICS_STEP, UINT64_MAX, &step, &err);
    }
    json_destroy(document);
    return step;
}

static int drop_after(const char *path, uint64_t last_step, struct err *err)
{
    char *bytes;
    size_t size_bytes, kept = 0;
    int status = 0;

    if (last_step == UINT64_MAX || !file_exists(path)) return 0;
    if (file_read(path, FILE_BYTES_MAX, &bytes, &size_bytes, err) != 0) return -1;
    for (size_t at = 0; at < size_bytes;) {
        const char *end = memchr(bytes + at, '\n', size_bytes - at);
        size_t line_bytes = end ? (size_t)(end - (bytes + at)) : size_bytes - at;

        if (end == NULL || step_of(bytes + at, line_bytes) > last_step) break;
        at += line_bytes + 1;
        kept = at;
    }
    if (kept < size_bytes) status = file_write_atomic(path, bytes, kept, err);
    free(bytes);
    return status;
}

int metrics_open(struct metrics *m, const char *path, uint64_t last_step, struct err *err)
{
    *m = (struct metrics){.fd = -1};
    if (drop_after(path, last_step, err) != 0) return -1;
    m->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (m->fd < 0) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));
    return 0;
}

void metrics_close(struct metrics *m)
{
    if (m->fd >= 0) close(m->fd);
    free(m->line.bytes);
    *m = (struct metrics){.fd = -1};
}

void metrics_begin(struct metrics *m, uint64_t step)
{
    free(m->line.bytes);
    json_writer_init(&m->line);
    json_open(&m->line, NULL, '{');
    json_put_u64(&m->line, METRICS_STEP, step);
}

void metrics_put(struct metrics *m, const char *name, double value)
{
    json_put_double(&m->line, name, value);
}

int metrics_end(struct metrics *m, struct err *err)
{
    char *bytes;
    size_t size;
    int status;

    json_close(&m->line, '}');
    size = m->line.size_bytes;
    bytes = malloc(size + 1);
    CHECK(bytes != NULL);
    memcpy(bytes, m->line.bytes, size);
    bytes[size] = '\n';
    status = file_write_all(m->fd, bytes, size + 1, "metrics.jsonl", err);
    free(bytes);
    return status;
}

void spread_add(struct spread *s, double value)
{
    s->min = s->n == 0 || value < s->min ? value : s->min;
    s->max = s->n == 0 || value > s->max ? value : s->max;
    s->sum += value;
    s->sum_squares += value * value;
    s->n++;
}

double spread_mean(const struct spread *s)
{
    return s->n > 0 ? s->sum / (double)s->n : 0;
}

double spread_std(const struct spread *s)
{
    double mean = spread_mean(s);
    double square =
        s->n > 1 ? (s->sum_squares - (double)s->n * mean * mean) / (double)(s->n - 1) : 0;

    return square > 0 ? sqrt(square) : 0;
}
