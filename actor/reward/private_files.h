/*
 * private_files.h - served files written out for a command to use.
 *
 * A folder of our own (mode 0700) under $TMPDIR, made at the first need and
 * removed at the end.  Names keep their folders; one that could lead out of the
 * folder is refused.
 */
#ifndef ARGOSY_ACTOR_REWARD_PRIVATE_FILES_H
#define ARGOSY_ACTOR_REWARD_PRIVATE_FILES_H

#include "actor/data/served_files.h"
#include "actor/text/text_buffer.h"
#include "common/base/err.h"

#define PRIVATE_PATH_BYTES 4096

struct private_files {
    char folder[PRIVATE_PATH_BYTES]; // "": not made
};

// That a served file may be written: it is there and its name stays inside.
const struct served_file *private_files_find(const struct served_file *files, size_t n_files,
                                             const char *name, struct err *err);
// Writes it once (mode 0700: it may be a program) and says its path.
int private_files_write(struct private_files *p, const struct served_file *file, char *path,
                        size_t path_bytes, struct err *err);
void private_files_fini(struct private_files *p);

#endif
