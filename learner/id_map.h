/*
 * id_map.h - 64-bit ids to pointers: leases and peers by their number.
 *
 * Open addressing over a power of two, at most half full.  Id 0 is not a
 * valid key.  The map owns nothing it points to.  One thread.
 */
#ifndef ARGOSY_LEARNER_ID_MAP_H
#define ARGOSY_LEARNER_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_map_slot {
    uint64_t id; // 0: free
    void *value;
};
struct id_map {
    struct id_map_slot *slots;
    size_t n_slots, n;
};

void id_map_init(struct id_map *m);
void id_map_fini(struct id_map *m);
void *id_map_get(const struct id_map *m, uint64_t id); // NULL: not there
void id_map_put(struct id_map *m, uint64_t id, void *value);
void *id_map_remove(struct id_map *m, uint64_t id); // what was there

// The entries in no particular order: start with *at = 0; NULL at the end.  The
// map may not change meanwhile.
void *id_map_next(const struct id_map *m, size_t *at);

#endif
