/*
 * tally.h - what a set of graded samples says: pass@1, pass@k, cons@k, lengths.
 *
 * pass@1 is the mean over all samples; its standard error is over prompts,
 * because samples of one prompt are not independent.  pass@k is the unbiased
 * estimate from n samples, c of them right: 1 - C(n-c, k) / C(n, k) (Chen et
 * al., "Evaluating Large Language Models Trained on Code", 2021, eq. 1), so
 * pass@n is the share of prompts with a right sample.  cons@k is the share of
 * prompts whose most frequent answer is right, over each k consecutive samples;
 * answers vote by their hash, so equal by the grader is one vote; a tie counts
 * the fraction of the tied answers that are right; a sample without an answer
 * does not vote.  (DeepSeek-R1, Nature 2025, evaluation; R1.md section 5.)
 */
#ifndef ARGOSY_COMMON_MATH_TALLY_H
#define ARGOSY_COMMON_MATH_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/json.h"

#define TALLY_LEVEL_MAX 32
#define TALLY_STYLES 3

enum tally_style { TALLY_SHORT, TALLY_LONG, TALLY_LONG_CHECKED };

struct tally_sample { // samples of a prompt stand next to each other
    uint64_t prompt;
    uint64_t answer; // 0: none was given
    uint32_t level;
    uint32_t source; // a number the caller gave it
    uint32_t style;  // enum tally_style
    uint32_t n_tokens;
    bool is_correct, is_truncated;
    double reflective_words;
    double format; // 1: as asked
};

struct tally {
    uint64_t n_prompts, n_samples;
    double pass_1, pass_1_stderr, cons_n, pass_n;
    uint64_t n_ties; // prompts whose most frequent answer is not one alone
    double length_mean, truncated, reflective_mean, format_mean;
};

struct tally_part { // which samples count; UINT32_MAX: any
    uint32_t level, source;
};
#define TALLY_ALL ((struct tally_part){UINT32_MAX, UINT32_MAX})

struct tally tally_of(const struct tally_sample *samples, size_t n, struct tally_part part);
// Prompts with fewer than k samples do not count; NaN when that is all of them.
double tally_pass_at(const struct tally_sample *samples, size_t n, struct tally_part part,
                     uint32_t k);
double tally_cons_at(const struct tally_sample *samples, size_t n, struct tally_part part,
                     uint32_t k);

struct tally_share {
    uint64_t n;
    double share, accuracy; // of all samples; of those in this style
};
struct tally_share tally_of_style(const struct tally_sample *samples, size_t n,
                                  enum tally_style style);
const char *tally_style_name(enum tally_style style);

// The members `pass@1`, `pass@1_stderr`, `pass@k` and `cons@k` for k = 2, 4, ...
// up to N, and N, `response_length_mean`, ..., `by_level`, `by_source`,
// `by_style` into an open object; N is n_per_prompt.  sources: a name for each
// number, malloc'ed or not, n_sources of them.
void tally_write(const struct tally_sample *samples, size_t n, uint32_t n_per_prompt,
                 const char *const *sources, size_t n_sources, struct json_writer *out);

#endif
