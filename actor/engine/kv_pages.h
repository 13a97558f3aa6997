/*
 * kv_pages.h - which pages of the cache are taken, and by how many sequences.
 *
 * A prompt's full pages are held by its group and by each of its samples; a
 * page is free again when its last holder lets go.
 */
#ifndef ARGOSY_ACTOR_ENGINE_KV_PAGES_H
#define ARGOSY_ACTOR_ENGINE_KV_PAGES_H

#include <stdint.h>

struct kv_pages {
    uint32_t *free; // a stack
    uint32_t n_free;
    uint32_t n_pages;
    uint32_t *holders; // (n_pages)
};

void kv_pages_init(struct kv_pages *p, uint32_t n_pages);
void kv_pages_fini(struct kv_pages *p);

uint32_t kv_pages_acquire(struct kv_pages *p); // one holder; CHECKs that one is free
void kv_pages_share(struct kv_pages *p, uint32_t page);
void kv_pages_release(struct kv_pages *p, uint32_t page);

#endif
