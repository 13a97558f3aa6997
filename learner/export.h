/*
 * export.h - the trained model as a Hugging Face folder.
 *
 * bf16 safetensors; config.json, tokenizer and generation settings are those
 * of the folder the stage started from.  Made beside its place and renamed.
 */
#ifndef ARGOSY_LEARNER_EXPORT_H
#define ARGOSY_LEARNER_EXPORT_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/model/params.h"

int export_model(const char *folder, const char *from, const struct params *params,
                 const uint16_t *flat, struct err *err);

// SHA-256 of the flat bf16 block: what two runs are compared by.
struct hash export_hash(const struct params *params, const uint16_t *flat);

#endif
