#include "common/model/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/model/config_keys.h"

#define CONFIG_BYTES_MAX ((size_t)4 << 20)
#define LAYERS_MAX 1024u
#define WIDTH_MAX (1u << 17)
#define HEADS_MAX 1024u
#define FFN_WIDTH_MAX (1u << 19)
#define VOCAB_MAX (1u << 22)
#define CONTEXT_MAX (1u << 22)
#define WINDOW_DEFAULT 4096u             // of attention, in families whose files may leave it out
#define ELEMENTS_MAX ((uint64_t)1 << 40) // of one matrix: every product below fits 64 bits

struct family {
    const char *model_type, *architecture;
    bool qk_norm, qkv_bias;
    bool wants_head_dim, wants_kv_heads; // no default that could be told from others
};

enum { LLAMA, QWEN2, QWEN3, MISTRAL };
static const struct family families[] = {
    [LLAMA] = {"llama", "LlamaForCausalLM", false, false, false, false},
    [QWEN2] = {"qwen2", "Qwen2ForCausalLM", false, true, false, true},
    [QWEN3] = {"qwen3", "Qwen3ForCausalLM", true, false, true, true},
    [MISTRAL] = {"mistral", "MistralForCausalLM", false, false, false, true},
};

static int find_family(struct json root, const char *name, const struct family **out,
                       struct err *err)
{
    const char *type;
    if (json_get_string(root, "model_type", &type, err) != 0) return -1;
    *out = NULL;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].model_type, type) == 0) *out = &families[i];
    if (*out == NULL)
        return err_set(
            err, ERR_FORMAT,
            "%s: model_type '%.60s' is not implemented (llama, mistral, qwen2 and qwen3 are)", name,
            type);

    struct json architectures = json_member(root, "architectures");
    if (!json_is_present(architectures)) return 0;
    struct json first = json_item(architectures, 0);
    const char *found = json_is_string(first) ? json_to_string(first, NULL) : "(none)";
    if (json_count(architectures) != 1 || strcmp(found, (*out)->architecture) != 0)
        return err_set(err, ERR_FORMAT, "%s: architectures: '%.60s' is not implemented (want '%s')",
                       name, found, (*out)->architecture);
    return 0;
}

static int refuse(const char *key, const char *why, const char *name, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: '%s' is not implemented: %s", name, key, why);
}

// Whether the window of attention that a config sets leaves something out of
// a whole context; `absent` is what its absence means.
static bool window_bites(const struct shape *s, struct json root, uint32_t absent)
{
    struct json window = json_member(root, "sliding_window");
    if (window.value == NULL) return absent < s->context_length;
    if (!json_is_present(window)) return false; // null: none
    return !json_is_integer(window) || json_to_i64(window) < (int64_t)s->context_length;
}

/*
 * Every layer must attend to everything before it.  Qwen files carry a
 * sliding_window that use_sliding_window: false turns off, or one that begins
 * at a layer they do not have.  Where Mistral's is absent, 4096 is meant.
 */
static int refuse_windows(const struct shape *s, struct json root, const struct family *family,
                          const char *name, struct err *err)
{
    if (family == &families[LLAMA] && window_bites(s, root, UINT32_MAX))
        return refuse("sliding_window", "a window in use", name, err);
    if (family == &families[MISTRAL] && window_bites(s, root, WINDOW_DEFAULT))
        return refuse("sliding_window", "a window in use (4096 where it is absent)", name, err);
    bool is_qwen = family == &families[QWEN2] || family == &families[QWEN3];
    struct json use = json_member(root, "use_sliding_window");
    if (json_is_present(use) && (!json_is_bool(use) || (json_to_bool(use) && !is_qwen)))
        return refuse("use_sliding_window", "want false", name, err);
    if (json_to_bool(use) && window_bites(s, root, WINDOW_DEFAULT)) {
        struct json first = json_member(root, "max_window_layers");
        if (!json_is_integer(first) || json_to_i64(first) < (int64_t)s->n_layers)
            return refuse("use_sliding_window", "a window in use", name, err);
    }

    struct json types = json_member(root, "layer_types");
    if (!json_is_present(types)) return 0;
    if (!json_is_array(types) || json_count(types) != s->n_layers)
        return err_set(err, ERR_FORMAT, "%s: layer_types: want a list of one for each of %u layers",
                       name, s->n_layers);
    for (size_t i = 0; i < json_count(types); i++) {
        struct json type = json_item(types, i);
        if (json_is_string(type) && strcmp(json_to_string(type, NULL), "full_attention") == 0)
            continue;
        return err_set(err, ERR_FORMAT, "%s: layer_types[%zu] is not 'full_attention'", name, i);
    }
    return 0;
}

// Keys that mean one thing in one family and another in the next.
static int refuse_variants(struct json root, const struct family *family, const char *name,
                           struct err *err)
{
    struct json bias = json_member(root, "attention_bias"), act = json_member(root, "hidden_act");
    if (json_is_present(bias) && (!json_is_bool(bias) || json_to_bool(bias) != family->qkv_bias))
        return refuse("attention_bias",
                      family->qkv_bias ? "Qwen2 has a bias on q, k and v"
                                       : "it puts a bias on o_proj too",
                      name, err);
    if (!json_is_present(act)) return 0;
    const char *found = json_is_string(act) ? json_to_string(act, NULL) : "(not a string)";
    if (strcmp(found, "silu") == 0) return 0;
    return err_set(err, ERR_FORMAT, "%s: hidden_act '%.60s' is not implemented (want 'silu')", name,
                   found);
}

// Of quantised files one kind is read: fp8 with a scale for each 128 x 128 block.
static int read_quantization(struct shape *s, struct json root, const char *name, struct err *err)
{
    static const char key[] = "quantization_config";
    struct json object = json_member(root, key);
    if (!json_is_present(object)) return 0;
    if (!json_is_object(object)) return refuse(key, "it is not an object", name, err);
    for (void *it = json_first(object); it != NULL; it = json_next(object, it)) {
        struct json value = json_value(object, it);
        const char *member = json_key(it);
        const char *text = json_is_string(value) ? json_to_string(value, NULL) : "";
        bool is_fine = !json_is_present(value) || strcmp(member, "modules_to_not_convert") == 0 ||
                       (strcmp(member, "quant_method") == 0 && strcmp(text, "fp8") == 0) ||
                       (strcmp(member, "fmt") == 0 && strcmp(text, "e4m3") == 0) ||
                       (strcmp(member, "activation_scheme") == 0 && strcmp(text, "dynamic") == 0);
        if (strcmp(member, "weight_block_size") == 0)
            is_fine = json_count(value) == 2 && json_to_i64(json_item(value, 0)) == 128 &&
                      json_to_i64(json_item(value, 1)) == 128;
        if (!is_fine)
            return err_set(err, ERR_FORMAT,
                           "%s: %s: %.60s%s%.60s is not implemented (fp8 e4m3 in blocks of 128 x "
                           "128 is)",
                           name, key, member, *text ? " " : "", text);
    }
    if (!json_is_present(json_member(object, "quant_method")) ||
        !json_is_present(json_member(object, "weight_block_size")))
        return refuse(key, "want a quant_method and a weight_block_size", name, err);
    s->fp8_blocks = true;
    return 0;
}

static int read_count(struct json root, const char *key, uint32_t max, uint32_t *out,
                      const char *name, struct err *err)
{
    uint64_t value;
    if (json_get_u64(root, key, max, &value, err) != 0) return -1;
    if (value == 0) return err_set(err, ERR_FORMAT, "%s: field '%s': want at least 1", name, key);
    *out = (uint32_t)value;
    return 0;
}

// A count that a family may leave to its default, which is `otherwise`.
static int read_optional(struct json root, const char *key, bool is_wanted, uint32_t max,
                         uint32_t otherwise, uint32_t *out, const char *name, struct err *err)
{
    struct json value = json_member(root, key);
    *out = otherwise;
    if (json_is_present(value)) return read_count(root, key, max, out, name, err);
    if (value.value == NULL && is_wanted)
        return err_set(err, ERR_FORMAT, "%s: field '%s' is missing", name, key);
    return 0;
}

static int read_dimensions(struct shape *s, struct json root, const struct family *family,
                           const char *name, struct err *err)
{
    if (read_count(root, "num_hidden_layers", LAYERS_MAX, &s->n_layers, name, err) != 0 ||
        read_count(root, "hidden_size", WIDTH_MAX, &s->width, name, err) != 0 ||
        read_count(root, "num_attention_heads", HEADS_MAX, &s->n_heads, name, err) != 0 ||
        read_count(root, "intermediate_size", FFN_WIDTH_MAX, &s->ffn_width, name, err) != 0 ||
        read_count(root, "vocab_size", VOCAB_MAX, &s->vocab_size, name, err) != 0 ||
        read_count(root, "max_position_embeddings", CONTEXT_MAX, &s->context_length, name, err) !=
            0)
        return -1;

    if (read_optional(root, "num_key_value_heads", family->wants_kv_heads, HEADS_MAX, s->n_heads,
                      &s->n_kv_heads, name, err) != 0 ||
        read_optional(root, "head_dim", family->wants_head_dim, SHAPE_HEAD_WIDTH_MAX, 0,
                      &s->head_width, name, err) != 0)
        return -1;
    if (s->n_heads % s->n_kv_heads != 0)
        return err_set(err, ERR_FORMAT,
                       "%s: num_attention_heads %u is not a multiple of num_key_value_heads %u",
                       name, s->n_heads, s->n_kv_heads);
    if (s->head_width > 0) return 0;
    if (s->width % s->n_heads != 0)
        return err_set(err, ERR_FORMAT, "%s: hidden_size %u is not a multiple of %u heads", name,
                       s->width, s->n_heads);
    s->head_width = s->width / s->n_heads;
    return 0;
}

static int check_dimensions(const struct shape *s, const char *name, struct err *err)
{
    if (s->head_width % 2 != 0 || s->head_width > SHAPE_HEAD_WIDTH_MAX)
        return err_set(err, ERR_FORMAT, "%s: head width %u: want an even number up to %d", name,
                       s->head_width, SHAPE_HEAD_WIDTH_MAX);
    if (s->width < 2 || s->ffn_width < 2 || s->vocab_size < 2)
        return err_set(err, ERR_FORMAT,
                       "%s: hidden_size, intermediate_size and vocab_size: want at least 2", name);
    uint64_t widest = s->vocab_size;
    if (2 * (uint64_t)s->ffn_width > widest) widest = 2 * (uint64_t)s->ffn_width;
    uint64_t heads = (uint64_t)(s->n_heads + 2 * s->n_kv_heads) * s->head_width;
    if (heads > widest) widest = heads;
    if (widest * s->width > ELEMENTS_MAX / s->n_layers)
        return err_set(err, ERR_LIMIT, "%s: a model of this size is over the limit", name);
    if (!(s->norm_epsilon > 0.0f && s->norm_epsilon < 1.0f))
        return err_set(err, ERR_FORMAT, "%s: rms_norm_eps %g is out of range (0 to 1)", name,
                       (double)s->norm_epsilon);
    return 0;
}

static int parse_root(struct shape *s, struct json root, const char *name, struct err *err)
{
    if (!json_is_object(root)) return err_set(err, ERR_FORMAT, "%s: not a JSON object", name);
    const struct family *family;
    if (find_family(root, name, &family, err) != 0 || config_keys_check(root, name, err) != 0 ||
        read_dimensions(s, root, family, name, err) != 0 ||
        refuse_variants(root, family, name, err) != 0 ||
        read_quantization(s, root, name, err) != 0 ||
        rope_scaling_read(&s->rope_scaling, &s->rope_theta, root, s->context_length, name, err) !=
            0)
        return -1;
    uint64_t reach = rope_scaling_reach(&s->rope_scaling);
    if (reach > CONTEXT_MAX) reach = CONTEXT_MAX;
    if (reach > s->context_length) s->context_length = (uint32_t)reach;
    if (refuse_windows(s, root, family, name, err) != 0) return -1;

    double epsilon = 1e-6;
    if (json_is_present(json_member(root, "rms_norm_eps")) &&
        json_get_double(root, "rms_norm_eps", &epsilon, err) != 0)
        return -1;
    s->norm_epsilon = (float)epsilon;
    s->tied_embeddings = false;
    if (json_is_present(json_member(root, "tie_word_embeddings")) &&
        json_get_bool(root, "tie_word_embeddings", &s->tied_embeddings, err) != 0)
        return -1;
    s->qk_norm = family->qk_norm;
    s->qkv_bias = family->qkv_bias;
    s->is_mistral = family == &families[MISTRAL];
    return check_dimensions(s, name, err);
}

int shape_parse(struct shape *s, const char *bytes, size_t size_bytes, const char *name,
                struct err *err)
{
    memset(s, 0, sizeof *s);
    struct json_document *document = json_parse(bytes, size_bytes, name, err);
    if (document == NULL) return -1;
    int status = parse_root(s, json_root(document), name, err);
    json_destroy(document);
    return status;
}

int shape_read(struct shape *s, const char *folder, struct err *err)
{
    char path[4096];
    if (file_join(path, sizeof path, folder, "config.json", err) != 0) return -1;
    char *bytes;
    size_t size_bytes;
    if (file_read(path, CONFIG_BYTES_MAX, &bytes, &size_bytes, err) != 0) return -1;
    int status = shape_parse(s, bytes, size_bytes, path, err);
    free(bytes);
    return status;
}

static void write_token_id(struct json_writer *out, const char *key, uint32_t id)
{
    if (id != UINT32_MAX) json_put_u64(out, key, id);
}

// The number as people wrote it: 1e-6, and not the 9.99999997e-7 that is nearest in fp32.
static double shortest(float value)
{
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        float back = strtof(text, NULL);
        if (!(back < value) && !(back > value)) break;
    }
    return strtod(text, NULL);
}

void shape_write_config(const struct shape *s, uint32_t bos_id, uint32_t eos_id, uint32_t pad_id,
                        struct json_writer *out)
{
    CHECK(!(s->qk_norm && s->qkv_bias)); // no published family has both
    const struct family *family = &families[s->qk_norm      ? QWEN3
                                            : s->qkv_bias   ? QWEN2
                                            : s->is_mistral ? MISTRAL
                                                            : LLAMA];

    json_open(out, NULL, '{');
    json_open(out, "architectures", '[');
    json_put_string(out, NULL, family->architecture);
    json_close(out, ']');
    json_put_string(out, "model_type", family->model_type);
    json_put_u64(out, "hidden_size", s->width);
    json_put_u64(out, "intermediate_size", s->ffn_width);
    json_put_u64(out, "num_hidden_layers", s->n_layers);
    json_put_u64(out, "num_attention_heads", s->n_heads);
    json_put_u64(out, "num_key_value_heads", s->n_kv_heads);
    json_put_u64(out, "head_dim", s->head_width);
    json_put_u64(out, "vocab_size", s->vocab_size);
    json_put_u64(out, "max_position_embeddings", s->context_length);
    json_put_double(out, "rms_norm_eps", shortest(s->norm_epsilon));
    json_put_double(out, "rope_theta", s->rope_theta);
    rope_scaling_write(&s->rope_scaling, out);
    json_put_string(out, "hidden_act", "silu");
    if (!family->qkv_bias && !s->is_mistral) json_put_bool(out, "attention_bias", false);
    if (s->is_mistral) json_put_json(out, "sliding_window", "null");
    json_put_bool(out, "tie_word_embeddings", s->tied_embeddings);
    json_put_string(out, "torch_dtype", "bfloat16");
    write_token_id(out, "bos_token_id", bos_id);
    write_token_id(out, "eos_token_id", eos_id);
    write_token_id(out, "pad_token_id", pad_id);
    json_close(out, '}');
}

struct attention_shape shape_attention(const struct shape *s)
{
    return (struct attention_shape){
        .n_heads = s->n_heads, .n_kv_heads = s->n_kv_heads, .head_width = s->head_width};
}

struct hash shape_hash(const struct shape *s)
{
    // Field by field: padding bytes of a struct are nobody's.
    const uint32_t counts[] = {s->n_layers,        s->width,     s->n_heads,    s->n_kv_heads,
                               s->head_width,      s->ffn_width, s->vocab_size, s->context_length,
                               s->tied_embeddings, s->qk_norm,   s->qkv_bias};
    struct hasher hasher;
    hasher_init(&hasher);
    hasher_add(&hasher, counts, sizeof counts);
    hasher_add(&hasher, &s->norm_epsilon, sizeof s->norm_epsilon);
    hasher_add(&hasher, &s->rope_theta, sizeof s->rope_theta);
    rope_scaling_hash(&s->rope_scaling, &hasher);
    return hasher_end(&hasher);
}

// x^n by repeated multiplication: the same bits on every machine, unlike pow().
static double power(double x, uint32_t n)
{
    double result = 1.0;
    for (uint32_t i = 0; i < n; i++)
        result *= x;
    return result;
}

void shape_inverse_frequencies(const struct shape *s, double *out)
{
    // root = theta^(1 / (D/2)), by bisection down to two neighbouring doubles.
    uint32_t n = s->head_width / 2;
    double low = 1.0, high = s->rope_theta;
    for (;;) {
        double middle = low + (high - low) / 2;
        if (!(middle > low && middle < high)) break;
        if (power(middle, n) > s->rope_theta)
            high = middle;
        else
            low = middle;
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = 1.0 / power(high, i);
    rope_scaling_apply(&s->rope_scaling, s->rope_theta, s->head_width, out);
}
