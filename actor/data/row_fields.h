/*
 * row_fields.h - what tasks and corpora take out of the rows of data files.
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
                               uint64_t n, uint64_t *row, struct err *err);

// A text or number of a row as malloc'ed text.  `key` names it; when empty the
// first of `usual` (NULL at its end) that the row has.  `option` is what errors
// call the choice.
int row_text(struct json row, const char *key, const char *const *usual, const char *option,
             char **out, struct err *err);

// 3, "3" or "Level 3"; 0 when absent or something else.
uint32_t row_level(struct json row, const char *key);

#endif
