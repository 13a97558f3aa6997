/*
 * checkpoint_manifest.h - the list of a checkpoint's files, and whether they
 * are all there.
 *
 * MANIFEST.json carries its own SHA-256 as its last member, so a damaged
 * manifest is noticed like any damaged file.
 */
#ifndef ARGOSY_LEARNER_CHECKPOINT_MANIFEST_H
#define ARGOSY_LEARNER_CHECKPOINT_MANIFEST_H

#include "learner/checkpoint.h"

#define CHECKPOINT_FILES_MAX 1032
#define CHECKPOINT_NAME_BYTES 32

struct checkpoint_file {
    char name[CHECKPOINT_NAME_BYTES];
    struct hash sha256;
    uint64_t size_bytes;
    uint64_t first, count; // elements of a shard; 0, 0 for other files
};

struct manifest_of_checkpoint {
    struct checkpoint_meta meta;
    uint64_t n_elements;
    size_t n_files;
    struct checkpoint_file files[CHECKPOINT_FILES_MAX];
};

int checkpoint_manifest_write(const char *folder, const struct manifest_of_checkpoint *m,
                              struct err *err);
int checkpoint_manifest_read(const char *folder, struct manifest_of_checkpoint *m, struct err *err);

// Reads every file of the folder and compares size and hash.
int checkpoint_manifest_verify(const char *folder, const struct manifest_of_checkpoint *m,
                               struct err *err);

const struct checkpoint_file *checkpoint_manifest_find(const struct manifest_of_checkpoint *m,
                                                       const char *name);

#endif
