/*
 * jsonl.h - rows of served JSONL files, found by an index built once.
 *
 * A file is looked through once and not kept: of every JSONL_STRIDE rows the
 * place of the first is remembered (one byte a row), the others are found from
 * there.  Blank lines are no rows; lines end in \n or \r\n, the last one may
 * end with the file; a byte order mark is passed over.  A row is parsed when it
 * is asked for; an error names file and line.  With a hold-out, a row belongs
 * to the held-out part when the hash of its line is 0 modulo JSONL_HOLDOUT, so
 * equal lines are on one side only.  Immutable once created.
 */
#ifndef ARGOSY_ACTOR_DATA_JSONL_H
#define ARGOSY_ACTOR_DATA_JSONL_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/data/served_files.h"
#include "common/base/err.h"
#include "common/base/json.h"

#define JSONL_HOLDOUT 8
#define JSONL_STRIDE 16
#define JSONL_LINE_BYTES_MAX ((size_t)16 << 20)

enum jsonl_part { JSONL_ALL, JSONL_KEPT, JSONL_HELD_OUT };

struct jsonl_mark {
    uint64_t start; // offset of the line
    uint64_t line;  // its number, from 1
};

struct jsonl_file {
    const struct data_file *data;
    uint64_t first_row, n_rows; // its rows among those of all files
    size_t first_mark;
};

struct jsonl {
    enum jsonl_part part;
    struct jsonl_file files[FILES_MAX];
    size_t n_files;
    struct jsonl_mark *marks; // malloc'ed
    size_t n_marks;
    uint64_t n_rows;
};

struct jsonl_line {
    uint32_t file;   // in the list
    uint64_t number; // from 1
    struct view text;
};

// The rows of one role's files, in order.  No row at all is an error, and so is
// a file that is no JSONL at all.
int jsonl_init(struct jsonl *j, const struct served_files *files, enum file_role role,
               enum jsonl_part part, struct err *err);
void jsonl_fini(struct jsonl *j);

struct jsonl_line jsonl_line_at(const struct jsonl *j, uint64_t row); // row < n_rows
// NULL: no JSON object, or too long; err names file and line (ERR_FORMAT).
struct json_document *jsonl_parse(const struct jsonl *j, const struct jsonl_line *line,
                                  struct err *err);
// "FILE:LINE: " before the text of err, and ERR_FORMAT; always -1.
int jsonl_blame(const struct jsonl *j, const struct jsonl_line *line, struct err *err);

// The line that starts at *at, without its end; moves *at to the next one.
struct view jsonl_next_line(struct view bytes, size_t *at);
size_t jsonl_first_line(struct view bytes); // where the first one starts

#endif
