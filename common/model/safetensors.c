#include "common/model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/tensor_file.h"

#define INDEX_BYTES_MAX ((size_t)64 << 20)
#define FILES_MAX 1024u // of one index
#define PATH_BYTES 4096

// One file of a model, mapped.
struct part {
    char *path;
    const char *file_name; // as the index says it
    struct file_map map;
    struct tensor_file file;
};

// A model's tensors, wherever they lie, by name.
struct checkpoint {
    struct part *parts;
    size_t n_parts;
    const struct tensor **tensors; // sorted
    bool *is_claimed;              // beside them
    size_t n_tensors;
};

static void close_checkpoint(struct checkpoint *c)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        tensor_file_close(&c->parts[i].file);
        file_unmap(&c->parts[i].map);
        free(c->parts[i].path);
    }
    free(c->parts);
    free(c->tensors);
    free(c->is_claimed);
}

static int compare_tensors(const void *left, const void *right)
{
    const struct tensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

// Puts the tensors of all parts in order.
static int sort_tensors(struct checkpoint *c, struct err *err)
{
    for (size_t i = 0; i < c->n_parts; i++)
        c->n_tensors += c->parts[i].file.n_tensors;
    c->tensors = calloc(c->n_tensors + 1, sizeof *c->tensors);
    c->is_claimed = calloc(c->n_tensors + 1, sizeof *c->is_claimed);
    CHECK(c->tensors != NULL && c->is_claimed != NULL);
    size_t n = 0;
    for (size_t i = 0; i < c->n_parts; i++)
        for (size_t j = 0; j < c->parts[i].file.n_tensors; j++)
            c->tensors[n++] = &c->parts[i].file.tensors[j];
    qsort(c->tensors, n, sizeof *c->tensors, compare_tensors);
    for (size_t i = 1; i < n; i++)
        if (strcmp(c->tensors[i - 1]->name, c->tensors[i]->name) == 0)
            return err_set(err, ERR_FORMAT, "%s: tensor '%s' is in %s too", c->tensors[i]->file,
                           c->tensors[i]->name, c->tensors[i - 1]->file);
    return 0;
}

static const struct tensor **find(const struct checkpoint *c, const char *name)
{
    const struct tensor wanted = {.name = name}, *key = &wanted;
    return bsearch(&key, c->tensors, c->n_tensors, sizeof *c->tensors, compare_tensors);
}

static const struct tensor *claim(struct checkpoint *c, const char *name)
{
    const struct tensor **found = find(c, name);
    if (found == NULL) return NULL;
    c->is_claimed[found - c->tensors] = true;
    return *found;
}

// --- from tensors to the flat block ---------------------------------------------------
static bool has_shape_of(const struct tensor *t, const struct param *param)
{
    if (t->n_dims == 1) return param->rows == 1 && t->dims[0] == param->cols;
    return t->n_dims == 2 && param->rows > 1 && t->dims[0] == param->rows &&
           t->dims[1] == param->cols;
}

static int check_dtype(const struct tensor *t, bool is_scale, struct err *err)
{
    if (t->dtype != DTYPE_OTHER && !(is_scale && t->dtype == DTYPE_F8_E4M3)) return 0;
    return err_set(err, ERR_FORMAT, "%s: tensor '%s': dtype %s is not read (F32, F16, BF16%s are)",
                   t->file, t->name, t->dtype_name, is_scale ? "" : ", F8_E4M3");
}

/*
 * The scales of a tensor in 8 bits, one for each block.  Where the config
 * speaks of them a tensor without is half a tensor; where it does not, the
 * numbers stand for themselves.
 */
static int find_scales(struct checkpoint *c, const struct params *params, const struct tensor *t,
                       const struct param *param, const struct tensor **out, struct err *err)
{
    char name[PARAM_NAME_MAX + 16];
    *out = NULL;
    if (t->dtype != DTYPE_F8_E4M3) return 0;
    snprintf(name, sizeof name, "%s_scale_inv", param->name);
    const struct tensor *scales = claim(c, name);
    if (scales == NULL && params->shape.fp8_blocks)
        return err_set(err, ERR_MISMATCH, "%s: tensor '%s' is F8_E4M3 and has no '%s'", t->file,
                       t->name, name);
    if (scales == NULL) return 0;
    uint64_t rows = (param->rows + TENSOR_SCALE_BLOCK - 1) / TENSOR_SCALE_BLOCK;
    uint64_t cols = (param->cols + TENSOR_SCALE_BLOCK - 1) / TENSOR_SCALE_BLOCK;
    if (check_dtype(scales, true, err) != 0) return -1;
    if (scales->n_dims != 2 || scales->dims[0] != rows || scales->dims[1] != cols)
        return err_set(err, ERR_MISMATCH,
                       "%s: tensor '%s': want a scale for each block of %u x %u: [%llu, %llu]",
                       scales->file, name, TENSOR_SCALE_BLOCK, TENSOR_SCALE_BLOCK,
                       (unsigned long long)rows, (unsigned long long)cols);
    *out = scales;
    return 0;
}

// What is filled: one of the two.
struct output {
    uint16_t *bf16;
    float *f32;
};

static int load_param(struct checkpoint *c, const struct params *params, const struct param *param,
                      const struct output *out, const char *where, struct err *err)
{
    const struct tensor *t = claim(c, param->name), *scales;
    if (t == NULL)
        return err_set(err, ERR_MISMATCH, "%s: tensor '%s' is missing", where, param->name);
    if (check_dtype(t, false, err) != 0) return -1;
    if (!has_shape_of(t, param))
        return err_set(err, ERR_MISMATCH,
                       "%s: tensor '%s': found %zu sizes [%llu, %llu], the config wants [%u, %u]",
                       t->file, t->name, t->n_dims, (unsigned long long)t->dims[0],
                       (unsigned long long)t->dims[1], param->rows, param->cols);
    if (find_scales(c, params, t, param, &scales, err) != 0) return -1;
    return tensor_read(t, scales, param->rows, param->cols,
                       out->bf16 != NULL ? out->bf16 + param->offset : NULL,
                       out->f32 != NULL ? out->f32 + param->offset : NULL, err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

// A tensor with no place in the model.  Two kinds that real files carry are
// harmless: stored RoPE tables, and a head that repeats the tied embedding.
static int check_surplus(struct checkpoint *c, const struct params *params, const struct tensor *t,
                         struct err *err)
{
    if (ends_with(t->name, ".rotary_emb.inv_freq")) return 0;
    if (params->shape.tied_embeddings && strcmp(t->name, "lm_head.weight") == 0) {
        const struct tensor *e = claim(c, params->table[0].name);
        if (e != NULL && e->dtype == t->dtype && e->end - e->begin == t->end - t->begin &&
            memcmp(e->data, t->data, t->end - t->begin) == 0)
            return 0;
    }
    return err_set(err, ERR_MISMATCH, "%s: tensor '%s' has no place in this model", t->file,
                   t->name);
}

// Names before values: what is wrong with a file is said before it is read.
static int load(struct checkpoint *c, const struct params *params, const struct output *out,
                const char *where, struct err *err)
{
    for (size_t i = 0; i < params->count; i++)
        if (load_param(c, params, &params->table[i], out, where, err) != 0) return -1;
    for (size_t i = 0; i < c->n_tensors; i++)
        if (!c->is_claimed[i] && check_surplus(c, params, c->tensors[i], err) != 0) return -1;
    return 0;
}

// --- a folder ----------------------------------------------------------------------
static int open_part(struct checkpoint *c, const char *folder, const char *file_name,
                     struct err *err)
{
    struct part *part = &c->parts[c->n_parts];
    char path[PATH_BYTES];
    *part = (struct part){.file_name = file_name};
    if (file_join(path, sizeof path, folder, file_name, err) != 0 ||
        file_map(&part->map, path, err) != 0)
        return -1;
    c->n_parts++;
    part->path = strdup(path);
    CHECK(part->path != NULL);
    return tensor_file_open(&part->file, part->map.bytes, part->map.size_bytes, part->path, err);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static int open_listed_files(struct checkpoint *c, const char *folder, const char *index_path,
                             const char **files, size_t n_files, struct err *err)
{
    qsort(files, n_files, sizeof *files, compare_names);
    for (size_t i = 0; i < n_files; i++) {
        if (i > 0 && strcmp(files[i], files[i - 1]) == 0) continue;
        if (files[i][0] == '.' || strchr(files[i], '/') != NULL ||
            !ends_with(files[i], ".safetensors"))
            return err_set(err, ERR_FORMAT, "%s: '%.80s' is not a plain .safetensors name",
                           index_path, files[i]);
        if (c->n_parts == FILES_MAX)
            return err_set(err, ERR_LIMIT, "%s: lists more than %u files", index_path, FILES_MAX);
        if (open_part(c, folder, files[i], err) != 0) return -1;
    }
    return 0;
}

// A file must hold just what the index says it does.
static int check_index_agrees(const struct checkpoint *c, struct json weight_map,
                              const char *index_path, struct err *err)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        const struct part *part = &c->parts[i];
        for (size_t j = 0; j < part->file.n_tensors; j++) {
            const char *name = part->file.tensors[j].name;
            struct json said = json_member(weight_map, name);
            if (!json_is_string(said) || strcmp(json_to_string(said, NULL), part->file_name) != 0)
                return err_set(err, ERR_FORMAT, "%s: tensor '%s' is not where the index says",
                               part->path, name);
        }
    }
    for (void *it = json_first(weight_map); it != NULL; it = json_next(weight_map, it))
        if (find(c, json_key(it)) == NULL)
            return err_set(err, ERR_FORMAT, "%s: tensor '%s' is not in the file it names",
                           index_path, json_key(it));
    return 0;
}

static int open_index(struct checkpoint *c, struct json_document *index, const char *folder,
                      const char *index_path, struct err *err)
{
    int status = -1;
    struct json map = json_member(json_root(index), "weight_map");
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
    status = open_listed_files(c, folder, index_path, files, n_files, err);
    if (status == 0) status = sort_tensors(c, err);
    if (status == 0) status = check_index_agrees(c, map, index_path, err);

free_files:
    free(files);
    return status;
}

// As transformers looks for it: the one file first, then the index.
static int load_folder(const char *folder, const struct params *params, const struct output *out,
                       struct err *err)
{
    char single[PATH_BYTES], index_path[PATH_BYTES], pickled[PATH_BYTES];
    if (file_join(single, sizeof single, folder, "model.safetensors", err) != 0 ||
        file_join(pickled, sizeof pickled, folder, "pytorch_model.bin", err) != 0 ||
        file_join(index_path, sizeof index_path, folder, "model.safetensors.index.json", err) != 0)
        return -1;
    struct checkpoint c = {.parts = calloc(FILES_MAX, sizeof *c.parts)};
    struct json_document *index = NULL;
    CHECK(c.parts != NULL);
    int status = -1;
    if (!file_exists(single) && file_exists(index_path)) {
        index = json_read_file(index_path, INDEX_BYTES_MAX, err);
        if (index != NULL) status = open_index(&c, index, folder, index_path, err);
    } else if (!file_exists(single) && file_exists(pickled)) {
        err_set(err, ERR_FORMAT, "%s: is not read; save the model as safetensors", pickled);
    } else {
        status = open_part(&c, folder, "model.safetensors", err);
        if (status == 0) status = sort_tensors(&c, err);
    }
    if (status == 0) status = load(&c, params, out, folder, err);
    close_checkpoint(&c);
    json_destroy(index);
    return status;
}

int safetensors_read_model(const char *folder, const struct params *params, uint16_t *flat,
                           struct err *err)
{
    return load_folder(folder, params, &(struct output){.bf16 = flat}, err);
}

int safetensors_read_model_f32(const char *folder, const struct params *params, float *flat,
                               struct err *err)
{
    return load_folder(folder, params, &(struct output){.f32 = flat}, err);
}

int safetensors_read_bytes(const void *bytes, size_t size_bytes, const char *name,
                           const struct params *params, uint16_t *flat, struct err *err)
{
    struct checkpoint c = {.parts = calloc(1, sizeof *c.parts), .n_parts = 1};
    CHECK(c.parts != NULL);
    int status = tensor_file_open(&c.parts->file, bytes, size_bytes, name, err);
    if (status == 0) status = sort_tensors(&c, err);
    if (status == 0) status = load(&c, params, &(struct output){.bf16 = flat}, name, err);
    close_checkpoint(&c);
    return status;
}
