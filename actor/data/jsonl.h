/*
 * jsonl.h - rows of served JSONL files, found by an index built once.
 *
 * Blank lines are no rows.  A row is parsed when it is asked for; an error
 * names file and line.  With a hold-out, a row belongs to the held-out part
 * when the hash of its line is 0 modulo JSONL_HOLDOUT, so equal lines are on
 * one side only.  Immutable once created.
 */
#ifndef ARGOSY_ACTOR_DATA_JSONL_H
#define ARGOSY_ACTOR_DATA_JSONL_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/data/served_files.h"
#include "common/base/err.h"
#include "common/base/json.h"

#define JSONL_HOLDOUT 8
#define JSONL_LINE_BYTES_MAX ((size_t)16 << 20)

enum jsonl_part { JSONL_ALL, JSONL_KEPT, JSONL_HELD_OUT };

struct jsonl_row {
    uint32_t file; // in the list
    uint32_t line; // from 1
    uint64_t start;
};

struct jsonl {
    const struct served_file *files[FILES_MAX];
    size_t n_files;
    struct jsonl_row *rows; // malloc'ed
    uint64_t n_rows;
};

// The rows of one role's files, in order.  No row at all is an error.
int jsonl_init(struct jsonl *j, const struct served_files *files, enum file_role role,
               enum jsonl_part part, struct err *err);
void jsonl_fini(struct jsonl *j);

struct json_document *jsonl_read(const struct jsonl *j, uint64_t row, struct err *err);
// "FILE:LINE: " before the text of err; always -1.
int jsonl_blame(const struct jsonl *j, uint64_t row, struct err *err);
const char *jsonl_file_name(const struct jsonl *j, uint64_t row);

#endif
