#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/tokenizer/tokenizer_parts.h"

static const char *type_of(struct json value)
{
    const char *type = json_to_string(json_member(value, "type"), NULL);
    return type == NULL ? "" : type;
}

static bool is_type(struct json value, const char *type)
{
    return strcmp(type_of(value), type) == 0;
}

// --- what is put around a text -------------------------------------------------------------------

static int add_affix(struct tokenizer *t, uint32_t id, bool before, struct err *err)
{
    size_t *n = before ? &t->n_prefix : &t->n_suffix;
    if (*n == TOKENIZER_AFFIX_MAX)
        return err_set(err, ERR_LIMIT, "post_processor: more than %d special tokens",
                       TOKENIZER_AFFIX_MAX);
    (before ? t->prefix : t->suffix)[(*n)++] = id;
    return 0;
}

// A special token of the template: its ids are told beside it.
static int add_special(struct tokenizer *t, struct json value, struct json special, bool before,
                       struct err *err)
{
    const char *name = json_to_string(json_member(special, "id"), NULL);
    uint32_t id;
    if (name == NULL) return err_set(err, ERR_FORMAT, "post_processor: a token without a name");
    struct json ids = json_member(json_member(json_member(value, "special_tokens"), name), "ids");
    if (!json_is_array(ids)) {
        if (tokenizer_find(t, name, &id)) return add_affix(t, id, before, err);
        return err_set(err, ERR_FORMAT, "post_processor: no token '%.100s'", name);
    }
    for (size_t i = 0; i < json_count(ids); i++) {
        struct json item = json_item(ids, i);
        int64_t number = json_to_i64(item);
        if (!json_is_integer(item) || number < 0 || number >= t->vocabulary.n_ids)
            return err_set(err, ERR_FORMAT, "post_processor: '%.100s' has ids no token has", name);
        if (add_affix(t, (uint32_t)number, before, err) != 0) return -1;
    }
    return 0;
}

static int read_template(struct tokenizer *t, struct json value, struct err *err)
{
    struct json list = json_member(value, "single");
    size_t n_sequences = 0;
    if (t->n_prefix + t->n_suffix > 0)
        return err_set(err, ERR_FORMAT,
                       "post_processor: two TemplateProcessing are not implemented");
    for (size_t i = 0; i < json_count(list); i++) {
        struct json item = json_item(list, i);
        if (json_is_present(json_member(item, "Sequence")))
            n_sequences++;
        else if (add_special(t, value, json_member(item, "SpecialToken"), n_sequences == 0, err) !=
                 0)
            return -1;
    }
    if (n_sequences == 1) return 0;
    return err_set(err, ERR_FORMAT, "post_processor: single wants the text once, not %zu times",
                   n_sequences);
}

static int read_post_processor(struct tokenizer *t, struct json value, struct err *err)
{
    if (!json_is_present(value) || is_type(value, "ByteLevel")) return 0;
    if (is_type(value, "TemplateProcessing")) return read_template(t, value, err);
    if (!is_type(value, "Sequence"))
        return err_set(err, ERR_FORMAT, "post_processor: '%.60s' is not implemented",
                       type_of(value));
    struct json list = json_member(value, "processors");
    for (size_t i = 0; i < json_count(list); i++) {
        struct json item = json_item(list, i);
        if (is_type(item, "Sequence"))
            return err_set(err, ERR_FORMAT, "post_processor: a Sequence in a Sequence");
        if (read_post_processor(t, item, err) != 0) return -1;
    }
    return 0;
}

// --- the whole -----------------------------------------------------------------------------------

static int read_decoder(struct tokenizer *t, struct json value, struct err *err)
{
    if (decoder_init(&t->decoder, value, err) != 0) return -1;
    if (t->decoder.is_byte_level == (t->kind == TOKENIZER_BYTES)) return 0;
    return err_set(err, ERR_FORMAT, "decoder: '%.60s' is not implemented for this model",
                   json_is_present(value) ? type_of(value) : "null");
}

static int read_added(struct tokenizer *t, struct err *err)
{
    for (size_t i = 0; i < t->added.count; i++) {
        const struct added_token *token = &t->added.items[i];
        if (vocabulary_add(&t->vocabulary, token->bytes, token->size_bytes, token->id, err) != 0)
            return err_prefix(err, "added_tokens");
    }
    t->added_of = calloc(t->vocabulary.n_ids + 1, sizeof *t->added_of);
    CHECK(t->added_of != NULL);
    for (size_t i = 0; i < t->added.count; i++)
        t->added_of[t->added.items[i].id] = &t->added.items[i];
    return 0;
}

int tokenizer_load(struct tokenizer *t, struct json root, struct err *err)
{
    t->unknown_id = VOCABULARY_NONE;
    if (!json_is_object(root)) return err_set(err, ERR_FORMAT, "want a JSON object");
    if (normalizer_init(&t->normalizer, json_member(root, "normalizer"), err) != 0 ||
        added_tokens_init(&t->added, json_member(root, "added_tokens"), &t->normalizer, err) != 0 ||
        pretokenizer_init(&t->pretokenizer, json_member(root, "pre_tokenizer"), err) != 0 ||
        tokenizer_load_model(t, json_member(root, "model"), err) != 0 || read_added(t, err) != 0 ||
        read_post_processor(t, json_member(root, "post_processor"), err) != 0)
        return -1;
    return read_decoder(t, json_member(root, "decoder"), err);
}
