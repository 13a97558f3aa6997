/*
 * contamination.h - which texts have a part of a benchmark's in them.
 *
 * A text matches when n words in a row (10 in the DeepSeek-R1 paper) are, in
 * canonical form (canonical_words.h), also n words in a row of a benchmark's
 * question or worked solution; a question of fewer words matches as a whole.
 * Phrases that more than a share of a benchmark's rows have (its instructions,
 * "relatively prime positive integers, find m+n") show nothing and do not count.
 * Memory is linear in the benchmark.
 */
#ifndef ARGOSY_ACTOR_DATA_CONTAMINATION_H
#define ARGOSY_ACTOR_DATA_CONTAMINATION_H

#include "actor/data/convention.h"
#include "actor/data/gram_set.h"

#define CONTAMINATION_GRAM_MAX 1000u

struct contamination_setting {
    uint32_t n_words;    // of a sequence, 2 .. CONTAMINATION_GRAM_MAX
    double common_share; // of a file's rows: a phrase of more of them does not count; 1: all do
    bool any_number;     // numbers all count as one
    struct data_options options; // how a benchmark's rows are read
};

struct benchmark_row {
    uint32_t file;
    uint64_t line;
};

struct benchmark {
    struct contamination_setting setting;
    struct gram_set grams, whole;
    struct benchmark_row *rows; // malloc'ed
    size_t n_rows, rows_room;
    char (*files)[SPEC_STRING_BYTES]; // malloc'ed: names, cut
    size_t n_files;
    uint64_t n_common; // sequences that do not count
};

void benchmark_init(struct benchmark *b, const struct contamination_setting *setting);
void benchmark_fini(struct benchmark *b);
// Takes the rows of one JSONL file; a bad row is an error that names it.
int benchmark_add(struct benchmark *b, const char *name, struct view bytes, struct err *err);

struct contamination {
    bool is_whole;    // the text is a short question as it stands
    const char *file; // of the benchmark
    uint64_t line;
    struct view words; // that both have; into the words given
};

// The first match in the words of one text.
bool benchmark_find(const struct benchmark *b, const struct canonical_words *words,
                    struct contamination *out);

#endif
