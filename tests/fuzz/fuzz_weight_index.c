/*
 * fuzz_weight_index.c - any bytes as model.safetensors.index.json beside the
 * two files of a tiny model are refused with a reason that names a file of
 * that folder, or fill every parameter.
 */
#define _XOPEN_SOURCE 700 // mkdtemp

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/math/bf16.h"
#include "common/model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

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

static char folder[128], index_path[256];
static struct params params;
static uint16_t *flat;

static void remove_folder(void)
{
    struct err ignored;
    file_remove_tree(folder, &ignored);
    params_fini(&params);
    free(flat);
}

// The whole model but its final norm in one file, that in the other, as
// argosy writes them: model-0000N-of-00002.safetensors.
static void make_folder(void)
{
    struct err err;
    snprintf(folder, sizeof folder, "%s/argosy-fuzz-XXXXXX", P_tmpdir);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(index_path, sizeof index_path, "%s/model.safetensors.index.json", folder);
    CHECK(params_init(&params, &shape, &err) == 0);
    flat = calloc(params.n_elements, sizeof *flat);
    CHECK(flat != NULL);
    const uint64_t all_but_last = (params.n_elements - shape.width) * sizeof *flat;
    if (safetensors_write_sharded(folder, &params, flat, all_but_last, &err) != 0)
        check_failed(err.text, __FILE__, __LINE__);
    atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct err err = {0};
    if (folder[0] == '\0') make_folder();
    FILE *file = fopen(index_path, "wb");
    CHECK(file != NULL && fwrite(bytes, 1, size_bytes, file) == size_bytes && fclose(file) == 0);
    memset(flat, 0xff, params.n_elements * sizeof *flat); // NaN: nothing read yet
    if (safetensors_read_model(folder, &params, flat, &err) != 0) {
        CHECK(err.code != ERR_NONE && strstr(err.text, folder) != NULL);
    } else {
        for (size_t i = 0; i < params.n_elements; i++)
            CHECK(isfinite(bf16_to_f32(flat[i])));
    }
    return 0;
}
