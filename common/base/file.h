/*
 * file.h - whole files, read checked and written so that a crash leaves the
 * old one or the new one and never a part.
 */
#ifndef ARGOSY_COMMON_BASE_FILE_H
#define ARGOSY_COMMON_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

// A read-only mapping of a file (or of nothing: size 0).
struct file_map {
    const unsigned char *bytes;
    size_t size_bytes;
};
int file_map(struct file_map *map, const char *path, struct err *err);
void file_unmap(struct file_map *map);
// The bytes up to `end` were read and are not needed soon: they no longer count as
// this process' memory.  Reading them again is fine.
void file_forget(const struct file_map *map, size_t end);

// The whole file in one malloc'ed block with a 0 byte after it; refuses more
// than limit_bytes.  The caller frees *bytes.
int file_read(const char *path, size_t limit_bytes, char **bytes, size_t *size_bytes,
              struct err *err);

// Writes path.tmp-<pid>, fsyncs, renames onto path, fsyncs the folder.  On
// failure path is untouched and the temporary file is gone.
int file_write_atomic(const char *path, const void *bytes, size_t size_bytes, struct err *err);

// write(2) until all is written; names `what` in the error.
int file_write_all(int fd, const void *bytes, size_t size_bytes, const char *what, struct err *err);

int file_sync_folder(const char *path, struct err *err);
int file_make_folders(const char *path, struct err *err); // mkdir -p, mode 0777 & ~umask
bool file_exists(const char *path);
int file_copy(const char *from, const char *to, struct err *err); // through file_write_atomic
int file_remove_tree(const char *path, struct err *err);          // rm -r; a missing path is fine

// Joins with one '/'.  Returns -1 with ERR_LIMIT when it does not fit.
int file_join(char *out, size_t out_bytes, const char *folder, const char *name, struct err *err);

#endif
