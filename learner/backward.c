#include "learner/backward.h"

#include <string.h>

#include "common/math/norm.h"
#include "common/math/rope.h"
#include "common/math/swiglu.h"
#include "learner/gemm_backward.h"

#define BLOCK_ROWS 96u     // rows of a block at most
#define BLOCKS_MULTIPLE 4u // so that a few threads get equal shares
#define EMBED_COLUMNS 32u  // of a task that adds rows to the embedding

// A block's sums over rows: gains of the norms, biases.
struct partial {
    float *norm_ffn, *norm_attention; // (C)
    float *q_norm, *k_norm;           // (D)
    float *qkv_bias;                  // (H*D + 2*K*D)
};

static size_t q_width_of(const struct shape *s)
{
    return (size_t)s->n_heads * s->head_width;
}

static size_t kv_width_of(const struct shape *s)
{
    return (size_t)s->n_kv_heads * s->head_width;
}

static size_t qkv_width_of(const struct shape *s)
{
    return q_width_of(s) + 2 * kv_width_of(s);
}

static size_t partial_floats(const struct shape *s)
{
    return 2 * (size_t)s->width + 2 * (size_t)s->head_width + qkv_width_of(s);
}

// A function of the shape alone: how rows are cut decides how sums are folded.
static uint32_t choose_block_rows(uint32_t n_rows)
{
    uint32_t n_blocks = (n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    n_blocks = (n_blocks + BLOCKS_MULTIPLE - 1) / BLOCKS_MULTIPLE * BLOCKS_MULTIPLE;
    return (n_rows + n_blocks - 1) / n_blocks;
}

static struct panels take_panels(struct block *b, uint32_t n_outputs, uint32_t n_inputs)
{
    void *data = block_take(b, panels_bytes(PANEL_BF16, n_inputs, n_outputs), 1);
    return gemm_backward_panels(n_outputs, n_inputs, data);
}

void backward_carve(struct block *b, struct backward *k, const struct shape *shape,
                    uint32_t n_rows_max)
{
    const struct shape *s = &k->shape;
    size_t n = n_rows_max;
    uint32_t q_width = (uint32_t)q_width_of(shape), qkv_width = (uint32_t)qkv_width_of(shape);
    k->shape = *shape;
    k->n_rows_max = n_rows_max;
    row_blocks_carve(b, &k->blocks, n_rows_max);
    k->stream = block_take(b, n * s->width, sizeof(float));
    k->stream_next = block_take(b, n * s->width, sizeof(float));
    k->middle = block_take(b, n * s->width, sizeof(float));
    k->swiglu = block_take(b, n * s->ffn_width, sizeof(float));
    k->attention_out = block_take(b, n * q_width, sizeof(float));
    k->qkv = block_take(b, n * qkv_width, sizeof(float));
    // With few rows the blocks are small: never more of them than this.
    size_t n_blocks = n / BLOCK_ROWS + BLOCKS_MULTIPLE + 1;
    k->partials = block_take(b, n_blocks * partial_floats(s), sizeof(float));
    k->back_qkv = take_panels(b, qkv_width, s->width);
    k->back_o = take_panels(b, s->width, q_width);
    k->back_gate_up = take_panels(b, 2 * s->ffn_width, s->width);
    k->back_down = take_panels(b, s->width, s->ffn_width);
}

static struct partial partial_of(const struct backward *k, size_t block)
{
    const struct shape *s = &k->shape;
    float *at = k->partials + block * partial_floats(s);
    struct partial partial = {.norm_ffn = at, .norm_attention = at + s->width};
    partial.q_norm = at + 2 * (size_t)s->width;
    partial.k_norm = partial.q_norm + s->head_width;
    partial.qkv_bias = partial.k_norm + s->head_width;
    return partial;
}

static float *grad_of(const struct backward_pass *p, enum param_role role, uint32_t layer)
{
    const struct param *param = params_find(weights_params(p->w), role, layer);
    CHECK(param != NULL);
    return p->grads + param->offset;
}

// grads += the blocks' sums, in block order; `from` is the place in block 0.
static void fold(const struct backward_pass *p, enum param_role role, uint32_t layer,
                 const float *from, size_t width)
{
    float *into = grad_of(p, role, layer);
    size_t step = partial_floats(&p->scratch->shape);
    for (uint32_t block = 0; block < p->scratch->blocks.n_blocks; block++)
        for (size_t i = 0; i < width; i++)
            into[i] += from[block * step + i];
}

static void add_into(float *restrict into, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        into[i] += x[i];
}

void backward_begin(const struct backward_pass *p)
{
    CHECK(p->chunk->n_rows <= p->scratch->n_rows_max);
    row_blocks_cut(&p->scratch->blocks, p->chunk->spans, p->chunk->n_spans, p->chunk->n_rows,
                   choose_block_rows(p->chunk->n_rows));
}

// --- regions of row blocks ----------------------------------------------------------
struct region {
    const struct backward_pass *p;
    struct weights_layer w;
    const struct saved_layer *at;
    // of the final norm
    const float *d_hidden, *last, *inverse_rms;
};

// Derivative of a block norm for the rows; dx may be dy.
static void norm_rows(const struct backward_pass *p, float *dx, float *dgain, const float *dy,
                      const float *x, const float *inverse_rms, const float *gain,
                      const struct rows *rows)
{
    size_t width = p->scratch->shape.width, from = rows->first * width;
    struct norm_layout layout = {
        .n_rows = rows->n, .n_groups = 1, .width = width, .ldx = width, .ldy = width};
    norm_backward(dx + from, dgain, dy + from, x + from, inverse_rms + rows->first, gain, &layout,
                  NULL);
}

static void final_norm_task(void *context, size_t block, unsigned thread)
{
    (void)thread;
    const struct region *r = context;
    struct backward *k = r->p->scratch;
    struct rows rows = row_blocks_rows(&k->blocks, block);
    float *dgain = partial_of(k, block).norm_ffn;
    memset(dgain, 0, k->shape.width * sizeof *dgain);
    norm_rows(r->p, k->stream, dgain, r->d_hidden, r->last, r->inverse_rms,
              weights_norm_final(r->p->w), &rows);
}

void backward_final_norm(const struct backward_pass *p, const struct saved *saved,
                         const float *d_hidden)
{
    struct region r = {
        .p = p, .d_hidden = d_hidden, .last = saved->last, .inverse_rms = saved->inverse_rms_final};
    pool_for(p->pool, p->scratch->blocks.n_blocks, final_norm_task, &r);
    fold(p, PARAM_NORM_FINAL, PARAM_NO_LAYER, partial_of(p->scratch, 0).norm_ffn,
         p->scratch->shape.width);
}

// Stream after the layer -> attention's output.
static void mlp_task(void *context, size_t block, unsigned thread)
{
    (void)thread;
    const struct region *r = context;
    struct backward *k = r->p->scratch;
    const struct shape *s = &k->shape;
    struct rows rows = row_blocks_rows(&k->blocks, block);
    size_t width = s->width, ffn = s->ffn_width, q_width = q_width_of(s);
    float *d_stream = k->stream + rows.first * width, *d_middle = k->middle + rows.first * width;
    float *d_swiglu = k->swiglu + rows.first * ffn;
    float *d_gate_up = r->at->gate_up + rows.first * 2 * ffn;
    float *dgain = partial_of(k, block).norm_ffn;

    gemm(d_swiglu, ffn, d_stream, width, rows.n, &k->back_down, NULL, NULL);
    swiglu_backward(d_gate_up, d_swiglu, d_gate_up, rows.n, ffn, NULL);
    gemm(d_middle, width, d_gate_up, 2 * ffn, rows.n, &k->back_gate_up, NULL, NULL);
    memset(dgain, 0, width * sizeof *dgain);
    norm_rows(r->p, k->middle, dgain, k->middle, r->at->middle, r->at->inverse_rms_ffn,
              r->w.norm_ffn, &rows);
    add_into(d_middle, d_stream, rows.n * width);
    gemm(k->attention_out + rows.first * q_width, q_width, d_middle, width, rows.n, &k->back_o,
         NULL, NULL);
}

// Derivative of q/k norm, in place on the rows of k->qkv.
static void qk_norm_rows(const struct region *r, const struct partial *partial,
                         const struct rows *rows)
{
    struct backward *k = r->p->scratch;
    const struct shape *s = &k->shape;
    size_t ld = qkv_width_of(s), from = rows->first * ld, q_width = q_width_of(s);
    struct norm_layout layout = {
        .n_rows = rows->n, .n_groups = s->n_heads, .width = s->head_width, .ldx = ld, .ldy = ld};
    memset(partial->q_norm, 0, 2 * s->head_width * sizeof(float)); // k's follows q's
    norm_backward(k->qkv + from, partial->q_norm, k->qkv + from, r->at->qkv + from,
                  r->at->inverse_rms_q + rows->first * s->n_heads, r->w.q_norm, &layout, NULL);
    layout.n_groups = s->n_kv_heads;
    from += q_width;
    norm_backward(k->qkv + from, partial->k_norm, k->qkv + from, r->at->qkv + from,
                  r->at->inverse_rms_k + rows->first * s->n_kv_heads, r->w.k_norm, &layout, NULL);
}

// Queries, keys and values -> stream before the layer.
static void qkv_task(void *context, size_t block, unsigned thread)
{
    (void)thread;
    const struct region *r = context;
    struct backward *k = r->p->scratch;
    const struct shape *s = &k->shape;
    const struct attention_shape attention = shape_attention(s);
    struct rows rows = row_blocks_rows(&k->blocks, block);
    size_t width = s->width, ld = qkv_width_of(s), q_width = q_width_of(s);
    struct partial partial = partial_of(k, block);
    float *d_qkv = k->qkv + rows.first * ld;

    kv_store_backward(&k->kv.layers[0], &attention, k->qkv + q_width,
                      k->qkv + q_width + kv_width_of(s), ld, rows.cuts, rows.n_cuts, NULL);
    rope_backward(d_qkv, ld, rows.n, s->n_heads + s->n_kv_heads, k->blocks.positions + rows.first,
                  weights_rope(r->p->w), NULL);
    if (s->qk_norm) qk_norm_rows(r, &partial, &rows);
    if (s->qkv_bias) {
        memset(partial.qkv_bias, 0, ld * sizeof(float));
        for (size_t i = 0; i < rows.n; i++)
            add_into(partial.qkv_bias, d_qkv + i * ld, ld);
    }
    float *d_next = k->stream_next + rows.first * width;
    gemm(d_next, width, d_qkv, ld, rows.n, &k->back_qkv, NULL, NULL);
    memset(partial.norm_attention, 0, width * sizeof(float));
    norm_rows(r->p, k->stream_next, partial.norm_attention, k->stream_next, r->at->input,
              r->at->inverse_rms_attention, r->w.norm_attention, &rows);
    add_into(d_next, k->middle + rows.first * width, rows.n * width);
}

// --- one layer ------------------------------------------------------------------------
static void pack_weights(const struct backward_pass *p, uint32_t layer)
{
    struct backward *k = p->scratch;
    const struct params *params = weights_params(p->w);
    gemm_backward_pack(&k->back_qkv, p->flat + params_find(params, PARAM_Q, layer)->offset,
                       p->pool);
    gemm_backward_pack(&k->back_o, p->flat + params_find(params, PARAM_O, layer)->offset, p->pool);
    gemm_backward_pack(&k->back_gate_up, p->flat + params_find(params, PARAM_GATE, layer)->offset,
                       p->pool);
    gemm_backward_pack(&k->back_down, p->flat + params_find(params, PARAM_DOWN, layer)->offset,
                       p->pool);
}

// Gradient of attention's output -> of queries (in k->qkv), keys and values (on pages).
static void attention_rows(const struct backward_pass *p, uint32_t layer,
                           const struct saved_layer *at)
{
    struct backward *k = p->scratch;
    const struct attention_shape attention = shape_attention(&k->shape);
    const struct kv_layer *dkv = &k->kv.layers[0];
    const struct chunk *chunk = p->chunk;
    size_t ld = qkv_width_of(&k->shape);
    size_t used = kv_layer_floats(&attention, p->n_pages) * sizeof(float);
    memset(dkv->keys, 0, used);
    memset(dkv->values, 0, used);
    attention_backward(k->qkv, ld, dkv, k->attention_out, at->attention_out, at->logsumexp,
                       at->qk != NULL ? at->qk : at->qkv, ld, &p->kv->layers[layer], &attention,
                       chunk->spans, chunk->n_spans, p->pool);
    for (uint32_t i = chunk->n_copies; i-- > 0;) {
        const struct page_copy *copy = &chunk->copies[i];
        kv_copy_backward(dkv, &attention, copy->from, copy->to, copy->n_positions);
    }
}

static void add_weight_gradients(const struct backward_pass *p, uint32_t layer,
                                 const struct saved_layer *at)
{
    struct backward *k = p->scratch;
    const struct shape *s = &k->shape;
    uint32_t width = s->width, ffn = s->ffn_width;
    uint32_t q_width = (uint32_t)q_width_of(s), qkv_width = (uint32_t)qkv_width_of(s);
    // The largest tiles first.
    const struct weight_gradient jobs[] = {
        {grad_of(p, PARAM_DOWN, layer), k->stream, width, at->swiglu, ffn, width, ffn},
        {grad_of(p, PARAM_GATE, layer), at->gate_up, 2 * (size_t)ffn, at->norm_ffn, width, 2 * ffn,
         width},
        {grad_of(p, PARAM_Q, layer), k->qkv, qkv_width, at->norm_attention, width, qkv_width,
         width},
        {grad_of(p, PARAM_O, layer), k->middle, width, at->attention_out, q_width, width, q_width},
    };
    gemm_backward_weights(jobs, sizeof jobs / sizeof *jobs, p->chunk->n_rows, p->pool);
}

static void fold_sums(const struct backward_pass *p, uint32_t layer)
{
    const struct shape *s = &p->scratch->shape;
    struct partial first = partial_of(p->scratch, 0);
    fold(p, PARAM_NORM_FFN, layer, first.norm_ffn, s->width);
    fold(p, PARAM_NORM_ATTENTION, layer, first.norm_attention, s->width);
    if (s->qk_norm) {
        fold(p, PARAM_Q_NORM, layer, first.q_norm, s->head_width);
        fold(p, PARAM_K_NORM, layer, first.k_norm, s->head_width);
    }
    // The three biases lie one after the other, as the rows they belong to.
    if (s->qkv_bias) fold(p, PARAM_Q_BIAS, layer, first.qkv_bias, qkv_width_of(s));
}

void backward_layer(const struct backward_pass *p, uint32_t layer, const struct saved_layer *at)
{
    struct backward *k = p->scratch;
    struct region r = {.p = p, .w = weights_acquire(p->w, layer), .at = at};
    pack_weights(p, layer);
    pool_for(p->pool, k->blocks.n_blocks, mlp_task, &r);
    attention_rows(p, layer, at);
    pool_for(p->pool, k->blocks.n_blocks, qkv_task, &r);
    add_weight_gradients(p, layer, at);
    fold_sums(p, layer);
    weights_release(p->w, layer);

    float *done = k->stream;
    k->stream = k->stream_next;
    k->stream_next = done;
}

// --- embedding -------------------------------------------------------------------------
// Tasks own columns, so that rows of equal tokens are added in row order.
static void embedding_task(void *context, size_t task, unsigned thread)
{
    (void)thread;
    const struct backward_pass *p = context;
    size_t width = p->scratch->shape.width, first = task * EMBED_COLUMNS;
    size_t n = width - first < EMBED_COLUMNS ? width - first : EMBED_COLUMNS;
    float *into = grad_of(p, PARAM_EMBEDDING, PARAM_NO_LAYER) + first;
    for (size_t row = 0; row < p->chunk->n_rows; row++)
        add_into(into + p->chunk->tokens[row] * width, p->scratch->stream + row * width + first, n);
}

void backward_embedding(const struct backward_pass *p)
{
    size_t width = p->scratch->shape.width;
    // pool_fn takes no const; the task reads only.
    struct backward_pass copy = *p;
    pool_for(p->pool, (width + EMBED_COLUMNS - 1) / EMBED_COLUMNS, embedding_task, &copy);
}
