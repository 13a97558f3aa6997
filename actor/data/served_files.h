/*
 * served_files.h - the files the learner serves, and which of them are data.
 *
 * The spec's "files" maps a role to the names of served files: {"train":
 * "data/train.jsonl", "eval": [...], "sft": [...]}; without it the folders
 * data/train/, data/val/ and data/sft/ of the names say the same.  Bytes are
 * borrowed.
 */
#ifndef ARGOSY_ACTOR_DATA_SERVED_FILES_H
#define ARGOSY_ACTOR_DATA_SERVED_FILES_H

#include <stddef.h>

#include "actor/text/text_search.h"
#include "common/base/err.h"
#include "common/base/json.h"
#include "proto/messages.h"

struct served_file {
    char name[NAME_BYTES_MAX];
    unsigned char *bytes;
    uint64_t size_bytes;
};

enum file_role { FILES_TRAIN, FILES_EVAL, FILES_SFT, FILE_ROLES };

struct served_files {
    const struct served_file *files;
    size_t n_files;
    struct {
        const struct served_file *files[FILES_MAX];
        size_t count;
    } roles[FILE_ROLES];
};

// roles: the spec's "files" value, may be absent.
int served_files_init(struct served_files *s, struct json roles, const struct served_file *files,
                      size_t n_files, struct err *err);

// NULL when no file of this name was served.
const struct served_file *served_files_find(const struct served_files *s, const char *name);
struct view served_file_bytes(const struct served_file *file);

#endif
