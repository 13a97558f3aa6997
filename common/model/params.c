#include "common/model/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Every parameter of one layer in block order: q, k, v stand together, and so
// do gate and up, because each set is multiplied as one matrix.
static const struct layer_role {
    enum param_role role;
    const char *name;
    bool needs_qk_norm, needs_qkv_bias;
} layer_roles[] = {
    {PARAM_NORM_ATTENTION, "input_layernorm.weight", false, false},
    {PARAM_Q, "self_attn.q_proj.weight", false, false},
    {PARAM_K, "self_attn.k_proj.weight", false, false},
    {PARAM_V, "self_attn.v_proj.weight", false, false},
    {PARAM_Q_BIAS, "self_attn.q_proj.bias", false, true},
    {PARAM_K_BIAS, "self_attn.k_proj.bias", false, true},
    {PARAM_V_BIAS, "self_attn.v_proj.bias", false, true},
    {PARAM_Q_NORM, "self_attn.q_norm.weight", true, false},
    {PARAM_K_NORM, "self_attn.k_norm.weight", true, false},
    {PARAM_O, "self_attn.o_proj.weight", false, false},
    {PARAM_NORM_FFN, "post_attention_layernorm.weight", false, false},
    {PARAM_GATE, "mlp.gate_proj.weight", false, false},
    {PARAM_UP, "mlp.up_proj.weight", false, false},
    {PARAM_DOWN, "mlp.down_proj.weight", false, false},
};
#define N_LAYER_ROLES (sizeof layer_roles / sizeof *layer_roles)

static bool has_role(const struct shape *s, const struct layer_role *role)
{
    return (!role->needs_qk_norm || s->qk_norm) && (!role->needs_qkv_bias || s->qkv_bias);
}

static size_t count_layer_roles(const struct shape *s)
{
    size_t count = 0;
    for (size_t i = 0; i < N_LAYER_ROLES; i++)
        count += has_role(s, &layer_roles[i]);
    return count;
}

static void size_of_role(const struct shape *s, enum param_role role, uint32_t *rows,
                         uint32_t *cols)
{
    uint32_t q_width = s->n_heads * s->head_width, kv_width = s->n_kv_heads * s->head_width;
    *rows = 1;
    *cols = s->width;
    switch (role) {
    case PARAM_EMBEDDING:
    case PARAM_HEAD:
        *rows = s->vocab_size;
        break;
    case PARAM_NORM_ATTENTION:
    case PARAM_NORM_FFN:
    case PARAM_NORM_FINAL:
        break;
    case PARAM_Q:
        *rows = q_width;
        break;
    case PARAM_K:
    case PARAM_V:
        *rows = kv_width;
        break;
    case PARAM_Q_BIAS:
        *cols = q_width;
        break;
    case PARAM_K_BIAS:
    case PARAM_V_BIAS:
        *cols = kv_width;
        break;
    case PARAM_Q_NORM:
    case PARAM_K_NORM:
        *cols = s->head_width;
        break;
    case PARAM_O:
        *rows = s->width;
        *cols = q_width;
        break;
    case PARAM_GATE:
    case PARAM_UP:
        *rows = s->ffn_width;
        break;
    case PARAM_DOWN:
        *rows = s->width;
        *cols = s->ffn_width;
        break;
    }
}

static void append(struct params *p, enum param_role role, uint32_t layer, const char *name)
{
    struct param *param = &p->table[p->count++];
    param->role = role;
    param->layer = layer;
    size_of_role(&p->shape, role, &param->rows, &param->cols);
    param->offset = p->n_elements;
    p->n_elements += (size_t)param->rows * param->cols;
    if (layer == PARAM_NO_LAYER)
        snprintf(param->name, sizeof param->name, "%s", name);
    else
        snprintf(param->name, sizeof param->name, "model.layers.%u.%s", layer, name);
}

int params_init(struct params *p, const struct shape *shape, struct err *err)
{
    *p = (struct params){.shape = *shape};
    if (shape->n_layers == 0 || shape->width == 0 || shape->vocab_size == 0 ||
        shape->ffn_width == 0 || shape->n_kv_heads == 0 || shape->head_width == 0 ||
        shape->n_heads % shape->n_kv_heads != 0)
        return err_set(err, ERR_FORMAT, "model shape: a dimension is 0 or heads do not divide");

    size_t count = 3 + (size_t)shape->n_layers * count_layer_roles(shape);
    p->table = calloc(count, sizeof *p->table);
    CHECK(p->table != NULL);

    append(p, PARAM_EMBEDDING, PARAM_NO_LAYER, "model.embed_tokens.weight");
    for (uint32_t layer = 0; layer < shape->n_layers; layer++)
        for (size_t i = 0; i < N_LAYER_ROLES; i++)
            if (has_role(shape, &layer_roles[i]))
                append(p, layer_roles[i].role, layer, layer_roles[i].name);
    append(p, PARAM_NORM_FINAL, PARAM_NO_LAYER, "model.norm.weight");
    if (!shape->tied_embeddings) append(p, PARAM_HEAD, PARAM_NO_LAYER, "lm_head.weight");
    return 0;
}

void params_fini(struct params *p)
{
    free(p->table);
    *p = (struct params){0};
}

const struct param *params_find(const struct params *p, enum param_role role, uint32_t layer)
{
    if (role == PARAM_EMBEDDING) return &p->table[0];
    size_t per_layer = count_layer_roles(&p->shape);
    size_t after_layers = 1 + per_layer * p->shape.n_layers;
    if (role == PARAM_NORM_FINAL) return &p->table[after_layers];
    if (role == PARAM_HEAD) return p->shape.tied_embeddings ? NULL : &p->table[after_layers + 1];
    if (layer >= p->shape.n_layers) return NULL;

    size_t at = 1 + per_layer * layer;
    for (size_t i = 0; i < N_LAYER_ROLES; i++) {
        if (!has_role(&p->shape, &layer_roles[i])) continue;
        if (layer_roles[i].role == role) return &p->table[at];
        at++;
    }
    return NULL;
}

const struct param *params_find_name(const struct params *p, const char *name)
{
    static const char prefix[] = "model.layers.";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
        // Only this layer's entries can match: a hostile file of many names
        // must not cost (names x parameters) comparisons.
        const char *digits = name + sizeof prefix - 1;
        size_t layer = 0;
        while (*digits >= '0' && *digits <= '9' && layer < p->shape.n_layers)
            layer = layer * 10 + (size_t)(*digits++ - '0');
        if (layer >= p->shape.n_layers) return NULL;
        size_t per_layer = count_layer_roles(&p->shape);
        const struct param *first = &p->table[1 + per_layer * layer];
        for (const struct param *at = first; at < first + per_layer; at++)
            if (strcmp(at->name, name) == 0) return at;
        return NULL;
    }
    const struct param *outside[] = {params_find(p, PARAM_EMBEDDING, PARAM_NO_LAYER),
                                     params_find(p, PARAM_NORM_FINAL, PARAM_NO_LAYER),
                                     params_find(p, PARAM_HEAD, PARAM_NO_LAYER)};
    for (size_t i = 0; i < 3; i++)
        if (outside[i] != NULL && strcmp(outside[i]->name, name) == 0) return outside[i];
    return NULL;
}

bool param_is_decayed(const struct param *param)
{
    return param->rows > 1;
}
