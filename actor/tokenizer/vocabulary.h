/*
 * vocabulary.h - tokens as bytes, and back from bytes to their id.
 *
 * Ids need not be dense: an id nobody added has no token.  Immutable once
 * filled, then safe for any number of readers.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_VOCABULARY_H
#define ARGOSY_ACTOR_TOKENIZER_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define VOCABULARY_IDS_MAX (4u << 20) // ids of a tokenizer are below this
#define VOCABULARY_NONE UINT32_MAX

struct vocabulary_token {
    const char *bytes; // NULL: this id has no token
    uint32_t size_bytes;
};

struct vocabulary {
    struct vocabulary_token *tokens; // (n_ids), by id
    uint32_t n_ids;                  // one more than the greatest
    uint32_t n_ids_room;
    uint32_t n_tokens;
    uint32_t *slots; // open addressing: ids, VOCABULARY_NONE when free
    uint32_t n_slots;
};

void vocabulary_init(struct vocabulary *v);
void vocabulary_fini(struct vocabulary *v);

// The bytes are copied.  Fails when the id is taken by other bytes or too large.
// The same bytes may have several ids: the first added is found.
int vocabulary_add(struct vocabulary *v, const char *bytes, size_t size_bytes, uint32_t id,
                   struct err *err);

uint32_t vocabulary_find(const struct vocabulary *v, const char *bytes, size_t size_bytes);

// bytes NULL when there is no such token.
struct vocabulary_token vocabulary_token(const struct vocabulary *v, uint32_t id);

#endif
