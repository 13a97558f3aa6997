/*
 * dataset.h - the rows of one role's files as an endless or a finite list.
 *
 * Row n is a pure function of (files, options, seed, n), the same on every
 * actor and after every restart:
 *  shuffled   each epoch has every row once, in another order; with a weight on
 *             any file the files are mixed by weight (mixture.h), each going
 *             round by itself;
 *  in order   the files one after another, around and around.
 * When bad rows are skipped, a shuffled list puts another row, by the same
 * rule, in the place of a bad one (`attempt`), so that a batch stays whole; a
 * list in order leaves bad rows out from the start, so that none counts twice.
 *
 * Immutable once created.
 */
#ifndef ARGOSY_ACTOR_DATA_DATASET_H
#define ARGOSY_ACTOR_DATA_DATASET_H

#include "actor/data/convention.h"
#include "actor/data/mixture.h"

// Substitutes for one row before that is an error.
#define DATASET_ATTEMPTS_MAX 64u

struct dataset_setting {
    const struct served_files *files;
    enum file_role role;
    enum jsonl_part part;
    bool is_shuffled;
    uint64_t seed;
    struct data_options usual; // what a file's own options leave unsaid
    // Whether a row has what the caller needs; may change it.  -1: a bad row.
    int (*accept)(struct row_content *content, struct err *err);
};

struct dataset {
    struct dataset_setting setting;
    struct jsonl rows;
    struct data_options options[FILES_MAX];          // of each file
    const struct convention *conventions[FILES_MAX]; // NULL: by columns alone
    bool is_mixed;
    struct mixture mixture;
    uint64_t *bad; // malloc'ed: rows left out, ascending
    size_t n_bad;
};

// Files of which nothing can be told are an error, as are files without a row.
// One line of the log says what each file was taken for.
int dataset_open(struct dataset *d, const struct dataset_setting *setting, struct err *err);
void dataset_close(struct dataset *d);
uint64_t dataset_count(const struct dataset *d); // rows; 0: not opened

// Row n, or the attempt-th substitute for it.  ERR_FORMAT: the row is bad; the
// text begins with FILE:LINE.
int dataset_read(const struct dataset *d, uint64_t n, uint32_t attempt, struct row_content *out,
                 struct err *err);

#endif
