/*
 * block.h - memory that is measured, then taken, by the same code.
 *
 * A carver calls block_take() once for each array.  While the block is being
 * measured the answers are NULL and only the size grows; after
 * block_allocate() the same calls in the same order hand out the arrays.  So
 * the size a struct reports and the memory it takes cannot differ.
 *
 * One allocation, 64-byte aligned arrays, huge pages asked for where large.
 * Contents are undefined, or zero when asked for: then a page of memory is taken
 * only once something is written to it.  Not thread-safe.
 */
#ifndef ARGOSY_COMMON_MODEL_BLOCK_H
#define ARGOSY_COMMON_MODEL_BLOCK_H

#include <stddef.h>

#define BLOCK_ALIGN 64

struct block {
    unsigned char *base; // NULL: measuring
    size_t used_bytes;
    size_t size_bytes; // of the allocation
    void *memory;      // what free() wants
};

void *block_take(struct block *b, size_t count, size_t item_bytes);

// Ends the measuring: allocates what was counted and starts handing out.
// Aborts when out of memory.
void block_allocate(struct block *b);
void block_allocate_zeroed(struct block *b);
void block_free(struct block *b);

#endif
