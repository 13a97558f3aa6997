/*
 * stop_ids.h - the ids that end a response.
 *
 * From generation_config.json (eos_token_id, one or several), else config.json,
 * else the eos_token of tokenizer_config.json, else the usual names of such a
 * token in the vocabulary.  The first is also what ends a document.
 */
#ifndef ARGOSY_ACTOR_STOP_IDS_H
#define ARGOSY_ACTOR_STOP_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actor/data/served_files.h"
#include "actor/tokenizer/tokenizer.h"

#define STOP_IDS_MAX 16

struct stop_ids {
    uint32_t ids[STOP_IDS_MAX];
    size_t count; // at least 1
};

// The token of this text too, if there is such a token.
void stop_ids_add(struct stop_ids *s, const struct tokenizer *t, const char *token);
bool stop_ids_has(const struct stop_ids *s, uint32_t id);

int stop_ids_init(struct stop_ids *s, const struct served_files *files, const struct tokenizer *t,
                  struct err *err);

#endif
