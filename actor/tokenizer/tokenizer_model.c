#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/tokenizer/byte_alphabet.h"
#include "actor/tokenizer/tokenizer_parts.h"

// A key of the vocabulary as the bytes it means.  Keys that are not written in
// the byte alphabet (special tokens) mean themselves: false.
static bool key_bytes(const struct byte_alphabet *alphabet, const char *key, size_t size_bytes,
                      struct text_buffer *out)
{
    text_buffer_clear(out);
    text_buffer_add(out, key, size_bytes);
    size_t decoded;
    if (alphabet != NULL && byte_alphabet_decode(alphabet, key, size_bytes, out->bytes, &decoded)) {
        out->size_bytes = decoded;
        return true;
    }
    // a failed decoding may have written over the start
    memcpy(out->bytes, key, size_bytes);
    return alphabet == NULL;
}

// Keys written in the byte alphabet, or the others: they come last, so that a
// text is found as the token that merges make.
static int add_keys(struct tokenizer *t, struct json vocab, const struct byte_alphabet *alphabet,
                    bool is_written, struct err *err)
{
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
        if (key_bytes(alphabet, key, strlen(key), &bytes) != is_written) continue;
        result = vocabulary_add(&t->vocabulary, bytes.bytes, bytes.size_bytes, (uint32_t)id, err);
        if (result != 0) err_prefix(err, "model.vocab");
    }
    text_buffer_fini(&bytes);
    return result;
}

static int read_vocabulary(struct tokenizer *t, struct json vocab,
                           const struct byte_alphabet *alphabet, struct err *err)
{
    if (!json_is_object(vocab)) return err_set(err, ERR_FORMAT, "model.vocab: want an object");
    if (add_keys(t, vocab, alphabet, true, err) != 0 ||
        (alphabet != NULL && add_keys(t, vocab, alphabet, false, err) != 0))
        return -1;
    t->n_model_ids = t->vocabulary.n_ids;
    return 0;
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
    if (t->kind == TOKENIZER_CHARS)
        bpe_chars_add_rule(&t->chars, &t->vocabulary, left_id, right_id);
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
                                        "end_of_word_suffix"};
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

static int read_bpe_bytes(struct tokenizer *t, struct json model, struct err *err)
{
    struct byte_alphabet alphabet;
    byte_alphabet_init(&alphabet);
    if (read_vocabulary(t, json_member(model, "vocab"), &alphabet, err) != 0 ||
        read_merges(t, json_member(model, "merges"), &alphabet, err) != 0)
        return -1;
    size_t n_missing = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        t->byte_ids[byte] = vocabulary_find(&t->vocabulary, &c, 1);
        n_missing += t->byte_ids[byte] == VOCABULARY_NONE;
    }
    if (n_missing == 0) return 0;
    if (json_to_bool(json_member(model, "byte_fallback")))
        return err_set(err, ERR_FORMAT,
                       "model.byte_fallback after ByteLevel without all bytes is not implemented");
    if (n_missing < 256) return 0;
    return err_set(err, ERR_FORMAT, "model.vocab: no token for a byte");
}

static int find_unknown(struct tokenizer *t, struct json model, uint32_t *id, struct err *err)
{
    size_t size_bytes;
    const char *unknown = json_to_string(json_member(model, "unk_token"), &size_bytes);
    *id = VOCABULARY_NONE;
    if (unknown != NULL) *id = vocabulary_find(&t->vocabulary, unknown, size_bytes);
    if (unknown == NULL || *id != VOCABULARY_NONE) return 0;
    return err_set(err, ERR_FORMAT, "model.unk_token: '%.60s' is not in model.vocab", unknown);
}

static int read_bpe_chars(struct tokenizer *t, struct json model, struct err *err)
{
    if (read_vocabulary(t, json_member(model, "vocab"), NULL, err) != 0) return -1;
    bpe_chars_init(&t->chars, &t->vocabulary, json_to_bool(json_member(model, "byte_fallback")));
    t->chars.fuses_unknown = json_to_bool(json_member(model, "fuse_unk"));
    if (find_unknown(t, model, &t->chars.unknown, err) != 0) return -1;
    return read_merges(t, json_member(model, "merges"), NULL, err);
}

static int read_bpe(struct tokenizer *t, struct json model, struct err *err)
{
    t->kind = t->pretokenizer.byte_level ? TOKENIZER_BYTES : TOKENIZER_CHARS;
    t->ignore_merges = json_to_bool(json_member(model, "ignore_merges"));
    if (refuse_options(model, err) != 0) return -1;
    return t->kind == TOKENIZER_BYTES ? read_bpe_bytes(t, model, err)
                                      : read_bpe_chars(t, model, err);
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

int tokenizer_load_model(struct tokenizer *t, struct json model, struct err *err)
{
    if (!json_is_object(model)) return err_set(err, ERR_FORMAT, "model: want an object");
    struct json type = json_member(model, "type");
    const char *name = json_to_string(type, NULL);
    bool has_merges = json_is_present(json_member(model, "merges"));
    if (name != NULL && strcmp(name, "WordLevel") == 0) return read_words(t, model, err);
    if ((name != NULL && strcmp(name, "BPE") == 0) || (!json_is_present(type) && has_merges))
        return read_bpe(t, model, err);
    return err_set(err, ERR_FORMAT, "model: '%.60s' is not implemented", name == NULL ? "" : name);
}
