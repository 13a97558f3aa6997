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

#include "common/model/shape.h"

static const char qwen3_config[] =
    "{\"architectures\": [\"Qwen3ForCausalLM\"], \"attention_bias\": false, \"head_dim\": 128,"
    " \"hidden_act\": \"silu\", \"hidden_size\": 1024, \"intermediate_size\": 3072,"
    " \"max_position_embeddings\": 32768, \"max_window_layers\": 28, \"model_type\": \"qwen3\","
    " \"num_attention_heads\": 16, \"num_hidden_layers\": 28, \"num_key_value_heads\": 8,"
    " \"rms_norm_eps\": 1e-06, \"rope_scaling\": null, \"rope_theta\": 1000000,"
    " \"sliding_window\": null, \"tie_word_embeddings\": true, \"use_sliding_window\": false,"
    " \"vocab_size\": 151936}";

// A small Llama's config with `extra` members put in front.
static const char *with(const char *extra)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "{%s \"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 172,"
             " \"max_position_embeddings\": 512, \"num_attention_heads\": 8,"
             " \"num_hidden_layers\": 5, \"vocab_size\": 512}",
             extra);
    return text;
}

static int parse(struct shape *s, const char *text, struct err *err)
{
    return shape_parse(s, text, strlen(text), "config.json", err);
}

static void assert_refused(const char *text, const char *named)
{
    struct shape s;
    struct err err;
    if (parse(&s, text, &err) == 0) fail_msg("accepted: %s", text);
    if (strstr(err.text, named) == NULL) fail_msg("'%s' does not name '%s'", err.text, named);
    if (strstr(err.text, "config.json") == NULL) fail_msg("'%s' names no file", err.text);
}

static void a_qwen3_config_is_read(void **state)
{
    (void)state;
    struct shape s;
    struct err err;
    assert_int_equal(parse(&s, qwen3_config, &err), 0);
    assert_int_equal(s.n_layers, 28);
    assert_int_equal(s.width, 1024);
    assert_int_equal(s.n_heads, 16);
    assert_int_equal(s.n_kv_heads, 8);
    assert_int_equal(s.head_width, 128); // not width / heads
    assert_int_equal(s.ffn_width, 3072);
    assert_int_equal(s.vocab_size, 151936);
    assert_int_equal(s.context_length, 32768);
    assert_true(s.norm_epsilon == 1e-6f && s.rope_theta == 1e6);
    assert_true(s.tied_embeddings && s.qk_norm && !s.qkv_bias);
}

static void what_a_config_leaves_out_has_the_familys_default(void **state)
{
    (void)state;
    struct shape s;
    struct err err;
    assert_int_equal(parse(&s, with(""), &err), 0);
    assert_int_equal(s.n_kv_heads, 8);
    assert_int_equal(s.head_width, 8);
    assert_true(s.rope_theta == 10000.0);
    assert_true(!s.tied_embeddings && !s.qk_norm && !s.qkv_bias);
}

static void rope_theta_is_found_in_each_of_its_places(void **state)
{
    (void)state;
    struct shape s;
    struct err err;
    assert_int_equal(parse(&s, with("\"rope_theta\": 500000.0,"), &err), 0);
    assert_true(s.rope_theta == 500000.0);
    const char *newer = "\"rope_parameters\": {\"rope_theta\": 2e4, \"rope_type\": \"default\"},";
    assert_int_equal(parse(&s, with(newer), &err), 0);
    assert_true(s.rope_theta == 20000.0);
}

static void what_is_not_implemented_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"hidden_act\": \"gelu\",", "hidden_act"},
        {"\"attention_bias\": true,", "attention_bias"},
        {"\"mlp_bias\": true,", "mlp_bias"},
        {"\"use_sliding_window\": true,", "use_sliding_window"},
        {"\"sliding_window\": 4096,", "sliding_window"},
        {"\"layer_types\": [\"full_attention\", \"sliding_attention\"],", "layer_types[1]"},
        {"\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0},", "llama3"},
        {"\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0},", "linear"},
        {"\"rope_parameters\": {\"rope_type\": \"yarn\"},", "yarn"},
        {"\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 1}},", "full_attention"},
        {"\"rope_scaling\": 8,", "rope_scaling"},
        {"\"partial_rotary_factor\": 0.5,", "partial_rotary_factor"},
        {"\"quantization_config\": {\"bits\": 4},", "quantization_config"},
        {"\"num_local_experts\": 8,", "num_local_experts"},
        {"\"architectures\": [\"LlamaForSequenceClassification\"],",
         "LlamaForSequenceClassification"},
        {"\"architectures\": [\"Qwen2ForCausalLM\"],", "Qwen2ForCausalLM"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(with(cases[i][0]), cases[i][1]);
    assert_refused("{\"model_type\": \"mamba\"}", "mamba");
    assert_refused("{\"model_type\": 3}", "model_type");
    assert_refused("{}", "model_type");
    assert_refused("[1, 2]", "object");
    assert_refused("{\"model_type\": \"llama\"", "config.json");
}

static void values_that_switch_a_feature_off_are_accepted(void **state)
{
    (void)state;
    struct shape s;
    struct err err;
    const char *text =
        with("\"attention_bias\": false, \"mlp_bias\": false, \"rope_scaling\": null,"
             "\"quantization_config\": null, \"attention_dropout\": 0.0,"
             "\"sliding_window\": null, \"partial_rotary_factor\": 1.0,"
             "\"layer_types\": [\"full_attention\"], \"pretraining_tp\": 1,");
    if (parse(&s, text, &err) != 0) fail_msg("%s", err.text);
}

static void impossible_dimensions_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused(with("\"num_key_value_heads\": 3,"), "num_key_value_heads");
    assert_refused(with("\"num_key_value_heads\": 0,"), "num_key_value_heads");
    assert_refused(with("\"head_dim\": 7,"), "head width");
    assert_refused(with("\"head_dim\": 1024,"), "head_dim");
    assert_refused(with("\"rms_norm_eps\": 0,"), "rms_norm_eps");
    assert_refused(with("\"rope_theta\": 0.5,"), "rope_theta");
    assert_refused(with("\"rope_theta\": \"big\","), "rope_theta");
    assert_refused(with("\"tie_word_embeddings\": 1,"), "tie_word_embeddings");
    assert_refused("{\"model_type\": \"llama\", \"num_hidden_layers\": 4294967297}",
                   "num_hidden_layers");
    assert_refused("{\"model_type\": \"llama\", \"num_hidden_layers\": -1}", "num_hidden_layers");
    assert_refused("{\"model_type\": \"llama\", \"num_hidden_layers\": 1, \"hidden_size\": 1.5}",
                   "hidden_size");
    assert_refused("{\"model_type\": \"llama\", \"num_hidden_layers\": 1, \"hidden_size\": 10,"
                   " \"num_attention_heads\": 3, \"intermediate_size\": 8, \"vocab_size\": 8,"
                   " \"max_position_embeddings\": 8}",
                   "hidden_size 10");
    assert_refused("{\"model_type\": \"llama\", \"num_hidden_layers\": 1024,"
                   " \"hidden_size\": 131072, \"num_attention_heads\": 1024,"
                   " \"intermediate_size\": 524288, \"vocab_size\": 4194304, \"head_dim\": 256,"
                   " \"max_position_embeddings\": 8}",
                   "over the limit");
}

static void a_written_config_reads_back_the_same(void **state)
{
    (void)state;
    for (int family = 0; family < 3; family++) {
        struct shape s = {.n_layers = 3,
                          .width = 48,
                          .n_heads = 6,
                          .n_kv_heads = 2,
                          .head_width = 10,
                          .ffn_width = 100,
                          .vocab_size = 77,
                          .context_length = 99,
                          .norm_epsilon = 1e-5f,
                          .rope_theta = 12345.678,
                          .tied_embeddings = family == 1,
                          .qk_norm = family == 2,
                          .qkv_bias = family == 1};
        struct shape back;
        struct err err;
        struct json_writer w;
        json_writer_init(&w);
        shape_write_config(&s, 1, 2, UINT32_MAX, &w);
        if (parse(&back, w.bytes, &err) != 0) fail_msg("%s", err.text);
        struct hash want = shape_hash(&s), found = shape_hash(&back);
        assert_true(hash_is_equal(&want, &found));
        assert_non_null(strstr(w.bytes, "eos_token_id"));
        assert_null(strstr(w.bytes, "pad_token_id"));
        free(w.bytes);
    }
}

static void the_hash_tells_shapes_apart(void **state)
{
    (void)state;
    struct shape a, b;
    struct err err;
    assert_int_equal(parse(&a, qwen3_config, &err), 0);
    b = a;
    b.rope_theta += 1.0;
    struct hash left = shape_hash(&a), right = shape_hash(&b);
    assert_false(hash_is_equal(&left, &right));
    b = a;
    b.qk_norm = false;
    right = shape_hash(&b);
    assert_false(hash_is_equal(&left, &right));
}

static void inverse_frequencies_are_powers_of_theta(void **state)
{
    (void)state;
    static const uint32_t widths[] = {2, 8, 10, 64, 128, 254};
    static const double thetas[] = {1.0, 500.0, 1e4, 1e6};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 4; j++) {
            struct shape s = {.head_width = widths[i], .rope_theta = thetas[j]};
            double found[SHAPE_HEAD_WIDTH_MAX / 2];
            shape_inverse_frequencies(&s, found);
            for (uint32_t k = 0; k < widths[i] / 2; k++) {
                double want = pow(thetas[j], -2.0 * k / widths[i]);
                assert_true(fabs(found[k] - want) <= 1e-13 * want);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_qwen3_config_is_read),
        cmocka_unit_test(what_a_config_leaves_out_has_the_familys_default),
        cmocka_unit_test(rope_theta_is_found_in_each_of_its_places),
        cmocka_unit_test(what_is_not_implemented_is_refused_by_name),
        cmocka_unit_test(values_that_switch_a_feature_off_are_accepted),
        cmocka_unit_test(impossible_dimensions_are_refused_by_name),
        cmocka_unit_test(a_written_config_reads_back_the_same),
        cmocka_unit_test(the_hash_tells_shapes_apart),
        cmocka_unit_test(inverse_frequencies_are_powers_of_theta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
