/*
 * safetensors.h - a model's weights in files of the safetensors format.
 *
 * One file, or the files of model.safetensors.index.json; each is mapped and
 * checked in full (tensor_file.h), and so is what they are together: every
 * parameter of the model is there once, and nothing else is.
 */
#ifndef ARGOSY_COMMON_MODEL_SAFETENSORS_H
#define ARGOSY_COMMON_MODEL_SAFETENSORS_H

#include "common/base/err.h"
#include "common/model/params.h"

#define SAFETENSORS_SHARD_BYTES UINT64_C(5000000000) // a larger model is cut into several files

// Fills flat (params->n_elements bf16) from folder/model.safetensors or its
// index.  F32, F16 and BF16 are read (rounded to bf16 when wider), and F8_E4M3
// with or without a weight_scale_inv for each block of 128 x 128.  A missing,
// surplus, misshapen or non-finite tensor is an error that names it.
int safetensors_read_model(const char *folder, const struct params *params, uint16_t *flat,
                           struct err *err);

// The same values in fp32 (masters of a fresh run; fp32 files keep their bits).
int safetensors_read_model_f32(const char *folder, const struct params *params, float *flat,
                               struct err *err);

// The same from the bytes of one file, called `name` in errors.
int safetensors_read_bytes(const void *bytes, size_t size_bytes, const char *name,
                           const struct params *params, uint16_t *flat, struct err *err);

// Writes folder/model.safetensors (bf16), each file atomically; over
// SAFETENSORS_SHARD_BYTES (or shard_bytes_max) several and their index.
int safetensors_write_model(const char *folder, const struct params *params, const uint16_t *flat,
                            struct err *err);
int safetensors_write_sharded(const char *folder, const struct params *params, const uint16_t *flat,
                              uint64_t shard_bytes_max, struct err *err);

#endif
