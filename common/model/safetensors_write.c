// The writing half of safetensors.h.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/safetensors.h"

#define PATH_BYTES 4096
#define NAME_BYTES 64

// Consecutive parameters that go into one file; `first` is the block's element
// with which it begins.
struct shard {
    const struct params *params;
    size_t from, to; // indices into the table
    size_t first, n_elements;
    char file_name[NAME_BYTES];
};

static size_t elements_of(const struct param *param)
{
    return (size_t)param->rows * param->cols;
}

static void put_tensor(struct json_writer *w, const struct param *param, size_t first)
{
    json_open(w, param->name, '{');
    json_put_string(w, "dtype", "BF16");
    json_open(w, "shape", '[');
    if (param->rows > 1) json_put_u64(w, NULL, param->rows);
    json_put_u64(w, NULL, param->cols);
    json_close(w, ']');
    json_open(w, "data_offsets", '[');
    json_put_u64(w, NULL, 2 * (param->offset - first));
    json_put_u64(w, NULL, 2 * (param->offset - first + elements_of(param)));
    json_close(w, ']');
    json_close(w, '}');
}

// Length, JSON and padding: the data begins on a multiple of 8.
static char *make_header(const struct shard *shard, size_t *size_bytes)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_open(&w, "__metadata__", '{');
    json_put_string(&w, "format", "pt");
    json_close(&w, '}');
    for (size_t i = shard->from; i < shard->to; i++)
        put_tensor(&w, &shard->params->table[i], shard->first);
    json_close(&w, '}');

    uint64_t header_bytes = (w.size_bytes + 7) / 8 * 8;
    char *header = malloc(sizeof header_bytes + header_bytes);
    CHECK(header != NULL);
    memcpy(header, &header_bytes, sizeof header_bytes);
    memset(header + sizeof header_bytes, ' ', header_bytes);
    memcpy(header + sizeof header_bytes, w.bytes, w.size_bytes);
    free(w.bytes);
    *size_bytes = sizeof header_bytes + header_bytes;
    return header;
}

static int write_shard_to(int fd, const char *path, const struct shard *shard, const uint16_t *flat,
                          struct err *err)
{
    size_t header_bytes;
    char *header = make_header(shard, &header_bytes);
    int status = file_write_all(fd, header, header_bytes, path, err);
    free(header);
    // The file's data and the flat block have the same order.
    if (status == 0)
        status =
            file_write_all(fd, flat + shard->first, shard->n_elements * sizeof *flat, path, err);
    if (status == 0 && fsync(fd) != 0)
        status = err_set(err, ERR_IO, "fsync %s: %s", path, strerror(errno));
    return status;
}

static int write_shard(const char *folder, const struct shard *shard, const uint16_t *flat,
                       struct err *err)
{
    char path[PATH_BYTES], temporary[PATH_BYTES + 32];
    if (file_join(path, sizeof path, folder, shard->file_name, err) != 0) return -1;
    snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return err_set(err, ERR_IO, "create %s: %s", temporary, strerror(errno));

    int status = write_shard_to(fd, temporary, shard, flat, err);
    if (close(fd) != 0 && status == 0)
        status = err_set(err, ERR_IO, "close %s: %s", temporary, strerror(errno));
    if (status == 0 && rename(temporary, path) != 0)
        status = err_set(err, ERR_IO, "rename %s to %s: %s", temporary, path, strerror(errno));
    if (status != 0) unlink(temporary);
    return status;
}

// --- several files -------------------------------------------------------------------

// The shard that begins with parameter `from`: as many as fit, and one at least.
static struct shard cut_shard(const struct params *params, size_t from, uint64_t bytes_max)
{
    struct shard s = {
        .params = params, .from = from, .to = from, .first = params->table[from].offset};
    do
        s.n_elements += elements_of(&params->table[s.to++]);
    while (s.to < params->count &&
           (s.n_elements + elements_of(&params->table[s.to])) * sizeof(uint16_t) <= bytes_max);
    return s;
}

static size_t count_shards(const struct params *params, uint64_t bytes_max)
{
    size_t n = 0;
    for (size_t from = 0; from < params->count; n++)
        from = cut_shard(params, from, bytes_max).to;
    return n;
}

static int write_index(const char *folder, struct json_writer *w, struct err *err)
{
    char path[PATH_BYTES];
    if (file_join(path, sizeof path, folder, "model.safetensors.index.json", err) != 0) return -1;
    return file_write_atomic(path, w->bytes, w->size_bytes, err);
}

// The index comes last: a folder without it is no model yet.
static int write_shards(const char *folder, const struct params *params, const uint16_t *flat,
                        uint64_t bytes_max, size_t n_shards, struct err *err)
{
    struct json_writer w;
    int status = 0;
    size_t number = 0;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_open(&w, "metadata", '{');
    json_put_u64(&w, "total_size", params->n_elements * sizeof *flat);
    json_close(&w, '}');
    json_open(&w, "weight_map", '{');
    for (size_t from = 0; status == 0 && from < params->count;) {
        struct shard shard = cut_shard(params, from, bytes_max);
        snprintf(shard.file_name, sizeof shard.file_name, "model-%05zu-of-%05zu.safetensors",
                 ++number, n_shards);
        for (size_t i = shard.from; i < shard.to; i++)
            json_put_string(&w, params->table[i].name, shard.file_name);
        status = write_shard(folder, &shard, flat, err);
        from = shard.to;
    }
    json_close(&w, '}');
    json_close(&w, '}');
    if (status == 0) status = write_index(folder, &w, err);
    free(w.bytes);
    return status;
}

int safetensors_write_sharded(const char *folder, const struct params *params, const uint16_t *flat,
                              uint64_t shard_bytes_max, struct err *err)
{
    size_t n_shards = count_shards(params, shard_bytes_max);
    if (n_shards > 1) {
        if (write_shards(folder, params, flat, shard_bytes_max, n_shards, err) != 0) return -1;
    } else {
        const struct shard all = {.params = params,
                                  .to = params->count,
                                  .n_elements = params->n_elements,
                                  .file_name = "model.safetensors"};
        if (write_shard(folder, &all, flat, err) != 0) return -1;
    }
    return file_sync_folder(folder, err);
}

int safetensors_write_model(const char *folder, const struct params *params, const uint16_t *flat,
                            struct err *err)
{
    return safetensors_write_sharded(folder, params, flat, SAFETENSORS_SHARD_BYTES, err);
}
