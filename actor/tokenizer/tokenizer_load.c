#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/tokenizer/byte_alphabet.h"
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

// --- the parts around the model ------------------------------------------------------------------

static int read_normalizer(struct tokenizer *t, struct json value, struct err *err)
{
    if (!json_is_present(value)) return 0;
    if (is_type(value, "NFC")) {
        t->composes = true;
        return 0;
    }
    if (is_type(value, "Sequence")) {
        struct json list = json_member(value, "normalizers");
        for (size_t i = 0; i < json_count(list); i++) {
            if (!is_type(json_item(list, i), "NFC"))
                return err_set(err, ERR_FORMAT, "normalizer: '%.60s' is not implemented",
                               type_of(json_item(list, i)));
            t->composes = true;
        }
        return 0;
    }
    return err_set(err, ERR_FORMAT, "normalizer: '%.60s' is not implemented", type_of(value));
}

static int add_affix(struct tokenizer *t, const char *token, bool before, struct err *err)
{
    uint32_t id;
    if (token == NULL || !tokenizer_find(t, token, &id))
        return err_set(err, ERR_FORMAT, "post_processor: no token '%.100s'",
                       token == NULL ? "" : token);
    size_t *n = before ? &t->n_prefix : &t->n_suffix;
    if (*n == TOKENIZER_AFFIX_MAX)
        return err_set(err, ERR_LIMIT, "post_processor: more than %d special tokens",
                       TOKENIZER_AFFIX_MAX);
    (before ? t->prefix : t->suffix)[(*n)++] = id;
    return 0;
}

static int read_template(struct tokenizer *t, struct json value, struct err *err)
{
    struct json list = json_member(value, "single");
    bool before = true;
    for (size_t i = 0; i < json_count(list); i++) {
        struct json item = json_item(list, i);
        if (json_is_present(json_member(item, "Sequence"))) {
            before = false;
            continue;
        }
        struct json special = json_member(item, "SpecialToken");
        if (add_affix(t, json_to_string(json_member(special, "id"), NULL), before, err) != 0)
            return -1;
    }
    return 0;
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

static int read_decoder(struct tokenizer *t, struct json value, struct err *err)
{
    bool is_known;
    if (t->kind == TOKENIZER_BYTES) {
        is_known = is_type(value, "ByteLevel");
    } else {
        is_known = !json_is_present(value) || is_type(value, "Fuse");
        t->is_spaced = !json_is_present(value);
    }
    if (is_known) return 0;
    return err_set(err, ERR_FORMAT, "decoder: '%.60s' is not implemented for this model",
                   json_is_present(value) ? type_of(value) : "null");
}

// --- models --------------------------------------------------------------------------------------

// A key of the vocabulary as the bytes it means.  Keys that are not written in
// the byte alphabet (special tokens) mean themselves.
static void key_bytes(const struct byte_alphabet *alphabet, const char *key, size_t size_bytes,
                      struct text_buffer *out)
{
    text_buffer_clear(out);
    text_buffer_add(out, key, size_bytes);
    size_t decoded;
    if (alphabet != NULL && byte_alphabet_decode(alphabet, key, size_bytes, out->bytes, &decoded)) {
        out->size_bytes = decoded;
        return;
    }
    // a failed decoding may have written over the start
    memcpy(out->bytes, key, size_bytes);
}

static int read_vocabulary(struct tokenizer *t, struct json vocab,
                           const struct byte_alphabet *alphabet, struct err *err)
{
    if (!json_is_object(vocab)) return err_set(err, ERR_FORMAT, "model.vocab: want an object");
    struct text_buffer bytes;
    text_buffer_init(&bytes);
    int result = 0;
    for (void *it = json_first(vocab); it != NULL && result == 0; it = json_next(vocab, it)) {
        const char *key = json_key(it);
        struct json value = json_value(vocab, it);
        int64_t id = json_to_i64(value);
        if (!json_is_integer(value) || id < 0 || id >= VOCABULARY_IDS_MAX) {
            result = err_set(err, ERR_FORMAT, "model.vocab: '%.100s' needs an id below %u", key,
                             VOCABULARY_IDS_MAX);
            break;
        }
        key_bytes(alphabet, key, strlen(key), &bytes);
        result = vocabulary_add(&t->vocabulary, bytes.bytes, bytes.size_bytes, (uint32_t)id, err);
        if (result != 0) err_prefix(err, "model.vocab");
    }
    text_buffer_fini(&bytes);
    return result;
}

// The two halves of a merge rule: "left right", or ["left", "right"].
static bool merge_halves(struct json rule, const char **left, size_t *left_bytes,
                         const char **right, size_t *right_bytes)
{
    if (json_is_array(rule)) {
        *left = json_to_string(json_item(rule, 0), left_bytes);
        *right = json_to_string(json_item(rule, 1), right_bytes);
        return json_count(rule) == 2 && *left != NULL && *right != NULL;
    }
    size_t size_bytes;
    const char *text = json_to_string(rule, &size_bytes);
    const char *space = text == NULL ? NULL : memchr(text, ' ', size_bytes);
    if (space == NULL) return false;
    *left = text;
    *left_bytes = (size_t)(space - text);
    *right = space + 1;
    *right_bytes = size_bytes - *left_bytes - 1;
    return true;
}

static int read_merge(struct tokenizer *t, struct json rule, uint32_t rank,
                      const struct byte_alphabet *alphabet, struct text_buffer buffers[2],
                      struct err *err)
{
    const char *left, *right;
    size_t left_bytes, right_bytes;
    if (!merge_halves(rule, &left, &left_bytes, &right, &right_bytes))
        return err_set(err, ERR_FORMAT, "model.merges[%" PRIu32 "]: want two tokens", rank);
    struct text_buffer *a = &buffers[0], *b = &buffers[1];
    key_bytes(alphabet, left, left_bytes, a);
    key_bytes(alphabet, right, right_bytes, b);
    uint32_t left_id = vocabulary_find(&t->vocabulary, a->bytes, a->size_bytes);
    uint32_t right_id = vocabulary_find(&t->vocabulary, b->bytes, b->size_bytes);
    text_buffer_add(a, b->bytes, b->size_bytes);
    uint32_t merged = vocabulary_find(&t->vocabulary, a->bytes, a->size_bytes);
    if (left_id == VOCABULARY_NONE || right_id == VOCABULARY_NONE || merged == VOCABULARY_NONE)
        return err_set(err, ERR_FORMAT,
                       "model.merges[%" PRIu32 "]: '%.*s' + '%.*s' are not all in the vocabulary",
                       rank, (int)left_bytes, left, (int)right_bytes, right);
    bpe_add(&t->bpe, left_id, right_id, rank, merged);
    return 0;
}

static int read_merges(struct tokenizer *t, struct json merges,
                       const struct byte_alphabet *alphabet, struct err *err)
{
    if (!json_is_array(merges)) return err_set(err, ERR_FORMAT, "model.merges: want an array");
    size_t n = json_count(merges);
    if (n > VOCABULARY_IDS_MAX)
        return err_set(err, ERR_LIMIT, "model.merges: %zu rules, at most %u", n,
                       VOCABULARY_IDS_MAX);
    bpe_init(&t->bpe, (uint32_t)n);
    struct text_buffer buffers[2];
    text_buffer_init(&buffers[0]);
    text_buffer_init(&buffers[1]);
    int result = 0;
    for (uint32_t rank = 0; rank < n && result == 0; rank++)
        result = read_merge(t, json_item(merges, rank), rank, alphabet, buffers, err);
    text_buffer_fini(&buffers[0]);
    text_buffer_fini(&buffers[1]);
    return result;
}

// Options of BPE that change ids and are not implemented.
static int refuse_options(struct json model, struct err *err)
{
    static const char *const names[] = {"dropout", "continuing_subword_prefix",
                                        "end_of_word_suffix", "byte_fallback"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct json value = json_member(model, names[i]);
        const char *text = json_to_string(value, NULL);
        bool is_off = !json_is_present(value) || (text != NULL && text[0] == '\0') ||
                      (json_is_bool(value) && !json_to_bool(value)) ||
                      (json_is_number(value) && json_to_double(value) == 0);
        if (!is_off) return err_set(err, ERR_FORMAT, "model.%s is not implemented", names[i]);
    }
    return 0;
}

static int read_bpe(struct tokenizer *t, struct json model, struct err *err)
{
    t->kind = TOKENIZER_BYTES;
    if (!t->pretokenizer.byte_level)
        return err_set(err, ERR_FORMAT,
                       "model: BPE without a ByteLevel pre_tokenizer is not implemented");
    if (refuse_options(model, err) != 0) return -1;
    struct byte_alphabet alphabet;
    byte_alphabet_init(&alphabet);
    if (read_vocabulary(t, json_member(model, "vocab"), &alphabet, err) != 0 ||
        read_merges(t, json_member(model, "merges"), &alphabet, err) != 0)
        return -1;
    t->ignore_merges = json_to_bool(json_member(model, "ignore_merges"));
    for (unsigned byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        t->byte_ids[byte] = vocabulary_find(&t->vocabulary, &c, 1);
        if (t->byte_ids[byte] == VOCABULARY_NONE)
            return err_set(err, ERR_FORMAT, "model.vocab: no token for byte 0x%02x", byte);
    }
    return 0;
}

static int read_words(struct tokenizer *t, struct json model, struct err *err)
{
    t->kind = TOKENIZER_WORDS;
    if (t->pretokenizer.byte_level)
        return err_set(err, ERR_FORMAT, "model: WordLevel after ByteLevel is not implemented");
    if (read_vocabulary(t, json_member(model, "vocab"), NULL, err) != 0) return -1;
    size_t size_bytes;
    const char *unknown = json_to_string(json_member(model, "unk_token"), &size_bytes);
    if (unknown != NULL) t->unknown_id = vocabulary_find(&t->vocabulary, unknown, size_bytes);
    return 0;
}

static int read_model(struct tokenizer *t, struct json model, struct err *err)
{
    if (!json_is_object(model)) return err_set(err, ERR_FORMAT, "model: want an object");
    bool is_untyped = !json_is_present(json_member(model, "type"));
    if (is_type(model, "WordLevel")) return read_words(t, model, err);
    if (is_type(model, "BPE") || (is_untyped && json_is_present(json_member(model, "merges"))))
        return read_bpe(t, model, err);
    return err_set(err, ERR_FORMAT, "model: '%.60s' is not implemented", type_of(model));
}

static int read_added(struct tokenizer *t, struct err *err)
{
    for (size_t i = 0; i < t->added.count; i++) {
        const struct added_token *token = &t->added.items[i];
        if (vocabulary_add(&t->vocabulary, token->bytes, token->size_bytes, token->id, err) != 0)
            return err_prefix(err, "added_tokens");
    }
    t->is_special = calloc(t->vocabulary.n_ids + 1, sizeof *t->is_special);
    CHECK(t->is_special != NULL);
    for (size_t i = 0; i < t->added.count; i++)
        if (t->added.items[i].special) t->is_special[t->added.items[i].id] = true;
    return 0;
}

int tokenizer_load(struct tokenizer *t, struct json root, struct err *err)
{
    t->unknown_id = VOCABULARY_NONE;
    if (!json_is_object(root)) return err_set(err, ERR_FORMAT, "want a JSON object");
    if (added_tokens_init(&t->added, json_member(root, "added_tokens"), err) != 0 ||
        read_normalizer(t, json_member(root, "normalizer"), err) != 0 ||
        pretokenizer_init(&t->pretokenizer, json_member(root, "pre_tokenizer"), err) != 0 ||
        read_model(t, json_member(root, "model"), err) != 0 || read_added(t, err) != 0 ||
        read_post_processor(t, json_member(root, "post_processor"), err) != 0)
        return -1;
    return read_decoder(t, json_member(root, "decoder"), err);
}
