/*
 * served_files.h - the files the learner serves, and which of them are data.
 *
 * The spec's "files" maps a role to the names of served files: {"train":
 * "data/train.jsonl", "eval": [...], "sft": [...]}; without it the folders
 * data/train/, data/val/ and data/sft/ of the names say the same.  Bytes are
 * borrowed.
 */
#ifndef ARGOSY_ACTOR_SERVED_FILES_H
#define ARGOSY_ACTOR_SERVED_FILES_H

#include <stddef.h>

#include "actor/client.h"
#include "actor/text_search.h"
#include "common/base/err.h"
#include "common/base/json.h"

enum file_role { FILES_TRAIN, FILES_EVAL, FILES_SFT, FILE_ROLES };

struct served_files {
    const struct client_file *files;
    size_t n_files;
    struct {
        const struct client_file *files[FILES_MAX];
        size_t count;
    } roles[FILE_ROLES];
};

// roles: the spec's "files" value, may be absent.
int served_files_init(struct served_files *s, struct json roles, const struct client_file *files,
                      size_t n_files, struct err *err);

// NULL when no file of this name was served.
const struct client_file *served_files_find(const struct served_files *s, const char *name);
struct view served_file_bytes(const struct client_file *file);

#endif
