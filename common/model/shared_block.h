/*
 * shared_block.h - a block of bytes that the processes of one user on one host
 * hold together.
 *
 * The bytes are in a sealed memfd: no process can change them any more, and the
 * kernel frees them when the last holder is gone, however it went.  Holders
 * find each other through folder/NAME, a few bytes that list (process, file
 * descriptor) and are locked while one of them fills a new block; so each
 * block is made once.  What a killed process leaves behind is a stale line.
 *
 * Sharing is never needed: whoever gets an error makes a block of his own.
 * Not thread-safe.
 */
#ifndef ARGOSY_COMMON_MODEL_SHARED_BLOCK_H
#define ARGOSY_COMMON_MODEL_SHARED_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/hash.h"

#define SHARED_PATH_BYTES 512

struct shared_block {
    void *bytes; // page-aligned; NULL: none is held
    size_t size_bytes;
    struct hash name;
    bool is_filling; // writable, and the others wait
    int fd, registry_fd;
    char registry[SHARED_PATH_BYTES];
};

// Takes part in the block of that name and size, or begins it: then is_filling
// is set, and the caller writes it all and seals it.  The folder is made (mode
// 0700) when it is not there.  Waits at most wait_ms for one who is filling.
int shared_block_open(struct shared_block *b, const char *folder, const struct hash *name,
                      size_t size_bytes, uint32_t wait_ms, struct err *err);
int shared_block_seal(struct shared_block *b, struct err *err); // `bytes` moves; on failure closed
void shared_block_close(struct shared_block *b);                // also of a zeroed one

// Where holders meet when nothing else is said: of this user, gone after a restart.
int shared_folder(char *out, size_t out_bytes, struct err *err);

#endif
