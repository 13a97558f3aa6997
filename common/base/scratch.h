/*
 * scratch.h - a block of bytes that, when it is large, is a file without a name.
 *
 * What is written once and read here and there (data files that came over the
 * wire) need not sit in memory: above SCRATCH_FILE_BYTES the block is a mapped
 * file in TMPDIR (default: the folder that the C library names) that is unlinked at
 * once, so nothing is left behind by a crash; its blocks on the disk are taken
 * first, so that a full disk is found here and not by a signal.  Where no such
 * file is to be had, the block is memory after all, and the log says why.
 */
#ifndef ARGOSY_COMMON_BASE_SCRATCH_H
#define ARGOSY_COMMON_BASE_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

#define SCRATCH_FILE_BYTES ((size_t)64 << 20)

struct scratch {
    unsigned char *bytes; // NULL: nothing was taken
    size_t size_bytes;
    bool is_file;
};

// The bytes are not set.  ERR_LIMIT: neither a file nor memory can be had.
int scratch_take(struct scratch *s, size_t size_bytes, struct err *err);
void scratch_release(struct scratch *s); // of nothing: fine
// Of a file: the bytes up to `end` are not needed soon and stop counting as
// memory; reading or writing them again is fine.
void scratch_forget(const struct scratch *s, size_t end);

#endif
