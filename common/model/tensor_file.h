/*
 * tensor_file.h - one file of the safetensors format, checked.
 *
 * u64 header length, JSON header {name: {dtype, shape, data_offsets}}, data.
 * Every length, offset, dtype and shape is checked against the file's size
 * before a byte is used; overlaps and holes are refused.  Values come out as
 * bf16 or fp32; one that is not finite is an error that names its place.
 */
#ifndef ARGOSY_COMMON_MODEL_TENSOR_FILE_H
#define ARGOSY_COMMON_MODEL_TENSOR_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/json.h"

#define TENSOR_DIMS_MAX 8u
#define TENSOR_SCALE_BLOCK 128u // rows and columns of an F8 tensor that share a scale

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F8_E4M3, DTYPE_OTHER };

struct tensor {
    const char *name, *file; // as long as the tensor_file lives
    enum dtype dtype;
    const char *dtype_name;
    uint64_t dims[TENSOR_DIMS_MAX];
    size_t n_dims;
    uint64_t begin, end; // bytes of the data part
    const unsigned char *data;
};

struct tensor_file {
    struct json_document *header;
    struct tensor *tensors; // in the order of their data
    size_t n_tensors;
};

// Both bytes and name are borrowed until the close.
int tensor_file_open(struct tensor_file *f, const void *bytes, size_t size_bytes, const char *name,
                     struct err *err);
void tensor_file_close(struct tensor_file *f);

// Rows of equal length that are multiplied, each block of 128 x 128 by one of
// `scales`, when that is not NULL: (rows/128, columns/128), rounded up.  The
// caller has checked the dtypes and the shapes.  One of the two outputs is NULL.
int tensor_read(const struct tensor *t, const struct tensor *scales, size_t rows, size_t cols,
                uint16_t *bf16, float *f32, struct err *err);

#endif
