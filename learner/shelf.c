#include "learner/shelf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void shelf_init(struct shelf *s)
{
    s->n_files = s->n_versions = 0;
}

static void version_free(struct object *o)
{
    free((void *)(uintptr_t)o->bytes);
    object_fini(o);
}

void shelf_fini(struct shelf *s)
{
    for (uint32_t i = 0; i < s->n_files; i++)
        object_fini(&s->files[i]);
    for (uint32_t i = 0; i < s->n_versions; i++)
        version_free(&s->versions[i]);
    shelf_init(s);
}

int shelf_add_file(struct shelf *s, const void *bytes, size_t size_bytes, struct err *err)
{
    if (s->n_files == FILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d files for actors", FILES_MAX);
    if (size_bytes > OBJECT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a file of %zu bytes for actors", size_bytes);
    object_init(&s->files[s->n_files++], bytes, size_bytes, 0);
    return 0;
}

// Of the versions before the last `n_last`, drops what no order needs.
static void evict(struct shelf *s, uint32_t n_last, shelf_needs_fn is_needed, const void *context)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_versions; i++) {
        if (i + n_last < s->n_versions && !is_needed(context, s->versions[i].version))
            version_free(&s->versions[i]);
        else
            s->versions[n++] = s->versions[i];
    }
    s->n_versions = n;
}

void shelf_make_room(struct shelf *s, shelf_needs_fn is_needed, const void *context)
{
    evict(s, 0, is_needed, context);
}

int shelf_add_version(struct shelf *s, uint64_t version, void *bytes, uint64_t size_bytes,
                      shelf_needs_fn is_needed, const void *context, struct err *err)
{
    const struct object *latest = shelf_latest(s);
    int status = 0;
    if (latest != NULL && version <= latest->version)
        status = err_set(err, ERR_USAGE, "weights version %" PRIu64 " comes after version %" PRIu64,
                         version, latest->version);
    else if (size_bytes > OBJECT_BYTES_MAX)
        status = err_set(err, ERR_LIMIT, "weights of %" PRIu64 " bytes", size_bytes);
    if (status == 0) {
        evict(s, 1, is_needed, context);
        if (s->n_versions == SHELF_VERSIONS_MAX)
            status = err_set(err, ERR_LIMIT, "open orders need %d versions of the weights",
                             SHELF_VERSIONS_MAX);
    }
    if (status != 0) {
        free(bytes);
        return -1;
    }
    object_init(&s->versions[s->n_versions++], bytes, size_bytes, version);
    return 0;
}

const struct object *shelf_find(const struct shelf *s, const struct hash *hash)
{
    for (uint32_t i = 0; i < s->n_versions; i++)
        if (hash_is_equal(&s->versions[i].hash, hash)) return &s->versions[i];
    for (uint32_t i = 0; i < s->n_files; i++)
        if (hash_is_equal(&s->files[i].hash, hash)) return &s->files[i];
    return NULL;
}

const struct object *shelf_version(const struct shelf *s, uint64_t version)
{
    for (uint32_t i = 0; i < s->n_versions; i++)
        if (s->versions[i].version == version) return &s->versions[i];
    return NULL;
}

const struct object *shelf_latest(const struct shelf *s)
{
    return s->n_versions > 0 ? &s->versions[s->n_versions - 1] : NULL;
}
