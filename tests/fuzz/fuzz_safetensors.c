/*
 * fuzz_safetensors.c - any bytes as a safetensors file are refused with a
 * reason that names the file, or fill every parameter with finite numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/math/bf16.h"
#include "common/model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

// The model of the corpus: one layer, tied, so small that files stay short.
static const struct shape shape = {.n_layers = 1,
                                   .width = 4,
                                   .n_heads = 2,
                                   .n_kv_heads = 1,
                                   .head_width = 2,
                                   .ffn_width = 3,
                                   .vocab_size = 5,
                                   .context_length = 8,
                                   .norm_epsilon = 1e-6f,
                                   .rope_theta = 1e4,
                                   .tied_embeddings = true};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct params params;
    struct err err = {0};
    CHECK(params_init(&params, &shape, &err) == 0);
    uint16_t *flat = malloc(params.n_elements * sizeof *flat);
    CHECK(flat != NULL);
    memset(flat, 0xff, params.n_elements * sizeof *flat); // NaN: nothing read yet
    if (safetensors_read_bytes(bytes, size_bytes, "fuzzed file", &params, flat, &err) != 0) {
        CHECK(err.code != ERR_NONE && strstr(err.text, "fuzzed file") != NULL);
    } else {
        for (size_t i = 0; i < params.n_elements; i++)
            CHECK(isfinite(bf16_to_f32(flat[i])));
    }
    free(flat);
    params_fini(&params);
    return 0;
}
