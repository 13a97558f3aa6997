#include "actor/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/text/utf8.h"
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
    normalizer_fini(&t->normalizer);
    pretokenizer_fini(&t->pretokenizer);
    decoder_fini(&t->decoder);
    bpe_fini(&t->bpe);
    bpe_chars_fini(&t->chars);
    free(t->added_of);
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
    const struct literal_ranges *literal; // NULL: none
    struct cutting cutting;
    struct text_buffer normal, spare;
    struct bpe_scratch bpe;
};

struct stretch { // of the text, between added tokens
    struct view text;
    bool is_start;    // of the whole text
    bool has_literal; // a byte of a literal range is in it
};

static int refuse_piece(const struct encoding *e, struct view piece, const char *what,
                        struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: the vocabulary has no %s '%.*s'", e->t->name, what,
                   piece.size_bytes > 60 ? 60 : (int)piece.size_bytes, piece.bytes);
}

static int encode_word(struct encoding *e, struct view piece, struct err *err)
{
    uint32_t id = vocabulary_find(&e->t->vocabulary, piece.bytes, piece.size_bytes);
    if (id >= e->t->n_model_ids) id = e->t->unknown_id;
    if (id == VOCABULARY_NONE) return refuse_piece(e, piece, "word", err);
    token_ids_add(e->out, id);
    return 0;
}

static int encode_bytes(struct encoding *e, struct view piece, struct err *err)
{
    token_ids_reserve(e->out, piece.size_bytes);
    uint32_t *ids = e->out->items + e->out->count;
    for (size_t i = 0; i < piece.size_bytes; i++) {
        ids[i] = e->t->byte_ids[(unsigned char)piece.bytes[i]];
        if (ids[i] == VOCABULARY_NONE) return refuse_piece(e, piece, "token for a byte of", err);
    }
    e->out->count += bpe_merge(&e->t->bpe, &e->bpe, ids, (uint32_t)piece.size_bytes);
    return 0;
}

// Run by run, so that a whole text costs no more than its words.
static int encode_chars(struct encoding *e, struct view piece, struct err *err)
{
    const struct bpe_chars *chars = &e->t->chars;
    size_t n, where;
    token_ids_reserve(e->out, piece.size_bytes);
    uint32_t *ids = e->out->items + e->out->count;
    if (!bpe_chars_symbols(chars, &e->t->vocabulary, piece, ids, &n, &where)) {
        struct view rest = {piece.bytes + where, piece.size_bytes - where};
        return refuse_piece(e, rest, "token for", err);
    }
    size_t n_out = 0;
    for (size_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && bpe_chars_can_meet(chars, ids[end - 1], ids[end]);)
            end++;
        uint32_t n_left = bpe_merge(&e->t->bpe, &e->bpe, ids + start, (uint32_t)(end - start));
        memmove(ids + n_out, ids + start, n_left * sizeof *ids);
        n_out += n_left;
    }
    e->out->count += n_out;
    return 0;
}

static int encode_piece(struct encoding *e, struct view piece, struct err *err)
{
    if (e->t->kind == TOKENIZER_WORDS) return encode_word(e, piece, err);
    if (e->t->ignore_merges) {
        uint32_t id = vocabulary_find(&e->t->vocabulary, piece.bytes, piece.size_bytes);
        if (id < e->t->n_model_ids) {
            token_ids_add(e->out, id);
            return 0;
        }
    }
    return e->t->kind == TOKENIZER_BYTES ? encode_bytes(e, piece, err)
                                         : encode_chars(e, piece, err);
}

static int encode_pieces(struct encoding *e, struct stretch s, struct err *err)
{
    struct cutting *c = &e->cutting;
    if (pretokenizer_cut(&e->t->pretokenizer, s.text, s.is_start, c, err) != 0) return -1;
    for (size_t i = 0; i < c->pieces.count; i++) {
        struct piece piece = c->pieces.items[i];
        struct view text = text_part(c->text, piece.start, piece.start + piece.size_bytes);
        if (encode_piece(e, text, err) != 0) return -1;
    }
    return 0;
}

// The special tokens of this index are not looked for in a stretch with literal
// bytes: normalization has moved them.
static int encode_normalized(struct encoding *e, struct stretch s, struct err *err)
{
    struct view text;
    if (normalizer_run(&e->t->normalizer, e->cutting.scan, s.text, &e->normal, &e->spare, &text,
                       err) != 0)
        return -1;
    const struct literal_range whole = {0, text.size_bytes};
    const struct literal_ranges literal = {&whole, s.has_literal};
    for (size_t at = 0;;) {
        struct added_match match = added_index_find(&e->t->added.normalized, text, at, &literal);
        size_t end = match.token == NULL ? text.size_bytes : match.start;
        struct stretch part = {text_part(text, at, end), s.is_start && at == 0, false};
        if (end > at && encode_pieces(e, part, err) != 0) return -1;
        if (match.token == NULL) return 0;
        token_ids_add(e->out, match.token->id);
        at = match.end;
    }
}

static bool has_literal(const struct literal_ranges *literal, size_t start, size_t end)
{
    for (size_t i = 0; literal != NULL && i < literal->count; i++)
        if (literal->items[i].start < end && start < literal->items[i].end) return true;
    return false;
}

// Added tokens become their ids; what lies between them goes on.
static int encode_text(struct encoding *e, struct view text, struct err *err)
{
    for (size_t at = 0;;) {
        struct added_match match = added_index_find(&e->t->added.plain, text, at, e->literal);
        size_t end = match.token == NULL ? text.size_bytes : match.start;
        struct stretch part = {text_part(text, at, end), at == 0, has_literal(e->literal, at, end)};
        if (end > at && encode_normalized(e, part, err) != 0) return -1;
        if (match.token == NULL) return 0;
        token_ids_add(e->out, match.token->id);
        at = match.end;
    }
}

int tokenizer_encode_literal(const struct tokenizer *t, const char *text, size_t size_bytes,
                             const struct literal_ranges *literal, struct token_ids *out,
                             struct err *err)
{
    if (size_bytes > TOKENIZER_TEXT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a text of %zu bytes, at most %zu", size_bytes,
                       TOKENIZER_TEXT_BYTES_MAX);
    size_t valid = utf8_valid_bytes(text, size_bytes);
    if (valid < size_bytes) return err_set(err, ERR_FORMAT, "text is not UTF-8 at byte %zu", valid);
    struct encoding e = {.t = t, .out = out, .literal = literal};
    cutting_init(&e.cutting);
    bpe_scratch_init(&e.bpe);
    size_t count = out->count;
    int result = encode_text(&e, (struct view){text, size_bytes}, err);
    if (result != 0) out->count = count;
    bpe_scratch_fini(&e.bpe);
    cutting_fini(&e.cutting);
    text_buffer_fini(&e.normal);
    text_buffer_fini(&e.spare);
    return result;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t size_bytes,
                     struct token_ids *out, struct err *err)
{
    return tokenizer_encode_literal(t, text, size_bytes, NULL, out, err);
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

static void decode_id(const struct tokenizer *t, struct decoding *state, uint32_t id,
                      bool skip_special, struct text_buffer *out)
{
    if (skip_special && tokenizer_is_special(t, id)) return;
    struct vocabulary_token token = vocabulary_token(&t->vocabulary, id);
    struct view text = {token.bytes, token.size_bytes};
    if (token.bytes == NULL) text = (struct view){"\xef\xbf\xbd", 3};
    const struct added_token *added = token.bytes == NULL ? NULL : t->added_of[id];
    if (added != NULL && added->normalized) // it stood in the text in this form
        text = (struct view){added->pattern, added->pattern_bytes};
    decoder_add(&t->decoder, state, text, out);
}

char *tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
                       size_t *size_bytes)
{
    struct text_buffer out;
    struct decoding state = {0};
    text_buffer_init(&out);
    for (size_t i = 0; i < n; i++)
        decode_id(t, &state, ids[i], skip_special, &out);
    *size_bytes = out.size_bytes;
    return text_buffer_take(&out);
}

struct text_stream {
    const struct tokenizer *t;
    bool skip_special;
    struct decoding state;
    struct text_buffer held; // the start of a character at most, between two ids
};

struct text_stream *text_stream_create(const struct tokenizer *t, bool skip_special)
{
    struct text_stream *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->t = t;
    s->skip_special = skip_special;
    return s;
}

void text_stream_destroy(struct text_stream *s)
{
    if (s == NULL) return;
    text_buffer_fini(&s->held);
    free(s);
}

void text_stream_add(struct text_stream *s, uint32_t id, struct text_buffer *out)
{
    decode_id(s->t, &s->state, id, s->skip_special, &s->held);
    size_t n_kept = utf8_open_bytes(s->held.bytes, s->held.size_bytes);
    size_t n = s->held.size_bytes - n_kept;
    if (n == 0) return;
    text_buffer_add(out, s->held.bytes, n);
    memmove(s->held.bytes, s->held.bytes + n, n_kept);
    s->held.size_bytes = n_kept;
}

void text_stream_end(struct text_stream *s, struct text_buffer *out)
{
    text_buffer_add(out, s->held.bytes, s->held.size_bytes);
    text_buffer_clear(&s->held);
    s->state = (struct decoding){0};
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
    return id < t->vocabulary.n_ids && t->added_of[id] != NULL && t->added_of[id]->special;
}
