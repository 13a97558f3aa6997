#include "actor/borrowed_tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "actor/tokenizer/tokenizer.h"
#include "common/base/file.h"
#include "common/base/json.h"

#define PATH_BYTES 4096
#define CONFIG_BYTES_MAX ((size_t)16 << 20)

static const char *const files[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
};

// What files without a tokenizer_config.json call the end of a text.
static const char *const usual_ends[] = {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"};

// "eos_token": "<eos>", or {"content": "<eos>", ...}, or null
static int find_named(const struct tokenizer *t, struct json config, const char *key, uint32_t *id,
                      struct err *err)
{
    struct json value = json_member(config, key);
    if (json_is_object(value)) value = json_member(value, "content");
    const char *token = json_to_string(value, NULL);
    *id = UINT32_MAX;
    if (token == NULL || tokenizer_find(t, token, id)) return 0;
    return err_set(err, ERR_MISMATCH, "tokenizer_config.json: %s '%.60s' is not in tokenizer.json",
                   key, token);
}

static int read_config(struct borrowed_tokenizer *b, const struct tokenizer *t, const char *path,
                       struct err *err)
{
    char *text;
    size_t size_bytes;
    if (file_read(path, CONFIG_BYTES_MAX, &text, &size_bytes, err) != 0) return -1;
    struct json_document *document = json_parse(text, size_bytes, path, err);
    int result = document == NULL ? -1 : 0;
    if (result == 0) {
        struct json root = json_root(document);
        if (find_named(t, root, "bos_token", &b->bos_id, err) != 0 ||
            find_named(t, root, "eos_token", &b->eos_id, err) != 0 ||
            find_named(t, root, "pad_token", &b->pad_id, err) != 0)
            result = -1;
    }
    json_destroy(document);
    free(text);
    return result;
}

int borrowed_tokenizer_read(struct borrowed_tokenizer *b, const char *folder, struct err *err)
{
    char path[PATH_BYTES];
    *b = (struct borrowed_tokenizer){
        .bos_id = UINT32_MAX, .eos_id = UINT32_MAX, .pad_id = UINT32_MAX};
    if (file_join(path, sizeof path, folder, "tokenizer_config.json", err) != 0) return -1;
    struct tokenizer *t = tokenizer_read(folder, err);
    if (t == NULL) return -1;
    int result = file_exists(path) ? read_config(b, t, path, err) : 0;
    b->id_limit = tokenizer_id_limit(t);
    for (size_t i = 0; i < sizeof usual_ends / sizeof *usual_ends && b->eos_id == UINT32_MAX; i++)
        (void)tokenizer_find(t, usual_ends[i], &b->eos_id);
    tokenizer_destroy(t);
    if (result == 0 && b->eos_id == UINT32_MAX)
        result = err_set(err, ERR_MISMATCH,
                         "%s: no token that ends a text: tokenizer_config.json has no eos_token",
                         folder);
    return result;
}

int borrowed_tokenizer_copy(const char *folder, const char *into, struct err *err)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char from[PATH_BYTES], to[PATH_BYTES];
        if (file_join(from, sizeof from, folder, files[i], err) != 0 ||
            file_join(to, sizeof to, into, files[i], err) != 0)
            return -1;
        if (file_exists(from) && file_copy(from, to, err) != 0) return -1;
    }
    return 0;
}
