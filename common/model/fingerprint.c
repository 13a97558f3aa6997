// The numerics fingerprint: a fixed forward pass, hashed.
#include <stdlib.h>

#include "common/base/rng.h"
#include "common/math/bf16.h"
#include "common/model/forward.h"

#define FINGERPRINT_ROWS 48u // more than a page, so that blocks of attention meet
#define FINGERPRINT_VOCAB 100u

static const struct shape fingerprint_shape = {
    .n_layers = 2,
    .width = 48,
    .n_heads = 4,
    .n_kv_heads = 2,
    .head_width = 16,
    .ffn_width = 72,
    .vocab_size = FINGERPRINT_VOCAB,
    .context_length = FINGERPRINT_ROWS,
    .norm_epsilon = 1e-6f,
    .rope_theta = 10000.0,
    .qk_norm = true,
};

struct hash forward_fingerprint(void)
{
    struct params params;
    struct err err;
    CHECK(params_init(&params, &fingerprint_shape, &err) == 0);
    const struct rng_key key = {.seed = 1, .domain = RNG_INIT};
    uint16_t *flat = malloc(params.n_elements * sizeof *flat);
    float *floats =
        malloc(FINGERPRINT_ROWS * (fingerprint_shape.width + FINGERPRINT_VOCAB) * sizeof *floats);
    CHECK(flat != NULL && floats != NULL);
    for (size_t i = 0; i < params.n_elements; i++)
        flat[i] = bf16_from_f32(rng_unit(rng_at(key, i, 0, 0).word[0]) - 0.5f);

    uint32_t tokens[FINGERPRINT_ROWS];
    for (uint32_t i = 0; i < FINGERPRINT_ROWS; i++)
        tokens[i] = rng_at(key, i, 1, 0).word[0] % FINGERPRINT_VOCAB;
    const uint32_t pages[] = {0, 1};
    const struct span span = {.row = 0, .n_rows = FINGERPRINT_ROWS, .position = 0, .pages = pages};
    const struct chunk chunk = {
        .tokens = tokens, .n_rows = FINGERPRINT_ROWS, .spans = &span, .n_spans = 1};

    struct weights *w = weights_create(&params, PANEL_BF16);
    struct kv kv;
    kv_init(&kv, &fingerprint_shape, 2);
    struct forward_scratch *scratch = forward_scratch_create(&fingerprint_shape, FINGERPRINT_ROWS);
    float *hidden = floats, *logits = floats + FINGERPRINT_ROWS * fingerprint_shape.width;
    weights_load(w, flat, NULL);
    forward(hidden, w, &kv, &chunk, NULL, scratch, NULL);
    forward_logits(logits, w, hidden, FINGERPRINT_ROWS, NULL);
    struct hash hash = hash_of(logits, FINGERPRINT_ROWS * FINGERPRINT_VOCAB * sizeof *logits);

    forward_scratch_destroy(scratch);
    kv_fini(&kv);
    weights_destroy(w);
    free(floats);
    free(flat);
    params_fini(&params);
    return hash;
}
