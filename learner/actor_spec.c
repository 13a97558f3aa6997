#include "learner/actor_spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/file_kind.h"
#include "common/base/json.h"

#define PATH_BYTES 4096

static const char *const model_files[] = {
    "config.json",           "tokenizer.json",      "generation_config.json",
    "tokenizer_config.json", "chat_template.jinja", "chat_template.json"};
#define TOKENIZER model_files[1]

static char *keep(struct actor_spec *s, const char *text)
{
    char *copy = strdup(text);

    CHECK(copy != NULL && s->n_strings < 2 * FILES_MAX);
    s->strings[s->n_strings++] = copy;
    return copy;
}

static int add_file(struct actor_spec *s, const char *name, const char *path, struct err *err)
{
    if (!file_exists(path)) return err_set(err, ERR_IO, "%s: no such file", path);
    if (strlen(name) > NAME_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "%s: a served name has at most %d bytes", name,
                       NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < s->n_files; i++) {
        if (strcmp(s->files[i].name, name) == 0) {
            return err_set(err, ERR_USAGE, "two files are to be served as %s: %s and %s", name,
                           s->files[i].path, path);
        }
    }
    if (s->n_files == FILES_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d files to serve", FILES_MAX);
    }
    s->files[s->n_files].name = keep(s, name);
    s->files[s->n_files].path = keep(s, path);
    s->n_files++;
    return 0;
}

static int add_model_files(struct actor_spec *s, const char *folder, struct err *err)
{
    for (size_t i = 0; i < sizeof model_files / sizeof *model_files; i++) {
        char path[PATH_BYTES];

        if (file_join(path, sizeof path, folder, model_files[i], err) != 0) return -1;
        if (i >= 2 && !file_exists(path)) continue;
        if (add_file(s, model_files[i], path, err) != 0) return -1;
    }
    return 0;
}

// The name a data file gets: with its folder's where the short one is taken, so
// that gsm8k/train.jsonl and math/train.jsonl can both be there.
static void name_data_file(const struct actor_spec *s, const char *path, char *name, size_t size)
{
    const char *base = path + strlen(path);

    for (int n_parts = 1; n_parts <= 2; n_parts++) {
        bool is_taken = false;

        if (n_parts == 2 && base > path) base--;
        while (base > path && base[-1] != '/')
            base--;
        snprintf(name, size, "data/%s", base);
        for (size_t i = 0; i < s->n_files; i++) {
            is_taken = is_taken ||
                       (strcmp(s->files[i].name, name) == 0 && strcmp(s->files[i].path, path) != 0);
        }
        if (!is_taken) return;
    }
}

static bool is_served(const struct actor_spec *s, const char *name, const char *path)
{
    for (size_t i = 0; i < s->n_files; i++) {
        if (strcmp(s->files[i].name, name) == 0 && strcmp(s->files[i].path, path) == 0) return true;
    }
    return false;
}

// What is no JSONL is found before anything runs.
static int check_data_file(const char *path, struct err *err)
{
    struct file_map map;
    int status;

    if (file_map(&map, path, err) != 0) return -1;
    status = file_kind_want_jsonl(
        map.bytes, map.size_bytes < FILE_KIND_HEAD_BYTES ? map.size_bytes : FILE_KIND_HEAD_BYTES,
        path, err);
    file_unmap(&map);
    return status;
}

// A path, or {path, weight, source, ...}: all but the path is for the actors.
static int add_data_file(struct actor_spec *s, struct json value, const char *key,
                         struct json_writer *out, struct err *err)
{
    const struct json named = json_is_object(value) ? json_member(value, "path") : value;
    const char *path = json_to_string(named, NULL);
    char name[PATH_BYTES];

    if (path == NULL) {
        return err_set(err, ERR_USAGE,
                       "%s: want a path, an object {path, weight, ...} or a list of these", key);
    }
    if (check_data_file(path, err) != 0) return -1;
    name_data_file(s, path, name, sizeof name);
    json_open(out, NULL, '{');
    json_put_string(out, "name", name);
    for (void *it = json_is_object(value) ? json_first(value) : NULL; it != NULL;
         it = json_next(value, it)) {
        if (strcmp(json_key(it), "path") == 0) continue;
        if (!options_is_data_key(json_key(it))) {
            return err_set(err, ERR_USAGE, "%s: %s: unknown key '%.60s'", key, path, json_key(it));
        }
        json_put_value(out, json_key(it), json_value(value, it));
    }
    json_close(out, '}');
    return is_served(s, name, path) ? 0 : add_file(s, name, path, err);
}

// One of data.*_files: the files, and their names under the role in the spec.
static int add_role(struct actor_spec *s, const char *text, const char *key, const char *role,
                    struct json_writer *out, struct err *err)
{
    struct json_document *document = json_parse(text, strlen(text), key, err);
    struct json root;
    size_t n;
    int status = 0;

    if (document == NULL) return -1;
    root = json_root(document);
    n = json_is_array(root) ? json_count(root) : json_is_present(root) ? 1 : 0;
    if (n > 0) {
        json_open(out, role, '[');
        for (size_t i = 0; i < n && status == 0; i++) {
            struct json item = json_is_array(root) ? json_item(root, i) : root;

            status = add_data_file(s, item, key, out, err);
        }
        json_close(out, ']');
    }
    json_destroy(document);
    return status;
}

static int add_named_files(struct actor_spec *s, const char *text, struct err *err)
{
    struct json_document *document = json_parse(text, strlen(text), "files", err);
    struct json root;
    int status = 0;

    if (document == NULL) return -1;
    root = json_root(document);
    if (json_is_present(root) && !json_is_object(root)) {
        status = err_set(err, ERR_USAGE, "files: want a map of name: path");
    } else if (json_is_present(root)) {
        for (void *it = json_first(root); it && status == 0; it = json_next(root, it)) {
            const char *path = json_to_string(json_value(root, it), NULL);

            status = path ? add_file(s, json_key(it), path, err)
                          : err_set(err, ERR_USAGE, "files: %s: want a path", json_key(it));
        }
    }
    json_destroy(document);
    return status;
}

// What holds for all data files that do not say it themselves.
static void write_data(const struct options *o, struct json_writer *out)
{
    const struct {
        const char *key, *text;
    } texts[] = {{"convention", o->data_convention}, {"grader", o->data_grader},
                 {"prompt_key", o->prompt_key},      {"answer_key", o->answer_key},
                 {"level_key", o->level_key},        {"completion_key", o->completion_key},
                 {"source_key", o->source_key}};

    json_open(out, "data", '{');
    json_put_string(out, "on_bad_row", o->on_bad_row == BAD_ROW_SKIP ? "skip" : "stop");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].text[0] != '\0') json_put_string(out, texts[i].key, texts[i].text);
    }
    json_close(out, '}');
}

static int write_spec(struct actor_spec *s, const struct options *o, struct json_writer *out,
                      struct err *err)
{
    const struct {
        const char *key, *text;
    } parts[] = {{"template", o->template},
                 {"task", o->task},
                 {"rewards", o->rewards},
                 {"corpus", o->corpus}};

    json_open(out, NULL, '{');
    json_put_u64(out, "seed", o->seed);
    json_put_u64(out, "max_prompt_length", o->max_prompt_length);
    json_put_u64(out, "max_response_length", o->max_response_length);
    if (o->prompt_suffix[0] != '\0') json_put_string(out, "prompt_suffix", o->prompt_suffix);
    if (o->literal_prompts) json_put_bool(out, "literal_prompts", true);
    json_put_u64(out, "max_document_length", options_document_max(o));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i].text, "null") != 0) json_put_json(out, parts[i].key, parts[i].text);
    }
    write_data(o, out);
    json_open(out, "files", '{');
    if (add_role(s, o->train_files, "data.train_files", options_is_feed(o) ? "sft" : "train", out,
                 err) != 0 ||
        add_role(s, o->val_files, "data.val_files", "eval", out, err) != 0) {
        return -1;
    }
    json_close(out, '}');
    json_close(out, '}');
    if (out->size_bytes > SPEC_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "the spec of actors has %zu bytes, at most %u",
                       out->size_bytes, SPEC_BYTES_MAX);
    }
    return 0;
}

int actor_spec_make(struct actor_spec *s, const struct options *o, struct err *err)
{
    struct json_writer out;
    int status;

    *s = (struct actor_spec){0};
    json_writer_init(&out);
    status = add_model_files(s, o->model_path, err);
    if (status == 0) status = write_spec(s, o, &out, err);
    if (status == 0) status = add_named_files(s, o->files, err);
    s->text = out.bytes;
    if (status != 0) actor_spec_fini(s);
    return status;
}

void actor_spec_fini(struct actor_spec *s)
{
    for (size_t i = 0; i < s->n_strings; i++)
        free(s->strings[i]);
    free(s->text);
    *s = (struct actor_spec){0};
}

// The files with full paths: whoever reads them later stands elsewhere.
static int put_files(const struct actor_spec *s, struct json_writer *out, struct err *err)
{
    char here[PATH_BYTES];

    if (getcwd(here, sizeof here) == NULL) {
        return err_set(err, ERR_IO, "the working directory: %s", strerror(errno));
    }
    json_open(out, "files", '[');
    for (size_t i = 0; i < s->n_files; i++) {
        const char *path = s->files[i].path;
        char full[PATH_BYTES];

        if (path[0] == '/') {
            snprintf(full, sizeof full, "%s", path);
        } else if (file_join(full, sizeof full, here, path, err) != 0) {
            return -1;
        }
        json_open(out, NULL, '{');
        json_put_string(out, "name", s->files[i].name);
        json_put_string(out, "path", full);
        json_close(out, '}');
    }
    json_close(out, ']');
    return 0;
}

int actor_spec_save(const struct actor_spec *s, const char *run_folder, struct err *err)
{
    struct json_writer out;
    char path[PATH_BYTES];
    int status;

    if (file_join(path, sizeof path, run_folder, ACTOR_SPEC_FILE, err) != 0) return -1;
    json_writer_init(&out);
    json_open(&out, NULL, '{');
    json_put_json(&out, "spec", s->text);
    status = put_files(s, &out, err);
    if (status == 0) {
        json_close(&out, '}');
        status = file_write_atomic(path, out.bytes, out.size_bytes, err);
    }
    free(out.bytes);
    return status;
}

int actor_spec_expected(const struct actor_spec *s, const struct shape *shape, struct ready *out,
                        struct err *err)
{
    *out = (struct ready){.shape = shape_hash(shape), .spec = hash_of(s->text, strlen(s->text))};
    for (size_t i = 0; i < s->n_files; i++) {
        struct file_map map;

        if (strcmp(s->files[i].name, TOKENIZER) != 0) continue;
        if (file_map(&map, s->files[i].path, err) != 0) return -1;
        out->tokenizer = hash_of(map.bytes, map.size_bytes);
        file_unmap(&map);
    }
    return 0;
}
