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
    assert_refused(with("\"rope_theta\": 1e4, \"rope_parameters\": {\"rope_theta\": 2e4},"),
                   "two values of rope_theta");
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
        {"\"sliding_window\": 511,", "sliding_window"},
        {"\"layer_types\": [\"full_attention\", \"sliding_attention\", 1, 1, 1],",
         "layer_types[1]"},
        {"\"layer_types\": [\"full_attention\"],", "layer_types"},
        {"\"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 8.0},", "dynamic"},
        {"\"rope_scaling\": {\"type\": \"longrope\", \"factor\": 2.0},", "longrope"},
        {"\"rope_scaling\": {\"type\": \"yarn\", \"rope_type\": \"linear\"},", "differ"},
        {"\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 1}},", "full_attention"},
        {"\"rope_scaling\": {\"mrope_section\": [16, 24, 24]},", "mrope_section"},
        {"\"rope_scaling\": {\"factor\": 2.0},", "factor"},
        {"\"rope_scaling\": 8,", "rope_scaling"},
        {"\"partial_rotary_factor\": 0.5,", "partial_rotary_factor"},
        {"\"rope_parameters\": {\"partial_rotary_factor\": 0.5},", "partial_rotary_factor"},
        {"\"final_logit_softcapping\": 30.0,", "final_logit_softcapping"},
        {"\"logit_scale\": 0.0625,", "logit_scale"},
        {"\"is_causal\": false,", "is_causal"},
        {"\"auto_map\": {\"AutoModelForCausalLM\": \"modeling_x.X\"},", "auto_map"},
        {"\"gate_of_tomorrow\": \"sigmoid\",", "gate_of_tomorrow"},
        {"\"pruned_heads\": {\"1\": [0]},", "pruned_heads"},
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
             "\"layer_types\": [\"full_attention\", \"full_attention\", \"full_attention\","
             " \"full_attention\", \"full_attention\"], \"pretraining_tp\": 1,"
             "\"gate_of_tomorrow\": false, \"num_experts\": 0, \"pruned_heads\": {},");
    if (parse(&s, text, &err) != 0) fail_msg("%s", err.text);
    // A window that holds a whole context leaves nothing out.
    if (parse(&s, with("\"sliding_window\": 512,"), &err) != 0) fail_msg("%s", err.text);
}

/*
 * config.json as published: Mistral-7B-Instruct-v0.3, Llama-3.2-1B-Instruct,
 * Qwen2.5-0.5B-Instruct, DeepSeek-R1-Distill-Qwen-1.5B, and a Llama 2 as
 * transformers 4.31 wrote it.
 */
static const char *const published[] = {
    "{\"architectures\": [\"MistralForCausalLM\"], \"attention_dropout\": 0.0,"
    " \"bos_token_id\": 1, \"eos_token_id\": 2, \"hidden_act\": \"silu\","
    " \"hidden_size\": 4096, \"initializer_range\": 0.02, \"intermediate_size\": 14336,"
    " \"max_position_embeddings\": 32768, \"model_type\": \"mistral\","
    " \"num_attention_heads\": 32, \"num_hidden_layers\": 32, \"num_key_value_heads\": 8,"
    " \"rms_norm_eps\": 1e-05, \"rope_theta\": 1000000.0, \"sliding_window\": null,"
    " \"tie_word_embeddings\": false, \"torch_dtype\": \"bfloat16\","
    " \"transformers_version\": \"4.42.0.dev0\", \"use_cache\": true, \"vocab_size\": 32768}",
    "{\"architectures\": [\"LlamaForCausalLM\"], \"attention_bias\": false,"
    " \"attention_dropout\": 0.0, \"bos_token_id\": 128000,"
    " \"eos_token_id\": [128001, 128008, 128009], \"head_dim\": 64, \"hidden_act\": \"silu\","
    " \"hidden_size\": 2048, \"initializer_range\": 0.02, \"intermediate_size\": 8192,"
    " \"max_position_embeddings\": 131072, \"mlp_bias\": false, \"model_type\": \"llama\","
    " \"num_attention_heads\": 32, \"num_hidden_layers\": 16, \"num_key_value_heads\": 8,"
    " \"pretraining_tp\": 1, \"rms_norm_eps\": 1e-05, \"rope_scaling\": {\"factor\": 32.0,"
    " \"high_freq_factor\": 4.0, \"low_freq_factor\": 1.0,"
    " \"original_max_position_embeddings\": 8192, \"rope_type\": \"llama3\"},"
    " \"rope_theta\": 500000.0, \"tie_word_embeddings\": true, \"torch_dtype\": \"bfloat16\","
    " \"transformers_version\": \"4.45.0.dev0\", \"use_cache\": true, \"vocab_size\": 128256}",
    "{\"architectures\": [\"Qwen2ForCausalLM\"], \"attention_dropout\": 0.0,"
    " \"bos_token_id\": 151643, \"eos_token_id\": 151645, \"hidden_act\": \"silu\","
    " \"hidden_size\": 896, \"initializer_range\": 0.02, \"intermediate_size\": 4864,"
    " \"max_position_embeddings\": 32768, \"max_window_layers\": 21, \"model_type\": \"qwen2\","
    " \"num_attention_heads\": 14, \"num_hidden_layers\": 24, \"num_key_value_heads\": 2,"
    " \"rms_norm_eps\": 1e-06, \"rope_theta\": 1000000.0, \"sliding_window\": 32768,"
    " \"tie_word_embeddings\": true, \"torch_dtype\": \"bfloat16\","
    " \"transformers_version\": \"4.43.1\", \"use_cache\": true,"
    " \"use_sliding_window\": false, \"vocab_size\": 151936}",
    "{\"architectures\": [\"Qwen2ForCausalLM\"], \"attention_dropout\": 0.0,"
    " \"bos_token_id\": 151643, \"eos_token_id\": 151643, \"hidden_act\": \"silu\","
    " \"hidden_size\": 1536, \"initializer_range\": 0.02, \"intermediate_size\": 8960,"
    " \"max_position_embeddings\": 131072, \"max_window_layers\": 21, \"model_type\": \"qwen2\","
    " \"num_attention_heads\": 12, \"num_hidden_layers\": 28, \"num_key_value_heads\": 2,"
    " \"rms_norm_eps\": 1e-06, \"rope_theta\": 10000, \"sliding_window\": 4096,"
    " \"tie_word_embeddings\": false, \"torch_dtype\": \"bfloat16\","
    " \"transformers_version\": \"4.44.0\", \"use_cache\": true, \"use_mrope\": false,"
    " \"use_sliding_window\": false, \"vocab_size\": 151936}",
    "{\"_name_or_path\": \"somebody/Llama-2-13b-hf\", \"architectures\":"
    " [\"LlamaForCausalLM\"], \"bos_token_id\": 1, \"eos_token_id\": 2,"
    " \"hidden_act\": \"silu\", \"hidden_size\": 5120, \"initializer_range\": 0.02,"
    " \"intermediate_size\": 13824, \"max_length\": 4096,"
    " \"max_position_embeddings\": 4096, \"model_type\": \"llama\","
    " \"num_attention_heads\": 40, \"num_hidden_layers\": 40, \"num_key_value_heads\": 40,"
    " \"pad_token_id\": 0, \"pretraining_tp\": 2, \"rms_norm_eps\": 1e-05,"
    " \"rope_scaling\": null, \"tie_word_embeddings\": false, \"torch_dtype\": \"float16\","
    " \"transformers_version\": \"4.31.0.dev0\", \"use_cache\": true, \"vocab_size\": 32000}",
};

static void published_configs_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct shape s;
        struct err err;
        if (parse(&s, published[i], &err) != 0) fail_msg("%zu: %s", i, err.text);
        assert_true(s.is_mistral == (i == 0));
        assert_true((s.rope_scaling.type == ROPE_LLAMA3) == (i == 1));
        assert_true(s.tied_embeddings == (i == 1 || i == 2));
        assert_true(s.qkv_bias == (i == 2 || i == 3));
        assert_int_equal(s.head_width, i == 1 || i == 2 ? 64 : 128);
    }
}

static void a_window_of_mistral_is_refused_even_where_it_is_only_implied(void **state)
{
    (void)state;
    char text[2048];
    struct shape s;
    struct err err;
    snprintf(text, sizeof text, "%s", published[0]);
    memcpy(strstr(text, "null,"), "4096", 4);
    assert_refused(text, "sliding_window");
    snprintf(text, sizeof text, "%s", published[0]);
    memcpy(strstr(text, "sliding_window"), "sliding_widow_", 14); // absent
    assert_refused(text, "sliding_window");
    memcpy(strstr(text, "32768"), "4096 ", 5); // a context within it
    if (parse(&s, text, &err) != 0) fail_msg("%s", err.text);
}

static void one_kind_of_quantised_file_is_read(void **state)
{
    (void)state;
#define FP8(method, fmt, scheme, block)                                                            \
    "\"quantization_config\": {\"activation_scheme\": \"" scheme "\", \"fmt\": \"" fmt             \
    "\", \"modules_to_not_convert\": [\"lm_head\"], \"quant_method\": \"" method                   \
    "\", \"weight_block_size\": " block "},"
    struct shape s;
    struct err err;
    if (parse(&s, with(FP8("fp8", "e4m3", "dynamic", "[128, 128]")), &err) != 0)
        fail_msg("%s", err.text);
    assert_true(s.fp8_blocks);
    assert_refused(with(FP8("gptq", "e4m3", "dynamic", "[128, 128]")), "gptq");
    assert_refused(with(FP8("fp8", "e5m2", "dynamic", "[128, 128]")), "e5m2");
    assert_refused(with(FP8("fp8", "e4m3", "static", "[128, 128]")), "static");
    assert_refused(with(FP8("fp8", "e4m3", "dynamic", "[64, 64]")), "weight_block_size");
    assert_refused(with(FP8("fp8", "e4m3", "dynamic", "null")), "weight_block_size");
    assert_refused(with("\"quantization_config\": {\"quant_method\": \"fp8\"},"),
                   "weight_block_size");
    assert_refused(with("\"quantization_config\": 8,"), "quantization_config");
}

static void numbers_of_a_rope_scaling_are_checked_by_name(void **state)
{
    (void)state;
#define ROPE(type, rest) with("\"rope_scaling\": {\"rope_type\": \"" type "\", " rest "},")
    assert_refused(ROPE("linear", "\"factor\": 0.5"), "factor");
    assert_refused(ROPE("linear", "\"factor\": \"two\""), "factor");
    assert_refused(ROPE("linear", "\"rope_theta\": 10"), "factor");
    assert_refused(ROPE("linear", "\"factor\": 2, \"mscale\": 1"), "mscale");
    assert_refused(ROPE("llama3", "\"factor\": 8"), "high_freq_factor");
    assert_refused(ROPE("llama3", "\"factor\": 8, \"low_freq_factor\": 4,"
                                  "\"high_freq_factor\": 4"),
                   "high_freq_factor");
    assert_refused(ROPE("llama3", "\"factor\": 8, \"low_freq_factor\": 1,"
                                  "\"original_max_position_embeddings\": 0"),
                   "original_max_position_embeddings");
    assert_refused(ROPE("yarn", "\"factor\": 8, \"beta_fast\": 1, \"beta_slow\": 2"), "beta_fast");
    assert_refused(ROPE("yarn", "\"factor\": 8, \"attention_factor\": 0"), "attention_factor");
    assert_refused(ROPE("yarn", "\"factor\": 8, \"truncate\": 1"), "truncate");
    assert_refused(ROPE("yarn", "\"factor\": 8, \"rope_theta\": 1"), "rope_theta");
    assert_refused(with("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2},"
                        "\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 3},"),
                   "rope_parameters");
}

// Positions that only the stretch reaches may be used.
static void yarn_reaches_further_than_the_config_says(void **state)
{
    (void)state;
    struct shape s;
    struct err err;
    const char *text = ROPE("yarn", "\"factor\": 4, \"original_max_position_embeddings\": 256");
    if (parse(&s, text, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(s.context_length, 1024);
    text = ROPE("yarn", "\"factor\": 4, \"original_max_position_embeddings\": 64");
    if (parse(&s, text, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(s.context_length, 512);
}

static void turns_and_magnitudes_are_those_of_transformers(void **state)
{
    (void)state;
    struct err err;
    struct json_document *golden = json_read_file("tests/golden/rope.json", (size_t)1 << 20, &err);
    if (golden == NULL) fail_msg("%s", err.text);
    struct json cases = json_member(json_root(golden), "cases");
    assert_true(json_count(cases) >= 8);
    for (size_t i = 0; i < json_count(cases); i++) {
        struct json c = json_item(cases, i), turns = json_member(c, "turns");
        struct shape s;
        double found[SHAPE_HEAD_WIDTH_MAX / 2];
        if (parse(&s, json_to_string(json_member(c, "config"), NULL), &err) != 0)
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(json_count(turns), s.head_width / 2);
        shape_inverse_frequencies(&s, found);
        for (size_t k = 0; k < s.head_width / 2; k++) {
            double want = json_to_double(json_item(turns, k));
            if (!(fabs(found[k] - want) <= 3e-6 * want))
                fail_msg("case %zu: pair %zu turns by %.9g, want %.9g", i, k, found[k], want);
        }
        double magnitude = json_to_double(json_member(c, "magnitude"));
        assert_true(fabs(rope_scaling_magnitude(&s.rope_scaling) - magnitude) < 1e-12);
    }
    json_destroy(golden);
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

static const struct rope_scaling scalings[] = {
    {.type = ROPE_DEFAULT},
    {.type = ROPE_LINEAR, .factor = 2.5},
    {.type = ROPE_LLAMA3,
     .factor = 8,
     .original_length = 24,
     .low_freq_factor = 1,
     .high_freq_factor = 4},
    {.type = ROPE_YARN,
     .factor = 4.0,
     .original_length = 11,
     .beta_fast = 32,
     .beta_slow = 1,
     .mscale = 1,
     .mscale_all_dim = 0.707,
     .attention_factor = 1.5,
     .keeps_fractions = true},
};

static void a_written_config_reads_back_the_same(void **state)
{
    (void)state;
    for (int family = 0; family < 4; family++) {
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
                          .rope_scaling = scalings[family],
                          .tied_embeddings = family == 1,
                          .qk_norm = family == 2,
                          .qkv_bias = family == 1,
                          .is_mistral = family == 3};
        struct shape back;
        struct err err;
        struct json_writer w;
        json_writer_init(&w);
        shape_write_config(&s, 1, 2, UINT32_MAX, &w);
        if (parse(&back, w.bytes, &err) != 0) fail_msg("%s", err.text);
        struct hash want = shape_hash(&s), found = shape_hash(&back);
        assert_true(hash_is_equal(&want, &found));
        assert_true(back.is_mistral == s.is_mistral);
        assert_non_null(strstr(w.bytes, "\"rms_norm_eps\":1e-05"));
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
    for (size_t i = 1; i < sizeof scalings / sizeof *scalings; i++) {
        b = a;
        b.rope_scaling = scalings[i];
        struct hash scaled = shape_hash(&b);
        assert_false(hash_is_equal(&left, &scaled));
        b.rope_scaling.factor += 1;
        right = shape_hash(&b);
        assert_false(hash_is_equal(&scaled, &right));
    }
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
        cmocka_unit_test(published_configs_are_read),
        cmocka_unit_test(a_window_of_mistral_is_refused_even_where_it_is_only_implied),
        cmocka_unit_test(one_kind_of_quantised_file_is_read),
        cmocka_unit_test(numbers_of_a_rope_scaling_are_checked_by_name),
        cmocka_unit_test(yarn_reaches_further_than_the_config_says),
        cmocka_unit_test(turns_and_magnitudes_are_those_of_transformers),
        cmocka_unit_test(impossible_dimensions_are_refused_by_name),
        cmocka_unit_test(a_written_config_reads_back_the_same),
        cmocka_unit_test(the_hash_tells_shapes_apart),
        cmocka_unit_test(inverse_frequencies_are_powers_of_theta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
