#include "learner/id_map.h"

#include <stdlib.h>

#include "common/base/err.h"

#define SLOTS_MIN 64

void id_map_init(struct id_map *m)
{
    *m = (struct id_map){0};
}

void id_map_fini(struct id_map *m)
{
    free(m->slots);
    *m = (struct id_map){0};
}

// Where the id is, or the free slot where it would go.
static size_t slot_of(const struct id_map *m, uint64_t id)
{
    // Ids count up, so neighbours must not land in one run: multiply by an odd constant.
    size_t at = (size_t)((id * 0x9e3779b97f4a7c15u) >> 20) & (m->n_slots - 1);
    while (m->slots[at].id != 0 && m->slots[at].id != id)
        at = (at + 1) & (m->n_slots - 1);
    return at;
}

void *id_map_get(const struct id_map *m, uint64_t id)
{
    if (m->n_slots == 0 || id == 0) return NULL;
    return m->slots[slot_of(m, id)].value;
}

static void grow(struct id_map *m)
{
    struct id_map old = *m;
    m->n_slots = old.n_slots > 0 ? 2 * old.n_slots : SLOTS_MIN;
    m->slots = calloc(m->n_slots, sizeof *m->slots);
    CHECK(m->slots != NULL);
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i].id != 0) m->slots[slot_of(m, old.slots[i].id)] = old.slots[i];
    free(old.slots);
}

void id_map_put(struct id_map *m, uint64_t id, void *value)
{
    CHECK(id != 0 && value != NULL);
    if (2 * (m->n + 1) > m->n_slots) grow(m);
    struct id_map_slot *slot = &m->slots[slot_of(m, id)];
    if (slot->id == 0) m->n++;
    *slot = (struct id_map_slot){.id = id, .value = value};
}

void *id_map_remove(struct id_map *m, uint64_t id)
{
    if (m->n_slots == 0 || id == 0) return NULL;
    size_t hole = slot_of(m, id);
    void *value = m->slots[hole].value;
    if (m->slots[hole].id == 0) return NULL;
    m->n--;
    // Entries behind the hole that hashed before it move up, or they would be
    // cut off from their start: take each out and put it back.
    m->slots[hole] = (struct id_map_slot){0};
    for (size_t at = (hole + 1) & (m->n_slots - 1); m->slots[at].id != 0;
         at = (at + 1) & (m->n_slots - 1)) {
        struct id_map_slot moved = m->slots[at];
        m->slots[at] = (struct id_map_slot){0};
        m->slots[slot_of(m, moved.id)] = moved;
    }
    return value;
}

void *id_map_next(const struct id_map *m, size_t *at)
{
    while (*at < m->n_slots) {
        const struct id_map_slot *slot = &m->slots[(*at)++];
        if (slot->id != 0) return slot->value;
    }
    return NULL;
}
