/*
 * row_fields.h - texts, numbers and parts of a row of a data file.
 */
#ifndef ARGOSY_ACTOR_DATA_ROW_FIELDS_H
#define ARGOSY_ACTOR_DATA_ROW_FIELDS_H

#include "actor/data/jsonl.h"

// The training and held-out rows of a task: from the train and eval files, or,
// with holds_out, both from the train files.  A part without a file is empty.
int row_split(const struct served_files *files, bool holds_out, struct jsonl *train,
              struct jsonl *held_out, struct err *err);

// Row n: shuffled anew each epoch, or in file order around and around.
struct json_document *row_read(const struct jsonl *rows, bool is_shuffled, uint64_t seed,
                               uint64_t n, struct jsonl_line *line, struct err *err);

// A text or number as malloc'ed text; the shortest decimal that is the number.
// `what` is how errors call it ("column 'answer'").
int row_text(struct json value, const char *what, char **out, struct err *err);
// The same of the first of `keys` (NULL at its end) that the row has; `option`
// is what would choose another.
int row_text_of(struct json row, const char *const *keys, const char *option, char **out,
                struct err *err);
// JSON text of a value, malloc'ed.
char *row_json(struct json value);

// 3, 3.0, "3" or "Level 3"; 0 when absent or something else.
uint32_t row_level(struct json row, const char *key);

#endif
