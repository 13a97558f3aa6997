#include "common/model/forward.h"

#include <stdlib.h>
#include <string.h>

#include "common/math/norm.h"
#include "common/math/rope.h"
#include "common/math/swiglu.h"
#include "common/model/row_blocks.h"

// How the rows of a chunk are shared among threads.  None of this can change a
// bit: every operation outside attention treats its rows one by one.
#define BLOCK_ROWS 96u      // rows that pass through a stage while they are in cache
#define BLOCK_ROWS_MIN 8u   // below this the kernels have too few rows to fill a tile
#define SHARE_ROWS_FROM 64u // rows for each thread from which splitting by row is best
#define CACHED_LAYER_ELEMENTS (256u << 10) // a layer that every core keeps in its own cache
#define ALONE_BELOW_FMA (100u << 10)       // work of a stage that is done before a thread wakes up

struct forward_scratch {
    struct shape shape;
    uint32_t n_rows_max;
    struct saved_layer layer; // where nothing is kept; input unused
    float *residual[2];       // (C) the stream between layers, in turn
    float *delta;             // (C) what a block adds to the stream
    struct row_blocks blocks;
    struct block block;
};

static void carve(struct forward_scratch *f)
{
    struct block *b = &f->block;
    size_t n = f->n_rows_max, width = f->shape.width;
    saved_layer_carve(b, &f->shape, f->n_rows_max, &f->layer);
    f->residual[0] = block_take(b, n * width, sizeof(float));
    f->residual[1] = block_take(b, n * width, sizeof(float));
    f->delta = block_take(b, n * width, sizeof(float));
    row_blocks_carve(b, &f->blocks, f->n_rows_max);
}

struct forward_scratch *forward_scratch_create(const struct shape *shape, uint32_t n_rows_max)
{
    struct forward_scratch *f = calloc(1, sizeof *f);
    CHECK(f != NULL && n_rows_max > 0);
    f->shape = *shape;
    f->n_rows_max = n_rows_max;
    carve(f);
    block_allocate(&f->block);
    carve(f);
    return f;
}

void forward_scratch_destroy(struct forward_scratch *scratch)
{
    if (scratch == NULL) return;
    block_free(&scratch->block);
    free(scratch);
}

size_t forward_scratch_bytes(const struct shape *shape, uint32_t n_rows_max)
{
    struct forward_scratch sketch = {.shape = *shape, .n_rows_max = n_rows_max};
    carve(&sketch);
    return sketch.block.used_bytes;
}

// --- one pass over a chunk ------------------------------------------------------
struct pass {
    const struct weights *w;
    const struct shape *s;
    struct kv *kv;
    const struct chunk *chunk;
    struct saved *saved; // NULL: keep nothing
    struct forward_scratch *scratch;
    float *hidden;

    struct pool *outer; // over row blocks
    struct pool *inner; // inside an operation; one of the two is NULL
    uint32_t n_blocks;
    uint32_t q_width, kv_width, qkv_width;

    uint32_t stage;                     // of the region now running
    struct weights_layer before, after; // the layers a stage begins and ends
    struct saved_layer at;              // views of `before`'s and `after`'s rows
    struct saved_layer at_after;
    float *out; // (C) where the layer that ends puts the stream
};

static size_t layer_elements(const struct shape *s)
{
    size_t q_width = (size_t)s->n_heads * s->head_width;
    size_t kv_width = (size_t)s->n_kv_heads * s->head_width;
    return (size_t)s->width * (2 * q_width + 2 * kv_width + 3 * (size_t)s->ffn_width);
}

// Chooses one of the two pools; answers the rows of a block.
static uint32_t plan_threads(struct pass *p, struct pool *pool)
{
    uint32_t n_rows = p->chunk->n_rows;
    size_t elements = layer_elements(p->s);
    if (n_rows * elements < ALONE_BELOW_FMA) return n_rows; // neither pool

    uint32_t n_threads = (uint32_t)pool_thread_count(pool);
    uint32_t share = (n_rows + n_threads - 1) / n_threads;
    if (share >= SHARE_ROWS_FROM ||
        (share >= BLOCK_ROWS_MIN && elements <= CACHED_LAYER_ELEMENTS)) {
        p->outer = pool;
        uint32_t n_turns = (share + BLOCK_ROWS - 1) / BLOCK_ROWS;
        return (share + n_turns - 1) / n_turns; // every thread gets as many blocks
    }
    p->inner = pool;
    return n_rows;
}

static struct pass begin(const struct weights *w, struct kv *kv, const struct chunk *chunk,
                         struct saved *saved, struct forward_scratch *scratch, struct pool *pool)
{
    const struct shape *s = weights_shape(w);
    CHECK(chunk->n_rows > 0 && chunk->n_rows <= scratch->n_rows_max);
    CHECK(saved == NULL || chunk->n_rows <= saved->n_rows_max);
    struct pass p = {.w = w, .s = s, .kv = kv, .chunk = chunk, .saved = saved, .scratch = scratch};
    p.q_width = s->n_heads * s->head_width;
    p.kv_width = s->n_kv_heads * s->head_width;
    p.qkv_width = p.q_width + 2 * p.kv_width;
    for (uint32_t i = 0; i < chunk->n_spans; i++)
        CHECK((uint64_t)chunk->spans[i].position + chunk->spans[i].n_rows <= s->context_length);
    uint32_t block_rows = plan_threads(&p, pool);
    row_blocks_cut(&scratch->blocks, chunk->spans, chunk->n_spans, chunk->n_rows, block_rows);
    p.n_blocks = scratch->blocks.n_blocks;
    return p;
}

// The stream entering a layer (or leaving the last one).
static float *stream_into(const struct pass *p, uint32_t layer)
{
    if (p->saved == NULL) return p->scratch->residual[layer % 2];
    return layer < p->s->n_layers ? p->saved->layers[layer].input : p->saved->last;
}

static struct saved_layer view_of_layer(const struct pass *p, uint32_t layer)
{
    struct saved_layer view = p->scratch->layer;
    if (p->saved != NULL && p->saved->layers[layer].qkv != NULL) view = p->saved->layers[layer];
    view.input = stream_into(p, layer);
    return view;
}

// --- what happens to rows -------------------------------------------------------
static void embed(const struct pass *p, float *out, const struct rows *rows)
{
    for (size_t row = rows->first; row < rows->first + rows->n; row++)
        weights_embed(p->w, p->chunk->tokens[row], out + row * p->s->width);
}

static void norm_rows(const struct pass *p, float *y, float *inverse_rms, const float *x,
                      const float *gain, const struct rows *rows)
{
    size_t width = p->s->width;
    struct norm_layout layout = {
        .n_rows = rows->n, .n_groups = 1, .width = width, .ldx = width, .ldy = width};
    norm_forward(y + rows->first * width, inverse_rms + rows->first, x + rows->first * width, gain,
                 p->s->norm_epsilon, &layout, p->inner);
}

static void add_rows(float *restrict out, const float *restrict a, const float *restrict b,
                     size_t width, const struct rows *rows)
{
    size_t from = rows->first * width, count = rows->n * width;
    out += from, a += from, b += from;
    for (size_t i = 0; i < count; i++)
        out[i] = a[i] + b[i];
}

// Stream -> queries, and keys and values on their pages.
static void rows_to_qkv(const struct pass *p, const struct saved_layer *at,
                        const struct weights_layer *w, uint32_t layer, const struct rows *rows)
{
    const struct shape *s = p->s;
    const struct attention_shape attention = shape_attention(s);
    size_t ld = p->qkv_width, from = rows->first * ld;

    norm_rows(p, at->norm_attention, at->inverse_rms_attention, at->input, w->norm_attention, rows);
    gemm(at->qkv + from, ld, at->norm_attention + rows->first * s->width, s->width, rows->n,
         &w->qkv, w->qkv_bias, p->inner);

    float *qk = at->qkv;
    if (s->qk_norm) {
        qk = at->qk;
        struct norm_layout layout = {.n_rows = rows->n,
                                     .n_groups = s->n_heads,
                                     .width = s->head_width,
                                     .ldx = ld,
                                     .ldy = ld};
        norm_forward(qk + from, at->inverse_rms_q + rows->first * s->n_heads, at->qkv + from,
                     w->q_norm, s->norm_epsilon, &layout, p->inner);
        layout.n_groups = s->n_kv_heads;
        norm_forward(qk + from + p->q_width, at->inverse_rms_k + rows->first * s->n_kv_heads,
                     at->qkv + from + p->q_width, w->k_norm, s->norm_epsilon, &layout, p->inner);
    }
    // q and k heads lie side by side, so one call turns both.
    rope_forward(qk + from, ld, rows->n, s->n_heads + s->n_kv_heads,
                 p->scratch->blocks.positions + rows->first, weights_rope(p->w), p->inner);
    kv_store(&p->kv->layers[layer], &attention, qk + p->q_width, at->qkv + p->q_width + p->kv_width,
             ld, rows->cuts, rows->n_cuts, p->inner);
}

// Attention's output -> the MLP's hidden layer.
static void rows_to_swiglu(const struct pass *p, const struct saved_layer *at,
                           const struct weights_layer *w, const struct rows *rows)
{
    size_t width = p->s->width, ffn = p->s->ffn_width, first = rows->first;
    float *delta = p->scratch->delta;
    gemm(delta + first * width, width, at->attention_out + first * p->q_width, p->q_width, rows->n,
         &w->o, NULL, p->inner);
    add_rows(at->middle, at->input, delta, width, rows);
    norm_rows(p, at->norm_ffn, at->inverse_rms_ffn, at->middle, w->norm_ffn, rows);
    gemm(at->gate_up + first * 2 * ffn, 2 * ffn, at->norm_ffn + first * width, width, rows->n,
         &w->gate_up, NULL, p->inner);
    swiglu_forward(at->swiglu + first * ffn, at->gate_up + first * 2 * ffn, rows->n, ffn, p->inner);
}

static void rows_to_stream(const struct pass *p, float *out, const struct saved_layer *at,
                           const struct weights_layer *w, const struct rows *rows)
{
    size_t width = p->s->width, ffn = p->s->ffn_width, first = rows->first;
    float *delta = p->scratch->delta;
    gemm(delta + first * width, width, at->swiglu + first * ffn, ffn, rows->n, &w->down, NULL,
         p->inner);
    add_rows(out, at->middle, delta, width, rows);
}

// --- stages: what lies between two attentions -------------------------------------
static void run_stage(void *context, size_t block, unsigned thread)
{
    (void)thread;
    const struct pass *p = context;
    struct rows rows = row_blocks_rows(&p->scratch->blocks, block);
    if (p->stage == 0) {
        embed(p, p->at.input, &rows);
    } else {
        rows_to_swiglu(p, &p->at_after, &p->after, &rows);
        rows_to_stream(p, p->out, &p->at_after, &p->after, &rows);
    }
    if (p->stage < p->s->n_layers) {
        rows_to_qkv(p, &p->at, &p->before, p->stage, &rows);
    } else {
        float *inverse_rms = p->saved != NULL ? p->saved->inverse_rms_final
                                              : p->scratch->layer.inverse_rms_attention;
        norm_rows(p, p->hidden, inverse_rms, p->out, weights_norm_final(p->w), &rows);
    }
}

static void attend(const struct pass *p, uint32_t layer, const struct saved_layer *at,
                   struct pool *pool)
{
    const struct attention_shape attention = shape_attention(p->s);
    const struct kv_layer *kv = &p->kv->layers[layer];
    const struct chunk *chunk = p->chunk;
    for (uint32_t i = 0; i < chunk->n_copies; i++) {
        const struct page_copy *copy = &chunk->copies[i];
        kv_copy(kv, &attention, copy->from, copy->to, copy->n_positions);
    }
    size_t n_visited = 0; // (row, position) pairs
    for (uint32_t i = 0; i < chunk->n_spans; i++)
        n_visited += (size_t)chunk->spans[i].n_rows *
                     (chunk->spans[i].position + chunk->spans[i].n_rows / 2 + 1);
    bool alone = n_visited * p->q_width * 2 < ALONE_BELOW_FMA;
    attention_forward(at->attention_out, at->logsumexp, at->qk != NULL ? at->qk : at->qkv,
                      p->qkv_width, kv, &attention, chunk->spans, chunk->n_spans,
                      alone ? NULL : pool);
}

void forward(float *hidden, const struct weights *w, struct kv *kv, const struct chunk *chunk,
             struct saved *saved, struct forward_scratch *scratch, struct pool *pool)
{
    struct pass p = begin(w, kv, chunk, saved, scratch, pool);
    uint32_t n_layers = p.s->n_layers;
    p.hidden = hidden;
    for (p.stage = 0; p.stage <= n_layers; p.stage++) {
        uint32_t layer = p.stage;
        if (layer > 0) {
            p.after = p.before;
            p.at_after = p.at;
            p.out = stream_into(&p, layer);
        }
        if (layer < n_layers) {
            p.before = weights_acquire(w, layer);
            p.at = view_of_layer(&p, layer);
        }
        pool_for(p.outer, p.n_blocks, run_stage, &p);
        if (layer > 0) weights_release(w, layer - 1);
        if (layer < n_layers) attend(&p, layer, &p.at, pool);
    }
}

static void run_again_before(void *context, size_t block, unsigned thread)
{
    (void)thread;
    const struct pass *p = context;
    struct rows rows = row_blocks_rows(&p->scratch->blocks, block);
    rows_to_qkv(p, &p->at, &p->before, p->stage, &rows);
}

static void run_again_after(void *context, size_t block, unsigned thread)
{
    (void)thread;
    const struct pass *p = context;
    struct rows rows = row_blocks_rows(&p->scratch->blocks, block);
    rows_to_swiglu(p, &p->at, &p->before, &rows);
}

void forward_layer_again(const struct weights *w, struct kv *kv, const struct chunk *chunk,
                         uint32_t layer, const struct saved_layer *into,
                         struct forward_scratch *scratch, struct pool *pool)
{
    struct pass p = begin(w, kv, chunk, NULL, scratch, pool);
    p.stage = layer;
    p.before = weights_acquire(w, layer);
    p.at = *into;
    pool_for(p.outer, p.n_blocks, run_again_before, &p);
    attend(&p, layer, &p.at, pool);
    pool_for(p.outer, p.n_blocks, run_again_after, &p);
    weights_release(w, layer);
}

void forward_logits(float *logits, const struct weights *w, const float *hidden, size_t n,
                    struct pool *pool)
{
    const struct shape *s = weights_shape(w);
    bool alone = n * s->width * s->vocab_size < ALONE_BELOW_FMA;
    gemm(logits, s->vocab_size, hidden, s->width, n, weights_head(w), NULL, alone ? NULL : pool);
}
