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

struct vote {
    size_t n_tied, n_right; // of the most frequent answers; 0 tied: nobody voted
};

static struct vote majority(const struct tally_sample *samples, size_t n)
{
    const struct tally_sample **sorted = malloc(n * sizeof(struct tally_sample *));
    if (sorted == NULL) abort();
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (samples[i].answer != 0) sorted[count++] = &samples[i];
    qsort(sorted, count, sizeof(struct tally_sample *), by_answer);
    size_t best = 0;
    struct vote vote = {0, 0};
    for (size_t i = 0; i < count;) {
        size_t end = i;
        bool is_right = false;
        while (end < count && sorted[end]->answer == sorted[i]->answer)
            is_right |= sorted[end++]->is_correct;
        if (end - i > best) {
            best = end - i;
            vote = (struct vote){0, 0};
        }
        if (end - i == best) {
            vote.n_tied++;
            vote.n_right += is_right;
        }
        i = end;
    }
    free(sorted);
    return vote;
}

static double share_right(struct vote vote)
{
    return vote.n_tied == 0 ? 0.0 : (double)vote.n_right / (double)vote.n_tied;
}

static bool is_in(const struct tally_sample *s, struct tally_part part)
{
    return (part.level == UINT32_MAX || s->level == part.level) &&
           (part.source == UINT32_MAX || s->source == part.source);
}

static size_t count_correct(const struct tally_sample *samples, size_t n)
{
    size_t n_correct = 0;
    for (size_t i = 0; i < n; i++)
        n_correct += samples[i].is_correct;
    return n_correct;
}

static double estimate_pass(const struct tally_sample *samples, size_t n, size_t k)
{
    const size_t n_wrong = n - count_correct(samples, n);
    double all_wrong = 1.0; // C(n_wrong, k) / C(n, k), factor by factor
    if (n_wrong < k) return 1.0;
    for (size_t i = 0; i < k; i++)
        all_wrong *= (double)(n_wrong - i) / (double)(n - i);
    return 1.0 - all_wrong;
}

static double estimate_cons(const struct tally_sample *samples, size_t n, size_t k)
{
    double sum = 0.0;
    for (size_t i = 0; i < n / k; i++)
        sum += share_right(majority(samples + i * k, k));
    return sum / (double)(n / k);
}

// The mean over prompts of what is estimated of each one's samples.
static double mean_of(const struct tally_sample *samples, size_t n, struct tally_part part,
                      uint32_t k, double (*estimate)(const struct tally_sample *, size_t, size_t))
{
    double sum = 0.0;
    uint64_t n_prompts = 0;
    for (size_t first = 0; first < n;) {
        const size_t end = prompt_end(samples, n, first);
        if (is_in(&samples[first], part) && end - first >= k) {
            sum += estimate(samples + first, end - first, k);
            n_prompts++;
        }
        first = end;
    }
    return n_prompts == 0 ? (double)NAN : sum / (double)n_prompts;
}

double tally_pass_at(const struct tally_sample *samples, size_t n, struct tally_part part,
                     uint32_t k)
{
    return k == 0 ? (double)NAN : mean_of(samples, n, part, k, estimate_pass);
}

double tally_cons_at(const struct tally_sample *samples, size_t n, struct tally_part part,
                     uint32_t k)
{
    return k == 0 ? (double)NAN : mean_of(samples, n, part, k, estimate_cons);
}

// Adds one prompt's samples to the sums that tally_of() divides at its end.
static void add_prompt(struct tally *t, const struct tally_sample *samples, size_t n,
                       double *sum_squares)
{
    const size_t n_correct = count_correct(samples, n);
    const double mean = (double)n_correct / (double)n;
    const struct vote vote = majority(samples, n);
    for (size_t i = 0; i < n; i++) {
        t->length_mean += samples[i].n_tokens;
        t->truncated += samples[i].is_truncated;
        t->reflective_mean += samples[i].reflective_words;
        t->format_mean += samples[i].format;
    }
    t->pass_1 += mean;
    *sum_squares += mean * mean;
    t->cons_n += share_right(vote);
    t->n_ties += vote.n_tied > 1;
    t->pass_n += n_correct > 0;
    t->n_prompts++;
    t->n_samples += n;
}

struct tally tally_of(const struct tally_sample *samples, size_t n, struct tally_part part)
{
    struct tally t = {0};
    double sum_squares = 0.0;
    for (size_t first = 0; first < n;) {
        const size_t end = prompt_end(samples, n, first);
        if (is_in(&samples[first], part))
            add_prompt(&t, samples + first, end - first, &sum_squares);
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

struct tally_table { // the samples, and how each object of the report is written
    const struct tally_sample *samples;
    size_t n;
    uint32_t n_per_prompt;
    struct json_writer *out;
};

static void write_k(const struct tally_table *t, struct tally_part part, uint32_t k)
{
    char name[32];
    snprintf(name, sizeof name, "pass@%u", k);
    json_put_double(t->out, name, tally_pass_at(t->samples, t->n, part, k));
    snprintf(name, sizeof name, "cons@%u", k);
    json_put_double(t->out, name, tally_cons_at(t->samples, t->n, part, k));
}

static void write_one(const struct tally_table *t, struct tally_part part)
{
    const struct tally all = tally_of(t->samples, t->n, part);
    json_put_u64(t->out, "n_prompts", all.n_prompts);
    json_put_u64(t->out, "n_samples", all.n_samples);
    json_put_double(t->out, "pass@1", all.pass_1);
    json_put_double(t->out, "pass@1_stderr", all.pass_1_stderr);
    for (uint32_t k = 2; k < t->n_per_prompt; k *= 2)
        write_k(t, part, k);
    if (t->n_per_prompt > 1)
        write_k(t, part, t->n_per_prompt);
    else
        json_put_double(t->out, "cons@1", all.cons_n);
    json_put_u64(t->out, "ties", all.n_ties);
    json_put_double(t->out, "response_length_mean", all.length_mean);
    json_put_double(t->out, "truncated", all.truncated);
    json_put_double(t->out, "reflective_words_mean", all.reflective_mean);
    json_put_double(t->out, "format_mean", all.format_mean);
}

static bool has_any(const struct tally_table *t, struct tally_part part)
{
    for (size_t i = 0; i < t->n; i++)
        if (is_in(&t->samples[i], part)) return true;
    return false;
}

static void write_part(const struct tally_table *t, const char *name, struct tally_part part)
{
    if (!has_any(t, part)) return;
    json_open(t->out, name, '{');
    write_one(t, part);
    json_close(t->out, '}');
}

void tally_write(const struct tally_sample *samples, size_t n, uint32_t n_per_prompt,
                 const char *const *sources, size_t n_sources, struct json_writer *out)
{
    const struct tally_table t = {samples, n, n_per_prompt, out};
    write_one(&t, TALLY_ALL);
    json_open(out, "by_level", '{');
    for (uint32_t level = 0; level <= TALLY_LEVEL_MAX; level++) {
        char name[16];
        snprintf(name, sizeof name, "%u", level);
        write_part(&t, name, (struct tally_part){level, UINT32_MAX});
    }
    json_close(out, '}');
    json_open(out, "by_source", '{');
    for (size_t i = 0; i < n_sources; i++)
        write_part(&t, sources[i], (struct tally_part){UINT32_MAX, (uint32_t)i});
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
