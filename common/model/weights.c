#include "common/model/weights.h"

#include <stdlib.h>
#include <string.h>

#include "common/math/bf16.h"
#include "common/model/block.h"
#include "common/model/shared_block.h"

// How long another process may take to pack the same version: 5 s, and 1 s for
// each 128 MiB.
#define SHARE_WAIT_MS(size_bytes) (5000u + (uint32_t)((size_bytes) >> 17))

// What a weights_layer shows, writable by the load alone.
struct layer {
    float *norm_attention, *qkv_bias, *q_norm, *k_norm, *norm_ffn;
    struct panels qkv, o, gate_up, down;
};

struct weights {
    const struct params *params;
    enum panel_type type;
    struct rope rope;
    struct layer *layers; // (n_layers)
    uint16_t *embedding;  // (V, C) bf16, as on the wire; NULL when tied: the head holds it
    float *norm_final;    // (C)
    struct panels head;   // (V, C)
    struct block block;   // where it all lies, or else
    struct shared_block shared;
    char folder[SHARED_PATH_BYTES]; // where sharers meet; "" when they do not
};

static struct panels take_panels(struct block *b, enum panel_type type, uint32_t n_outputs,
                                 uint32_t n_inputs)
{
    return (struct panels){.type = type,
                           .n_outputs = n_outputs,
                           .n_inputs = n_inputs,
                           .data = block_take(b, panels_bytes(type, n_outputs, n_inputs), 1)};
}

static float *take_vector(struct block *b, bool wanted, uint32_t width)
{
    return wanted ? block_take(b, width, sizeof(float)) : NULL;
}

static void carve(struct block *b, const struct shape *s, enum panel_type type, struct weights *w)
{
    uint32_t q_width = s->n_heads * s->head_width;
    uint32_t qkv_width = q_width + 2 * s->n_kv_heads * s->head_width;

    if (!s->tied_embeddings)
        w->embedding = block_take(b, (size_t)s->vocab_size * s->width, sizeof *w->embedding);
    for (uint32_t i = 0; i < s->n_layers; i++) {
        struct layer layer = {
            .norm_attention = take_vector(b, true, s->width),
            .qkv = take_panels(b, type, qkv_width, s->width),
            .qkv_bias = take_vector(b, s->qkv_bias, qkv_width),
            .q_norm = take_vector(b, s->qk_norm, s->head_width),
            .k_norm = take_vector(b, s->qk_norm, s->head_width),
            .o = take_panels(b, type, s->width, q_width),
            .norm_ffn = take_vector(b, true, s->width),
            .gate_up = take_panels(b, type, 2 * s->ffn_width, s->width),
            .down = take_panels(b, type, s->width, s->ffn_width),
        };
        if (w->layers != NULL) w->layers[i] = layer;
    }
    w->norm_final = block_take(b, s->width, sizeof(float));
    w->head = take_panels(b, type, s->vocab_size, s->width);
}

size_t weights_bytes(const struct params *params, enum panel_type type)
{
    struct weights sketch = {0};
    carve(&sketch.block, &params->shape, type, &sketch);
    size_t rope_bytes = (size_t)params->shape.context_length * params->shape.head_width * 4;
    return sketch.block.used_bytes + rope_bytes;
}

static struct weights *create(const struct params *params, enum panel_type type)
{
    struct weights *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    w->params = params;
    w->type = type;
    w->layers = calloc(params->shape.n_layers, sizeof *w->layers);
    CHECK(w->layers != NULL);

    double inverse_frequency[SHAPE_HEAD_WIDTH_MAX / 2];
    shape_inverse_frequencies(&params->shape, inverse_frequency);
    rope_init(&w->rope, params->shape.context_length, params->shape.head_width, inverse_frequency,
              rope_scaling_magnitude(&params->shape.rope_scaling));
    return w;
}

static void take_own_block(struct weights *w)
{
    if (w->block.base != NULL) return;
    w->block = (struct block){0};
    carve(&w->block, &w->params->shape, w->type, w);
    block_allocate(&w->block);
    carve(&w->block, &w->params->shape, w->type, w);
}

struct weights *weights_create(const struct params *params, enum panel_type type)
{
    struct weights *w = create(params, type);
    take_own_block(w);
    return w;
}

struct weights *weights_create_shared(const struct params *params, enum panel_type type,
                                      const char *folder)
{
    struct weights *w = create(params, type);
    CHECK(strlen(folder) < sizeof w->folder);
    memcpy(w->folder, folder, strlen(folder) + 1);
    return w;
}

void weights_destroy(struct weights *w)
{
    if (w == NULL) return;
    rope_fini(&w->rope);
    block_free(&w->block);
    shared_block_close(&w->shared);
    free(w->layers);
    free(w);
}

// The flat block's rows of one parameter; the q, k, v rows that follow q's and
// the up rows that follow gate's are reached from the first of them.
static const uint16_t *rows_of(const struct weights *w, const uint16_t *flat, enum param_role role,
                               uint32_t layer)
{
    const struct param *param = params_find(w->params, role, layer);
    CHECK(param != NULL);
    return flat + param->offset;
}

static void load_layer(struct weights *w, const uint16_t *flat, uint32_t i, struct pool *pool)
{
    const struct shape *s = &w->params->shape;
    struct layer *layer = &w->layers[i];
    bf16_expand(layer->norm_attention, rows_of(w, flat, PARAM_NORM_ATTENTION, i), s->width);
    bf16_expand(layer->norm_ffn, rows_of(w, flat, PARAM_NORM_FFN, i), s->width);
    if (s->qkv_bias)
        bf16_expand(layer->qkv_bias, rows_of(w, flat, PARAM_Q_BIAS, i), layer->qkv.n_outputs);
    if (s->qk_norm) {
        bf16_expand(layer->q_norm, rows_of(w, flat, PARAM_Q_NORM, i), s->head_width);
        bf16_expand(layer->k_norm, rows_of(w, flat, PARAM_K_NORM, i), s->head_width);
    }
    panels_pack(&layer->qkv, rows_of(w, flat, PARAM_Q, i), pool);
    panels_pack(&layer->o, rows_of(w, flat, PARAM_O, i), pool);
    panels_pack(&layer->gate_up, rows_of(w, flat, PARAM_GATE, i), pool);
    panels_pack(&layer->down, rows_of(w, flat, PARAM_DOWN, i), pool);
}

static void fill(struct weights *w, const uint16_t *flat, struct pool *pool)
{
    const struct shape *s = &w->params->shape;
    const uint16_t *embedding = rows_of(w, flat, PARAM_EMBEDDING, PARAM_NO_LAYER);
    if (!s->tied_embeddings)
        memcpy(w->embedding, embedding, (size_t)s->vocab_size * s->width * sizeof *embedding);
    for (uint32_t i = 0; i < s->n_layers; i++)
        load_layer(w, flat, i, pool);
    bf16_expand(w->norm_final, rows_of(w, flat, PARAM_NORM_FINAL, PARAM_NO_LAYER), s->width);
    panels_pack(&w->head,
                rows_of(w, flat, s->tied_embeddings ? PARAM_EMBEDDING : PARAM_HEAD, PARAM_NO_LAYER),
                pool);
}

void weights_load(struct weights *w, const uint16_t *flat, struct pool *pool)
{
    shared_block_close(&w->shared);
    take_own_block(w);
    fill(w, flat, pool);
}

// --- shared versions ------------------------------------------------------------------
static void carve_shared(struct weights *w)
{
    struct block view = {.base = w->shared.bytes, .size_bytes = w->shared.size_bytes};
    carve(&view, &w->params->shape, w->type, w);
}

/*
 * The name under which a version is shared: of the flat block's hash, and of
 * the form in which this program packs it, so that one built with another
 * layout of panels never maps it.
 */
static struct hash packed_name(const struct weights *w, const struct hash *flat, size_t size_bytes)
{
    enum { OUTPUTS = 2 * GEMM_PANEL - 3, INPUTS = 19 };
    uint16_t rows[OUTPUTS * INPUTS];
    _Alignas(64) unsigned char packed[2 * GEMM_PANEL * INPUTS * sizeof(float)] = {0};
    struct panels panels = {w->type, OUTPUTS, INPUTS, packed};
    const struct hash shape = shape_hash(&w->params->shape);
    const uint64_t sizes[] = {size_bytes, (uint64_t)w->type};
    for (size_t i = 0; i < OUTPUTS * INPUTS; i++)
        rows[i] = (uint16_t)i;
    CHECK(panels_bytes(w->type, OUTPUTS, INPUTS) <= sizeof packed);
    panels_pack(&panels, rows, NULL);

    struct hasher hasher;
    hasher_init(&hasher);
    hasher_add(&hasher, flat, sizeof *flat);
    hasher_add(&hasher, &shape, sizeof shape);
    hasher_add(&hasher, sizes, sizeof sizes);
    hasher_add(&hasher, packed, sizeof packed);
    return hasher_end(&hasher);
}

static int load_shared(struct weights *w, const uint16_t *flat, const struct hash *name,
                       struct pool *pool, enum weights_origin *origin, struct err *err)
{
    struct block measured = {0};
    carve(&measured, &w->params->shape, w->type, w);
    const struct hash packed = packed_name(w, name, measured.used_bytes);
    if (shared_block_open(&w->shared, w->folder, &packed, measured.used_bytes,
                          SHARE_WAIT_MS(measured.used_bytes), err) != 0)
        return -1;
    *origin = w->shared.is_filling ? WEIGHTS_MADE : WEIGHTS_FOUND;
    carve_shared(w);
    if (!w->shared.is_filling) return 0;
    fill(w, flat, pool);
    if (shared_block_seal(&w->shared, err) != 0) return -1;
    carve_shared(w);
    return 0;
}

enum weights_origin weights_load_named(struct weights *w, const uint16_t *flat,
                                       const struct hash *name, struct pool *pool, struct err *why)
{
    enum weights_origin origin;
    *why = (struct err){0};
    shared_block_close(&w->shared); // the old version makes room first
    if (w->folder[0] != '\0' && load_shared(w, flat, name, pool, &origin, why) == 0) {
        block_free(&w->block);
        return origin;
    }
    if (w->block.base != NULL) { // the pointers may be of a shared block that came to nothing
        w->block.used_bytes = 0;
        carve(&w->block, &w->params->shape, w->type, w);
    }
    weights_load(w, flat, pool);
    return WEIGHTS_OWN;
}

const struct params *weights_params(const struct weights *w)
{
    return w->params;
}

const struct shape *weights_shape(const struct weights *w)
{
    return &w->params->shape;
}

const struct rope *weights_rope(const struct weights *w)
{
    return &w->rope;
}

struct weights_layer weights_acquire(const struct weights *w, uint32_t layer)
{
    CHECK(layer < w->params->shape.n_layers);
    const struct layer *at = &w->layers[layer];
    return (struct weights_layer){
        .norm_attention = at->norm_attention,
        .qkv = at->qkv,
        .qkv_bias = at->qkv_bias,
        .q_norm = at->q_norm,
        .k_norm = at->k_norm,
        .o = at->o,
        .norm_ffn = at->norm_ffn,
        .gate_up = at->gate_up,
        .down = at->down,
    };
}

void weights_release(const struct weights *w, uint32_t layer)
{
    // Everything is resident; a sharded block would give its pages back here.
    CHECK(layer < w->params->shape.n_layers);
}

void weights_embed(const struct weights *w, uint32_t token, float *out)
{
    const struct shape *s = &w->params->shape;
    CHECK(token < s->vocab_size);
    if (s->tied_embeddings) {
        panels_row(&w->head, token, out);
        return;
    }
    bf16_expand(out, w->embedding + (size_t)token * s->width, s->width);
}

const float *weights_norm_final(const struct weights *w)
{
    return w->norm_final;
}

const struct panels *weights_head(const struct weights *w)
{
    return &w->head;
}
