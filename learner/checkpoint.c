#include "learner/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "learner/checkpoint_manifest.h"
#include "learner/comm.h"

#define PATH_BYTES 4096
#define PREFIX "global_step_"
#define TEMPORARY ".tmp"
#define LATEST "latest_checkpointed_iteration.txt"
#define REFERENCE "reference.bf16"
#define PREVIOUS "previous.bf16"
#define SHARD "shard-"
#define HEAD_MAGIC "ARGSHARD"
#define PIECE_BYTES ((size_t)8 << 20) // of a file at a time

struct shard_head { // of a shard file; then masters, m, v as little-endian fp32
    char magic[8];
    uint32_t version, zero;
    uint64_t n_elements, first, count, step;
};

// --- writing one file --------------------------------------------------------

struct part {
    const void *bytes;
    size_t size_bytes;
};

static int write_parts(int fd, const struct part *parts, size_t n, struct hasher *hasher,
                       const char *path, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char *bytes = parts[i].bytes;

        for (size_t at = 0; at < parts[i].size_bytes; at += PIECE_BYTES) {
            size_t left = parts[i].size_bytes - at;
            size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;

            if (file_write_all(fd, bytes + at, piece, path, err) != 0) return -1;
            hasher_add(hasher, bytes + at, piece);
        }
    }
    return 0;
}

// Takes the space first: a full disk is found before anything is written.
static int write_file(const char *folder, const char *name, const struct part *parts, size_t n,
                      struct checkpoint_file *entry, struct err *err)
{
    char path[PATH_BYTES];
    struct hasher hasher;
    int fd, code, status = 0;

    entry->size_bytes = 0;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    for (size_t i = 0; i < n; i++)
        entry->size_bytes += parts[i].size_bytes;
    if (file_join(path, sizeof path, folder, name, err) != 0) return -1;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return err_set(err, ERR_IO, "create %s: %s", path, strerror(errno));
    code = entry->size_bytes > 0 ? posix_fallocate(fd, 0, (off_t)entry->size_bytes) : 0;
    if (code != 0 && code != EINVAL && code != EOPNOTSUPP) {
        status = err_set(err, ERR_IO, "room for %" PRIu64 " bytes in %s: %s", entry->size_bytes,
                         path, strerror(code));
    }
    hasher_init(&hasher);
    if (status == 0) status = write_parts(fd, parts, n, &hasher, path, err);
    if (status == 0 && fsync(fd) != 0) {
        status = err_set(err, ERR_IO, "fsync %s: %s", path, strerror(errno));
    }
    if (close(fd) != 0 && status == 0) {
        status = err_set(err, ERR_IO, "close %s: %s", path, strerror(errno));
    }
    entry->sha256 = hasher_end(&hasher);
    return status;
}

static int write_shard(const char *folder, const struct checkpoint_state *state, uint64_t step,
                       struct checkpoint_file *entry, struct err *err)
{
    const struct adamw_state *adam = state->adam;
    size_t size = adam->count * sizeof(float);
    struct shard_head head = {
        .magic = HEAD_MAGIC,
        .version = 1,
        .n_elements = state->n_elements,
        .first = adam->first,
        .count = adam->count,
        .step = step,
    };
    struct part parts[] = {
        {&head, sizeof head}, {adam->masters, size}, {adam->m, size}, {adam->v, size}};
    char name[CHECKPOINT_NAME_BYTES];

    snprintf(name, sizeof name, SHARD "%04d.bin", comm_rank());
    entry->first = adam->first;
    entry->count = adam->count;
    return write_file(folder, name, parts, sizeof parts / sizeof *parts, entry, err);
}

// Whole blocks that only rank 0 writes.
static int write_blocks(const char *folder, const struct checkpoint_state *state,
                        struct manifest_of_checkpoint *m, struct err *err)
{
    const struct {
        const char *name;
        const uint16_t *block;
    } blocks[] = {{REFERENCE, state->reference}, {PREVIOUS, state->previous}};

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct part part = {blocks[i].block, state->n_elements * sizeof(uint16_t)};

        if (part.bytes == NULL) continue;
        if (write_file(folder, blocks[i].name, &part, 1, &m->files[m->n_files], err) != 0) {
            return -1;
        }
        m->n_files++;
    }
    return 0;
}

// --- the folder of checkpoints -----------------------------------------------

struct step_list {
    size_t n;
    uint64_t steps[4096]; // ascending
};

static int ascending(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

// Of the folders whose names end so.
static void list_steps(const char *folder, const char *ending, struct step_list *list)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    list->n = 0;
    if (dir == NULL) return;
    while ((entry = readdir(dir)) != NULL && list->n < sizeof list->steps / sizeof *list->steps) {
        const char *digits = entry->d_name + strlen(PREFIX);
        char *end;
        uint64_t step;

        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || *digits < '0' || *digits > '9') {
            continue;
        }
        step = strtoull(digits, &end, 10);
        if (strcmp(end, ending) == 0) list->steps[list->n++] = step;
    }
    closedir(dir);
    qsort(list->steps, list->n, sizeof *list->steps, ascending);
}

static int step_path(char *out, const char *folder, uint64_t step, const char *ending,
                     struct err *err)
{
    char name[64];

    snprintf(name, sizeof name, PREFIX "%" PRIu64 "%s", step, ending);
    return file_join(out, PATH_BYTES, folder, name, err);
}

static void remove_step(const char *folder, uint64_t step, const char *ending)
{
    char path[PATH_BYTES];
    struct err err;

    if (step_path(path, folder, step, ending, &err) != 0 || file_remove_tree(path, &err) != 0) {
        log_line(LOG_WARN, "checkpoint not removed: %s", err.text);
    }
}

// Steps after `newest` are of a life that this one does not continue, because
// they were damaged: they must not push out what can be used.
static void prune(const char *folder, uint64_t newest, uint64_t keep)
{
    struct step_list *list = malloc(sizeof *list);
    size_t n;

    CHECK(list != NULL);
    list_steps(folder, "", list);
    for (n = list->n; n > 0 && list->steps[n - 1] > newest; n--)
        remove_step(folder, list->steps[n - 1], "");
    for (size_t i = 0; i + keep < n; i++)
        remove_step(folder, list->steps[i], "");
    free(list);
}

// --- saving ------------------------------------------------------------------

// Of lives that were cut short while they saved.
static void remove_temporaries(const char *folder)
{
    struct step_list *list = malloc(sizeof *list);

    CHECK(list != NULL);
    list_steps(folder, TEMPORARY, list);
    for (size_t i = 0; i < list->n; i++)
        remove_step(folder, list->steps[i], TEMPORARY);
    free(list);
}

static int make_temporary(const char *folder, uint64_t step, char *path, struct err *err)
{
    if (step_path(path, folder, step, TEMPORARY, err) != 0) return -1;
    if (comm_rank() != 0) return 0;
    remove_temporaries(folder);
    return file_make_folders(path, err);
}

// Rank 0: the manifest closes the folder, its name makes it count.
static int seal(const char *folder, const char *temporary, const struct manifest_of_checkpoint *m,
                uint64_t keep, struct err *err)
{
    char path[PATH_BYTES], latest[PATH_BYTES], text[32];

    if (step_path(path, folder, m->meta.step, "", err) != 0) return -1;
    if (checkpoint_manifest_write(temporary, m, err) != 0) return -1;
    if (file_sync_folder(temporary, err) != 0) return -1;
    // One that was damaged, or made before a resume from an older one.
    if (file_exists(path) && file_remove_tree(path, err) != 0) return -1;
    if (rename(temporary, path) != 0) {
        return err_set(err, ERR_IO, "rename %s to %s: %s", temporary, path, strerror(errno));
    }
    if (file_sync_folder(folder, err) != 0) return -1;
    snprintf(text, sizeof text, "%" PRIu64 "\n", m->meta.step);
    if (file_join(latest, sizeof latest, folder, LATEST, err) != 0) return -1;
    if (file_write_atomic(latest, text, strlen(text), err) != 0) return -1;
    prune(folder, m->meta.step, keep);
    return 0;
}

static int save_files(const char *temporary, const struct checkpoint_state *state,
                      struct manifest_of_checkpoint *m, struct err *err)
{
    struct checkpoint_file own = {.name = ""};
    int n_ranks = comm_size(), status = write_shard(temporary, state, m->meta.step, &own, err);

    if (comm_agree(status, err) != 0) return -1;
    CHECK(n_ranks + 2 <= CHECKPOINT_FILES_MAX);
    comm_gather_all(&own, sizeof own, m->files);
    m->n_files = (size_t)n_ranks;
    status = comm_rank() == 0 ? write_blocks(temporary, state, m, err) : 0;
    return comm_agree(status, err);
}

int checkpoint_save(const char *folder, const struct checkpoint_state *state,
                    const struct checkpoint_meta *meta, uint64_t keep, struct err *err)
{
    struct manifest_of_checkpoint *m = calloc(1, sizeof *m);
    char temporary[PATH_BYTES] = "";
    struct err ignored;
    int status;

    CHECK(m != NULL);
    m->meta = *meta;
    m->n_elements = state->n_elements;
    status = comm_agree(make_temporary(folder, meta->step, temporary, err), err);
    if (status == 0) status = save_files(temporary, state, m, err);
    if (status == 0) {
        status = comm_rank() == 0 ? seal(folder, temporary, m, keep, err) : 0;
        status = comm_agree(status, err);
    }
    if (status != 0) {
        (void)err_prefix(err, "checkpoint of step %" PRIu64, meta->step);
        if (comm_rank() == 0 && temporary[0]) (void)file_remove_tree(temporary, &ignored);
    }
    free(m);
    return status;
}

// --- loading -----------------------------------------------------------------

static bool is_shard(const struct checkpoint_file *f)
{
    return strncmp(f->name, SHARD, strlen(SHARD)) == 0;
}

// A shard may be empty: small models have fewer blocks than there are ranks.
static int check_entry(const struct checkpoint_file *f, uint64_t n_elements, const char *path,
                       struct err *err)
{
    const uint64_t size = is_shard(f) ? sizeof(struct shard_head) + f->count * 3 * sizeof(float)
                                      : n_elements * sizeof(uint16_t);

    if (!is_shard(f) &&
        (f->count > 0 || (strcmp(f->name, REFERENCE) != 0 && strcmp(f->name, PREVIOUS) != 0))) {
        return err_set(err, ERR_FORMAT, "%s: %s is no file of a checkpoint", path, f->name);
    }
    if (f->size_bytes == size) return 0;
    return err_set(err, ERR_FORMAT, "%s/%s: %" PRIu64 " bytes, want %" PRIu64, path, f->name,
                   f->size_bytes, size);
}

static bool has_block(const struct manifest_of_checkpoint *m, const char *name, const char *who,
                      const char *path, struct err *err)
{
    if (checkpoint_manifest_find(m, name)) return true;
    (void)err_set(err, ERR_MISMATCH, "%s: it has no %s, which %s needs", path, name, who);
    return false;
}

static bool is_usable(const char *path, uint64_t step, const struct checkpoint_state *state,
                      struct manifest_of_checkpoint *m, struct err *err)
{
    if (checkpoint_manifest_read(path, m, err) != 0) return false;
    if (m->meta.step != step) {
        (void)err_set(err, ERR_FORMAT, "%s: its manifest is of step %" PRIu64, path, m->meta.step);
        return false;
    }
    if (m->n_elements != state->n_elements) {
        (void)err_set(err, ERR_MISMATCH, "%s: %" PRIu64 " parameters, the model has %zu", path,
                      m->n_elements, state->n_elements);
        return false;
    }
    for (size_t i = 0; i < m->n_files; i++) {
        if (check_entry(&m->files[i], m->n_elements, path, err) != 0) return false;
    }
    if (checkpoint_manifest_verify(path, m, err) != 0) return false;
    return (!state->reference || has_block(m, REFERENCE, "the KL term", path, err)) &&
           (!state->previous || has_block(m, PREVIOUS, "one_step_off", path, err));
}

// Rank 0: the step of the newest one that can be used, UINT64_MAX when there is
// none at all.  When all are damaged somebody should look: that is an error.
static int find_newest(const char *folder, const struct checkpoint_state *state,
                       struct manifest_of_checkpoint *m, uint64_t *step, struct err *err)
{
    struct step_list *list = malloc(sizeof *list);
    size_t n_listed;

    CHECK(list != NULL);
    list_steps(folder, "", list);
    *step = UINT64_MAX;
    for (size_t i = list->n; i-- > 0 && *step == UINT64_MAX;) {
        char path[PATH_BYTES];

        if (step_path(path, folder, list->steps[i], "", err) == 0 &&
            is_usable(path, list->steps[i], state, m, err)) {
            *step = list->steps[i];
        } else {
            log_line(LOG_WARN, "checkpoint passed over: %s", err->text);
        }
    }
    n_listed = list->n;
    free(list);
    if (*step != UINT64_MAX || n_listed == 0) return 0;
    return err_prefix(err, "none of %zu checkpoints in %s can be used, the oldest because",
                      n_listed, folder);
}

// Copies out of a mapped file and lets go of what was read: the file is as large
// as the memory it is for.
static void copy_out(void *into, const struct file_map *map, size_t at, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes; done += PIECE_BYTES) {
        const size_t left = size_bytes - done;

        memcpy((unsigned char *)into + done, map->bytes + at + done,
               left < PIECE_BYTES ? left : PIECE_BYTES);
        file_forget(map, at + done);
    }
}

// Our part of the array that begins at byte `array` of a shard file.
static void copy_part(float *own, const struct adamw_state *adam, const struct file_map *map,
                      size_t array, const struct checkpoint_file *f)
{
    uint64_t from = f->first > adam->first ? f->first : adam->first;
    uint64_t own_end = adam->first + adam->count, file_end = f->first + f->count;
    uint64_t to = own_end < file_end ? own_end : file_end;

    if (from >= to) return;
    copy_out(own + (from - adam->first), map, array + (from - f->first) * sizeof(float),
             (to - from) * sizeof(float));
}

static int read_shard(const char *path, const struct checkpoint_file *f,
                      const struct checkpoint_state *state, uint64_t step, struct err *err)
{
    const struct adamw_state *adam = state->adam;
    size_t array_bytes = f->count * sizeof(float);
    struct shard_head head;
    struct file_map map;
    int status = 0;

    if (file_map(&map, path, err) != 0) return -1;
    if (map.size_bytes != f->size_bytes) {
        file_unmap(&map);
        return err_set(err, ERR_IO, "%s changed while it was read", path);
    }
    memcpy(&head, map.bytes, sizeof head);
    if (memcmp(head.magic, HEAD_MAGIC, sizeof head.magic) != 0 || head.version != 1 ||
        head.n_elements != state->n_elements || head.first != f->first || head.count != f->count ||
        head.step != step) {
        status = err_set(err, ERR_FORMAT, "%s: its head does not agree with the manifest", path);
    } else {
        copy_part(adam->masters, adam, &map, sizeof head, f);
        copy_part(adam->m, adam, &map, sizeof head + array_bytes, f);
        copy_part(adam->v, adam, &map, sizeof head + 2 * array_bytes, f);
    }
    file_unmap(&map);
    return status;
}

static int read_block(const char *path, uint16_t *block, size_t size_bytes, struct err *err)
{
    struct file_map map;

    if (file_map(&map, path, err) != 0) return -1;
    if (map.size_bytes != size_bytes) {
        file_unmap(&map);
        return err_set(err, ERR_IO, "%s changed while it was read", path);
    }
    copy_out(block, &map, 0, size_bytes);
    file_unmap(&map);
    return 0;
}

static int read_files(const char *folder, const struct checkpoint_state *state,
                      const struct manifest_of_checkpoint *m, struct err *err)
{
    char path[PATH_BYTES], file[PATH_BYTES];

    if (step_path(path, folder, m->meta.step, "", err) != 0) return -1;
    for (size_t i = 0; i < m->n_files; i++) {
        const struct checkpoint_file *f = &m->files[i];
        uint16_t *block = strcmp(f->name, REFERENCE) == 0  ? state->reference
                          : strcmp(f->name, PREVIOUS) == 0 ? state->previous
                                                           : NULL;

        if (file_join(file, sizeof file, path, f->name, err) != 0) return -1;
        if (is_shard(f)) {
            if (read_shard(file, f, state, m->meta.step, err) != 0) return -1;
        } else if (block != NULL) {
            if (read_block(file, block, f->size_bytes, err) != 0) return -1;
        }
    }
    return 0;
}

int checkpoint_load(const char *folder, const struct checkpoint_state *state,
                    struct checkpoint_meta *meta, bool *found, struct err *err)
{
    struct manifest_of_checkpoint *m = calloc(1, sizeof *m);
    uint64_t step = UINT64_MAX;
    int status = 0;

    CHECK(m != NULL);
    if (comm_rank() == 0) status = find_newest(folder, state, m, &step, err);
    if (comm_agree(status, err) != 0) {
        free(m);
        return -1;
    }
    comm_broadcast(&step, sizeof step);
    *found = step != UINT64_MAX;
    if (*found) {
        comm_broadcast(m, sizeof *m);
        *meta = m->meta;
        status = comm_agree(read_files(folder, state, m, err), err);
    }
    free(m);
    return status;
}
