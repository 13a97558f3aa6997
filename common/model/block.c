#define _DEFAULT_SOURCE // madvise
#include "common/model/block.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/base/err.h"

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define HUGE_FROM_BYTES ((size_t)8 << 20) // below this the rounding costs more than it saves

void *block_take(struct block *b, size_t count, size_t item_bytes)
{
    CHECK(item_bytes > 0 && count <= (SIZE_MAX / 4) / item_bytes);
    size_t size_bytes = (count * item_bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    CHECK(b->used_bytes <= SIZE_MAX / 4);
    void *at = b->base == NULL ? NULL : b->base + b->used_bytes;
    b->used_bytes += size_bytes;
    CHECK(b->base == NULL || b->used_bytes <= b->size_bytes);
    return at;
}

static void allocate(struct block *b, bool is_zeroed)
{
    CHECK(b->base == NULL);
    bool huge = b->used_bytes >= HUGE_FROM_BYTES;
    size_t align = huge ? HUGE_PAGE_BYTES : BLOCK_ALIGN;
    b->size_bytes = (b->used_bytes / align + 1) * align;
    // calloc has pages fresh from the kernel, zero and not there yet; it cannot align.
    b->memory = is_zeroed ? calloc(b->size_bytes + align, 1) : aligned_alloc(align, b->size_bytes);
    CHECK(b->memory != NULL);
    const size_t past = (uintptr_t)b->memory % align;
    b->base = (unsigned char *)b->memory + (past == 0 ? 0 : align - past);
    // Advice only: where the kernel has no huge pages, small ones serve.
    if (huge) (void)madvise(b->base, b->size_bytes, MADV_HUGEPAGE);
    b->used_bytes = 0;
}

void block_allocate(struct block *b)
{
    allocate(b, false);
}

void block_allocate_zeroed(struct block *b)
{
    allocate(b, true);
}

void block_free(struct block *b)
{
    free(b->memory);
    *b = (struct block){0};
}
