/*
 * object.h - large things in verified chunks: weights and files.
 *
 * An object is named by its SHA-256.  The serving side answers GET from a
 * table; the fetching side is a state machine without sockets: it says which
 * GET to send next, takes MANIFEST and CHUNK in any order, with loss and
 * repetition, verifies every chunk, and is complete only when the whole hash
 * matches.  It takes no memory before the manifest's size is seen to be within
 * the caller's limit.
 */
#ifndef ARGOSY_PROTO_OBJECT_H
#define ARGOSY_PROTO_OBJECT_H

#include "common/base/err.h"
#include "common/base/scratch.h"
#include "proto/messages.h"

// --- serving -----------------------------------------------------------------
struct object { // bytes are the owner's
    struct hash hash;
    const unsigned char *bytes;
    uint64_t size_bytes;
    uint64_t version;
    uint32_t n_chunks;
    struct hash *chunks; // malloc'ed
};
void object_init(struct object *o, const void *bytes, uint64_t size_bytes, uint64_t version);
void object_fini(struct object *o);
void object_manifest(const struct object *o, struct manifest *out); // borrows o->chunks
bool object_chunk(const struct object *o, uint32_t number, struct chunk_data *out);

// --- fetching ----------------------------------------------------------------
struct fetch; // one object under way

struct fetch *fetch_create(const struct hash *object, uint64_t size_bytes_max);
void fetch_destroy(struct fetch *f);
// A large object may be kept in a file (scratch.h): call it before the manifest
// comes, and take the bytes with fetch_take_scratch.
void fetch_into_scratch(struct fetch *f);

#define FETCH_WINDOW_MAX 64

// The next GET to send at now_ms, or false.  At most `window` chunks are asked
// for at a time.  One that is not answered is asked again when nothing at all
// has come for a second, then for 2, 4 and 8, so that a slow link is not buried.
bool fetch_next(struct fetch *f, uint64_t now_ms, uint32_t window, struct get *out);
// Both verify before they keep.  What is refused leaves the fetch as it was; a
// repeated or late one of this object is fine.  When the last chunk is in and the
// whole does not match its name, the fetch starts anew with the manifest.
int fetch_take_manifest(struct fetch *f, const struct manifest *m, struct err *err);
int fetch_take_chunk(struct fetch *f, const struct chunk_data *c, struct err *err);
bool fetch_is_complete(const struct fetch *f);
const struct hash *fetch_object(const struct fetch *f);
uint64_t fetch_bytes_done(const struct fetch *f); // for progress
// The verified bytes with a 0 after them; the caller owns them (free).
unsigned char *fetch_take_bytes(struct fetch *f, uint64_t *size_bytes);
// The same, of a fetch into scratch; one byte (the 0) more than the object.
struct scratch fetch_take_scratch(struct fetch *f);

#endif
