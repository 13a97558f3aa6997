#include "common/math/query_block.h"

#include <math.h>

#include "common/base/err.h"

struct attention_input attention_input(const struct attention_shape *shape, const float *q,
                                       size_t ldq, const struct kv_layer *kv,
                                       const struct span *spans, size_t n_spans)
{
    CHECK(shape->head_width <= QUERY_WIDTH_MAX && shape->n_heads % shape->n_kv_heads == 0);
    struct attention_input in = {.shape = shape, .kv = kv, .spans = spans, .n_spans = n_spans};
    in.heads_per_kv = shape->n_heads / shape->n_kv_heads;
    in.n_queries = kv_count_rows(spans, n_spans) * in.heads_per_kv;
    in.W = kv_page_width(shape);
    in.q = q;
    in.ldq = ldq;
    in.scale = 1.0f / sqrtf((float)shape->head_width);
    return in;
}

static void copy_scaled(float *restrict to, const float *restrict from, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] * scale;
}

void query_block_fill(struct query_block *b, const struct attention_input *in, size_t kv_head,
                      size_t first_span, size_t first, size_t n)
{
    size_t D = in->shape->head_width, G = in->heads_per_kv, head = first % G;
    struct kv_place at = {first_span, first / G};
    b->n = n;
    b->kv_head = kv_head;
    b->n_pages = 0;
    for (size_t i = 0; i < n; i++) {
        kv_place_normalise(&at, in->spans);
        const struct span *span = &in->spans[at.span];
        struct query *query = &b->query[i];
        query->pages = span->pages;
        query->position = span->position + (uint32_t)at.offset;
        query->row = span->row + at.offset;
        query->head = kv_head * G + head;
        size_t n_pages = query->position / KV_PAGE + 1;
        if (n_pages > b->n_pages) b->n_pages = n_pages;
        copy_scaled(b->q + i * in->W, in->q + query->row * in->ldq + query->head * D, in->scale, D);
        if (++head == G) {
            head = 0;
            at.offset++;
        }
    }
}

bool query_block_next_run(const struct query_block *b, size_t page_index, struct query_run *run)
{
    size_t i = run->end;
    while (i < b->n && query_sees(&b->query[i], page_index) == 0)
        i++;
    if (i == b->n) return false;
    run->page = b->query[i].pages[page_index];
    run->begin = i;
    run->least = KV_PAGE;
    run->most = 0;
    for (; i < b->n; i++) {
        size_t seen = query_sees(&b->query[i], page_index);
        if (seen == 0 || b->query[i].pages[page_index] != run->page) break;
        if (seen < run->least) run->least = seen;
        if (seen > run->most) run->most = seen;
    }
    run->end = i;
    return true;
}

void query_block_scores(struct query_block *b, const struct attention_input *in, const float *keys,
                        const struct query_run *run)
{
    struct product p = {
        .y = b->score + run->begin * KV_PAGE,
        .y_row = KV_PAGE,
        .y_panel = KV_PANEL,
        .x = b->q + run->begin * in->W,
        .x_row = in->W,
        .x_step = 1,
        .w = keys,
        .w_panel = in->W * KV_PANEL,
        .w_step = KV_PANEL,
        .depth = in->shape->head_width,
        .n_rows = run->end - run->begin,
        .n_panels = (run->most + KV_PANEL - 1) / KV_PANEL,
    };
    product_run(&p);
}
