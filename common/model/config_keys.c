#include "common/model/config_keys.h"

#include <string.h>

static const char *const read_keys[] = {
    "architectures",
    "attention_bias",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "quantization_config",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "vocab_size",
};

// What downloaded files carry besides, and what it is for.
static const char *const harmless_keys[] = {
    // where the file comes from, and how it is to be opened
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "attn_implementation",
    "base_model_name_or_path",
    "bf16",
    "dtype",
    "fp16",
    "fp32",
    "model_name",
    "name_or_path",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "tokenizer_class",
    "torch_dtype",
    "transformers_version",
    "use_cache",
    "use_flash_attention",
    "use_flash_attn",
    // training of another time: no part of a forward pass
    "gradient_checkpointing",
    "initializer_factor",
    "initializer_range",
    "max_sequence_length",
    "model_max_length",
    "seq_length",
    // the tokenizer's affair
    "bos_token",
    "eos_token",
    "eos_token_ids",
    "pad_token",
    "unk_token",
    // the same sums, cut in other pieces
    "chunk_size_feed_forward",
    "pretraining_tp",
    // settings of classifiers and of tasks
    "finetuning_task",
    "id2label",
    "label2id",
    "num_labels",
    "prefix",
    "problem_type",
    "task_specific_params",
    // settings of generation, which older files keep here; generation_config.json rules
    "begin_suppress_tokens",
    "bad_words_ids",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_p",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_scores",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict_in_generate",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
};

// Keys that are off at another value than null, false or 0.
static const char *const off_at_one[] = {
    "attention_multiplier",  "embedding_multiplier", "logit_scale", "logits_scaling",
    "partial_rotary_factor", "residual_multiplier",  "rope_ratio",  "rotary_pct",
};
static const char *const off_when_true[] = {"causal", "is_causal", "use_causal_mask"};

#define IS_LISTED(key, list) is_listed(key, list, sizeof(list) / sizeof *(list))

static bool is_listed(const char *key, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], key) == 0) return true;
    return false;
}

static bool is_off(const char *key, struct json v)
{
    if (!json_is_present(v)) return true;
    if (IS_LISTED(key, off_at_one)) return json_is_number(v) && json_to_double(v) == 1.0;
    if (IS_LISTED(key, off_when_true)) return json_is_bool(v) && json_to_bool(v);
    if (json_is_bool(v)) return !json_to_bool(v);
    if (json_is_number(v)) return json_to_double(v) == 0.0;
    if (json_is_string(v)) return json_to_string(v, NULL)[0] == '\0';
    return json_count(v) == 0;
}

// bos_token_id and its like: which tokens mean what is the tokenizer's affair.
// And one tool that leaves several marks of its own.
static bool is_of_harmless_kind(const char *key)
{
    static const char end[] = "_token_id", tool[] = "unsloth_";
    size_t length = strlen(key);
    return (length > sizeof end - 1 && strcmp(key + length - (sizeof end - 1), end) == 0) ||
           strncmp(key, tool, sizeof tool - 1) == 0;
}

int config_keys_check(struct json root, const char *name, struct err *err)
{
    for (void *it = json_first(root); it != NULL; it = json_next(root, it)) {
        const char *key = json_key(it);
        if (IS_LISTED(key, read_keys) || IS_LISTED(key, harmless_keys) ||
            is_of_harmless_kind(key) || is_off(key, json_value(root, it)))
            continue;
        return err_set(err, ERR_FORMAT,
                       "%s: '%.80s' is set to something not implemented (if it changes nothing "
                       "that the model computes, take it out)",
                       name, key);
    }
    return 0;
}
