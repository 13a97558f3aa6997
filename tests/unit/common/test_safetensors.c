// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/math/bf16.h"
#include "common/model/safetensors.h"
#include "common/model/tensor_file.h"
#include "tests/support/golden.h"

// A model of one layer, so small that a test can write its file by hand.
static const struct shape tiny = {.n_layers = 1,
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

static struct params tiny_params(void)
{
    struct params p;
    struct err err;
    assert_int_equal(params_init(&p, &tiny, &err), 0);
    return p;
}

// A safetensors file in memory: header text, then n_data bytes of `fill`.
struct image {
    unsigned char bytes[16384];
    size_t size_bytes;
};

static void image_make(struct image *image, const char *header, size_t n_data, int fill)
{
    uint64_t header_bytes = strlen(header);
    assert_true(8 + header_bytes + n_data <= sizeof image->bytes);
    memcpy(image->bytes, &header_bytes, 8);
    memcpy(image->bytes + 8, header, header_bytes);
    memset(image->bytes + 8 + header_bytes, fill, n_data);
    image->size_bytes = 8 + header_bytes + n_data;
}

// The tiny model's header in which `instead` replaces the entry of `name`
// (NULL: leaves it out) and `extra` is put at the end.
static void header_with(char *out, size_t out_bytes, const char *dtype, unsigned item_bytes,
                        const char *name, const char *instead, const char *extra)
{
    struct params p = tiny_params();
    size_t used = (size_t)snprintf(out, out_bytes, "{");
    for (size_t i = 0; i < p.count; i++) {
        const struct param *t = &p.table[i];
        char shape[64], entry[256];
        if (t->rows > 1)
            snprintf(shape, sizeof shape, "[%u,%u]", t->rows, t->cols);
        else
            snprintf(shape, sizeof shape, "[%u]", t->cols);
        snprintf(entry, sizeof entry,
                 "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":"
                 "[%zu,%zu]}",
                 t->name, dtype, shape, t->offset * item_bytes,
                 (t->offset + (size_t)t->rows * t->cols) * item_bytes);
        const char *text = entry;
        if (name != NULL && strcmp(t->name, name) == 0) text = instead;
        if (text != NULL)
            used +=
                (size_t)snprintf(out + used, out_bytes - used, "%s%s", used > 1 ? "," : "", text);
    }
    used += (size_t)snprintf(out + used, out_bytes - used, "%s}", extra);
    assert_true(used < out_bytes);
    params_fini(&p);
}

static int read_image(const struct image *image, uint16_t *flat, struct err *err)
{
    struct params p = tiny_params();
    // Exactly as long as the file: the sanitizer sees a byte too far.
    unsigned char *exact = malloc(image->size_bytes + 1);
    memcpy(exact, image->bytes, image->size_bytes);
    int status = safetensors_read_bytes(exact, image->size_bytes, "m.safetensors", &p, flat, err);
    free(exact);
    params_fini(&p);
    return status;
}

static void assert_refused(const struct image *image, const char *named)
{
    uint16_t flat[512];
    struct err err;
    if (read_image(image, flat, &err) == 0) fail_msg("accepted; want an error about %s", named);
    if (strstr(err.text, named) == NULL) fail_msg("'%s' does not name '%s'", err.text, named);
    if (strstr(err.text, "m.safetensors") == NULL) fail_msg("'%s' names no file", err.text);
}

static size_t tiny_elements(void)
{
    struct params p = tiny_params();
    size_t n = p.n_elements;
    params_fini(&p);
    return n;
}

static void a_whole_file_of_each_dtype_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        unsigned item_bytes;
        int fill;
        float value;
    } cases[] = {{"BF16", 2, 0x3e, 0.185546875f},
                 {"F16", 2, 0x3c, 1.05859375f},
                 {"F32", 4, 0x3e, 0.18578431f}};
    static struct image image;
    for (size_t i = 0; i < 3; i++) {
        char header[4096];
        uint16_t flat[512];
        struct err err;
        header_with(header, sizeof header, cases[i].dtype, cases[i].item_bytes, NULL, NULL, "");
        image_make(&image, header, tiny_elements() * cases[i].item_bytes, cases[i].fill);
        if (read_image(&image, flat, &err) != 0) fail_msg("%s: %s", cases[i].dtype, err.text);
        for (size_t j = 0; j < tiny_elements(); j++)
            assert_true(bf16_to_f32(flat[j]) == bf16_to_f32(bf16_from_f32(cases[i].value)));
    }
}

static void every_cut_of_a_file_is_refused(void **state)
{
    (void)state;
    static struct image image;
    char header[4096];
    uint16_t flat[512];
    struct err err;
    header_with(header, sizeof header, "BF16", 2, NULL, NULL, "");
    image_make(&image, header, tiny_elements() * 2, 0x3e);
    size_t whole = image.size_bytes;
    for (image.size_bytes = 0; image.size_bytes < whole; image.size_bytes++)
        assert_int_equal(read_image(&image, flat, &err), -1);
    assert_int_equal(read_image(&image, flat, &err), 0);
}

static void lying_headers_are_refused_by_name(void **state)
{
    (void)state;
    static const char norm[] = "model.norm.weight"; // the last tensor
    static struct image image;
    struct params p = tiny_params();
    size_t begin = params_find_name(&p, norm)->offset * 2, end = tiny_elements() * 2;
    params_fini(&p);
    static const struct {
        const char *shape, *dtype;
        long long begin, end; // added to the true ones
        const char *named;
    } cases[] = {
        {"[4]", "BF16", 0, 2, "outside"},
        {"[4]", "BF16", 0, 1LL << 40, "outside"},
        {"[4]", "BF16", 8, 0, "needs 8 bytes"},
        {"[4]", "BF16", 16, 0, "outside"}, // begins after its end
        {"[4]", "BF16", -2, 0, "needs 8 bytes"},
        {"[5]", "BF16", -2, 0, "inside another"},
        {"[3]", "BF16", 2, 0, "after a hole"},
        {"[3]", "BF16", 0, -2, "belong to no tensor"},
        {"[2,2]", "BF16", 0, 0, "config wants"},
        {"[1,4]", "BF16", 0, 0, "config wants"},
        {"[]", "U64", 0, 0, "not read"},
        {"[4611686018427387904,4]", "BF16", 0, 0, "impossibly large"},
        {"[0,9223372036854775807,8]", "BF16", 8, 0, "after a hole"},
        {"[-4]", "BF16", 0, 0, "shape[0]"},
        {"[4.5]", "BF16", 0, 0, "shape[0]"},
        {"[1,1,1,1,1,1,1,1,4]", "BF16", 0, 0, "shape"},
        {"4", "BF16", 0, 0, "shape"},
        {"[8]", "F8_E5M2", 0, 0, "F8_E5M2"},
        {"[4]", "Q4_0", 0, 0, "Q4_0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[4096], entry[256];
        snprintf(entry, sizeof entry,
                 "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%lld,%lld]}", norm,
                 cases[i].dtype, cases[i].shape, (long long)begin + cases[i].begin,
                 (long long)end + cases[i].end);
        header_with(header, sizeof header, "BF16", 2, norm, entry, "");
        image_make(&image, header, end, 0x3e);
        assert_refused(&image, cases[i].named);
        if (cases[i].end != -2) assert_refused(&image, norm); // unclaimed bytes have no name
    }
}

static void broken_headers_are_refused(void **state)
{
    (void)state;
    static struct image image;
    static const char *const headers[] = {"",
                                          "{",
                                          "[]",
                                          "7",
                                          "{}",
                                          "{\"a\":1}",
                                          "{\"a\":{}}",
                                          "{\"a\":{\"dtype\":\"F32\"}}",
                                          "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}",
                                          "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0]}}"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        image_make(&image, headers[i], 0, 0);
        assert_refused(&image, "");
    }
    image_make(&image, "{}", 0, 0);
    memset(image.bytes, 0xff, 8); // a header of 2^64 - 1 bytes
    assert_refused(&image, "header");
    memset(image.bytes, 0, 8);
    image.bytes[0] = 3; // one byte more than there is
    assert_refused(&image, "header");
}

static void missing_surplus_and_repeated_tensors_are_refused(void **state)
{
    (void)state;
    static struct image image;
    char header[4096];
    header_with(header, sizeof header, "BF16", 2, NULL, NULL,
                ",\"lm_head.weight\":{\"dtype\":\"BF16\",\"shape\":[0],\"data_offsets\":[0,0]}");
    image_make(&image, header, tiny_elements() * 2, 0x3e);
    assert_refused(&image, "lm_head.weight");
    header_with(header, sizeof header, "BF16", 2, NULL, NULL,
                ",\"model.norm.weight\":{\"dtype\":\"BF16\",\"shape\":[0],\"data_offsets\":[0,0]}");
    image_make(&image, header, tiny_elements() * 2, 0x3e);
    assert_refused(&image, "model.norm.weight");

    struct params p = tiny_params();
    size_t n_data = params_find_name(&p, "model.norm.weight")->offset * 2;
    params_fini(&p);
    header_with(header, sizeof header, "BF16", 2, "model.norm.weight", NULL, "");
    image_make(&image, header, n_data, 0x3e);
    assert_refused(&image, "'model.norm.weight' is missing");
}

static void harmless_surplus_of_real_files_is_accepted(void **state)
{
    (void)state;
    static struct image image;
    char header[4096], extra[512];
    uint16_t flat[512];
    struct err err;
    size_t n = tiny_elements() * 2;
    // The tied embedding once more under the head's name, and a RoPE table.
    snprintf(extra, sizeof extra,
             ",\"lm_head.weight\":{\"dtype\":\"BF16\",\"shape\":[5,4],\"data_offsets\":[%zu,%zu]},"
             "\"model.layers.0.self_attn.rotary_emb.inv_freq\":{\"dtype\":\"F32\",\"shape\":[1],"
             "\"data_offsets\":[%zu,%zu]}",
             n, n + 40, n + 40, n + 44);
    header_with(header, sizeof header, "BF16", 2, NULL, NULL, extra);
    image_make(&image, header, n + 44, 0x3e);
    if (read_image(&image, flat, &err) != 0) fail_msg("%s", err.text);
    image.bytes[image.size_bytes - 5] ^= 1; // the head is no longer the embedding
    assert_refused(&image, "lm_head.weight");
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static struct image image;
    char header[4096];
    header_with(header, sizeof header, "BF16", 2, NULL, NULL, "");
    image_make(&image, header, tiny_elements() * 2, 0xff); // NaN
    assert_refused(&image, "element 0");
    header_with(header, sizeof header, "F32", 4, NULL, NULL, "");
    image_make(&image, header, tiny_elements() * 4, 0x3e);
    float over = 3.4e38f; // finite, rounds to infinity
    memcpy(image.bytes + image.size_bytes - 4, &over, sizeof over);
    assert_refused(&image, "over bf16's range");
    header_with(header, sizeof header, "F16", 2, NULL, NULL, "");
    image_make(&image, header, tiny_elements() * 2, 0x7c);
    assert_refused(&image, "element 0");
}

// Every byte of the format, by its definition: a sign, 4 bits of exponent, 3 of mantissa.
static float e4m3_value(unsigned byte)
{
    unsigned exponent = byte >> 3 & 15u, mantissa = byte & 7u;
    float size = exponent == 0 ? ldexpf((float)mantissa, -9)
                               : ldexpf((float)(mantissa + 8), (int)exponent - 10);
    return byte & 0x80u ? -size : size;
}

static void each_number_of_8_bits_is_what_its_bits_say(void **state)
{
    (void)state;
    static struct image image;
    char header[4096];
    uint16_t flat[512];
    struct err err;
    header_with(header, sizeof header, "F8_E4M3", 1, NULL, NULL, "");
    size_t n = tiny_elements();
    for (unsigned first = 0; first < 256; first++) {
        image_make(&image, header, n, 0);
        unsigned char *data = image.bytes + image.size_bytes - n;
        for (size_t i = 0; i < n; i++) // all but the two that are NaN
            data[i] = (first + i) % 128 == 127 ? 0 : (unsigned char)(first + i);
        if (read_image(&image, flat, &err) != 0) fail_msg("%s", err.text);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(flat[i], bf16_from_f32(e4m3_value(data[i])));
        data[3] = (unsigned char)(first | 127u);
        assert_refused(&image, "element 3");
    }
}

// The tiny model in 8 bits, with scales of `shape` for one of its matrices.
static void image_with_scales(struct image *image, const char *shape, size_t n_scales,
                              const char *dtype, unsigned item_bytes, float scale)
{
    char header[4096], extra[512];
    size_t n = tiny_elements();
    snprintf(extra, sizeof extra,
             ",\"model.layers.0.mlp.up_proj.weight_scale_inv\":{\"dtype\":\"%s\",\"shape\":%s,"
             "\"data_offsets\":[%zu,%zu]}",
             dtype, shape, n, n + n_scales * item_bytes);
    header_with(header, sizeof header, "F8_E4M3", 1, NULL, NULL, extra);
    image_make(image, header, n + n_scales * item_bytes, 0x3c); // 1.5
    uint16_t half = bf16_from_f32(scale);
    unsigned char *data = image->bytes + image->size_bytes - n_scales * item_bytes;
    for (size_t i = 0; i < n_scales; i++)
        memcpy(data + i * item_bytes, item_bytes == 2 ? (void *)&half : (void *)&scale, item_bytes);
}

static void scales_of_blocks_multiply_their_matrix_alone(void **state)
{
    (void)state;
    static struct image image;
    struct params p = tiny_params();
    uint16_t flat[512];
    struct err err;
    for (unsigned item_bytes = 2; item_bytes <= 4; item_bytes += 2) {
        image_with_scales(&image, "[1,1]", 1, item_bytes == 2 ? "BF16" : "F32", item_bytes, 0.25f);
        if (read_image(&image, flat, &err) != 0) fail_msg("%s", err.text);
        for (size_t i = 0; i < p.count; i++) {
            float want = p.table[i].role == PARAM_UP ? 0.375f : 1.5f;
            assert_int_equal(flat[p.table[i].offset], bf16_from_f32(want));
        }
    }
    image_with_scales(&image, "[1,2]", 2, "F32", 4, 0.25f);
    assert_refused(&image, "up_proj.weight_scale_inv");
    image_with_scales(&image, "[1]", 1, "F32", 4, 0.25f);
    assert_refused(&image, "up_proj.weight_scale_inv");
    image_with_scales(&image, "[1,1]", 1, "I32", 4, 0.25f);
    assert_refused(&image, "dtype I32");
    image_with_scales(&image, "[1,1]", 1, "F32", 4, INFINITY);
    assert_refused(&image, "up_proj.weight");
    params_fini(&p);
}

static void a_quantised_model_is_what_torch_makes_of_it(void **state)
{
    (void)state;
    struct golden quantised, plain;
    golden_open_weights(&quantised, "fp8");
    golden_open_weights(&plain, "fp8/plain");
    assert_true(quantised.params.shape.fp8_blocks);
    assert_memory_equal(quantised.flat, plain.flat, plain.params.n_elements * sizeof *plain.flat);

    // The same file under a config without a word of scales, and the other way round.
    struct err err;
    quantised.params.shape.fp8_blocks = false;
    assert_int_equal(
        safetensors_read_model(quantised.folder, &quantised.params, quantised.flat, &err), 0);
    static struct image image;
    char header[4096];
    struct params p = tiny_params();
    uint16_t flat[512];
    header_with(header, sizeof header, "F8_E4M3", 1, NULL, NULL, "");
    image_make(&image, header, tiny_elements(), 0x3c);
    p.shape.fp8_blocks = true;
    assert_int_equal(
        safetensors_read_bytes(image.bytes, image.size_bytes, "m.safetensors", &p, flat, &err), -1);
    assert_non_null(strstr(err.text, "weight_scale_inv"));
    params_fini(&p);
    golden_close(&quantised);
    golden_close(&plain);
}

// A matrix of several blocks both ways.
static void blocks_are_found_by_row_and_column(void **state)
{
    (void)state;
    enum { ROWS = 260, COLS = 300, SCALE_COLS = 3 };
    static unsigned char bytes[ROWS * COLS];
    static uint16_t out[ROWS * COLS];
    float scales[3 * SCALE_COLS];
    struct err err;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i % 120);
    for (size_t i = 0; i < 9; i++)
        scales[i] = 0.5f + (float)i;
    const struct tensor t = {
        .name = "t", .file = "f", .dtype = DTYPE_F8_E4M3, .data = bytes, .end = sizeof bytes};
    const struct tensor s = {
        .name = "s", .file = "f", .dtype = DTYPE_F32, .data = (const unsigned char *)scales};
    assert_int_equal(tensor_read(&t, &s, ROWS, COLS, out, NULL, &err), 0);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t col = 0; col < COLS; col++) {
            float scale = scales[row / 128 * SCALE_COLS + col / 128];
            size_t i = row * COLS + col;
            assert_int_equal(out[i], bf16_from_f32(e4m3_value(bytes[i]) * scale));
        }
}

static void each_number_of_16_bits_is_what_its_bits_say(void **state)
{
    (void)state;
    static uint16_t in[1 << 16];
    static float out[1 << 16];
    struct err err;
    for (uint32_t i = 0; i < 1u << 16; i++)
        in[i] = (i >> 10 & 31u) == 31 ? 0 : (uint16_t)i;
    const struct tensor t = {
        .name = "t", .file = "f", .dtype = DTYPE_F16, .data = (const unsigned char *)in};
    assert_int_equal(tensor_read(&t, NULL, 1 << 8, 1 << 8, NULL, out, &err), 0);
    for (uint32_t i = 0; i < 1u << 16; i++) {
        int exponent = in[i] >> 10 & 31;
        float mantissa = (float)(in[i] & 1023u);
        float want =
            exponent == 0 ? ldexpf(mantissa, -24) : ldexpf(mantissa + 1024.0f, exponent - 25);
        assert_true(out[i] == (in[i] & 0x8000u ? -want : want));
    }
}

// --- folders ---------------------------------------------------------------------------------
struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    static struct folder folder;
    snprintf(folder.path, sizeof folder.path, "build/test-safetensors-XXXXXX");
    *state = &folder;
    return mkdtemp(folder.path) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    struct err err;
    return file_remove_tree(((struct folder *)*state)->path, &err);
}

static void write_text(const char *folder, const char *name, const void *bytes, size_t size_bytes)
{
    char path[256];
    struct err err;
    assert_int_equal(file_join(path, sizeof path, folder, name, &err), 0);
    if (file_write_atomic(path, bytes, size_bytes, &err) != 0) fail_msg("%s", err.text);
}

static void a_written_model_reads_back_the_same_bits(void **state)
{
    const struct folder *folder = *state;
    static const char *const names[] = {"qwen3", "qwen2", "llama"};
    for (size_t i = 0; i < 3; i++) {
        struct golden g;
        golden_open(&g, names[i]); // a file that transformers wrote
        struct err err;
        uint16_t *back = malloc(g.params.n_elements * sizeof *back);
        float *wide = malloc(g.params.n_elements * sizeof *wide);
        if (safetensors_write_model(folder->path, &g.params, g.flat, &err) != 0 ||
            safetensors_read_model(folder->path, &g.params, back, &err) != 0 ||
            safetensors_read_model_f32(folder->path, &g.params, wide, &err) != 0)
            fail_msg("%s", err.text);
        assert_memory_equal(back, g.flat, g.params.n_elements * sizeof *back);
        for (size_t j = 0; j < g.params.n_elements; j++)
            assert_true(wide[j] == bf16_to_f32(back[j]));
        free(back);
        free(wide);
        golden_close(&g);
    }
}

static void a_model_in_several_files_is_read_through_its_index(void **state)
{
    const struct folder *folder = *state;
    static struct image image;
    static const char norm[] = "model.norm.weight";
    struct params p = tiny_params();
    struct err err;
    char header[4096], index[4096];
    uint16_t flat[512];
    size_t n_first = params_find_name(&p, norm)->offset * 2;
    header_with(header, sizeof header, "BF16", 2, norm, NULL, "");
    image_make(&image, header, n_first, 0x3e);
    write_text(folder->path, "a.safetensors", image.bytes, image.size_bytes);
    image_make(&image,
               "{\"model.norm.weight\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}",
               8, 0x3f);
    write_text(folder->path, "b.safetensors", image.bytes, image.size_bytes);

    size_t used = (size_t)snprintf(index, sizeof index, "{\"weight_map\":{");
    for (size_t i = 0; i < p.count; i++)
        used += (size_t)snprintf(index + used, sizeof index - used, "%s\"%s\":\"%c.safetensors\"",
                                 i > 0 ? "," : "", p.table[i].name,
                                 strcmp(p.table[i].name, norm) == 0 ? 'b' : 'a');
    snprintf(index + used, sizeof index - used, "}}");
    write_text(folder->path, "model.safetensors.index.json", index, strlen(index));
    if (safetensors_read_model(folder->path, &p, flat, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(flat[0], 0x3e3e);
    assert_int_equal(flat[p.n_elements - 1], 0x3f3f);

    *strstr(index, "b.safetensors") = 'a'; // the index now lies
    write_text(folder->path, "model.safetensors.index.json", index, strlen(index));
    assert_int_equal(safetensors_read_model(folder->path, &p, flat, &err), -1);
    assert_non_null(strstr(err.text, norm));
    const char *outside = "{\"weight_map\":{\"model.norm.weight\":\"../b.safetensors\"}}";
    write_text(folder->path, "model.safetensors.index.json", outside, strlen(outside));
    assert_int_equal(safetensors_read_model(folder->path, &p, flat, &err), -1);
    assert_non_null(strstr(err.text, "plain .safetensors name"));
    params_fini(&p);
}

static void every_familys_model_is_written_and_read_back_bit_for_bit(void **state)
{
    const struct folder *folder = *state;
    static const char *const names[] = {"llama",      "llama31", "linear", "mistral", "qwen2",
                                        "qwen2_tied", "qwen3",   "yarn",   "fp8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct golden g;
        struct err err;
        golden_open_weights(&g, names[i]);
        size_t n = g.params.n_elements;
        uint16_t *found = malloc(n * sizeof *found);
        float *wide = malloc(n * sizeof *wide);
        if (safetensors_write_model(folder->path, &g.params, g.flat, &err) != 0 ||
            safetensors_read_model(folder->path, &g.params, found, &err) != 0 ||
            safetensors_read_model_f32(folder->path, &g.params, wide, &err) != 0)
            fail_msg("%s: %s", names[i], err.text);
        assert_memory_equal(found, g.flat, n * sizeof *found);
        for (size_t j = 0; j < n; j++)
            assert_true(wide[j] == bf16_to_f32(g.flat[j]));
        free(found);
        free(wide);
        golden_close(&g);
    }
}

static void a_model_over_the_limit_is_cut_into_several_files(void **state)
{
    const struct folder *folder = *state;
    struct params p = tiny_params();
    struct err err;
    char path[256];
    uint16_t *flat = random_flat(&p, 5, 1.0f), found[512];
    // By 64 bytes: 40 + 8, 32 + 16 + 16, 32 + 8 + 24, 24 + 24 + 8.
    if (safetensors_write_sharded(folder->path, &p, flat, 64, &err) != 0) fail_msg("%s", err.text);
    snprintf(path, sizeof path, "%s/model.safetensors", folder->path);
    assert_false(file_exists(path));
    snprintf(path, sizeof path, "%s/model-00004-of-00004.safetensors", folder->path);
    assert_true(file_exists(path));
    if (safetensors_read_model(folder->path, &p, found, &err) != 0) fail_msg("%s", err.text);
    assert_memory_equal(found, flat, p.n_elements * sizeof *flat);

    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder->path);
    struct json_document *index = json_read_file(path, 1 << 16, &err);
    assert_non_null(index);
    struct json size = json_member(json_member(json_root(index), "metadata"), "total_size");
    assert_int_equal(json_to_i64(size), p.n_elements * sizeof *flat);
    assert_int_equal(json_count(json_member(json_root(index), "weight_map")), p.count);
    json_destroy(index);

    snprintf(path, sizeof path, "%s/model-00003-of-00004.safetensors", folder->path);
    assert_int_equal(remove(path), 0);
    assert_int_equal(safetensors_read_model(folder->path, &p, found, &err), -1);
    assert_non_null(strstr(err.text, "model-00003-of-00004.safetensors"));

    // A limit under the largest tensor: that one has a file to itself.
    if (safetensors_write_sharded(folder->path, &p, flat, 20, &err) != 0) fail_msg("%s", err.text);
    memset(found, 0, sizeof found);
    if (safetensors_read_model(folder->path, &p, found, &err) != 0) fail_msg("%s", err.text);
    assert_memory_equal(found, flat, p.n_elements * sizeof *flat);
    free(flat);
    params_fini(&p);
}

static void a_pickled_model_is_refused_by_name(void **state)
{
    const struct folder *folder = *state;
    struct params p = tiny_params();
    struct err err;
    uint16_t flat[512];
    write_text(folder->path, "pytorch_model.bin", "PK", 2);
    assert_int_equal(safetensors_read_model(folder->path, &p, flat, &err), -1);
    assert_non_null(strstr(err.text, "pytorch_model.bin"));
    params_fini(&p);
}

static void a_folder_without_a_model_is_an_error_that_names_the_file(void **state)
{
    const struct folder *folder = *state;
    struct params p = tiny_params();
    struct err err;
    uint16_t flat[512] = {0};
    assert_int_equal(safetensors_read_model(folder->path, &p, flat, &err), -1);
    assert_non_null(strstr(err.text, "model.safetensors"));
    assert_int_equal(safetensors_write_model("/nonexistent", &p, flat, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/model.safetensors"));
    params_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_of_each_dtype_is_read),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
        cmocka_unit_test(lying_headers_are_refused_by_name),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(missing_surplus_and_repeated_tensors_are_refused),
        cmocka_unit_test(harmless_surplus_of_real_files_is_accepted),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(each_number_of_8_bits_is_what_its_bits_say),
        cmocka_unit_test(each_number_of_16_bits_is_what_its_bits_say),
        cmocka_unit_test(scales_of_blocks_multiply_their_matrix_alone),
        cmocka_unit_test(blocks_are_found_by_row_and_column),
        cmocka_unit_test(a_quantised_model_is_what_torch_makes_of_it),
        cmocka_unit_test_setup_teardown(every_familys_model_is_written_and_read_back_bit_for_bit,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_model_over_the_limit_is_cut_into_several_files,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_pickled_model_is_refused_by_name, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_written_model_reads_back_the_same_bits, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_model_in_several_files_is_read_through_its_index,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_without_a_model_is_an_error_that_names_the_file,
                                        make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
