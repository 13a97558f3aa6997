/*
 * query_block.h - the queries that attention takes through the pages together;
 * for the .c files of attention only.
 *
 * A query is one row of one query head.  Those of a kv head are numbered row
 * by row, the H/K heads of a row together.  A block is a number of consecutive
 * ones.  It walks the pages in ascending order; at each page index it falls
 * into runs of neighbours that read the same page there, and a run's scores
 * and sums are single products.
 */
#ifndef ARGOSY_COMMON_MATH_QUERY_BLOCK_H
#define ARGOSY_COMMON_MATH_QUERY_BLOCK_H

#include <stdbool.h>

#include "common/math/kv_page.h"

#define QUERY_WIDTH_MAX 256
#define QUERY_BLOCK_MAX 48

// What forward and backward have in common.
struct attention_input {
    const struct attention_shape *shape;
    const struct kv_layer *kv;
    const struct span *spans;
    size_t n_spans, n_queries; // queries of one kv head
    size_t heads_per_kv;       // H/K
    size_t W;                  // padded width
    const float *q;
    size_t ldq;
    float scale;
};
struct attention_input attention_input(const struct attention_shape *shape, const float *q,
                                       size_t ldq, const struct kv_layer *kv,
                                       const struct span *spans, size_t n_spans);

struct query {
    const uint32_t *pages;
    uint32_t position;
    size_t row, head; // of the chunk; query head
};

struct query_block {
    size_t n, kv_head;
    size_t n_pages; // the most that any query reads
    struct query query[QUERY_BLOCK_MAX];
    float q[QUERY_BLOCK_MAX * QUERY_WIDTH_MAX]; // times the scale, rows W apart
    float score[QUERY_BLOCK_MAX * KV_PAGE];
};

// Queries [first, first + n) of a kv head, counted from first_span on.
void query_block_fill(struct query_block *b, const struct attention_input *in, size_t kv_head,
                      size_t first_span, size_t first, size_t n);

struct query_run {
    size_t begin, end;  // queries of the block
    size_t least, most; // positions of the page that they see
    uint32_t page;
};

// The next run at a page index after run->end; false when there is none.
bool query_block_next_run(const struct query_block *b, size_t page_index, struct query_run *run);

// score[i][j] = q[i] . key[j] for a run and the positions it sees.
void query_block_scores(struct query_block *b, const struct attention_input *in, const float *keys,
                        const struct query_run *run);

// How many positions of its page_index-th page a query sees.
static inline size_t query_sees(const struct query *query, size_t page_index)
{
    size_t seen = (size_t)query->position + 1, before = page_index * KV_PAGE;
    if (seen <= before) return 0;
    return seen - before < KV_PAGE ? seen - before : KV_PAGE;
}

#endif
