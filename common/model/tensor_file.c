#include "common/model/tensor_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/math/bf16.h"

#define HEADER_BYTES_MAX ((uint64_t)100 << 20) // the format's own limit
#define PIECE 4096u                            // elements that are converted at a time

static const struct {
    const char *name;
    enum dtype dtype;
    unsigned size_bytes;
} dtypes[] = {
    {"F32", DTYPE_F32, 4},    {"F16", DTYPE_F16, 2},         {"BF16", DTYPE_BF16, 2},
    {"F64", DTYPE_OTHER, 8},  {"I64", DTYPE_OTHER, 8},       {"U64", DTYPE_OTHER, 8},
    {"I32", DTYPE_OTHER, 4},  {"U32", DTYPE_OTHER, 4},       {"I16", DTYPE_OTHER, 2},
    {"U16", DTYPE_OTHER, 2},  {"I8", DTYPE_OTHER, 1},        {"U8", DTYPE_OTHER, 1},
    {"BOOL", DTYPE_OTHER, 1}, {"F8_E4M3", DTYPE_F8_E4M3, 1}, {"F8_E5M2", DTYPE_OTHER, 1},
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
    if (!json_is_array(shape) || t->n_dims > TENSOR_DIMS_MAX)
        return err_set(err, ERR_FORMAT, "%s: tensor '%s': shape is not a list of up to %u sizes",
                       file, t->name, TENSOR_DIMS_MAX);
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
        tensors[n].file = file;
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

int tensor_file_open(struct tensor_file *f, const void *bytes, size_t size_bytes, const char *name,
                     struct err *err)
{
    uint64_t header_bytes;
    *f = (struct tensor_file){0};
    if (size_bytes < sizeof header_bytes)
        return err_set(err, ERR_FORMAT, "%s: %zu bytes: too short for safetensors", name,
                       size_bytes);
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    if (header_bytes > HEADER_BYTES_MAX || header_bytes > size_bytes - sizeof header_bytes)
        return err_set(err, ERR_FORMAT, "%s: declares a header of %llu bytes in a file of %zu",
                       name, (unsigned long long)header_bytes, size_bytes);

    const unsigned char *header = (const unsigned char *)bytes + sizeof header_bytes;
    uint64_t data_bytes = size_bytes - sizeof header_bytes - header_bytes;
    f->header = json_parse((const char *)header, (size_t)header_bytes, name, err);
    if (f->header == NULL) return err_prefix(err, "safetensors header");
    if (read_header(json_root(f->header), data_bytes, name, &f->tensors, &f->n_tensors, err) != 0) {
        tensor_file_close(f);
        return -1;
    }
    for (size_t i = 0; i < f->n_tensors; i++)
        f->tensors[i].data = header + header_bytes + f->tensors[i].begin;
    return 0;
}

void tensor_file_close(struct tensor_file *f)
{
    free(f->tensors);
    json_destroy(f->header);
    *f = (struct tensor_file){0};
}

// --- values -----------------------------------------------------------------------
static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Both narrow formats keep exponent and mantissa side by side, as fp32 does:
// moved to its place, with the exponents' difference made up by a product, a
// number is exact, and the small ones without a leading 1 come out right.
static float f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7fffu;
    float value = float_of_bits(rest << 13) * 0x1p112f;
    if (rest >= 0x7c00u) value = rest == 0x7c00u ? INFINITY : NAN;
    return sign ? -value : value;
}

static float f8_e4m3_to_f32(unsigned char byte)
{
    uint32_t rest = byte & 0x7fu;
    float value = rest == 0x7fu ? NAN : float_of_bits(rest << 20) * 0x1p120f; // no infinities
    return byte & 0x80u ? -value : value;
}

// Elements [at, at + n), as they are stored.
static void widen(float *out, const struct tensor *t, size_t at, size_t n)
{
    uint16_t half[PIECE];
    if (t->dtype == DTYPE_F32) {
        memcpy(out, t->data + at * sizeof *out, n * sizeof *out); // the file may not be aligned
    } else if (t->dtype == DTYPE_F8_E4M3) {
        for (size_t i = 0; i < n; i++)
            out[i] = f8_e4m3_to_f32(t->data[at + i]);
    } else {
        memcpy(half, t->data + at * sizeof *half, n * sizeof *half);
        if (t->dtype == DTYPE_BF16)
            bf16_expand(out, half, n);
        else
            for (size_t i = 0; i < n; i++)
                out[i] = f16_to_f32(half[i]);
    }
}

// Columns [col, col + n) of a row, each times its block's scale.
static void scale(float *values, const struct tensor *scales, size_t row, size_t col, size_t cols,
                  size_t n)
{
    size_t row_at =
        row / TENSOR_SCALE_BLOCK * ((cols + TENSOR_SCALE_BLOCK - 1) / TENSOR_SCALE_BLOCK);
    float factor = 1.0f;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || (col + i) % TENSOR_SCALE_BLOCK == 0)
            widen(&factor, scales, row_at + (col + i) / TENSOR_SCALE_BLOCK, 1);
        values[i] *= factor;
    }
}

static bool are_finite(const uint16_t *half, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= (half[i] & 0x7f80u) == 0x7f80u;
    return bad == 0;
}

static int report_bad(const struct tensor *t, const uint16_t *half, const float *value, size_t at,
                      struct err *err)
{
    size_t i = 0;
    while ((half[i] & 0x7f80u) != 0x7f80u)
        i++;
    return err_set(err, ERR_FORMAT, "%s: tensor '%s': element %zu is %g%s", t->file, t->name,
                   at + i, (double)value[i], isfinite(value[i]) ? ", over bf16's range" : "");
}

int tensor_read(const struct tensor *t, const struct tensor *scales, size_t rows, size_t cols,
                uint16_t *bf16, float *f32, struct err *err)
{
    float value[PIECE];
    uint16_t half[PIECE];
    // Only scales need to know where a row ends.
    size_t row_length = scales != NULL ? cols : rows * cols, n_rows = rows * cols / row_length;
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t col = 0; col < row_length; col += PIECE) {
            size_t n = row_length - col < PIECE ? row_length - col : PIECE;
            size_t at = row * row_length + col;
            widen(value, t, at, n);
            if (scales != NULL) scale(value, scales, row, col, cols, n);
            bf16_round(half, value, n);
            if (!are_finite(half, n)) return report_bad(t, half, value, at, err);
            if (bf16 != NULL) memcpy(bf16 + at, half, n * sizeof *half);
            if (f32 != NULL) memcpy(f32 + at, value, n * sizeof *value);
        }
    }
    return 0;
}
