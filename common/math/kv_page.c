#include "common/math/kv_page.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/err.h"
#include "common/math/avx2.h"
#include "common/math/kernels.h"

enum { TASK_ROWS = 64, BLOCK_ROWS = 8 };

size_t kv_layer_floats(const struct attention_shape *shape, uint32_t n_pages)
{
    return kv_page_offset(shape, n_pages, 0);
}

size_t kv_count_rows(const struct span *spans, size_t n_spans)
{
    size_t n_rows = 0;
    for (size_t i = 0; i < n_spans; i++)
        n_rows += spans[i].n_rows;
    return n_rows;
}

void kv_place_normalise(struct kv_place *at, const struct span *spans)
{
    while (at->offset >= spans[at->span].n_rows)
        at->offset -= spans[at->span++].n_rows;
}

struct kv_place kv_place_of_row(const struct span *spans, size_t row)
{
    struct kv_place at = {0, row};
    kv_place_normalise(&at, spans);
    return at;
}

struct move_job {
    const struct kv_layer *kv;
    const struct attention_shape *shape;
    const float *k, *v; // store: rows to read
    float *dk, *dv;     // or, for gradients, rows to write
    size_t ld;
    const struct span *spans;
    size_t n_rows;
};

// The place of one position in its page, and of its row.
struct move {
    float *keys, *values; // page of one kv head
    size_t j, row;        // position in the page; offset into the rows
    size_t D, W;
};

static void store_portable(const struct move *m, const float *k, const float *v)
{
    for (size_t d = 0; d < m->D; d++) {
        m->keys[kv_key_slot(m->j, d, m->W)] = k[d];
        m->values[kv_value_slot(m->j, d)] = v[d];
    }
}

static void read_portable(const struct move *m, float *k, float *v)
{
    for (size_t d = 0; d < m->D; d++) {
        k[d] = m->keys[kv_key_slot(m->j, d, m->W)];
        v[d] = m->values[kv_value_slot(m->j, d)];
    }
}

// Eight consecutive positions from a multiple of eight: keys change their
// direction an 8 x 8 square at a time.  D is a multiple of 8.
AVX2_TARGET static void store_eight(const struct move *m, const float *k, const float *v, size_t ld)
{
    for (size_t d = 0; d < m->D; d += 8) {
        avx2_transpose(m->keys + kv_key_slot(m->j, d, m->W), KV_PANEL, k + d, ld);
        for (size_t i = 0; i < BLOCK_ROWS; i++)
            _mm256_storeu_ps(m->values + kv_value_slot(m->j + i, d),
                             _mm256_loadu_ps(v + i * ld + d));
    }
}

AVX2_TARGET static void read_eight(const struct move *m, float *k, float *v, size_t ld)
{
    for (size_t d = 0; d < m->D; d += 8) {
        avx2_transpose(k + d, ld, m->keys + kv_key_slot(m->j, d, m->W), KV_PANEL);
        for (size_t i = 0; i < BLOCK_ROWS; i++)
            _mm256_storeu_ps(v + i * ld + d,
                             _mm256_loadu_ps(m->values + kv_value_slot(m->j + i, d)));
    }
}

static void move_rows(const struct move_job *job, const struct span *span, size_t offset,
                      bool eight)
{
    size_t D = job->shape->head_width, position = span->position + offset;
    uint32_t page = span->pages[position / KV_PAGE];
    CHECK(page < job->kv->n_pages);
    for (size_t head = 0; head < job->shape->n_kv_heads; head++) {
        size_t page_at = kv_page_offset(job->shape, page, head);
        struct move m = {.keys = job->kv->keys + page_at, .values = job->kv->values + page_at};
        m.j = position % KV_PAGE;
        m.D = D;
        m.W = kv_page_width(job->shape);
        size_t at = (span->row + offset) * job->ld + head * D;
        if (job->k != NULL)
            eight ? store_eight(&m, job->k + at, job->v + at, job->ld)
                  : store_portable(&m, job->k + at, job->v + at);
        else
            eight ? read_eight(&m, job->dk + at, job->dv + at, job->ld)
                  : read_portable(&m, job->dk + at, job->dv + at);
    }
}

static void move_task(void *context, size_t task, unsigned thread)
{
    const struct move_job *job = context;
    (void)thread;
    bool vector = kernels_in_use() == KERNELS_AVX2 && job->shape->head_width % 8 == 0;
    size_t row = task * TASK_ROWS;
    size_t end = row + TASK_ROWS < job->n_rows ? row + TASK_ROWS : job->n_rows;
    struct kv_place at = kv_place_of_row(job->spans, row);
    while (row < end) {
        kv_place_normalise(&at, job->spans);
        const struct span *span = &job->spans[at.span];
        size_t left = span->n_rows - at.offset;
        if (left > end - row) left = end - row;
        bool eight = vector && left >= BLOCK_ROWS && (span->position + at.offset) % BLOCK_ROWS == 0;
        move_rows(job, span, at.offset, eight);
        at.offset += eight ? BLOCK_ROWS : 1;
        row += eight ? BLOCK_ROWS : 1;
    }
}

void kv_store(const struct kv_layer *kv, const struct attention_shape *shape, const float *k,
              const float *v, size_t ld, const struct span *spans, size_t n_spans,
              struct pool *pool)
{
    struct move_job job = {.kv = kv, .shape = shape, .k = k, .v = v, .ld = ld, .spans = spans};
    job.n_rows = kv_count_rows(spans, n_spans);
    pool_for(pool, (job.n_rows + TASK_ROWS - 1) / TASK_ROWS, move_task, &job);
}

void kv_store_backward(const struct kv_layer *dkv, const struct attention_shape *shape, float *dk,
                       float *dv, size_t ld, const struct span *spans, size_t n_spans,
                       struct pool *pool)
{
    struct move_job job = {.kv = dkv, .shape = shape, .dk = dk, .dv = dv, .ld = ld};
    job.spans = spans;
    job.n_rows = kv_count_rows(spans, n_spans);
    pool_for(pool, (job.n_rows + TASK_ROWS - 1) / TASK_ROWS, move_task, &job);
}

void kv_copy(const struct kv_layer *kv, const struct attention_shape *shape, uint32_t from,
             uint32_t to, uint32_t n_positions)
{
    size_t D = shape->head_width, W = kv_page_width(shape);
    CHECK(from < kv->n_pages && to < kv->n_pages && n_positions <= KV_PAGE);
    for (size_t head = 0; head < shape->n_kv_heads; head++) {
        size_t source = kv_page_offset(shape, from, head), target = kv_page_offset(shape, to, head);
        for (size_t j = 0; j < n_positions; j += KV_PANEL) {
            size_t n = n_positions - j < KV_PANEL ? n_positions - j : KV_PANEL;
            for (size_t d = 0; d < D; d++) {
                size_t slot = kv_key_slot(j, d, W);
                memcpy(kv->keys + target + slot, kv->keys + source + slot, n * sizeof(float));
            }
        }
        for (size_t d = 0; d < D; d += KV_PANEL) {
            size_t slot = kv_value_slot(0, d), n = n_positions * KV_PANEL;
            memcpy(kv->values + target + slot, kv->values + source + slot, n * sizeof(float));
        }
    }
}

void kv_copy_backward(const struct kv_layer *dkv, const struct attention_shape *shape,
                      uint32_t from, uint32_t to, uint32_t n_positions)
{
    size_t D = shape->head_width, W = kv_page_width(shape);
    CHECK(from < dkv->n_pages && to < dkv->n_pages && n_positions <= KV_PAGE);
    for (size_t head = 0; head < shape->n_kv_heads; head++) {
        size_t source = kv_page_offset(shape, from, head), target = kv_page_offset(shape, to, head);
        for (size_t d = 0; d < D; d++) {
            for (size_t j = 0; j < n_positions; j++) {
                size_t key = kv_key_slot(j, d, W), value = kv_value_slot(j, d);
                dkv->keys[source + key] += dkv->keys[target + key];
                dkv->values[source + value] += dkv->values[target + value];
            }
        }
    }
}
