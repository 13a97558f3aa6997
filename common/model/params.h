/*
 * params.h - the table of a model's parameters in one flat block.
 *
 * Masters, gradients, Adam state, bf16 weights and the bytes on the wire are
 * all one array each, in this order: embedding, layers, final norm, head.
 * Within a layer q, k and v rows lie one after the other, and so do gate and
 * up, so each pair is one matrix.  Names and (rows, columns) are those of the
 * Hugging Face checkpoint: a linear is (outputs, inputs).
 */
#ifndef ARGOSY_COMMON_MODEL_PARAMS_H
#define ARGOSY_COMMON_MODEL_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "common/model/shape.h"

enum param_role {
    PARAM_EMBEDDING, // (V, C)
    PARAM_NORM_ATTENTION,
    PARAM_Q, // (H*D, C)
    PARAM_K, // (K*D, C)
    PARAM_V,
    PARAM_Q_BIAS,
    PARAM_K_BIAS,
    PARAM_V_BIAS,
    PARAM_Q_NORM, // (D)
    PARAM_K_NORM,
    PARAM_O, // (C, H*D)
    PARAM_NORM_FFN,
    PARAM_GATE, // (F, C)
    PARAM_UP,
    PARAM_DOWN, // (C, F)
    PARAM_NORM_FINAL,
    PARAM_HEAD, // (V, C), absent when tied
};

#define PARAM_NAME_MAX 96
#define PARAM_NO_LAYER UINT32_MAX

struct param {
    char name[PARAM_NAME_MAX]; // "model.layers.0.self_attn.q_proj.weight"
    enum param_role role;
    uint32_t layer; // or PARAM_NO_LAYER
    uint32_t rows;  // 1 for a vector
    uint32_t cols;
    size_t offset; // elements from the start of the block
};

struct params {
    struct shape shape;
    struct param *table; // in block order
    size_t count;
    size_t n_elements; // of the whole block
};

int params_init(struct params *p, const struct shape *shape, struct err *err);
void params_fini(struct params *p);

// NULL when this model has no such parameter.
const struct param *params_find(const struct params *p, enum param_role role, uint32_t layer);
const struct param *params_find_name(const struct params *p, const char *name);

// Whether weight decay applies: matrices yes, norms and biases no.
bool param_is_decayed(const struct param *param);

#endif
