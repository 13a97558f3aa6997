#include "common/model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "common/math/bf16.h"

#define HEADER_BYTES_MAX ((uint64_t)100 << 20) // the format's own limit
#define INDEX_BYTES_MAX ((size_t)64 << 20)
#define DIMS_MAX 8u
#define FILES_MAX 1024u // of one index
#define PATH_BYTES 4096

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_OTHER };

// One tensor of a file whose place in the file has been checked.
struct tensor {
    const char *name;
    enum dtype dtype;
    const char *dtype_name;
    uint64_t dims[DIMS_MAX];
    size_t n_dims;
    uint64_t begin, end; // bytes of the data part
};

// A model being filled from one file or several.
struct loading {
    const struct params *params;
    bool *is_read;  // (params->count)
    uint16_t *bf16; // one of the two outputs
    float *f32;
    struct json weight_map; // of the index; absent for one file
};

static const struct {
    const char *name;
    enum dtype dtype;
    unsigned size_bytes;
} dtypes[] = {
    {"F32", DTYPE_F32, 4},    {"F16", DTYPE_F16, 2},       {"BF16", DTYPE_BF16, 2},
    {"F64", DTYPE_OTHER, 8},  {"I64", DTYPE_OTHER, 8},     {"U64", DTYPE_OTHER, 8},
    {"I32", DTYPE_OTHER, 4},  {"U32", DTYPE_OTHER, 4},     {"I16", DTYPE_OTHER, 2},
    {"U16", DTYPE_OTHER, 2},  {"I8", DTYPE_OTHER, 1},      {"U8", DTYPE_OTHER, 1},
    {"BOOL", DTYPE_OTHER, 1}, {"F8_E4M3", DTYPE_OTHER, 1}, {"F8_E5M2", DTYPE_OTHER, 1},
};

// --- the header -----------------------------------------------------------------
static int read_index_value(struct json v, uint64_t *out)
{
    if (!json_is_integer(v) || json_to_i64(v) < 0) return -1;
    *out = (uint64_t)json_to_i64(v);
    return 0;
}

static int read_extent(struct tensor *t, struct json entry, uint64_t data_bytes, const char *file,
                       struct err *err)
{
    struct json offsets = json_member(entry, "data_offsets");
    if (!json_is_array(offsets) || json_count(offsets) != 2 ||
        read_index_value(json_item(offsets, 0), &t->begin) != 0 ||
        read_index_value(json_item(offsets, 1), &t->end) != 0)
        return err_set(err, ERR_FORMAT, "%s: tensor '%s': data_offsets are not two counts", file,
                       t->name);
    if (t->begin > t->end || t->end > data_bytes)
        return err_set(err, ERR_FORMAT,
                       "%s: tensor '%s': data_offsets [%llu, %llu] lie outside the %llu bytes of "
                       "data (is the file cut?)",
                       file, t->name, (unsigned long long)t->begin, (unsigned long long)t->end,
                       (unsigned long long)data_bytes);
    return 0;
}

static int read_dims(struct tensor *t, struct json entry, unsigned item_bytes, const char *file,
                     struct err *err)
{
    struct json shape = json_member(entry, "shape");
    t->n_dims = json_count(shape);
    if (!json_is_array(shape) || t->n_dims > DIMS_MAX)
        return err_set(err, ERR_FORMAT, "%s: tensor '%s': shape is not a list of up to %u sizes",
                       file, t->name, DIMS_MAX);
    uint64_t size_bytes = item_bytes;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (read_index_value(json_item(shape, i), &t->dims[i]) != 0)
            return err_set(err, ERR_FORMAT, "%s: tensor '%s': shape[%zu] is not a count", file,
                           t->name, i);
        // Kept under 2^62 at every step, so the product cannot wrap round.
        if (t->dims[i] != 0 && size_bytes > ((uint64_t)1 << 62) / t->dims[i])
            return err_set(err, ERR_LIMIT, "%s: tensor '%s': its shape is impossibly large", file,
                           t->name);
        size_bytes *= t->dims[i];
    }
    if (size_bytes != t->end - t->begin)
        return err_set(
            err, ERR_FORMAT, "%s: tensor '%s': its shape needs %llu bytes, its offsets give %llu",
            file, t->name, (unsigned long long)size_bytes, (unsigned long long)(t->end - t->begin));
    return 0;
}

static int read_tensor(struct tensor *t, struct json entry, uint64_t data_bytes, const char *file,
                       struct err *err)
{
    if (!json_is_object(entry))
        return err_set(err, ERR_FORMAT, "%s: tensor '%s': its entry is not an object", file,
                       t->name);
    struct json dtype = json_member(entry, "dtype");
    t->dtype_name = json_is_string(dtype) ? json_to_string(dtype, NULL) : "(none)";
    unsigned item_bytes = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, t->dtype_name) == 0) {
            t->dtype = dtypes[i].dtype;
            item_bytes = dtypes[i].size_bytes;
        }
    if (item_bytes == 0)
        return err_set(err, ERR_FORMAT, "%s: tensor '%s': unknown dtype '%s'", file, t->name,
                       t->dtype_name);
    if (read_extent(t, entry, data_bytes, file, err) != 0) return -1;
    return read_dims(t, entry, item_bytes, file, err);
}

static int compare_begin(const void *left, const void *right)
{
    const struct tensor *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end); // empty tensors first
}

// The tensors must tile the data: nothing shared, nothing unnamed.
static int check_tiling(struct tensor *tensors, size_t n_tensors, uint64_t data_bytes,
                        const char *file, struct err *err)
{
    qsort(tensors, n_tensors, sizeof *tensors, compare_begin);
    uint64_t at = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        if (tensors[i].begin != at)
            return err_set(err, ERR_FORMAT, "%s: tensor '%s' begins at byte %llu, %s byte %llu",
                           file, tensors[i].name, (unsigned long long)tensors[i].begin,
                           tensors[i].begin < at ? "inside another that ends at"
                                                 : "after a hole from",
                           (unsigned long long)at);
        at = tensors[i].end;
    }
    if (at != data_bytes)
        return err_set(err, ERR_FORMAT, "%s: %llu bytes at the end belong to no tensor", file,
                       (unsigned long long)(data_bytes - at));
    return 0;
}

// Checks a whole header; *out (malloc'ed) borrows names from `root`.
static int read_header(struct json root, uint64_t data_bytes, const char *file, struct tensor **out,
                       size_t *n_out, struct err *err)
{
    if (!json_is_object(root))
        return err_set(err, ERR_FORMAT, "%s: the header is not a JSON object", file);
    struct tensor *tensors = calloc(json_count(root) + 1, sizeof *tensors);
    CHECK(tensors != NULL);
    size_t n = 0;
    for (void *it = json_first(root); it != NULL; it = json_next(root, it)) {
        if (strcmp(json_key(it), "__metadata__") == 0) continue;
        tensors[n].name = json_key(it);
        if (read_tensor(&tensors[n++], json_value(root, it), data_bytes, file, err) != 0)
            goto free_tensors;
    }
    if (check_tiling(tensors, n, data_bytes, file, err) != 0) goto free_tensors;
    *out = tensors;
    *n_out = n;
    return 0;

free_tensors:
    free(tensors);
    return -1;
}

// --- values -----------------------------------------------------------------------
static float f16_to_f32(uint16_t half)
{
    float sign = half & 0x8000u ? -1.0f : 1.0f;
    int exponent = (half >> 10) & 31;
    float mantissa = (float)(half & 1023u);
    if (exponent == 0) return sign * ldexpf(mantissa, -24);
    if (exponent == 31) return mantissa == 0.0f ? sign * INFINITY : NAN;
    return sign * ldexpf(mantissa + 1024.0f, exponent - 25);
}

static float value_at(const unsigned char *data, enum dtype dtype, size_t i)
{
    uint16_t half;
    float value;
    if (dtype == DTYPE_F32) {
        memcpy(&value, data + 4 * i, sizeof value); // the file may not be aligned
        return value;
    }
    memcpy(&half, data + 2 * i, sizeof half);
    return dtype == DTYPE_BF16 ? bf16_to_f32(half) : f16_to_f32(half);
}

static int convert(struct loading *loading, const struct param *param, const struct tensor *t,
                   const unsigned char *data, const char *file, struct err *err)
{
    size_t count = (size_t)param->rows * param->cols;
    for (size_t i = 0; i < count; i++) {
        float value = value_at(data, t->dtype, i);
        uint16_t half = bf16_from_f32(value);
        if (!isfinite(bf16_to_f32(half)))
            return err_set(err, ERR_FORMAT, "%s: tensor '%s': element %zu is %g%s", file, t->name,
                           i, (double)value, isfinite(value) ? ", over bf16's range" : "");
        if (loading->bf16 != NULL)
            loading->bf16[param->offset + i] = half;
        else
            loading->f32[param->offset + i] = value;
    }
    return 0;
}

static bool has_shape_of(const struct tensor *t, const struct param *param)
{
    if (t->n_dims == 1) return param->rows == 1 && t->dims[0] == param->cols;
    return t->n_dims == 2 && param->rows > 1 && t->dims[0] == param->rows &&
           t->dims[1] == param->cols;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

// A tensor with no place in the model.  Two kinds that real files carry are
// harmless: stored RoPE tables, and a head that repeats the tied embedding.
static int check_surplus(const struct loading *loading, const struct tensor *t,
                         const struct tensor *tensors, size_t n_tensors, const unsigned char *data,
                         const char *file, struct err *err)
{
    if (ends_with(t->name, ".rotary_emb.inv_freq")) return 0;
    if (loading->params->shape.tied_embeddings && strcmp(t->name, "lm_head.weight") == 0)
        for (size_t i = 0; i < n_tensors; i++) {
            const struct tensor *e = &tensors[i];
            if (strcmp(e->name, loading->params->table[0].name) == 0 && e->dtype == t->dtype &&
                e->end - e->begin == t->end - t->begin &&
                memcmp(data + e->begin, data + t->begin, t->end - t->begin) == 0)
                return 0;
        }
    return err_set(err, ERR_MISMATCH, "%s: tensor '%s' has no place in this model", file, t->name);
}

static int load_tensor(struct loading *loading, const struct tensor *t,
                       const struct tensor *tensors, size_t n_tensors, const unsigned char *data,
                       const char *file, struct err *err)
{
    const struct param *param = params_find_name(loading->params, t->name);
    if (param == NULL) return check_surplus(loading, t, tensors, n_tensors, data, file, err);
    if (t->dtype == DTYPE_OTHER)
        return err_set(err, ERR_FORMAT,
                       "%s: tensor '%s': dtype %s is not read (F32, F16, BF16 are)", file, t->name,
                       t->dtype_name);
    if (!has_shape_of(t, param))
        return err_set(err, ERR_MISMATCH,
                       "%s: tensor '%s': found %zu sizes [%llu, %llu], the config wants [%u, %u]",
                       file, t->name, t->n_dims, (unsigned long long)t->dims[0],
                       (unsigned long long)t->dims[1], param->rows, param->cols);
    bool *is_read = &loading->is_read[param - loading->params->table];
    if (*is_read)
        return err_set(err, ERR_FORMAT, "%s: tensor '%s' was in an earlier file too", file,
                       t->name);
    *is_read = true;
    return convert(loading, param, t, data + t->begin, file, err);
}

// Where an index says which file holds what, a file must hold just that.
static int check_index_agrees(const struct loading *loading, const struct tensor *t,
                              const char *file, const char *file_name, struct err *err)
{
    if (!json_is_present(loading->weight_map)) return 0;
    struct json said = json_member(loading->weight_map, t->name);
    if (json_is_string(said) && strcmp(json_to_string(said, NULL), file_name) == 0) return 0;
    return err_set(err, ERR_FORMAT, "%s: tensor '%s' is not where the index says", file, t->name);
}

static int load_bytes(struct loading *loading, const unsigned char *bytes, size_t size_bytes,
                      const char *file, const char *file_name, struct err *err)
{
    uint64_t header_bytes;
    if (size_bytes < sizeof header_bytes)
        return err_set(err, ERR_FORMAT, "%s: %zu bytes: too short for safetensors", file,
                       size_bytes);
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    if (header_bytes > HEADER_BYTES_MAX || header_bytes > size_bytes - sizeof header_bytes)
        return err_set(err, ERR_FORMAT, "%s: declares a header of %llu bytes in a file of %zu",
                       file, (unsigned long long)header_bytes, size_bytes);

    const unsigned char *data = bytes + sizeof header_bytes + header_bytes;
    uint64_t data_bytes = size_bytes - sizeof header_bytes - header_bytes;
    struct json_document *document =
        json_parse((const char *)bytes + sizeof header_bytes, (size_t)header_bytes, file, err);
    if (document == NULL) return err_prefix(err, "safetensors header");
    struct tensor *tensors = NULL;
    size_t n_tensors = 0;
    int status = read_header(json_root(document), data_bytes, file, &tensors, &n_tensors, err);
    if (status == 0) {
        for (size_t i = 0; status == 0 && i < n_tensors; i++) {
            status = check_index_agrees(loading, &tensors[i], file, file_name, err);
            if (status == 0)
                status = load_tensor(loading, &tensors[i], tensors, n_tensors, data, file, err);
        }
        free(tensors);
    }
    json_destroy(document);
    return status;
}

static int check_complete(const struct loading *loading, const char *where, struct err *err)
{
    for (size_t i = 0; i < loading->params->count; i++)
        if (!loading->is_read[i])
            return err_set(err, ERR_MISMATCH, "%s: tensor '%s' is missing", where,
                           loading->params->table[i].name);
    return 0;
}

// --- a folder ----------------------------------------------------------------------
static int load_file(struct loading *loading, const char *folder, const char *file_name,
                     struct err *err)
{
    char path[PATH_BYTES];
    struct file_map map;
    if (file_join(path, sizeof path, folder, file_name, err) != 0 || file_map(&map, path, err) != 0)
        return -1;
    int status = load_bytes(loading, map.bytes, map.size_bytes, path, file_name, err);
    file_unmap(&map);
    return status;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static int load_listed_files(struct loading *loading, const char *folder, const char *index_path,
                             const char **files, size_t n_files, struct err *err)
{
    qsort(files, n_files, sizeof *files, compare_names);
    size_t n_loaded = 0;
    for (size_t i = 0; i < n_files; i++) {
        if (i > 0 && strcmp(files[i], files[i - 1]) == 0) continue;
        if (files[i][0] == '.' || strchr(files[i], '/') != NULL ||
            !ends_with(files[i], ".safetensors"))
            return err_set(err, ERR_FORMAT, "%s: '%.80s' is not a plain .safetensors name",
                           index_path, files[i]);
        if (++n_loaded > FILES_MAX)
            return err_set(err, ERR_LIMIT, "%s: lists more than %u files", index_path, FILES_MAX);
        if (load_file(loading, folder, files[i], err) != 0) return -1;
    }
    return 0;
}

static int load_index(struct loading *loading, const char *folder, const char *index_path,
                      struct err *err)
{
    struct json_document *document = json_read_file(index_path, INDEX_BYTES_MAX, err);
    if (document == NULL) return -1;
    int status = -1;
    struct json map = json_member(json_root(document), "weight_map");
    const char **files = calloc(json_count(map) + 1, sizeof *files);
    CHECK(files != NULL);
    if (!json_is_object(map)) {
        err_set(err, ERR_FORMAT, "%s: has no object 'weight_map'", index_path);
        goto free_files;
    }
    size_t n_files = 0;
    for (void *it = json_first(map); it != NULL; it = json_next(map, it)) {
        struct json file = json_value(map, it);
        if (!json_is_string(file)) {
            err_set(err, ERR_FORMAT, "%s: weight_map: '%s' names no file", index_path,
                    json_key(it));
            goto free_files;
        }
        files[n_files++] = json_to_string(file, NULL);
    }
    loading->weight_map = map;
    status = load_listed_files(loading, folder, index_path, files, n_files, err);
    loading->weight_map = (struct json){0};

free_files:
    free(files);
    json_destroy(document);
    return status;
}

static int load_folder(struct loading *loading, const char *folder, struct err *err)
{
    char index_path[PATH_BYTES];
    loading->is_read = calloc(loading->params->count, sizeof *loading->is_read);
    CHECK(loading->is_read != NULL);
    int status =
        file_join(index_path, sizeof index_path, folder, "model.safetensors.index.json", err);
    if (status == 0 && file_exists(index_path))
        status = load_index(loading, folder, index_path, err);
    else if (status == 0)
        status = load_file(loading, folder, "model.safetensors", err);
    if (status == 0) status = check_complete(loading, folder, err);
    free(loading->is_read);
    return status;
}

int safetensors_read_model(const char *folder, const struct params *params, uint16_t *flat,
                           struct err *err)
{
    struct loading loading = {.params = params, .bf16 = flat};
    return load_folder(&loading, folder, err);
}

int safetensors_read_model_f32(const char *folder, const struct params *params, float *flat,
                               struct err *err)
{
    struct loading loading = {.params = params, .f32 = flat};
    return load_folder(&loading, folder, err);
}

int safetensors_read_bytes(const void *bytes, size_t size_bytes, const char *name,
                           const struct params *params, uint16_t *flat, struct err *err)
{
    struct loading loading = {.params = params, .bf16 = flat};
    loading.is_read = calloc(params->count, sizeof *loading.is_read);
    CHECK(loading.is_read != NULL);
    int status = load_bytes(&loading, bytes, size_bytes, name, name, err);
    if (status == 0) status = check_complete(&loading, name, err);
    free(loading.is_read);
    return status;
}

// --- writing ------------------------------------------------------------------------
// Length, JSON and padding: the data begins on a multiple of 8.
static char *make_header(const struct params *params, size_t *size_bytes)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_open(&w, "__metadata__", '{');
    json_put_string(&w, "format", "pt");
    json_close(&w, '}');
    for (size_t i = 0; i < params->count; i++) {
        const struct param *param = &params->table[i];
        json_open(&w, param->name, '{');
        json_put_string(&w, "dtype", "BF16");
        json_open(&w, "shape", '[');
        if (param->rows > 1) json_put_u64(&w, NULL, param->rows);
        json_put_u64(&w, NULL, param->cols);
        json_close(&w, ']');
        json_open(&w, "data_offsets", '[');
        json_put_u64(&w, NULL, 2 * param->offset);
        json_put_u64(&w, NULL, 2 * (param->offset + (size_t)param->rows * param->cols));
        json_close(&w, ']');
        json_close(&w, '}');
    }
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

static int write_parts(int fd, const char *path, const struct params *params, const uint16_t *flat,
                       struct err *err)
{
    size_t header_bytes;
    char *header = make_header(params, &header_bytes);
    int status = file_write_all(fd, header, header_bytes, path, err);
    free(header);
    // The file's data and the flat block have the same order.
    if (status == 0)
        status = file_write_all(fd, flat, params->n_elements * sizeof *flat, path, err);
    if (status == 0 && fsync(fd) != 0)
        status = err_set(err, ERR_IO, "fsync %s: %s", path, strerror(errno));
    return status;
}

int safetensors_write_model(const char *folder, const struct params *params, const uint16_t *flat,
                            struct err *err)
{
    char path[PATH_BYTES], temporary[PATH_BYTES + 32];
    if (file_join(path, sizeof path, folder, "model.safetensors", err) != 0) return -1;
    snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return err_set(err, ERR_IO, "create %s: %s", temporary, strerror(errno));

    int status = write_parts(fd, temporary, params, flat, err);
    if (close(fd) != 0 && status == 0)
        status = err_set(err, ERR_IO, "close %s: %s", temporary, strerror(errno));
    if (status == 0 && rename(temporary, path) != 0)
        status = err_set(err, ERR_IO, "rename %s to %s: %s", temporary, path, strerror(errno));
    if (status != 0) {
        unlink(temporary);
        return status;
    }
    return file_sync_folder(folder, err);
}
