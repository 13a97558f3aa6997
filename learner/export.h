/*
 * export.h - the trained model as a Hugging Face folder.
 *
 * bf16 safetensors, in several files where they are large; config.json (as far
 * as it still holds), tokenizer and generation settings are those of the folder
 * the stage started from.  Made beside its place and renamed.
 */
#ifndef ARGOSY_LEARNER_EXPORT_H
#define ARGOSY_LEARNER_EXPORT_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/model/params.h"

int export_model(const char *folder, const char *from, const struct params *params,
                 const uint16_t *flat, struct err *err);
// The same in files of at most so many bytes, where a tensor is not larger.
int export_model_sharded(const char *folder, const char *from, const struct params *params,
                         const uint16_t *flat, uint64_t shard_bytes_max, struct err *err);

// SHA-256 of the flat bf16 block: what two runs are compared by.
struct hash export_hash(const struct params *params, const uint16_t *flat);

#endif
