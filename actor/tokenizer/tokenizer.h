/*
 * tokenizer.h - text to token ids and back, as a tokenizer.json says.
 *
 * Two kinds: WordLevel (a piece is a word) and byte-level BPE (GPT-2, Qwen,
 * Llama 3).  Ids equal those of the `tokenizers` package; whatever of a file
 * is not implemented is refused by name when it is read.  Tokens are kept as
 * the bytes they mean.
 *
 * Immutable once created: any number of threads may use it.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_TOKENIZER_H
#define ARGOSY_ACTOR_TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
// Fails on bytes that are not UTF-8 and on a word the vocabulary does not have.
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t size_bytes,
                     struct token_ids *out, struct err *err);
// What the file's post-processor puts before and after a text (BOS, EOS).
void tokenizer_add_prefix(const struct tokenizer *t, struct token_ids *out);
void tokenizer_add_suffix(const struct tokenizer *t, struct token_ids *out);

// malloc'ed, 0-terminated; may contain 0 bytes and, where ids cut a character,
// bytes that are not UTF-8.  An id without a token becomes U+FFFD.
char *tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
                       size_t *size_bytes);

// One more than the greatest id: a model's vocabulary must be at least as large.
uint32_t tokenizer_id_limit(const struct tokenizer *t);
bool tokenizer_find(const struct tokenizer *t, const char *token, uint32_t *id);
bool tokenizer_is_special(const struct tokenizer *t, uint32_t id);

#endif
