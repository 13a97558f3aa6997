/*
 * borrowed_tokenizer.h - the tokenizer of another model's folder, for a model
 * made from nothing that is to have its words.
 */
#ifndef ARGOSY_ACTOR_BORROWED_TOKENIZER_H
#define ARGOSY_ACTOR_BORROWED_TOKENIZER_H

#include <stdint.h>

#include "common/base/err.h"

struct borrowed_tokenizer {
    uint32_t id_limit;               // one more than the greatest id
    uint32_t bos_id, eos_id, pad_id; // UINT32_MAX: it has none; there is always an eos_id
};

// From folder/tokenizer.json, and what its tokenizer_config.json calls them.
int borrowed_tokenizer_read(struct borrowed_tokenizer *t, const char *folder, struct err *err);

// Its files into another folder, as they are.
int borrowed_tokenizer_copy(const char *folder, const char *into, struct err *err);

#endif
