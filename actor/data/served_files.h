/*
 * served_files.h - the files the learner serves, and which of them are data.
 *
 * The spec's "files" maps a role to the names of served files: {"train":
 * "data/train.jsonl", "eval": [...], "sft": [...]}; without it the folders
 * data/train/, data/val/ and data/sft/ of the names say the same.  A name can
 * be an object {"name", ...} with what is to be known of this file besides
 * (struct data_options); the spec's "data" says it for all files that do not
 * say it themselves.  Bytes are borrowed.
 */
#ifndef ARGOSY_ACTOR_DATA_SERVED_FILES_H
#define ARGOSY_ACTOR_DATA_SERVED_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "actor/data/spec_fields.h"
#include "actor/text/text_search.h"
#include "common/base/err.h"
#include "common/base/json.h"
#include "proto/messages.h"

struct served_file {
    char name[NAME_BYTES_MAX];
    unsigned char *bytes;
    uint64_t size_bytes;
    bool is_mapped; // bytes are a file's: their memory can be let go of and comes back
};

enum file_role { FILES_TRAIN, FILES_EVAL, FILES_SFT, FILE_ROLES };

struct data_options {                   // empty texts: not said
    double weight;                      // share of the prompts against other files; 0: not said
    char convention[SPEC_STRING_BYTES]; // what its rows look like; else they show it
    char source[SPEC_STRING_BYTES];     // what metrics call where its rows are from
    char grader[SPEC_STRING_BYTES];
    // Columns to take things from, in place of the convention's.
    char prompt_key[SPEC_STRING_BYTES], answer_key[SPEC_STRING_BYTES];
    char completion_key[SPEC_STRING_BYTES], level_key[SPEC_STRING_BYTES];
    char source_key[SPEC_STRING_BYTES];
};

struct data_file {
    const struct served_file *file;
    struct data_options options;
};

struct served_files {
    const struct served_file *files;
    size_t n_files;
    struct {
        struct data_file files[FILES_MAX];
        size_t count;
    } roles[FILE_ROLES];
    bool skips_bad_rows; // else a row that cannot be used is an error
};

// roles, data: the spec's "files" and "data" values, may be absent.
int served_files_init(struct served_files *s, struct json roles, struct json data,
                      const struct served_file *files, size_t n_files, struct err *err);

// NULL when no file of this name was served.
const struct served_file *served_files_find(const struct served_files *s, const char *name);
struct view served_file_bytes(const struct served_file *file);
// It was read and is not needed soon: a mapped file stops counting as memory.
void served_file_forget(const struct served_file *file);

const char *file_role_name(enum file_role role);
// What `own` leaves unsaid is taken from `usual`.
void data_options_fill(struct data_options *own, const struct data_options *usual);

#endif
