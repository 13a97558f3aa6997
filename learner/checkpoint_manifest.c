#include "learner/checkpoint_manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"

#define FORMAT "argosy-checkpoint-1"
#define NAME "MANIFEST.json"
#define MANIFEST_BYTES_MAX ((size_t)4 << 20)
#define PIECE_BYTES ((size_t)8 << 20) // of a file at a time
#define SEAL ",\"sha256\":\""         // then 64 digits and the end
#define SEAL_END "\"}"
#define SEAL_BYTES (sizeof SEAL - 1 + HASH_HEX_BYTES - 1 + sizeof SEAL_END - 1)

struct number { // of the meta data
    const char *name;
    size_t offset;
};
#define AT(field) offsetof(struct checkpoint_meta, field)
static const struct number numbers[] = {
    {"run", AT(run)},
    {"step", AT(step)},
    {"optimizer_steps", AT(n_updates)},
    {"weights_version", AT(weights_version)},
    {"next_order", AT(next_order)},
    {"prompt_cursor", AT(prompt_cursor)},
    {"seed", AT(seed)},
    {"updates_nonfinite", AT(n_nonfinite)},
};
#define N_NUMBERS (sizeof numbers / sizeof *numbers)

static uint64_t *number_in(struct checkpoint_meta *meta, size_t i)
{
    return (uint64_t *)(void *)((char *)meta + numbers[i].offset);
}

static void put_hash(struct json_writer *out, const char *key, const struct hash *hash)
{
    char hex[HASH_HEX_BYTES];

    hash_hex(hash, hex);
    json_put_string(out, key, hex);
}

static void write_body(struct json_writer *out, const struct manifest_of_checkpoint *m)
{
    struct checkpoint_meta meta = m->meta;

    json_open(out, NULL, '{');
    json_put_string(out, "format", FORMAT);
    for (size_t i = 0; i < N_NUMBERS; i++)
        json_put_u64(out, numbers[i].name, *number_in(&meta, i));
    json_put_double(out, "seconds", meta.seconds);
    json_put_double(out, "rollout_corr_max_abs_diff", meta.max_abs_diff);
    put_hash(out, "recipe_sha256", &meta.recipe);
    json_put_u64(out, "n_elements", m->n_elements);
    json_open(out, "files", '[');
    for (size_t i = 0; i < m->n_files; i++) {
        const struct checkpoint_file *f = &m->files[i];

        json_open(out, NULL, '{');
        json_put_string(out, "name", f->name);
        json_put_u64(out, "size_bytes", f->size_bytes);
        put_hash(out, "sha256", &f->sha256);
        json_put_u64(out, "first", f->first);
        json_put_u64(out, "count", f->count);
        json_close(out, '}');
    }
    json_close(out, ']');
}

int checkpoint_manifest_write(const char *folder, const struct manifest_of_checkpoint *m,
                              struct err *err)
{
    struct json_writer out;
    struct hash hash;
    char path[4096];
    int status;

    if (file_join(path, sizeof path, folder, NAME, err) != 0) return -1;
    json_writer_init(&out);
    write_body(&out, m);
    hash = hash_of(out.bytes, out.size_bytes);
    put_hash(&out, "sha256", &hash);
    json_close(&out, '}');
    status = file_write_atomic(path, out.bytes, out.size_bytes, err);
    free(out.bytes);
    return status;
}

static int check_seal(const char *bytes, size_t size_bytes, const char *path, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    struct hash real;
    size_t body;

    if (size_bytes < SEAL_BYTES) return err_set(err, ERR_FORMAT, "%s: too short", path);
    body = size_bytes - SEAL_BYTES;
    real = hash_of(bytes, body);
    hash_hex(&real, hex); // compared as text: a digit of another case is damage too
    if (memcmp(bytes + body, SEAL, sizeof SEAL - 1) != 0 ||
        memcmp(bytes + body + sizeof SEAL - 1, hex, HASH_HEX_BYTES - 1) != 0) {
        return err_set(err, ERR_FORMAT, "%s: its text does not match its own sha256", path);
    }
    return 0;
}

static int read_hash(struct json object, const char *key, struct hash *out, struct err *err)
{
    const char *hex;

    if (json_get_string(object, key, &hex, err) != 0) return -1;
    if (!hash_from_hex(out, hex)) return err_set(err, ERR_FORMAT, "%s is not a SHA-256", key);
    return 0;
}

static int read_file_entry(struct json entry, struct checkpoint_file *f, struct err *err)
{
    const char *name;

    if (json_get_string(entry, "name", &name, err) != 0 ||
        json_get_u64(entry, "size_bytes", UINT64_MAX, &f->size_bytes, err) != 0 ||
        json_get_u64(entry, "first", UINT64_MAX, &f->first, err) != 0 ||
        json_get_u64(entry, "count", UINT64_MAX, &f->count, err) != 0 ||
        read_hash(entry, "sha256", &f->sha256, err) != 0) {
        return -1;
    }
    if (strlen(name) >= sizeof f->name || strchr(name, '/') != NULL || name[0] == '.') {
        return err_set(err, ERR_FORMAT, "\"%s\" is no name of a checkpoint's file", name);
    }
    memcpy(f->name, name, strlen(name) + 1);
    return 0;
}

static int read_body(struct json root, struct manifest_of_checkpoint *m, struct err *err)
{
    struct json files = json_member(root, "files");
    const char *format;

    if (json_get_string(root, "format", &format, err) != 0) return -1;
    if (strcmp(format, FORMAT) != 0) {
        return err_set(err, ERR_FORMAT, "format is \"%s\", want %s", format, FORMAT);
    }
    for (size_t i = 0; i < N_NUMBERS; i++) {
        if (json_get_u64(root, numbers[i].name, UINT64_MAX, number_in(&m->meta, i), err) != 0) {
            return -1;
        }
    }
    if (json_get_double(root, "seconds", &m->meta.seconds, err) != 0 ||
        json_get_double(root, "rollout_corr_max_abs_diff", &m->meta.max_abs_diff, err) != 0 ||
        read_hash(root, "recipe_sha256", &m->meta.recipe, err) != 0 ||
        json_get_u64(root, "n_elements", UINT64_MAX, &m->n_elements, err) != 0) {
        return -1;
    }
    m->n_files = json_count(files);
    if (m->n_files > CHECKPOINT_FILES_MAX) {
        return err_set(err, ERR_LIMIT, "%zu files, at most %d", m->n_files, CHECKPOINT_FILES_MAX);
    }
    for (size_t i = 0; i < m->n_files; i++) {
        if (read_file_entry(json_item(files, i), &m->files[i], err) != 0) return -1;
    }
    return 0;
}

int checkpoint_manifest_read(const char *folder, struct manifest_of_checkpoint *m, struct err *err)
{
    struct json_document *document = NULL;
    char path[4096];
    char *bytes;
    size_t size_bytes;
    int status;

    *m = (struct manifest_of_checkpoint){0};
    if (file_join(path, sizeof path, folder, NAME, err) != 0) return -1;
    if (file_read(path, MANIFEST_BYTES_MAX, &bytes, &size_bytes, err) != 0) return -1;
    status = check_seal(bytes, size_bytes, path, err);
    if (status == 0) {
        document = json_parse(bytes, size_bytes, path, err);
        status = document ? read_body(json_root(document), m, err) : -1;
        if (document && status != 0) (void)err_prefix(err, "%s", path);
    }
    json_destroy(document);
    free(bytes);
    return status;
}

static int verify_file(const char *folder, const struct checkpoint_file *f, struct err *err)
{
    struct file_map map;
    struct hasher hasher;
    struct hash hash;
    char path[4096];

    if (file_join(path, sizeof path, folder, f->name, err) != 0) return -1;
    if (file_map(&map, path, err) != 0) return -1;
    if (map.size_bytes != f->size_bytes) {
        (void)err_set(err, ERR_FORMAT, "%s: %zu bytes, the manifest says %" PRIu64, path,
                      map.size_bytes, f->size_bytes);
        file_unmap(&map);
        return -1;
    }
    hasher_init(&hasher);
    for (size_t at = 0; at < map.size_bytes; at += PIECE_BYTES) {
        size_t left = map.size_bytes - at;

        hasher_add(&hasher, map.bytes + at, left < PIECE_BYTES ? left : PIECE_BYTES);
        file_forget(&map, at); // a shard is as large as the memory it is for
    }
    hash = hasher_end(&hasher);
    file_unmap(&map);
    if (hash_is_equal(&hash, &f->sha256)) return 0;
    return err_set(err, ERR_FORMAT, "%s: its sha256 is not the manifest's", path);
}

// Shards stand in the manifest in order and cover the block without gaps.
static int verify_shards(const struct manifest_of_checkpoint *m, const char *folder,
                         struct err *err)
{
    uint64_t next = 0;

    for (size_t i = 0; i < m->n_files; i++) {
        const struct checkpoint_file *f = &m->files[i];

        if (f->count == 0) continue;
        if (f->first != next || f->count > m->n_elements - next) {
            return err_set(err, ERR_FORMAT, "%s: %s does not continue at element %" PRIu64, folder,
                           f->name, next);
        }
        next += f->count;
    }
    if (next == m->n_elements) return 0;
    return err_set(err, ERR_FORMAT, "%s: shards end at element %" PRIu64 " of %" PRIu64, folder,
                   next, m->n_elements);
}

int checkpoint_manifest_verify(const char *folder, const struct manifest_of_checkpoint *m,
                               struct err *err)
{
    if (verify_shards(m, folder, err) != 0) return -1;
    for (size_t i = 0; i < m->n_files; i++) {
        if (verify_file(folder, &m->files[i], err) != 0) return -1;
    }
    return 0;
}

const struct checkpoint_file *checkpoint_manifest_find(const struct manifest_of_checkpoint *m,
                                                       const char *name)
{
    for (size_t i = 0; i < m->n_files; i++) {
        if (strcmp(m->files[i].name, name) == 0) return &m->files[i];
    }
    return NULL;
}
