#include "actor/tokenizer/vocabulary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "common/base/hash.h"

void vocabulary_init(struct vocabulary *v)
{
    *v = (struct vocabulary){0};
}

void vocabulary_fini(struct vocabulary *v)
{
    for (uint32_t id = 0; id < v->n_ids; id++) {
        // tokens own their bytes; the const is for everybody else
        free((void *)(uintptr_t)v->tokens[id].bytes);
    }
    free(v->tokens);
    free(v->slots);
    *v = (struct vocabulary){0};
}

static bool vocabulary_is(const struct vocabulary *v, uint32_t id, const char *bytes,
                          size_t size_bytes)
{
    struct vocabulary_token token = v->tokens[id];
    return token.size_bytes == size_bytes && memcmp(token.bytes, bytes, size_bytes) == 0;
}

// The slot that holds these bytes, or the free one where they belong.
static uint32_t vocabulary_slot(const struct vocabulary *v, const char *bytes, size_t size_bytes)
{
    uint32_t mask = v->n_slots - 1;
    uint32_t slot = (uint32_t)checksum_of(bytes, size_bytes) & mask;
    while (v->slots[slot] != VOCABULARY_NONE &&
           !vocabulary_is(v, v->slots[slot], bytes, size_bytes))
        slot = (slot + 1) & mask;
    return slot;
}

static void vocabulary_grow_slots(struct vocabulary *v)
{
    uint32_t old_count = v->n_slots;
    uint32_t *old = v->slots;
    v->n_slots = old_count == 0 ? 256 : 2 * old_count;
    v->slots = malloc(v->n_slots * sizeof *v->slots);
    CHECK(v->slots != NULL);
    memset(v->slots, 0xff, v->n_slots * sizeof *v->slots);
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i] == VOCABULARY_NONE) continue;
        struct vocabulary_token token = v->tokens[old[i]];
        v->slots[vocabulary_slot(v, token.bytes, token.size_bytes)] = old[i];
    }
    free(old);
}

static void vocabulary_grow_ids(struct vocabulary *v, uint32_t id)
{
    if (id >= v->n_ids_room) {
        uint32_t room = v->n_ids_room < 128 ? 128 : v->n_ids_room;
        while (room <= id)
            room *= 2;
        v->tokens = realloc(v->tokens, room * sizeof *v->tokens);
        CHECK(v->tokens != NULL);
        v->n_ids_room = room;
    }
    for (; v->n_ids <= id; v->n_ids++)
        v->tokens[v->n_ids] = (struct vocabulary_token){0};
}

int vocabulary_add(struct vocabulary *v, const char *bytes, size_t size_bytes, uint32_t id,
                   struct err *err)
{
    if (id >= VOCABULARY_IDS_MAX)
        return err_set(err, ERR_LIMIT, "token id %" PRIu32 " is over the limit of %u", id,
                       VOCABULARY_IDS_MAX - 1);
    if (size_bytes > UINT16_MAX)
        return err_set(err, ERR_LIMIT, "token %" PRIu32 " has %zu bytes, at most %u", id,
                       size_bytes, UINT16_MAX);
    if (id < v->n_ids && v->tokens[id].bytes != NULL) {
        if (vocabulary_is(v, id, bytes, size_bytes)) return 0;
        return err_set(err, ERR_FORMAT, "id %" PRIu32 " is given to both '%s' and '%.*s'", id,
                       v->tokens[id].bytes, (int)size_bytes, bytes);
    }
    vocabulary_grow_ids(v, id);
    v->tokens[id] = (struct vocabulary_token){text_copy(bytes, size_bytes), (uint32_t)size_bytes};
    v->n_tokens++;
    if (v->n_tokens > v->n_slots / 2) vocabulary_grow_slots(v);
    uint32_t slot = vocabulary_slot(v, bytes, size_bytes);
    if (v->slots[slot] == VOCABULARY_NONE) v->slots[slot] = id;
    return 0;
}

uint32_t vocabulary_find(const struct vocabulary *v, const char *bytes, size_t size_bytes)
{
    if (v->n_slots == 0) return VOCABULARY_NONE;
    return v->slots[vocabulary_slot(v, bytes, size_bytes)];
}

struct vocabulary_token vocabulary_token(const struct vocabulary *v, uint32_t id)
{
    if (id >= v->n_ids) return (struct vocabulary_token){0};
    return v->tokens[id];
}
