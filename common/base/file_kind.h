/*
 * file_kind.h - what a file is by its first bytes, for those who want JSONL.
 *
 * Data comes in many shapes and argosy reads one of them: whatever else a file
 * is, the error says so, with the one command that makes JSONL of it.
 */
#ifndef ARGOSY_COMMON_BASE_FILE_KIND_H
#define ARGOSY_COMMON_BASE_FILE_KIND_H

#include <stddef.h>

#include "common/base/err.h"

// Enough to tell by.
#define FILE_KIND_HEAD_BYTES 64

// 0 when the head (the first bytes, all of them if there are fewer) may well be
// of JSONL; ERR_USAGE otherwise.  `path` is what the command is to name.
int file_kind_want_jsonl(const void *head, size_t size_bytes, const char *path, struct err *err);

#endif
