#include "deploy/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/json.h"

#define BAR_WIDTH 20
#define LIVE_INTERVAL_MS 100u

void progress_init(struct progress_view *v)
{
    *v = (struct progress_view){.is_terminal = isatty(STDOUT_FILENO) == 1};
}

static double number(struct json line, const char *key)
{
    const struct json v = json_member(line, key);
    return json_is_number(v) ? json_to_double(v) : (double)NAN;
}

static void describe(char *out, size_t room, struct json line)
{
    static const struct {
        const char *key, *name;
        int decimals;
    } columns[] = {{"reward", "reward", 3},  {"accuracy", "acc", 3},
                   {"nll", "nll", 4},        {"response_length", "length", 1},
                   {"tokens_s", "tok/s", 0}, {"actors", "actors", 0},
                   {"eta_s", "eta s", 0}};
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const double value = number(line, columns[i].key);
        if (isnan(value)) continue;
        const int wrote =
            snprintf(out + n, room - n, "  %s %.*f", columns[i].name, columns[i].decimals, value);
        if (wrote < 0 || (size_t)wrote >= room - n) return;
        n += (size_t)wrote;
    }
}

static void show(struct progress_view *v, struct json line, uint64_t now_ms)
{
    char rest[256], bar[BAR_WIDTH + 1];
    const char *stage = json_to_string(json_member(line, "stage"), NULL);
    const double step = number(line, "step"), total = number(line, "total");
    const bool is_last = step >= total;
    if (isnan(step) || isnan(total) || total <= 0.0) return;
    describe(rest, sizeof rest, line);
    if (!v->is_terminal) {
        printf("%s step %.0f of %.0f%s\n", stage ? stage : "", step, total, rest);
        fflush(stdout);
        return;
    }
    if (!is_last && now_ms - v->shown_ms < LIVE_INTERVAL_MS) return;
    v->shown_ms = now_ms;
    const int filled = (int)(step / total * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    printf("\r\033[K%-10s [%s] %.0f/%.0f%s", stage ? stage : "", bar, step, total, rest);
    fflush(stdout);
    v->is_line_open = true;
}

// Lines that are not progress are the learner's own words to its reader.
static void take_line(struct progress_view *v, const char *line, uint64_t now_ms)
{
    static const char prefix[] = "progress ";
    struct err err;
    if (strncmp(line, prefix, sizeof prefix - 1) != 0) {
        progress_end(v);
        puts(line);
        fflush(stdout);
        return;
    }
    const char *text = line + sizeof prefix - 1;
    struct json_document *d = json_parse(text, strlen(text), "progress line", &err);
    if (d == NULL) return;
    show(v, json_root(d), now_ms);
    json_destroy(d);
}

void progress_feed(struct progress_view *v, const char *bytes, size_t size_bytes, uint64_t now_ms)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (bytes[i] != '\n') {
            if (v->part_bytes + 1 < sizeof v->part) v->part[v->part_bytes++] = bytes[i];
            continue;
        }
        v->part[v->part_bytes] = '\0';
        v->part_bytes = 0;
        take_line(v, v->part, now_ms);
    }
}

void progress_end(struct progress_view *v)
{
    if (v->is_line_open) putchar('\n');
    v->is_line_open = false;
    fflush(stdout);
}
