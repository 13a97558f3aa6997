#include "actor/data/served_files.h"

#include <string.h>

static const char *const role_names[FILE_ROLES] = {"train", "eval", "sft"};

struct view served_file_bytes(const struct served_file *file)
{
    if (file->size_bytes == 0) return (struct view){"", 0};
    return (struct view){(const char *)file->bytes, file->size_bytes};
}

const struct served_file *served_files_find(const struct served_files *s, const char *name)
{
    for (size_t i = 0; i < s->n_files; i++)
        if (strcmp(s->files[i].name, name) == 0) return &s->files[i];
    return NULL;
}

static int add_file(struct served_files *s, enum file_role role, struct json value, struct err *err)
{
    const char *name = json_to_string(value, NULL);
    if (name == NULL)
        return err_set(err, ERR_USAGE, "spec.files.%s: want a name or a list of names",
                       role_names[role]);
    const struct served_file *file = served_files_find(s, name);
    if (file == NULL)
        return err_set(err, ERR_USAGE, "spec.files.%s: '%.200s' is not among the served files",
                       role_names[role], name);
    if (s->roles[role].count == FILES_MAX)
        return err_set(err, ERR_LIMIT, "spec.files.%s: more than %d files", role_names[role],
                       FILES_MAX);
    s->roles[role].files[s->roles[role].count++] = file;
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
                s->roles[role].files[s->roles[role].count++] = &s->files[i];
}

int served_files_init(struct served_files *s, struct json roles, const struct served_file *files,
                      size_t n_files, struct err *err)
{
    *s = (struct served_files){.files = files, .n_files = n_files};
    if (!json_is_present(roles)) {
        guess_roles(s);
        return 0;
    }
    if (!json_is_object(roles)) return err_set(err, ERR_USAGE, "spec.files: want a map of keys");
    for (void *it = json_first(roles); it != NULL; it = json_next(roles, it))
        if (read_role(s, json_key(it), json_value(roles, it), err) != 0) return -1;
    return 0;
}
