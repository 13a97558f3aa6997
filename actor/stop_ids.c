#include "actor/stop_ids.h"

#include "actor/tokenizer/vocabulary.h"

static int add_id(struct stop_ids *s, struct json value, const char *file, struct err *err)
{
    int64_t id = json_to_i64(value);
    if (!json_is_integer(value) || id < 0 || id >= VOCABULARY_IDS_MAX)
        return err_set(err, ERR_FORMAT, "%s: eos_token_id: want token ids", file);
    if (s->count == STOP_IDS_MAX)
        return err_set(err, ERR_LIMIT, "%s: eos_token_id: more than %d", file, STOP_IDS_MAX);
    s->ids[s->count++] = (uint32_t)id;
    return 0;
}

static int take_ids(struct stop_ids *s, struct json root, const char *file, struct err *err)
{
    struct json value = json_member(root, "eos_token_id");
    if (!json_is_present(value)) return 0;
    if (!json_is_array(value)) return add_id(s, value, file, err);
    for (size_t i = 0; i < json_count(value); i++)
        if (add_id(s, json_item(value, i), file, err) != 0) return -1;
    return 0;
}

// "eos_token": "<eos>" or {"content": "<eos>", ...}
static int take_name(struct stop_ids *s, struct json root, const struct tokenizer *t,
                     struct err *err)
{
    struct json value = json_member(root, "eos_token");
    if (json_is_object(value)) value = json_member(value, "content");
    const char *name = json_to_string(value, NULL);
    if (name == NULL) return 0;
    if (!tokenizer_find(t, name, &s->ids[0]))
        return err_set(err, ERR_MISMATCH,
                       "tokenizer_config.json: eos_token '%.60s' is not in tokenizer.json", name);
    s->count = 1;
    return 0;
}

static int read_file(struct stop_ids *s, const struct served_files *files,
                     const struct tokenizer *t, const char *name, struct err *err)
{
    const struct served_file *file = served_files_find(files, name);
    if (file == NULL) return 0;
    struct view bytes = served_file_bytes(file);
    struct json_document *document = json_parse(bytes.bytes, bytes.size_bytes, name, err);
    if (document == NULL) return -1;
    int result = take_ids(s, json_root(document), name, err);
    if (result == 0 && s->count == 0) result = take_name(s, json_root(document), t, err);
    json_destroy(document);
    return result;
}

int stop_ids_init(struct stop_ids *s, const struct served_files *files, const struct tokenizer *t,
                  struct err *err)
{
    static const char *const sources[] = {"generation_config.json", "config.json",
                                          "tokenizer_config.json"};
    static const char *const names[] = {"<|endoftext|>", "<eos>", "</s>", "<|im_end|>",
                                        "<|end_of_text|>"};
    *s = (struct stop_ids){0};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0] && s->count == 0; i++)
        if (read_file(s, files, t, sources[i], err) != 0) return -1;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && s->count == 0; i++)
        if (tokenizer_find(t, names[i], &s->ids[0])) s->count = 1;
    if (s->count == 0)
        return err_set(err, ERR_MISMATCH,
                       "no token that ends a text: generation_config.json has no eos_token_id");
    return 0;
}

bool stop_ids_has(const struct stop_ids *s, uint32_t id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->ids[i] == id) return true;
    return false;
}

void stop_ids_add(struct stop_ids *s, const struct tokenizer *t, const char *token)
{
    uint32_t id;
    if (tokenizer_find(t, token, &id) && !stop_ids_has(s, id) && s->count < STOP_IDS_MAX)
        s->ids[s->count++] = id;
}
