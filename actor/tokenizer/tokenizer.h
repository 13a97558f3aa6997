/*
 * tokenizer.h - text to token ids and back, as a tokenizer.json says.
 *
 * Three kinds: WordLevel (a piece is a word), byte-level BPE (GPT-2, Qwen,
 * Llama 3, DeepSeek) and BPE over characters with bytes to fall back to, as
 * SentencePiece makes it (Llama 2, Mistral, Gemma).  Ids equal those of the
 * `tokenizers` package; whatever of a file is not implemented is refused by
 * name when it is read, but for `truncation` and `padding`, which are about
 * batches and are passed over.
 *
 * Immutable once created: any number of threads may use it.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actor/text/text_buffer.h"
#include "common/base/err.h"

#define TOKENIZER_FILE_BYTES_MAX ((size_t)256 << 20)
#define TOKENIZER_TEXT_BYTES_MAX ((size_t)1 << 30)

struct tokenizer;

// `name` is what errors call the file.
struct tokenizer *tokenizer_create(const char *json, size_t size_bytes, const char *name,
                                   struct err *err);
struct tokenizer *tokenizer_read(const char *folder, struct err *err); // folder/tokenizer.json
void tokenizer_destroy(struct tokenizer *t);

struct token_ids {
    uint32_t *items; // malloc'ed
    size_t count, room;
};
void token_ids_init(struct token_ids *ids);
void token_ids_fini(struct token_ids *ids);
void token_ids_add(struct token_ids *ids, uint32_t id);

// Appends the ids of a text.  Special tokens written out in it are recognised.
// Fails on bytes that are not UTF-8 and on what the vocabulary has no token for.
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t size_bytes,
                     struct token_ids *out, struct err *err);

struct literal_range {
    size_t start, end; // bytes
};
struct literal_ranges {
    const struct literal_range *items;
    size_t count;
};
// Likewise, but a special token that is spelled out in one of these ranges is
// text like any other: so nobody's words can close their own turn.  (A token
// looked for after normalization is not recognised in a stretch of the text
// that has any byte of such a range.)
int tokenizer_encode_literal(const struct tokenizer *t, const char *text, size_t size_bytes,
                             const struct literal_ranges *literal, struct token_ids *out,
                             struct err *err);

// What the file's post-processor puts before and after a text (BOS, EOS).
void tokenizer_add_prefix(const struct tokenizer *t, struct token_ids *out);
void tokenizer_add_suffix(const struct tokenizer *t, struct token_ids *out);

// malloc'ed, 0-terminated; may contain 0 bytes and, where ids cut a character,
// bytes that are not UTF-8.  An id without a token becomes U+FFFD.
char *tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
                       size_t *size_bytes);

// Decoding id by id, as they are drawn.  What came out so far is the start of
// the whole decoded text and never ends inside a character.
struct text_stream;
struct text_stream *text_stream_create(const struct tokenizer *t, bool skip_special);
void text_stream_destroy(struct text_stream *s);
void text_stream_add(struct text_stream *s, uint32_t id, struct text_buffer *out);
// The bytes of a character that never became whole; then the stream is new.
void text_stream_end(struct text_stream *s, struct text_buffer *out);

// One more than the greatest id: a model's vocabulary must be at least as large.
uint32_t tokenizer_id_limit(const struct tokenizer *t);
bool tokenizer_find(const struct tokenizer *t, const char *token, uint32_t *id);
bool tokenizer_is_special(const struct tokenizer *t, uint32_t id);

#endif
