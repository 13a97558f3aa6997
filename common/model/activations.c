// Memory of a forward pass: pages of keys and values, and what the backward keeps.
#include <stdlib.h>
#include <string.h>

#include "common/model/forward.h"

#define PREFILL_FMA (UINT64_C(1) << 36) // of a step: about a second of two cores
#define PREFILL_ROWS_MAX 2048u

// --- keys and values ----------------------------------------------------------
static void kv_carve(struct kv *kv)
{
    size_t floats = kv_layer_floats(&kv->shape, kv->n_pages);
    kv->layers = block_take(&kv->block, kv->n_layers, sizeof *kv->layers);
    for (uint32_t i = 0; i < kv->n_layers; i++) {
        struct kv_layer layer = {.keys = block_take(&kv->block, floats, sizeof(float)),
                                 .values = block_take(&kv->block, floats, sizeof(float)),
                                 .n_pages = kv->n_pages};
        if (kv->layers != NULL) kv->layers[i] = layer;
    }
}

static struct kv kv_sketch(const struct shape *shape, uint32_t n_layers, uint32_t n_pages)
{
    struct kv kv = {.shape = shape_attention(shape), .n_layers = n_layers, .n_pages = n_pages};
    kv_carve(&kv);
    return kv;
}

void kv_init_layers(struct kv *kv, const struct shape *shape, uint32_t n_layers, uint32_t n_pages)
{
    *kv = kv_sketch(shape, n_layers, n_pages);
    block_allocate_zeroed(&kv->block); // rows of a page beyond its sequence must be numbers
    kv_carve(kv);
}

void kv_init(struct kv *kv, const struct shape *shape, uint32_t n_pages)
{
    kv_init_layers(kv, shape, shape->n_layers, n_pages);
}

void kv_fini(struct kv *kv)
{
    block_free(&kv->block);
    *kv = (struct kv){0};
}

size_t kv_bytes(const struct shape *shape, uint32_t n_pages)
{
    return kv_sketch(shape, shape->n_layers, n_pages).block.used_bytes;
}

uint32_t decode_prefill_rows(const struct shape *s)
{
    const uint64_t q_width = (uint64_t)s->n_heads * s->head_width;
    const uint64_t kv_width = (uint64_t)s->n_kv_heads * s->head_width;
    const uint64_t layer = s->width * (2 * q_width + 2 * kv_width + 3 * (uint64_t)s->ffn_width);
    const uint64_t rows = PREFILL_FMA / (layer * s->n_layers);
    if (rows > PREFILL_ROWS_MAX) return PREFILL_ROWS_MAX;
    return rows < KV_PAGE ? KV_PAGE : (uint32_t)rows;
}

uint32_t decode_pages(uint32_t n_slots, uint32_t n_positions)
{
    // Worst case: every slot is a group of its own, prompt's tail page besides.
    return n_slots * ((n_positions + KV_PAGE - 1) / KV_PAGE + 1);
}

size_t decode_bytes(const struct shape *shape, uint32_t n_slots, uint32_t prefill_rows)
{
    const size_t rows = (size_t)n_slots + prefill_rows;
    return forward_scratch_bytes(shape, (uint32_t)rows) + rows * shape->width * sizeof(float) +
           (size_t)n_slots * shape->vocab_size * sizeof(float);
}

void kv_copy_page(struct kv *kv, uint32_t from, uint32_t to, uint32_t n_positions)
{
    for (uint32_t i = 0; i < kv->n_layers; i++)
        kv_copy(&kv->layers[i], &kv->shape, from, to, n_positions);
}

// --- what the backward keeps --------------------------------------------------
void saved_layer_carve(struct block *b, const struct shape *s, uint32_t n_rows_max,
                       struct saved_layer *layer)
{
    size_t n = n_rows_max;
    size_t q_width = (size_t)s->n_heads * s->head_width;
    size_t qkv_width = q_width + 2 * (size_t)s->n_kv_heads * s->head_width;

    layer->norm_attention = block_take(b, n * s->width, sizeof(float));
    layer->inverse_rms_attention = block_take(b, n, sizeof(float));
    layer->qkv = block_take(b, n * qkv_width, sizeof(float));
    layer->qk = layer->inverse_rms_q = layer->inverse_rms_k = NULL;
    if (s->qk_norm) {
        layer->qk = block_take(b, n * qkv_width, sizeof(float));
        layer->inverse_rms_q = block_take(b, n * s->n_heads, sizeof(float));
        layer->inverse_rms_k = block_take(b, n * s->n_kv_heads, sizeof(float));
    }
    layer->attention_out = block_take(b, n * q_width, sizeof(float));
    layer->logsumexp = block_take(b, n * s->n_heads, sizeof(float));
    layer->middle = block_take(b, n * s->width, sizeof(float));
    layer->norm_ffn = block_take(b, n * s->width, sizeof(float));
    layer->inverse_rms_ffn = block_take(b, n, sizeof(float));
    layer->gate_up = block_take(b, n * 2 * s->ffn_width, sizeof(float));
    layer->swiglu = block_take(b, n * s->ffn_width, sizeof(float));
}

static void saved_carve(struct saved *saved, const struct shape *s, bool recompute)
{
    struct block *b = &saved->block;
    saved->layers = block_take(b, s->n_layers, sizeof *saved->layers);
    for (uint32_t i = 0; i < s->n_layers; i++) {
        struct saved_layer layer = {0};
        layer.input = block_take(b, (size_t)saved->n_rows_max * s->width, sizeof(float));
        if (!recompute) saved_layer_carve(b, s, saved->n_rows_max, &layer);
        if (saved->layers != NULL) saved->layers[i] = layer;
    }
    saved->last = block_take(b, (size_t)saved->n_rows_max * s->width, sizeof(float));
    saved->inverse_rms_final = block_take(b, saved->n_rows_max, sizeof(float));
}

void saved_init(struct saved *saved, const struct shape *shape, uint32_t n_rows_max, bool recompute)
{
    *saved = (struct saved){.n_rows_max = n_rows_max};
    saved_carve(saved, shape, recompute);
    block_allocate(&saved->block);
    saved_carve(saved, shape, recompute);
}

void saved_fini(struct saved *saved)
{
    block_free(&saved->block);
    *saved = (struct saved){0};
}

size_t saved_bytes(const struct shape *shape, uint32_t n_rows_max, bool recompute)
{
    struct saved sketch = {.n_rows_max = n_rows_max};
    saved_carve(&sketch, shape, recompute);
    return sketch.block.used_bytes;
}
