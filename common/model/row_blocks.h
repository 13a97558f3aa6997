/*
 * row_blocks.h - the rows of a chunk in blocks that pass through many
 * operations while they are in cache.
 *
 * Outside attention every operation treats its rows one by one, so a thread
 * may take a block through all of them.  Keys and values are stored by span;
 * spans are therefore cut at the blocks' borders.
 */
#ifndef ARGOSY_COMMON_MODEL_ROW_BLOCKS_H
#define ARGOSY_COMMON_MODEL_ROW_BLOCKS_H

#include "common/math/attention.h"
#include "common/model/block.h"

struct row_blocks {
    uint32_t n_rows;
    uint32_t block_rows; // of every block but the last
    uint32_t n_blocks;
    uint32_t *positions; // (n_rows) from each sequence's start, for RoPE
    struct span *cuts;
    uint32_t *first_cut; // (n_blocks + 1)
};

struct rows {
    size_t first, n;
    const struct span *cuts; // cover just these rows
    size_t n_cuts;
};

// Room for chunks of up to n_rows_max rows in blocks of any size.
void row_blocks_carve(struct block *b, struct row_blocks *blocks, uint32_t n_rows_max);

// The spans cover rows 0 to n_rows in order, each of at least one row.
void row_blocks_cut(struct row_blocks *blocks, const struct span *spans, uint32_t n_spans,
                    uint32_t n_rows, uint32_t block_rows);

struct rows row_blocks_rows(const struct row_blocks *blocks, size_t block);

#endif
