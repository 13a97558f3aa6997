#include "actor/preset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/borrowed_tokenizer.h"
#include "common/base/file.h"
#include "common/base/rng.h"
#include "common/math/bf16.h"
#include "common/model/params.h"
#include "common/model/safetensors.h"

#define PAD_ID 0
#define EOS_ID 1
#define VOCABULARY_STEP 64 // a borrower's vocabulary is rounded up to this

static const struct word dials_words[] = {
    {"<pad>", WORD_SPECIAL},  {"<eos>", WORD_SPECIAL}, {"User:", WORD_TAG},
    {"Assistant:", WORD_TAG}, {"<think>", WORD_TAG},   {"</think>", WORD_TAG},
    {"<answer>", WORD_TAG},   {"</answer>", WORD_TAG}, {"wait", WORD_PLAIN},
    {"check", WORD_PLAIN},    {"ok", WORD_PLAIN},      {"=", WORD_PLAIN},
    {";", WORD_PLAIN},        {"?", WORD_PLAIN},       {"0", WORD_PLAIN},
    {"1", WORD_PLAIN},        {"2", WORD_PLAIN},       {"3", WORD_PLAIN},
    {"4", WORD_PLAIN},        {"5", WORD_PLAIN},       {"6", WORD_PLAIN},
    {"7", WORD_PLAIN},        {"8", WORD_PLAIN},       {"9", WORD_PLAIN},
    {"L+1", WORD_PLAIN},      {"L+2", WORD_PLAIN},     {"L+3", WORD_PLAIN},
    {"L-1", WORD_PLAIN},      {"L-2", WORD_PLAIN},     {"L-3", WORD_PLAIN},
    {"R+1", WORD_PLAIN},      {"R+2", WORD_PLAIN},     {"R+3", WORD_PLAIN},
    {"R-1", WORD_PLAIN},      {"R-2", WORD_PLAIN},     {"R-3", WORD_PLAIN},
    {"X", WORD_PLAIN},        {"a", WORD_PLAIN},       {"b", WORD_PLAIN},
    {"c", WORD_PLAIN},        {"d", WORD_PLAIN},       {"e", WORD_PLAIN},
    {"f", WORD_PLAIN},        {"g", WORD_PLAIN},       {"h", WORD_PLAIN},
    {"i", WORD_PLAIN},        {"j", WORD_PLAIN},       {"k", WORD_PLAIN},
    {"l", WORD_PLAIN},        {"m", WORD_PLAIN},       {"n", WORD_PLAIN},
    {"o", WORD_PLAIN},        {"p", WORD_PLAIN},       {"q", WORD_PLAIN},
    {"r", WORD_PLAIN},        {"s", WORD_PLAIN},       {"t", WORD_PLAIN},
    {"u", WORD_PLAIN},        {"v", WORD_PLAIN},       {"w", WORD_PLAIN},
    {"x", WORD_PLAIN},        {"y", WORD_PLAIN},       {"z", WORD_PLAIN},
    {"maybe", WORD_PLAIN},    {"or", WORD_PLAIN},      {"left", WORD_PLAIN},
    {"right", WORD_PLAIN},
};
enum { N_DIALS_WORDS = sizeof dials_words / sizeof dials_words[0] };

const struct preset presets[] = {
    {
        .name = "quickstart",
        .help = "750 thousand parameters with the words of the dials task: the quickstart's base",
        .shape = {.n_layers = 4,
                  .width = 128,
                  .n_heads = 4,
                  .n_kv_heads = 2,
                  .head_width = 32,
                  .ffn_width = 352,
                  .context_length = 512,
                  .norm_epsilon = 1e-6f,
                  .rope_theta = 200,
                  .qk_norm = true},
        .words = dials_words,
        .n_words = N_DIALS_WORDS,
        .is_spaced = true,
        .embedding_std = 0.5f,
        .head_std = 0.5f / 11.3137085f,
        .q_norm_gain = 2.5f,
    },
    {
        .name = "tiny",
        .help = "the same words in 23 thousand parameters, for tests",
        .shape = {.n_layers = 2,
                  .width = 32,
                  .n_heads = 4,
                  .n_kv_heads = 2,
                  .head_width = 8,
                  .ffn_width = 64,
                  .context_length = 256,
                  .norm_epsilon = 1e-6f,
                  .rope_theta = 200,
                  .qk_norm = true},
        .words = dials_words,
        .n_words = N_DIALS_WORDS,
        .is_spaced = true,
        .embedding_std = 0.5f,
        .head_std = 0.5f / 5.65685425f,
        .q_norm_gain = 2.5f,
    },
    {
        .name = "s15",
        .help = "12 million parameters, Llama shape, a vocabulary of numbered words: for measuring",
        .shape = {.n_layers = 6,
                  .width = 384,
                  .n_heads = 6,
                  .n_kv_heads = 6,
                  .head_width = 64,
                  .ffn_width = 1024,
                  .vocab_size = 4096,
                  .context_length = 2048,
                  .norm_epsilon = 1e-5f,
                  .rope_theta = 10000,
                  .tied_embeddings = true},
        .embedding_std = 0.02f,
    },
    {
        .name = "m110",
        .help = "110 million parameters, likewise",
        .shape = {.n_layers = 12,
                  .width = 768,
                  .n_heads = 12,
                  .n_kv_heads = 12,
                  .head_width = 64,
                  .ffn_width = 2048,
                  .vocab_size = 32000,
                  .context_length = 2048,
                  .norm_epsilon = 1e-5f,
                  .rope_theta = 10000,
                  .tied_embeddings = true},
        .embedding_std = 0.02f,
    },
    {
        .name = "mini-qwen3",
        .help = "the quickstart's shape under a tokenizer of your own (--tokenizer DIR)",
        .shape = {.n_layers = 4,
                  .width = 128,
                  .n_heads = 4,
                  .n_kv_heads = 2,
                  .head_width = 32,
                  .ffn_width = 352,
                  .context_length = 512,
                  .norm_epsilon = 1e-6f,
                  .rope_theta = 200,
                  .qk_norm = true},
        .is_borrower = true,
        .embedding_std = 0.5f,
        .head_std = 0.5f / 11.3137085f,
        .q_norm_gain = 2.5f,
    },
    {
        .name = "mini-qwen2",
        .help = "4 layers of width 128 under a tokenizer of your own (--tokenizer DIR)",
        .shape = {.n_layers = 4,
                  .width = 128,
                  .n_heads = 4,
                  .n_kv_heads = 2,
                  .head_width = 32,
                  .ffn_width = 352,
                  .context_length = 1024,
                  .norm_epsilon = 1e-6f,
                  .rope_theta = 10000,
                  .tied_embeddings = true,
                  .qkv_bias = true},
        .is_borrower = true,
        .embedding_std = 0.06f,
    },
    {
        .name = "qwen2.5-0.5b",
        .help = "random weights in the shape of Qwen2.5-0.5B (--tokenizer DIR): for measuring",
        .shape = {.n_layers = 24,
                  .width = 896,
                  .n_heads = 14,
                  .n_kv_heads = 2,
                  .head_width = 64,
                  .ffn_width = 4864,
                  .vocab_size = 151936,
                  .context_length = 32768,
                  .norm_epsilon = 1e-6f,
                  .rope_theta = 1000000,
                  .tied_embeddings = true,
                  .qkv_bias = true},
        .is_borrower = true,
        .embedding_std = 0.02f,
        .bias_std = 0.02f, // so that a reader which forgets them gives itself away
    },
};
const size_t n_presets = sizeof presets / sizeof presets[0];

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; i < n_presets; i++)
        if (strcmp(presets[i].name, name) == 0) return &presets[i];
    return NULL;
}

struct shape preset_shape(const struct preset *p)
{
    struct shape shape = p->shape;
    if (shape.vocab_size == 0) shape.vocab_size = (uint32_t)p->n_words;
    return shape;
}

// --- weights -------------------------------------------------------------------------------------

// The standard deviation of a tensor's first values, or -1 and the constant
// that all of them have.
static float first_std(const struct preset *p, const struct shape *s, const struct param *param,
                       float *constant)
{
    const float per_input = 1.0f / sqrtf((float)param->cols);
    const float per_branch = 1.0f / sqrtf(2.0f * (float)s->n_layers);
    switch (param->role) {
    case PARAM_EMBEDDING:
        return p->embedding_std;
    case PARAM_HEAD:
        return p->head_std;
    case PARAM_Q:
    case PARAM_K:
    case PARAM_V:
    case PARAM_GATE:
    case PARAM_UP:
        return per_input;
    case PARAM_O:
    case PARAM_DOWN:
        return per_input * per_branch;
    case PARAM_Q_BIAS:
    case PARAM_K_BIAS:
    case PARAM_V_BIAS:
        *constant = 0;
        return p->bias_std > 0 ? p->bias_std : -1;
    case PARAM_Q_NORM:
        *constant = p->q_norm_gain;
        return -1;
    case PARAM_K_NORM:
    case PARAM_NORM_ATTENTION:
    case PARAM_NORM_FFN:
    case PARAM_NORM_FINAL:
        *constant = 1;
        return -1;
    }
    check_failed("every role is named above", __FILE__, __LINE__);
}

static void fill_param(const struct preset *p, const struct shape *s, const struct param *param,
                       size_t number, uint64_t seed, uint16_t *out)
{
    float constant = 0;
    float std = first_std(p, s, param, &constant);
    for (uint32_t row = 0; row < param->rows; row++) {
        struct rng_stream rng;
        rng_stream_init(&rng, (struct rng_key){seed, RNG_INIT}, number, row);
        for (uint32_t col = 0; col < param->cols; col++) {
            float value = std < 0 ? constant : std * rng_next_normal(&rng);
            out[(size_t)row * param->cols + col] = bf16_from_f32(value);
        }
    }
}

static int write_weights(const struct preset *p, const struct shape *s, uint64_t seed,
                         const char *folder, struct err *err)
{
    struct params params;
    if (params_init(&params, s, err) != 0) return -1;
    uint16_t *flat = malloc(params.n_elements * sizeof *flat);
    CHECK(flat != NULL);
    for (size_t i = 0; i < params.count; i++)
        fill_param(p, s, &params.table[i], i, seed, flat + params.table[i].offset);
    int result = safetensors_write_model(folder, &params, flat, err);
    free(flat);
    params_fini(&params);
    return result;
}

// --- the small files -----------------------------------------------------------------------------

static int write_text(const char *folder, const char *name, struct json_writer *w, struct err *err)
{
    char path[4096];
    int result = file_join(path, sizeof path, folder, name, err);
    if (result == 0) result = file_write_atomic(path, w->bytes, w->size_bytes, err);
    free(w->bytes);
    return result;
}

// What a preset comes to once its tokenizer is known.
struct made {
    struct shape shape;
    uint32_t bos_id, eos_id, pad_id;
};

static int settle(const struct preset *p, const char *tokenizer, struct made *m, struct err *err)
{
    *m = (struct made){preset_shape(p), UINT32_MAX, EOS_ID, PAD_ID};
    if (!p->is_borrower) {
        if (tokenizer != NULL)
            return err_set(err, ERR_USAGE, "preset %s has words of its own: no --tokenizer",
                           p->name);
        return 0;
    }
    struct borrowed_tokenizer borrowed;
    if (tokenizer == NULL)
        return err_set(err, ERR_USAGE,
                       "preset %s needs --tokenizer DIR, a folder with the "
                       "tokenizer.json it is to have",
                       p->name);
    if (borrowed_tokenizer_read(&borrowed, tokenizer, err) != 0) return -1;
    if (m->shape.vocab_size == 0)
        m->shape.vocab_size =
            (borrowed.id_limit + VOCABULARY_STEP - 1) / VOCABULARY_STEP * VOCABULARY_STEP;
    if (borrowed.id_limit > m->shape.vocab_size)
        return err_set(err, ERR_MISMATCH,
                       "%s: the tokenizer has ids up to %u, preset %s a vocabulary of %u",
                       tokenizer, borrowed.id_limit - 1, p->name, m->shape.vocab_size);
    m->bos_id = borrowed.bos_id;
    m->eos_id = borrowed.eos_id;
    m->pad_id = borrowed.pad_id;
    return 0;
}

int preset_config(const struct preset *p, const char *tokenizer, struct json_writer *out,
                  struct err *err)
{
    struct made m;
    if (settle(p, tokenizer, &m, err) != 0) return -1;
    shape_write_config(&m.shape, m.bos_id, m.eos_id, m.pad_id, out);
    return 0;
}

static int write_config(const struct made *m, const char *folder, struct err *err)
{
    struct json_writer w;
    json_writer_init(&w);
    shape_write_config(&m->shape, m->bos_id, m->eos_id, m->pad_id, &w);
    return write_text(folder, "config.json", &w, err);
}

// Numbered words, for models whose text nobody reads.
static void write_numbered(uint32_t n_words, struct json_writer *w)
{
    enum { NAME_BYTES = 16 };
    struct word *words = calloc(n_words, sizeof *words);
    char *names = malloc((size_t)n_words * NAME_BYTES);
    CHECK(words != NULL && names != NULL);
    for (uint32_t i = 0; i < n_words; i++) {
        char *name = names + (size_t)i * NAME_BYTES;
        snprintf(name, NAME_BYTES, "w%u", i);
        words[i] = (struct word){name, WORD_PLAIN};
    }
    words[PAD_ID] = (struct word){"<pad>", WORD_SPECIAL};
    words[EOS_ID] = (struct word){"<eos>", WORD_SPECIAL};
    tokenizer_write_words(words, n_words, "w[0-9]+", w);
    free(words);
    free(names);
}

static int write_tokenizer(const struct preset *p, const struct shape *s, const char *folder,
                           struct err *err)
{
    struct json_writer w;
    json_writer_init(&w);
    if (p->words != NULL && p->is_spaced)
        tokenizer_write_spaced_words(p->words, p->n_words, &w);
    else if (p->words != NULL)
        tokenizer_write_words(p->words, p->n_words, NULL, &w);
    else
        write_numbered(s->vocab_size, &w);
    if (write_text(folder, "tokenizer.json", &w, err) != 0) return -1;

    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_put_string(&w, "eos_token", "<eos>");
    json_put_string(&w, "pad_token", "<pad>");
    json_put_u64(&w, "model_max_length", s->context_length);
    json_put_bool(&w, "clean_up_tokenization_spaces", false);
    json_close(&w, '}');
    return write_text(folder, "tokenizer_config.json", &w, err);
}

static int write_generation(const struct made *m, const char *folder, struct err *err)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_bool(&w, "do_sample", true);
    if (m->bos_id != UINT32_MAX) json_put_u64(&w, "bos_token_id", m->bos_id);
    json_put_u64(&w, "eos_token_id", m->eos_id);
    if (m->pad_id != UINT32_MAX) json_put_u64(&w, "pad_token_id", m->pad_id);
    json_close(&w, '}');
    return write_text(folder, "generation_config.json", &w, err);
}

int preset_write(const struct preset *p, uint64_t seed, const char *tokenizer, const char *folder,
                 struct err *err)
{
    struct made m;
    if (settle(p, tokenizer, &m, err) != 0 || write_config(&m, folder, err) != 0) return -1;
    const int status = tokenizer != NULL ? borrowed_tokenizer_copy(tokenizer, folder, err)
                                         : write_tokenizer(p, &m.shape, folder, err);
    if (status != 0 || write_generation(&m, folder, err) != 0) return -1;
    return write_weights(p, &m.shape, seed, folder, err);
}
