/*
 * shelf.h - the objects the learner serves: files for the whole run, and the
 * few versions of the weights that somebody may still ask for.
 *
 * Kept are the latest version, the one before it, and those that an open order
 * still needs; after shelf_make_room() the last alone.  One thread.
 */
#ifndef ARGOSY_LEARNER_SHELF_H
#define ARGOSY_LEARNER_SHELF_H

#include "common/base/err.h"
#include "proto/object.h"

#define SHELF_VERSIONS_MAX 8

struct shelf {
    struct object files[FILES_MAX];
    uint32_t n_files;
    struct object versions[SHELF_VERSIONS_MAX]; // ascending; their bytes are the shelf's
    uint32_t n_versions;
};

void shelf_init(struct shelf *s);
void shelf_fini(struct shelf *s);
int shelf_add_file(struct shelf *s, const void *bytes, size_t size_bytes, struct err *err);

typedef bool (*shelf_needs_fn)(const void *context, uint64_t version);
// Drops the versions that are not needed, so that the next one finds memory.  A
// fetch of one that went is begun anew with the next announcement.
void shelf_make_room(struct shelf *s, shelf_needs_fn is_needed, const void *context);

// Takes the bytes (malloc'ed), also when it fails.  Versions ascend.
int shelf_add_version(struct shelf *s, uint64_t version, void *bytes, uint64_t size_bytes,
                      shelf_needs_fn is_needed, const void *context, struct err *err);

const struct object *shelf_find(const struct shelf *s, const struct hash *hash);
const struct object *shelf_version(const struct shelf *s, uint64_t version);
const struct object *shelf_latest(const struct shelf *s); // NULL: none yet

#endif
