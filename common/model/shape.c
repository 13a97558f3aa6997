#include "common/model/shape.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"

#define CONFIG_BYTES_MAX ((size_t)4 << 20)
#define LAYERS_MAX 1024u
#define WIDTH_MAX (1u << 17)
#define HEADS_MAX 1024u
#define FFN_WIDTH_MAX (1u << 19)
#define VOCAB_MAX (1u << 22)
#define CONTEXT_MAX (1u << 22)
#define ELEMENTS_MAX ((uint64_t)1 << 40) // of one matrix: every product below fits 64 bits

struct family {
    const char *model_type, *architecture;
    bool qk_norm, qkv_bias;
};

static const struct family families[] = {
    {"llama", "LlamaForCausalLM", false, false},
    {"qwen2", "Qwen2ForCausalLM", false, true},
    {"qwen3", "Qwen3ForCausalLM", true, false},
};

// Keys of other models that change what is computed.  Absent, null, or the
// value that means "no such thing" is fine; anything else is refused by name.
enum neutral { NEUTRAL_NONE, NEUTRAL_FALSE, NEUTRAL_ZERO, NEUTRAL_ONE };
static const struct {
    const char *key;
    enum neutral neutral;
} not_implemented[] = {
    {"attention_bias", NEUTRAL_FALSE}, // in these families it adds a bias to o_proj too
    {"mlp_bias", NEUTRAL_FALSE},
    {"use_sliding_window", NEUTRAL_FALSE},
    {"attention_dropout", NEUTRAL_ZERO},
    {"hidden_dropout", NEUTRAL_ZERO},
    {"partial_rotary_factor", NEUTRAL_ONE},
    {"rope_interleaved", NEUTRAL_FALSE},
    {"quantization_config", NEUTRAL_NONE},
    {"num_experts", NEUTRAL_ZERO},
    {"num_local_experts", NEUTRAL_ZERO},
    {"n_routed_experts", NEUTRAL_ZERO},
    {"num_experts_per_tok", NEUTRAL_ZERO},
    {"moe_intermediate_size", NEUTRAL_ZERO},
    {"kv_lora_rank", NEUTRAL_ZERO},
    {"logits_scaling", NEUTRAL_ONE},
    {"logit_scale", NEUTRAL_ONE},
    {"embedding_multiplier", NEUTRAL_ONE},
    {"residual_multiplier", NEUTRAL_ONE},
    {"attention_multiplier", NEUTRAL_ONE},
    {"attn_logit_softcapping", NEUTRAL_NONE},
    {"final_logit_softcapping", NEUTRAL_NONE},
    {"attention_chunk_size", NEUTRAL_NONE},
    {"num_nextn_predict_layers", NEUTRAL_ZERO},
};

static bool is_neutral(struct json v, enum neutral neutral)
{
    if (!json_is_present(v)) return true;
    if (neutral == NEUTRAL_FALSE) return json_is_bool(v) && !json_to_bool(v);
    if (neutral == NEUTRAL_ZERO) return json_is_number(v) && json_to_double(v) == 0.0;
    if (neutral == NEUTRAL_ONE) return json_is_number(v) && json_to_double(v) == 1.0;
    return false;
}

static int refuse_not_implemented(struct json root, const char *name, struct err *err)
{
    for (size_t i = 0; i < sizeof not_implemented / sizeof *not_implemented; i++) {
        const char *key = not_implemented[i].key;
        if (!is_neutral(json_member(root, key), not_implemented[i].neutral))
            return err_set(err, ERR_FORMAT, "%s: '%s' is set to something not implemented", name,
                           key);
    }
    return 0;
}

// A string member that must have one value when it is there.
static int want_text(struct json object, const char *key, const char *want, const char *name,
                     struct err *err)
{
    struct json v = json_member(object, key);
    if (!json_is_present(v)) return 0;
    const char *found = json_is_string(v) ? json_to_string(v, NULL) : "(not a string)";
    if (strcmp(found, want) == 0) return 0;
    return err_set(err, ERR_FORMAT, "%s: %s '%s' is not implemented (want '%s')", name, key, found,
                   want);
}

static int find_family(struct json root, const char *name, const struct family **out,
                       struct err *err)
{
    const char *type;
    if (json_get_string(root, "model_type", &type, err) != 0) return -1;
    *out = NULL;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].model_type, type) == 0) *out = &families[i];
    if (*out == NULL)
        return err_set(err, ERR_FORMAT,
                       "%s: model_type '%s' is not implemented (llama, qwen2, qwen3 are)", name,
                       type);

    struct json architectures = json_member(root, "architectures");
    if (!json_is_present(architectures)) return 0;
    struct json first = json_item(architectures, 0);
    const char *found = json_is_string(first) ? json_to_string(first, NULL) : "(none)";
    if (json_count(architectures) != 1 || strcmp(found, (*out)->architecture) != 0)
        return err_set(err, ERR_FORMAT, "%s: architectures: '%s' is not implemented (want '%s')",
                       name, found, (*out)->architecture);
    return 0;
}

// Every layer must attend to everything before it.
static int refuse_windows(struct json root, const struct family *family, const char *name,
                          struct err *err)
{
    // Qwen files carry a sliding_window that use_sliding_window: false turns off.
    if (strcmp(family->model_type, "llama") == 0 &&
        json_is_present(json_member(root, "sliding_window")))
        return err_set(err, ERR_FORMAT, "%s: 'sliding_window' is not implemented", name);

    struct json types = json_member(root, "layer_types");
    for (size_t i = 0; i < json_count(types); i++) {
        struct json type = json_item(types, i);
        if (json_is_string(type) && strcmp(json_to_string(type, NULL), "full_attention") == 0)
            continue;
        return err_set(err, ERR_FORMAT, "%s: layer_types[%zu] is not 'full_attention'", name, i);
    }
    return 0;
}

// One of the two places where a config keeps its rope: {"rope_type": ..., ...}.
static int read_rope_object(struct json root, const char *key, double *theta, const char *name,
                            struct err *err)
{
    struct json object = json_member(root, key);
    if (!json_is_present(object)) return 0;
    if (!json_is_object(object))
        return err_set(err, ERR_FORMAT, "%s: '%s' is not an object", name, key);
    if (want_text(object, "rope_type", "default", name, err) != 0 ||
        want_text(object, "type", "default", name, err) != 0)
        return err_prefix(err, "%s", key);
    if (!is_neutral(json_member(object, "partial_rotary_factor"), NEUTRAL_ONE))
        return err_set(err, ERR_FORMAT, "%s: %s: 'partial_rotary_factor' is not implemented", name,
                       key);
    for (void *it = json_first(object); it != NULL; it = json_next(object, it))
        if (json_is_object(json_value(object, it)))
            return err_set(err, ERR_FORMAT,
                           "%s: %s: '%s': a rope for each layer type is not "
                           "implemented",
                           name, key, json_key(it));
    if (json_is_present(json_member(object, "rope_theta")))
        return json_get_double(object, "rope_theta", theta, err);
    return 0;
}

static int read_rope(struct shape *s, struct json root, const char *name, struct err *err)
{
    s->rope_theta = 10000.0;
    if (json_is_present(json_member(root, "rope_theta")) &&
        json_get_double(root, "rope_theta", &s->rope_theta, err) != 0)
        return -1;
    if (read_rope_object(root, "rope_scaling", &s->rope_theta, name, err) != 0 ||
        read_rope_object(root, "rope_parameters", &s->rope_theta, name, err) != 0)
        return -1;
    if (!(s->rope_theta >= 1.0 && s->rope_theta <= 1e12))
        return err_set(err, ERR_FORMAT, "%s: rope_theta %g is out of range (1 to 1e12)", name,
                       s->rope_theta);
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

static int read_dimensions(struct shape *s, struct json root, const char *name, struct err *err)
{
    if (read_count(root, "num_hidden_layers", LAYERS_MAX, &s->n_layers, name, err) != 0 ||
        read_count(root, "hidden_size", WIDTH_MAX, &s->width, name, err) != 0 ||
        read_count(root, "num_attention_heads", HEADS_MAX, &s->n_heads, name, err) != 0 ||
        read_count(root, "intermediate_size", FFN_WIDTH_MAX, &s->ffn_width, name, err) != 0 ||
        read_count(root, "vocab_size", VOCAB_MAX, &s->vocab_size, name, err) != 0 ||
        read_count(root, "max_position_embeddings", CONTEXT_MAX, &s->context_length, name, err) !=
            0)
        return -1;

    s->n_kv_heads = s->n_heads;
    if (json_is_present(json_member(root, "num_key_value_heads")) &&
        read_count(root, "num_key_value_heads", HEADS_MAX, &s->n_kv_heads, name, err) != 0)
        return -1;
    if (s->n_heads % s->n_kv_heads != 0)
        return err_set(err, ERR_FORMAT,
                       "%s: num_attention_heads %u is not a multiple of num_key_value_heads %u",
                       name, s->n_heads, s->n_kv_heads);

    if (json_is_present(json_member(root, "head_dim")))
        return read_count(root, "head_dim", SHAPE_HEAD_WIDTH_MAX, &s->head_width, name, err);
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
    if (find_family(root, name, &family, err) != 0 ||
        refuse_not_implemented(root, name, err) != 0 ||
        refuse_windows(root, family, name, err) != 0 ||
        want_text(root, "hidden_act", "silu", name, err) != 0 ||
        read_dimensions(s, root, name, err) != 0 || read_rope(s, root, name, err) != 0)
        return -1;

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

void shape_write_config(const struct shape *s, uint32_t bos_id, uint32_t eos_id, uint32_t pad_id,
                        struct json_writer *out)
{
    CHECK(!(s->qk_norm && s->qkv_bias)); // no published family has both
    const struct family *family = &families[s->qk_norm ? 2 : s->qkv_bias ? 1 : 0];

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
    json_put_double(out, "rms_norm_eps", (double)s->norm_epsilon);
    json_put_double(out, "rope_theta", s->rope_theta);
    json_put_string(out, "hidden_act", "silu");
    if (!family->qkv_bias) json_put_bool(out, "attention_bias", false);
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
}
