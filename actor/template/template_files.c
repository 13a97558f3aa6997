#include "actor/template/template_files.h"

#include <string.h>

#include "common/base/json.h"

// "chat_template": "…", or a list of {"name": "default", "template": "…"}
static const char *default_template(struct json value, size_t *size_bytes)
{
    if (!json_is_array(value)) return json_to_string(value, size_bytes);
    for (size_t i = 0; i < json_count(value); i++) {
        struct json item = json_item(value, i);
        const char *name = json_to_string(json_member(item, "name"), NULL);
        if (name != NULL && strcmp(name, "default") == 0)
            return json_to_string(json_member(item, "template"), size_bytes);
    }
    return NULL;
}

// 1 with the text, 0 when the file has none, -1.
static int find_in(struct view file, const char *name, char **out, size_t *size_bytes,
                   struct err *err)
{
    if (file.bytes == NULL) return 0;
    struct json_document *document = json_parse(file.bytes, file.size_bytes, name, err);
    if (document == NULL) return -1;
    struct json value = json_member(json_root(document), "chat_template");
    const char *text = default_template(value, size_bytes);
    int result = text != NULL;
    if (text != NULL) *out = text_copy(text, *size_bytes);
    if (text == NULL && json_is_present(value))
        result = err_set(err, ERR_FORMAT,
                         "%s: chat_template: want a text, or a list with one called default", name);
    json_destroy(document);
    return result;
}

char *template_files_jinja(const struct template_files *files, size_t *size_bytes, struct err *err)
{
    char *text = NULL;
    if (files->jinja.bytes != NULL) {
        *size_bytes = files->jinja.size_bytes;
        return text_copy(files->jinja.bytes, files->jinja.size_bytes);
    }
    int found = find_in(files->json, "chat_template.json", &text, size_bytes, err);
    if (found == 0)
        found = find_in(files->tokenizer_config, "tokenizer_config.json", &text, size_bytes, err);
    if (found == 0)
        err_set(err, ERR_USAGE,
                "template auto: the model has no chat template, neither chat_template.jinja nor "
                "one in tokenizer_config.json");
    return text;
}

int template_files_bos(const struct template_files *files, char **out, struct err *err)
{
    struct view file = files->tokenizer_config;
    *out = NULL;
    if (file.bytes == NULL) return 0;
    struct json_document *document =
        json_parse(file.bytes, file.size_bytes, "tokenizer_config.json", err);
    if (document == NULL) return -1;
    struct json value = json_member(json_root(document), "bos_token");
    if (json_is_object(value)) value = json_member(value, "content");
    size_t size_bytes;
    const char *text = json_to_string(value, &size_bytes);
    if (text != NULL) *out = text_copy(text, size_bytes);
    json_destroy(document);
    return 0;
}
