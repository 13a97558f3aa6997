/*
 * safetensors.h - checked reader and writer of the safetensors format.
 *
 * u64 header length, JSON header {name: {dtype, shape, data_offsets}}, data.
 * Every length, offset, dtype and shape is checked against the file's size
 * before a byte is used; overlaps and holes are refused.  One file, or the
 * files of model.safetensors.index.json.
 */
#ifndef ARGOSY_COMMON_MODEL_SAFETENSORS_H
#define ARGOSY_COMMON_MODEL_SAFETENSORS_H

#include "common/base/err.h"
#include "common/model/params.h"

// Fills flat (params->n_elements bf16) from folder/model.safetensors or its
// index.  F32, F16 and BF16 are read (rounded to bf16 when wider).  A missing,
// surplus, misshapen or non-finite tensor is an error that names it.
int safetensors_read_model(const char *folder, const struct params *params, uint16_t *flat,
                           struct err *err);

// The same values in fp32 (masters of a fresh run; fp32 files keep their bits).
int safetensors_read_model_f32(const char *folder, const struct params *params, float *flat,
                               struct err *err);

// The same from the bytes of one file, called `name` in errors.
int safetensors_read_bytes(const void *bytes, size_t size_bytes, const char *name,
                           const struct params *params, uint16_t *flat, struct err *err);

// Writes folder/model.safetensors (bf16), atomically.
int safetensors_write_model(const char *folder, const struct params *params, const uint16_t *flat,
                            struct err *err);

#endif
