#include "actor/data/served_files.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"

static const char *const role_names[FILE_ROLES] = {"train", "eval", "sft"};

struct entry { // an object in a list of files, and the spec's "data"
    char name[SPEC_STRING_BYTES];
    char on_bad_row[SPEC_STRING_BYTES];
    struct data_options options;
};

#define OPTION(key)                                                                                \
    {                                                                                              \
#key, SPEC_STRING, offsetof(struct entry, options.key), 0, 0                               \
    }
#define OPTIONS                                                                                    \
    OPTION(convention), OPTION(grader), OPTION(prompt_key), OPTION(answer_key),                    \
        OPTION(completion_key), OPTION(level_key), OPTION(source_key)

const char *file_role_name(enum file_role role)
{
    return role_names[role];
}

struct view served_file_bytes(const struct served_file *file)
{
    if (file->size_bytes == 0) return (struct view){"", 0};
    return (struct view){(const char *)file->bytes, file->size_bytes};
}

void served_file_forget(const struct served_file *file)
{
    const struct file_map map = {file->bytes, file->size_bytes};
    if (file->is_mapped) file_forget(&map, map.size_bytes);
}

const struct served_file *served_files_find(const struct served_files *s, const char *name)
{
    for (size_t i = 0; i < s->n_files; i++)
        if (strcmp(s->files[i].name, name) == 0) return &s->files[i];
    return NULL;
}

static void fill(char *own, const char *usual)
{
    if (own[0] == '\0') memcpy(own, usual, SPEC_STRING_BYTES);
}

void data_options_fill(struct data_options *own, const struct data_options *usual)
{
    if (own->weight == 0) own->weight = usual->weight;
    fill(own->convention, usual->convention);
    fill(own->source, usual->source);
    fill(own->grader, usual->grader);
    fill(own->prompt_key, usual->prompt_key);
    fill(own->answer_key, usual->answer_key);
    fill(own->completion_key, usual->completion_key);
    fill(own->level_key, usual->level_key);
    fill(own->source_key, usual->source_key);
}

static int read_entry(enum file_role role, struct json value, struct entry *out, struct err *err)
{
    static const struct spec_field fields[] = {
        {"name", SPEC_STRING, offsetof(struct entry, name), 0, 0},
        {"weight", SPEC_DOUBLE, offsetof(struct entry, options.weight), 1e-6, 1e6},
        OPTION(source),
        OPTIONS,
    };
    const char *name = json_to_string(value, NULL);
    *out = (struct entry){0};
    if (json_is_object(value)) {
        if (spec_read(value, "spec.files[]", fields, sizeof fields / sizeof fields[0], out, err) !=
            0)
            return -1;
    } else if (name != NULL && strlen(name) < sizeof out->name) {
        memcpy(out->name, name, strlen(name) + 1);
    }
    if (out->name[0] != '\0') return 0;
    return err_set(err, ERR_USAGE, "spec.files.%s: want a name, an object with one, or a list",
                   role_names[role]);
}

static int add_file(struct served_files *s, enum file_role role, struct json value, struct err *err)
{
    struct entry entry;
    if (read_entry(role, value, &entry, err) != 0) return -1;
    const struct served_file *file = served_files_find(s, entry.name);
    if (file == NULL)
        return err_set(err, ERR_USAGE, "spec.files.%s: '%.200s' is not among the served files",
                       role_names[role], entry.name);
    if (role == FILES_EVAL && entry.options.weight != 0)
        return err_set(err, ERR_USAGE,
                       "spec.files.eval: %s has a weight, but every row is evaluated once",
                       entry.name);
    if (s->roles[role].count == FILES_MAX)
        return err_set(err, ERR_LIMIT, "spec.files.%s: more than %d files", role_names[role],
                       FILES_MAX);
    s->roles[role].files[s->roles[role].count++] = (struct data_file){file, entry.options};
    return 0;
}

static int read_role(struct served_files *s, const char *key, struct json value, struct err *err)
{
    for (int role = 0; role < FILE_ROLES; role++) {
        if (strcmp(key, role_names[role]) != 0) continue;
        if (!json_is_array(value)) return add_file(s, (enum file_role)role, value, err);
        for (size_t i = 0; i < json_count(value); i++)
            if (add_file(s, (enum file_role)role, json_item(value, i), err) != 0) return -1;
        return 0;
    }
    return err_set(err, ERR_USAGE, "spec.files: unknown key '%.100s'", key);
}

// Without a "files" map the served names tell: data/train/…, data/val/…, data/sft/….
static void guess_roles(struct served_files *s)
{
    static const char *const folders[FILE_ROLES] = {"data/train/", "data/val/", "data/sft/"};
    for (size_t i = 0; i < s->n_files && i < FILES_MAX; i++)
        for (int role = 0; role < FILE_ROLES; role++)
            if (strncmp(s->files[i].name, folders[role], strlen(folders[role])) == 0)
                s->roles[role].files[s->roles[role].count++].file = &s->files[i];
}

static int read_usual(struct served_files *s, struct json data, struct err *err)
{
    static const struct spec_field fields[] = {
        {"on_bad_row", SPEC_STRING, offsetof(struct entry, on_bad_row), 0, 0},
        OPTIONS,
    };
    struct entry usual = {.on_bad_row = "stop"};
    if (!json_is_present(data)) return 0;
    if (spec_read(data, "spec.data", fields, sizeof fields / sizeof fields[0], &usual, err) != 0)
        return -1;
    s->skips_bad_rows = strcmp(usual.on_bad_row, "skip") == 0;
    if (!s->skips_bad_rows && strcmp(usual.on_bad_row, "stop") != 0)
        return err_set(err, ERR_USAGE, "spec.data.on_bad_row: want stop or skip, got '%s'",
                       usual.on_bad_row);
    for (int role = 0; role < FILE_ROLES; role++)
        for (size_t i = 0; i < s->roles[role].count; i++)
            data_options_fill(&s->roles[role].files[i].options, &usual.options);
    return 0;
}

int served_files_init(struct served_files *s, struct json roles, struct json data,
                      const struct served_file *files, size_t n_files, struct err *err)
{
    *s = (struct served_files){.files = files, .n_files = n_files};
    if (!json_is_present(roles)) {
        guess_roles(s);
        return read_usual(s, data, err);
    }
    if (!json_is_object(roles)) return err_set(err, ERR_USAGE, "spec.files: want a map of keys");
    for (void *it = json_first(roles); it != NULL; it = json_next(roles, it))
        if (read_role(s, json_key(it), json_value(roles, it), err) != 0) return -1;
    return read_usual(s, data, err);
}
