#include "learner/gradient.h"

#include <stdlib.h>

#include "learner/backward.h"
#include "learner/gemm_backward.h"
#include "learner/head_loss.h"

struct gradient {
    const struct params *params;
    struct gradient_limits limits;
    struct kv kv;
    struct saved saved;
    struct saved_layer again; // one layer, with recomputation
    struct forward_scratch *forward;
    struct backward backward;
    struct head_loss head;
    float *hidden;   // (C) after the final norm
    float *d_hidden; // (C)
    struct block block;
};

static void carve(struct gradient *g)
{
    const struct shape *s = &g->params->shape;
    struct block *b = &g->block;
    size_t n = g->limits.n_rows_max;
    g->hidden = block_take(b, n * s->width, sizeof *g->hidden);
    g->d_hidden = block_take(b, n * s->width, sizeof *g->d_hidden);
    if (g->limits.recompute) saved_layer_carve(b, s, g->limits.n_rows_max, &g->again);
    head_loss_carve(b, &g->head, s, g->limits.n_rows_max, g->limits.n_items_max);
    backward_carve(b, &g->backward, s, g->limits.n_rows_max);
}

static struct gradient begin(const struct params *params, const struct gradient_limits *limits)
{
    struct gradient g = {.params = params, .limits = *limits};
    if (g.limits.n_items_max == 0) g.limits.n_items_max = 2 * limits->n_rows_max;
    carve(&g);
    return g;
}

struct gradient *gradient_create(const struct params *params, const struct gradient_limits *limits)
{
    CHECK(limits->n_rows_max > 0 && limits->n_pages_max > 0);
    struct gradient *g = malloc(sizeof *g);
    CHECK(g != NULL);
    const struct shape *s = &params->shape;
    *g = begin(params, limits);
    block_allocate(&g->block);
    carve(g);
    kv_init(&g->kv, s, limits->n_pages_max);
    kv_init_layers(&g->backward.kv, s, 1, limits->n_pages_max);
    saved_init(&g->saved, s, limits->n_rows_max, limits->recompute);
    g->forward = forward_scratch_create(s, limits->n_rows_max);
    gemm_backward_init();
    return g;
}

void gradient_destroy(struct gradient *g)
{
    if (g == NULL) return;
    forward_scratch_destroy(g->forward);
    saved_fini(&g->saved);
    kv_fini(&g->backward.kv);
    kv_fini(&g->kv);
    block_free(&g->block);
    free(g);
}

size_t gradient_bytes(const struct params *params, const struct gradient_limits *limits)
{
    const struct shape *s = &params->shape;
    struct shape one_layer = *s;
    one_layer.n_layers = 1;
    return begin(params, limits).block.used_bytes + kv_bytes(s, limits->n_pages_max) +
           kv_bytes(&one_layer, limits->n_pages_max) +
           saved_bytes(s, limits->n_rows_max, limits->recompute) +
           forward_scratch_bytes(s, limits->n_rows_max);
}

static void check_pack(const struct gradient *g, const struct pack *pack)
{
    CHECK(pack->chunk.n_rows > 0 && pack->chunk.n_rows <= g->limits.n_rows_max);
    CHECK(pack->n_pages <= g->limits.n_pages_max && pack->n_items <= g->limits.n_items_max);
}

void gradient_of_pack(struct gradient *g, const struct weights *w, const uint16_t *flat_bf16,
                      const struct pack *pack, const struct loss_config *config, float *grads,
                      struct loss_sums *sums, struct pool *pool)
{
    check_pack(g, pack);
    const struct shape *s = &g->params->shape;
    const struct param *head =
        params_find(g->params, s->tied_embeddings ? PARAM_EMBEDDING : PARAM_HEAD, PARAM_NO_LAYER);

    forward(g->hidden, w, &g->kv, &pack->chunk, &g->saved, g->forward, pool);
    head_loss_run(&g->head, g->d_hidden, grads + head->offset, sums, g->hidden, w,
                  flat_bf16 + head->offset, pack, config, pool);

    const struct backward_pass p = {.scratch = &g->backward,
                                    .w = w,
                                    .flat = flat_bf16,
                                    .kv = &g->kv,
                                    .chunk = &pack->chunk,
                                    .n_pages = pack->n_pages,
                                    .grads = grads,
                                    .pool = pool};
    backward_begin(&p);
    backward_final_norm(&p, &g->saved, g->d_hidden);
    for (uint32_t layer = s->n_layers; layer-- > 0;) {
        struct saved_layer at = g->saved.layers[layer];
        if (g->limits.recompute) {
            at = g->again;
            at.input = g->saved.layers[layer].input;
            forward_layer_again(w, &g->kv, &pack->chunk, layer, &at, g->forward, pool);
        }
        backward_layer(&p, layer, &at);
    }
    backward_embedding(&p);
}

void gradient_logprobs(struct gradient *g, const struct weights *w, const struct pack *pack,
                       float *logprobs, struct pool *pool)
{
    CHECK(pack->chunk.n_rows > 0 && pack->chunk.n_rows <= g->limits.n_rows_max);
    CHECK(pack->n_pages <= g->limits.n_pages_max);
    forward(g->hidden, w, &g->kv, &pack->chunk, NULL, g->forward, pool);
    head_loss_logprobs(&g->head, logprobs, g->hidden, w, pack, pool);
}
