/*
 * fuzz_shape.c - any bytes as config.json are refused with a reason that names
 * the file, or give a shape whose numbers are within their limits and which
 * survives being written and read again.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static void check_shape(const struct shape *s)
{
    CHECK(s->n_layers > 0 && s->n_layers <= 1024 && s->width > 1 && s->ffn_width > 1);
    CHECK(s->n_kv_heads > 0 && s->n_heads % s->n_kv_heads == 0);
    CHECK(s->head_width > 0 && s->head_width % 2 == 0 && s->head_width <= SHAPE_HEAD_WIDTH_MAX);
    CHECK(s->vocab_size > 1 && s->context_length > 0);
    CHECK(s->norm_epsilon > 0.0f && s->norm_epsilon < 1.0f);
    double frequencies[SHAPE_HEAD_WIDTH_MAX / 2];
    shape_inverse_frequencies(s, frequencies);
    for (uint32_t i = 0; i < s->head_width / 2; i++)
        CHECK(frequencies[i] > 0.0 && frequencies[i] <= 1.0);
    double magnitude = rope_scaling_magnitude(&s->rope_scaling);
    CHECK(magnitude > 0.0 && magnitude < 1e4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct err err = {0};
    struct shape s, again;
    if (shape_parse(&s, (const char *)bytes, size_bytes, "fuzzed config", &err) != 0) {
        CHECK(err.code != ERR_NONE && strstr(err.text, "fuzzed config") != NULL);
        return 0;
    }
    check_shape(&s);
    struct params params;
    CHECK(params_init(&params, &s, &err) == 0);
    const struct param *last = &params.table[params.count - 1];
    CHECK(last->offset + (size_t)last->rows * last->cols == params.n_elements);
    params_fini(&params);

    struct json_writer written;
    json_writer_init(&written);
    shape_write_config(&s, 1, 2, UINT32_MAX, &written);
    if (shape_parse(&again, written.bytes, written.size_bytes, "written again", &err) != 0)
        check_failed(err.text, __FILE__, __LINE__);
    struct hash left = shape_hash(&s), right = shape_hash(&again);
    CHECK(hash_is_equal(&left, &right));
    free(written.bytes);
    return 0;
}
