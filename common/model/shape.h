/*
 * shape.h - the dimensions of a model, as its config.json gives them.
 *
 * Llama, Mistral, Qwen2 and Qwen3 dense decoders: RMSNorm, RoPE of several
 * scalings, grouped-query attention over everything before, optional q/k norm
 * and q/k/v bias, SwiGLU, tied embeddings or not.  A key or value of
 * config.json that changes the computation and is not implemented is refused
 * by name, and so is a key that nobody here has heard of (config_keys.h).
 */
#ifndef ARGOSY_COMMON_MODEL_SHAPE_H
#define ARGOSY_COMMON_MODEL_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/math/attention.h"
#include "common/model/rope_scaling.h"

#define SHAPE_HEAD_WIDTH_MAX 256

struct shape {
    uint32_t n_layers;       // L
    uint32_t width;          // C
    uint32_t n_heads;        // H
    uint32_t n_kv_heads;     // K
    uint32_t head_width;     // D
    uint32_t ffn_width;      // F
    uint32_t vocab_size;     // V
    uint32_t context_length; // most positions of a sequence
    float norm_epsilon;
    double rope_theta;
    struct rope_scaling rope_scaling;
    bool tied_embeddings;
    bool qk_norm;    // Qwen3
    bool qkv_bias;   // Qwen2
    bool is_mistral; // computes as Llama does; its config goes by another name
    bool fp8_blocks; // of the file alone: weights of 8 bits, each with a scale for its block
};

// From the text of a config.json; `name` is what errors call it.
int shape_parse(struct shape *s, const char *bytes, size_t size_bytes, const char *name,
                struct err *err);
int shape_read(struct shape *s, const char *folder, struct err *err); // folder/config.json

// A config.json that transformers loads, of the family that the shape is of,
// with bos/eos/pad ids (pass UINT32_MAX for none).
void shape_write_config(const struct shape *s, uint32_t bos_id, uint32_t eos_id, uint32_t pad_id,
                        struct json_writer *out);

struct attention_shape shape_attention(const struct shape *s);
struct hash shape_hash(const struct shape *s); // of all that the computation depends on

// The angle by which each pair of a head turns per position: (D/2) values,
// theta^(-2i/D), changed as the rope scaling says.
void shape_inverse_frequencies(const struct shape *s, double *out);

#endif
