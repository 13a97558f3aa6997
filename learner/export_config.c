#include "learner/export_config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"

#define CONFIG_BYTES_MAX ((size_t)4 << 20)

// A member of the outermost object, as it is written.
struct member {
    const char *begin, *end; // from its key's quote to after its value
    const char *value;       // where the value begins
    const char *key;         // after the quote
    size_t key_bytes;
};

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\') at++;
    return at + 1;
}

static const char *skip_value(const char *at)
{
    size_t depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        at++;
    } while (depth > 0 || strchr(",}] \t\r\n", *at) == NULL);
    return at;
}

// The member at `at`, of an object that has been parsed: its form is known good.
static struct member read_member(const char *at)
{
    struct member m = {.begin = at, .key = at + 1};
    const char *end = skip_string(at);
    m.key_bytes = (size_t)(end - 1 - m.key);
    m.value = skip_space(skip_space(end) + 1);
    m.end = skip_value(m.value);
    return m;
}

static bool is_called(const struct member *m, const char *key)
{
    return m->key_bytes == strlen(key) && memcmp(m->key, key, m->key_bytes) == 0;
}

struct text {
    char *bytes;
    size_t size_bytes;
};

static void append(struct text *t, const char *from, size_t size_bytes)
{
    memcpy(t->bytes + t->size_bytes, from, size_bytes);
    t->size_bytes += size_bytes;
}

// Members are kept with the comma and the space that stood before them.
static void rewrite(const char *config, struct text *out)
{
    static const char dtype[] = "\"bfloat16\"", key[] = "\"torch_dtype\": ";
    const char *inside = skip_space(config) + 1, *first = skip_space(inside);
    const char *done = inside; // the end of the member before
    bool has_dtype = false, is_empty = true;
    append(out, config, (size_t)(inside - config));
    for (const char *at = first; *at != '}';) {
        struct member m = read_member(at);
        if (!is_called(&m, "quantization_config")) {
            bool is_dtype = is_called(&m, "torch_dtype") || is_called(&m, "dtype");
            if (is_empty)
                append(out, inside, (size_t)(first - inside));
            else
                append(out, done, (size_t)(m.begin - done));
            append(out, m.begin, (size_t)((is_dtype ? m.value : m.end) - m.begin));
            if (is_dtype) append(out, dtype, sizeof dtype - 1);
            has_dtype = has_dtype || is_dtype;
            is_empty = false;
        }
        done = m.end;
        at = skip_space(done);
        if (*at == ',') at = skip_space(at + 1);
    }
    if (!has_dtype) {
        if (!is_empty) append(out, ", ", 2);
        append(out, key, sizeof key - 1);
        append(out, dtype, sizeof dtype - 1);
    }
    append(out, done, strlen(done));
}

// What was written is read again: a key spelled in escapes would show here.
static int check(const struct text *text, const char *name, struct err *err)
{
    struct json_document *document = json_parse(text->bytes, text->size_bytes, name, err);
    if (document == NULL) return -1;
    static const char *const keys[] = {"torch_dtype", "dtype"};
    int status = 0;
    for (size_t i = 0; i < 2; i++) {
        struct json said = json_member(json_root(document), keys[i]);
        if (json_is_present(said) &&
            (!json_is_string(said) || strcmp(json_to_string(said, NULL), "bfloat16") != 0))
            status =
                err_set(err, ERR_FORMAT, "%s: '%s' is not 'bfloat16' as exported", name, keys[i]);
    }
    json_destroy(document);
    return status;
}

char *export_config_text(const char *config, size_t size_bytes, const char *name, struct err *err)
{
    struct json_document *document = json_parse(config, size_bytes, name, err);
    if (document == NULL) return NULL;
    bool is_object = json_is_object(json_root(document));
    json_destroy(document);
    if (!is_object) {
        err_set(err, ERR_FORMAT, "%s: not a JSON object", name);
        return NULL;
    }
    // The scan below stops at the 0 that a parsed text has none of before its end.
    char *copy = malloc(size_bytes + 1);
    struct text text = {.bytes = malloc(size_bytes + 64)};
    CHECK(copy != NULL && text.bytes != NULL);
    memcpy(copy, config, size_bytes);
    copy[size_bytes] = '\0';
    rewrite(copy, &text);
    free(copy);
    if (check(&text, name, err) != 0) {
        free(text.bytes);
        return NULL;
    }
    text.bytes[text.size_bytes] = '\0';
    return text.bytes;
}

int export_config(const char *from_path, const char *to_path, struct err *err)
{
    char *config;
    size_t size_bytes;
    if (file_read(from_path, CONFIG_BYTES_MAX, &config, &size_bytes, err) != 0) return -1;
    char *exported = export_config_text(config, size_bytes, from_path, err);
    free(config);
    if (exported == NULL) return -1;
    int status = file_write_atomic(to_path, exported, strlen(exported), err);
    free(exported);
    return status;
}
