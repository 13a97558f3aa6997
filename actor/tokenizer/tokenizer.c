#include "actor/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/text/utf8.h"
#include "actor/tokenizer/tokenizer_nfc.h"
#include "actor/tokenizer/tokenizer_parts.h"
#include "common/base/file.h"

struct tokenizer *tokenizer_create(const char *json, size_t size_bytes, const char *name,
                                   struct err *err)
{
    struct json_document *document = json_parse(json, size_bytes, name, err);
    if (document == NULL) return NULL;
    struct tokenizer *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    t->name = text_copy(name, strlen(name));
    if (tokenizer_load(t, json_root(document), err) != 0) {
        err_prefix(err, "%s", name);
        tokenizer_destroy(t);
        t = NULL;
    }
    json_destroy(document);
    return t;
}

struct tokenizer *tokenizer_read(const char *folder, struct err *err)
{
    char path[4096];
    char *bytes;
    size_t size_bytes;
    if (file_join(path, sizeof path, folder, "tokenizer.json", err) != 0 ||
        file_read(path, TOKENIZER_FILE_BYTES_MAX, &bytes, &size_bytes, err) != 0)
        return NULL;
    struct tokenizer *t = tokenizer_create(bytes, size_bytes, path, err);
    free(bytes);
    return t;
}

void tokenizer_destroy(struct tokenizer *t)
{
    if (t == NULL) return;
    vocabulary_fini(&t->vocabulary);
    added_tokens_fini(&t->added);
    pretokenizer_fini(&t->pretokenizer);
    bpe_fini(&t->bpe);
    free(t->is_special);
    free(t->name);
    free(t);
}

void token_ids_init(struct token_ids *ids)
{
    *ids = (struct token_ids){0};
}

void token_ids_fini(struct token_ids *ids)
{
    free(ids->items);
    *ids = (struct token_ids){0};
}

static void token_ids_reserve(struct token_ids *ids, size_t more)
{
    if (ids->count + more <= ids->room) return;
    size_t room = ids->room < 32 ? 64 : 2 * ids->room;
    if (room < ids->count + more) room = ids->count + more;
    ids->items = realloc(ids->items, room * sizeof *ids->items);
    CHECK(ids->items != NULL);
    ids->room = room;
}

void token_ids_add(struct token_ids *ids, uint32_t id)
{
    token_ids_reserve(ids, 1);
    ids->items[ids->count++] = id;
}

// --- encoding ------------------------------------------------------------------------------------

struct encoding { // one call's scratch
    const struct tokenizer *t;
    struct token_ids *out;
    struct regex_scan *scan;
    struct pieces pieces, spare;
    struct bpe_scratch bpe;
};

static int encode_word(struct encoding *e, const char *text, size_t size_bytes, struct err *err)
{
    uint32_t id = vocabulary_find(&e->t->vocabulary, text, size_bytes);
    if (id == VOCABULARY_NONE) id = e->t->unknown_id;
    if (id == VOCABULARY_NONE)
        return err_set(err, ERR_FORMAT, "%s: the vocabulary has no word '%.*s'", e->t->name,
                       size_bytes > 60 ? 60 : (int)size_bytes, text);
    token_ids_add(e->out, id);
    return 0;
}

static void encode_bytes(struct encoding *e, const char *text, size_t size_bytes)
{
    if (e->t->ignore_merges) {
        uint32_t id = vocabulary_find(&e->t->vocabulary, text, size_bytes);
        if (id != VOCABULARY_NONE) {
            token_ids_add(e->out, id);
            return;
        }
    }
    token_ids_reserve(e->out, size_bytes);
    uint32_t *ids = e->out->items + e->out->count;
    for (size_t i = 0; i < size_bytes; i++)
        ids[i] = e->t->byte_ids[(unsigned char)text[i]];
    e->out->count += bpe_merge(&e->t->bpe, &e->bpe, ids, (uint32_t)size_bytes);
}

static int encode_plain(struct encoding *e, const char *text, size_t size_bytes, struct err *err)
{
    if (pretokenizer_cut(&e->t->pretokenizer, e->scan, text, size_bytes, &e->pieces, &e->spare,
                         err) != 0)
        return -1;
    for (size_t i = 0; i < e->pieces.count; i++) {
        struct piece piece = e->pieces.items[i];
        if (e->t->kind == TOKENIZER_BYTES)
            encode_bytes(e, text + piece.start, piece.size_bytes);
        else if (encode_word(e, text + piece.start, piece.size_bytes, err) != 0)
            return -1;
    }
    return 0;
}

typedef int encode_fn(struct encoding *e, const char *text, size_t size_bytes, struct err *err);

// Added tokens become their ids; `encode_rest` gets what lies between them.
static int encode_around(struct encoding *e, bool normalized, const char *text, size_t size_bytes,
                         encode_fn *encode_rest, struct err *err)
{
    size_t at = 0;
    for (;;) {
        struct added_match match =
            added_tokens_find(&e->t->added, normalized, text, size_bytes, at);
        size_t end = match.token == NULL ? size_bytes : match.start;
        if (end > at && encode_rest(e, text + at, end - at, err) != 0) return -1;
        if (match.token == NULL) return 0;
        token_ids_add(e->out, match.token->id);
        at = match.end;
    }
}

static int encode_normalized(struct encoding *e, const char *text, size_t size_bytes,
                             struct err *err)
{
    if (!e->t->composes || nfc_is_plain(text, size_bytes))
        return encode_around(e, true, text, size_bytes, encode_plain, err);
    size_t composed_bytes;
    char *composed = nfc_compose(text, size_bytes, &composed_bytes);
    int result = encode_around(e, true, composed, composed_bytes, encode_plain, err);
    free(composed);
    return result;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t size_bytes,
                     struct token_ids *out, struct err *err)
{
    if (size_bytes > TOKENIZER_TEXT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a text of %zu bytes, at most %zu", size_bytes,
                       TOKENIZER_TEXT_BYTES_MAX);
    size_t valid = utf8_valid_bytes(text, size_bytes);
    if (valid < size_bytes) return err_set(err, ERR_FORMAT, "text is not UTF-8 at byte %zu", valid);
    struct encoding e = {.t = t, .out = out, .scan = regex_scan_create()};
    pieces_init(&e.pieces);
    pieces_init(&e.spare);
    bpe_scratch_init(&e.bpe);
    size_t count = out->count;
    int result = encode_around(&e, false, text, size_bytes, encode_normalized, err);
    if (result != 0) out->count = count;
    bpe_scratch_fini(&e.bpe);
    pieces_fini(&e.spare);
    pieces_fini(&e.pieces);
    regex_scan_destroy(e.scan);
    return result;
}

void tokenizer_add_prefix(const struct tokenizer *t, struct token_ids *out)
{
    for (size_t i = 0; i < t->n_prefix; i++)
        token_ids_add(out, t->prefix[i]);
}

void tokenizer_add_suffix(const struct tokenizer *t, struct token_ids *out)
{
    for (size_t i = 0; i < t->n_suffix; i++)
        token_ids_add(out, t->suffix[i]);
}

// --- decoding ------------------------------------------------------------------------------------

char *tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
                       size_t *size_bytes)
{
    struct text_buffer out;
    text_buffer_init(&out);
    bool is_first = true;
    for (size_t i = 0; i < n; i++) {
        if (skip_special && tokenizer_is_special(t, ids[i])) continue;
        if (t->is_spaced && !is_first) text_buffer_add(&out, " ", 1);
        is_first = false;
        struct vocabulary_token token = vocabulary_token(&t->vocabulary, ids[i]);
        if (token.bytes == NULL)
            text_buffer_add_string(&out, "\xef\xbf\xbd");
        else
            text_buffer_add(&out, token.bytes, token.size_bytes);
    }
    *size_bytes = out.size_bytes;
    return text_buffer_take(&out);
}

uint32_t tokenizer_id_limit(const struct tokenizer *t)
{
    return t->vocabulary.n_ids;
}

bool tokenizer_find(const struct tokenizer *t, const char *token, uint32_t *id)
{
    *id = vocabulary_find(&t->vocabulary, token, strlen(token));
    return *id != VOCABULARY_NONE;
}

bool tokenizer_is_special(const struct tokenizer *t, uint32_t id)
{
    return id < t->vocabulary.n_ids && t->is_special[id];
}
