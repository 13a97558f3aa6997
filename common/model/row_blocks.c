#include "common/model/row_blocks.h"

#include "common/base/err.h"

void row_blocks_carve(struct block *b, struct row_blocks *blocks, uint32_t n_rows_max)
{
    size_t n = n_rows_max;
    blocks->positions = block_take(b, n, sizeof *blocks->positions);
    // A span gives at most one cut more for each border inside it.
    blocks->cuts = block_take(b, 2 * n, sizeof *blocks->cuts);
    blocks->first_cut = block_take(b, n + 1, sizeof *blocks->first_cut);
}

void row_blocks_cut(struct row_blocks *blocks, const struct span *spans, uint32_t n_spans,
                    uint32_t n_rows, uint32_t block_rows)
{
    blocks->n_rows = n_rows;
    blocks->block_rows = block_rows;
    blocks->n_blocks = (n_rows + block_rows - 1) / block_rows;
    uint32_t n_cuts = 0, row = 0;
    for (uint32_t i = 0; i < n_spans; i++) {
        struct span left = spans[i];
        CHECK(left.row == row && left.n_rows > 0 && left.n_rows <= n_rows - row);
        for (uint32_t j = 0; j < left.n_rows; j++)
            blocks->positions[row + j] = left.position + j;
        row += left.n_rows;
        while (left.n_rows > 0) {
            uint32_t inside = left.row % block_rows;
            if (inside == 0) blocks->first_cut[left.row / block_rows] = n_cuts;
            struct span cut = left;
            if (cut.n_rows > block_rows - inside) cut.n_rows = block_rows - inside;
            blocks->cuts[n_cuts++] = cut;
            left.row += cut.n_rows;
            left.position += cut.n_rows;
            left.n_rows -= cut.n_rows;
        }
    }
    CHECK(row == n_rows);
    blocks->first_cut[blocks->n_blocks] = n_cuts;
}

struct rows row_blocks_rows(const struct row_blocks *blocks, size_t block)
{
    size_t first = block * blocks->block_rows, n = blocks->n_rows - first;
    uint32_t cut = blocks->first_cut[block];
    return (struct rows){.first = first,
                         .n = n < blocks->block_rows ? n : blocks->block_rows,
                         .cuts = blocks->cuts + cut,
                         .n_cuts = blocks->first_cut[block + 1] - cut};
}
