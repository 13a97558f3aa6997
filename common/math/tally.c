#include "common/math/tally.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// The samples of one prompt: [first, end).
static size_t prompt_end(const struct tally_sample *samples, size_t n, size_t first)
{
    size_t end = first + 1;
    while (end < n && samples[end].prompt == samples[first].prompt)
        end++;
    return end;
}

static int by_answer(const void *left, const void *right)
{
    const struct tally_sample *a = *(const struct tally_sample *const *)left;
    const struct tally_sample *b = *(const struct tally_sample *const *)right;
    return a->answer < b->answer ? -1 : a->answer > b->answer;
}

// 1 when the most frequent answer is right, the right fraction of the tied ones
// on a tie, 0 when nobody answered.
static double majority(const struct tally_sample *samples, size_t n)
{
    const struct tally_sample **sorted = malloc(n * sizeof(struct tally_sample *));
    if (sorted == NULL) abort();
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (samples[i].answer != 0) sorted[count++] = &samples[i];
    qsort(sorted, count, sizeof(struct tally_sample *), by_answer);
    size_t best = 0, n_tied = 0, n_right = 0;
    for (size_t i = 0; i < count;) {
        size_t end = i;
        bool is_right = false;
        while (end < count && sorted[end]->answer == sorted[i]->answer)
            is_right |= sorted[end++]->is_correct;
        if (end - i > best) {
            best = end - i;
            n_tied = n_right = 0;
        }
        if (end - i == best) {
            n_tied++;
            n_right += is_right;
        }
        i = end;
    }
    free(sorted);
    return n_tied == 0 ? 0.0 : (double)n_right / (double)n_tied;
}

struct tally tally_of(const struct tally_sample *samples, size_t n, uint32_t level)
{
    struct tally t = {0};
    double sum_squares = 0.0;
    for (size_t first = 0; first < n;) {
        const size_t end = prompt_end(samples, n, first);
        if (level != UINT32_MAX && samples[first].level != level) {
            first = end;
            continue;
        }
        size_t n_correct = 0;
        for (size_t i = first; i < end; i++) {
            n_correct += samples[i].is_correct;
            t.length_mean += samples[i].n_tokens;
            t.truncated += samples[i].is_truncated;
            t.reflective_mean += samples[i].reflective_words;
            t.format_mean += samples[i].format;
        }
        const double mean = (double)n_correct / (double)(end - first);
        t.pass_1 += mean;
        sum_squares += mean * mean;
        t.cons_n += majority(samples + first, end - first);
        t.pass_n += n_correct > 0;
        t.n_prompts++;
        t.n_samples += end - first;
        first = end;
    }
    if (t.n_prompts == 0) return t;
    const double prompts = (double)t.n_prompts, all = (double)t.n_samples;
    t.pass_1 /= prompts;
    t.cons_n /= prompts;
    t.pass_n /= prompts;
    t.length_mean /= all;
    t.truncated /= all;
    t.reflective_mean /= all;
    t.format_mean /= all;
    const double variance = (sum_squares - prompts * t.pass_1 * t.pass_1) / (prompts - 1.0);
    if (t.n_prompts > 1 && variance > 0.0) t.pass_1_stderr = sqrt(variance / prompts);
    return t;
}

struct tally_share tally_of_style(const struct tally_sample *samples, size_t n,
                                  enum tally_style style)
{
    struct tally_share s = {0};
    uint64_t n_correct = 0;
    for (size_t i = 0; i < n; i++) {
        if (samples[i].style != (uint32_t)style) continue;
        s.n++;
        n_correct += samples[i].is_correct;
    }
    if (n != 0) s.share = (double)s.n / (double)n;
    if (s.n != 0) s.accuracy = (double)n_correct / (double)s.n;
    return s;
}

const char *tally_style_name(enum tally_style style)
{
    static const char *const names[TALLY_STYLES] = {"short", "long", "long_with_checking"};
    return names[style];
}

static void write_one(const struct tally *t, uint32_t n_per_prompt, struct json_writer *out)
{
    char name[32];
    json_put_u64(out, "n_prompts", t->n_prompts);
    json_put_u64(out, "n_samples", t->n_samples);
    json_put_double(out, "pass@1", t->pass_1);
    json_put_double(out, "pass@1_stderr", t->pass_1_stderr);
    snprintf(name, sizeof name, "cons@%u", n_per_prompt);
    json_put_double(out, name, t->cons_n);
    snprintf(name, sizeof name, "pass@%u", n_per_prompt);
    json_put_double(out, name, t->pass_n);
    json_put_double(out, "response_length_mean", t->length_mean);
    json_put_double(out, "truncated", t->truncated);
    json_put_double(out, "reflective_words_mean", t->reflective_mean);
    json_put_double(out, "format_mean", t->format_mean);
}

void tally_write(const struct tally_sample *samples, size_t n, uint32_t n_per_prompt,
                 struct json_writer *out)
{
    const struct tally all = tally_of(samples, n, UINT32_MAX);
    write_one(&all, n_per_prompt, out);
    json_open(out, "by_level", '{');
    for (uint32_t level = 0; level <= TALLY_LEVEL_MAX; level++) {
        const struct tally one = tally_of(samples, n, level);
        char name[16];
        if (one.n_prompts == 0) continue;
        snprintf(name, sizeof name, "%u", level);
        json_open(out, name, '{');
        write_one(&one, n_per_prompt, out);
        json_close(out, '}');
    }
    json_close(out, '}');
    json_open(out, "by_style", '{');
    for (int style = 0; style < TALLY_STYLES; style++) {
        const struct tally_share s = tally_of_style(samples, n, (enum tally_style)style);
        json_open(out, tally_style_name((enum tally_style)style), '{');
        json_put_u64(out, "n", s.n);
        json_put_double(out, "share", s.share);
        json_put_double(out, "accuracy", s.accuracy);
        json_close(out, '}');
    }
    json_close(out, '}');
}
