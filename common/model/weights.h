/*
 * weights.h - one version of a model, ready to compute with.
 *
 * Made from the flat bf16 block; holds packed panels for every linear, the
 * embedding rows and the norm gains.  Immutable between loads.  Callers reach
 * it layer by layer through acquire and release, so that sharded or streamed
 * parameters need no other change.
 *
 * The processes of a host can hold one version together (shared_block.h): it
 * is packed by the first, and the others map what that one made.
 */
#ifndef ARGOSY_COMMON_MODEL_WEIGHTS_H
#define ARGOSY_COMMON_MODEL_WEIGHTS_H

#include "common/math/gemm.h"
#include "common/math/rope.h"
#include "common/model/params.h"

struct weights; // opaque

struct weights_layer {
    const float *norm_attention;  // (C)
    struct panels qkv;            // (H*D + 2*K*D, C)
    const float *qkv_bias;        // (H*D + 2*K*D) or NULL
    const float *q_norm, *k_norm; // (D) or NULL
    struct panels o;              // (C, H*D)
    const float *norm_ffn;        // (C)
    struct panels gate_up;        // (2F, C)
    struct panels down;           // (C, F)
};

// Room for one version; contents undefined until the first load.
struct weights *weights_create(const struct params *params, enum panel_type type);
void weights_destroy(struct weights *w);

// The same for versions that may be shared with those who meet in `folder`
// (shared_block.h; copied).  Takes no memory before the first load.
struct weights *weights_create_shared(const struct params *params, enum panel_type type,
                                      const char *folder);

// flat: params->n_elements bf16; not kept.
void weights_load(struct weights *w, const uint16_t *flat, struct pool *pool);

// Loads the version whose flat block has this hash: packed here and shared,
// found packed, or, where sharing is not to be had, loaded as above; *why then
// says what stood in the way (code ERR_NONE: nobody asked for it).
enum weights_origin { WEIGHTS_OWN, WEIGHTS_MADE, WEIGHTS_FOUND };
enum weights_origin weights_load_named(struct weights *w, const uint16_t *flat,
                                       const struct hash *name, struct pool *pool, struct err *why);

const struct params *weights_params(const struct weights *w);
const struct shape *weights_shape(const struct weights *w);
const struct rope *weights_rope(const struct weights *w);

struct weights_layer weights_acquire(const struct weights *w, uint32_t layer);
void weights_release(const struct weights *w, uint32_t layer);
void weights_embed(const struct weights *w, uint32_t token, float *out); // (C)
const float *weights_norm_final(const struct weights *w);
const struct panels *weights_head(const struct weights *w);

size_t weights_bytes(const struct params *params, enum panel_type type);

#endif
