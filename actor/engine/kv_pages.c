#include "actor/engine/kv_pages.h"

#include <stdlib.h>

#include "common/base/err.h"

void kv_pages_init(struct kv_pages *p, uint32_t n_pages)
{
    p->n_pages = n_pages;
    p->n_free = n_pages;
    p->free = malloc(n_pages * sizeof *p->free);
    p->holders = calloc(n_pages, sizeof *p->holders);
    CHECK(p->free != NULL && p->holders != NULL);
    for (uint32_t i = 0; i < n_pages; i++)
        p->free[i] = n_pages - 1 - i; // low pages are handed out first
}

void kv_pages_fini(struct kv_pages *p)
{
    free(p->free);
    free(p->holders);
    *p = (struct kv_pages){0};
}

uint32_t kv_pages_acquire(struct kv_pages *p)
{
    CHECK(p->n_free > 0);
    const uint32_t page = p->free[--p->n_free];
    p->holders[page] = 1;
    return page;
}

void kv_pages_share(struct kv_pages *p, uint32_t page)
{
    CHECK(page < p->n_pages && p->holders[page] > 0);
    p->holders[page]++;
}

void kv_pages_release(struct kv_pages *p, uint32_t page)
{
    CHECK(page < p->n_pages && p->holders[page] > 0);
    if (--p->holders[page] == 0) p->free[p->n_free++] = page;
}
