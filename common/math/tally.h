/*
 * tally.h - what a set of graded samples says: pass@1, cons@n, pass@n, lengths.
 *
 * pass@1 is the mean over all samples; its standard error is over prompts,
 * because samples of one prompt are not independent.  cons@n is the share of
 * prompts whose most frequent answer is right; a tie counts the fraction of the
 * tied answers that are right; a sample without an answer does not vote.
 * pass@n is the share of prompts with at least one right sample (R1.md 5).
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
    uint32_t style; // enum tally_style
    uint32_t n_tokens;
    bool is_correct, is_truncated;
    double reflective_words;
    double format; // 1: as asked
};

struct tally {
    uint64_t n_prompts, n_samples;
    double pass_1, pass_1_stderr, cons_n, pass_n;
    double length_mean, truncated, reflective_mean, format_mean;
};

// Of the samples of one level, or of all for level UINT32_MAX.
struct tally tally_of(const struct tally_sample *samples, size_t n, uint32_t level);

struct tally_share {
    uint64_t n;
    double share, accuracy; // of all samples; of those in this style
};
struct tally_share tally_of_style(const struct tally_sample *samples, size_t n,
                                  enum tally_style style);
const char *tally_style_name(enum tally_style style);

// The members `pass@1`, `pass@1_stderr`, `cons@N`, `pass@N`,
// `response_length_mean`, ..., `by_level`, `by_style` into an open object; N is
// n_per_prompt.
void tally_write(const struct tally_sample *samples, size_t n, uint32_t n_per_prompt,
                 struct json_writer *out);

#endif
