#include "actor/reward/scorer_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"

extern char **environ;

// --- {file:NAME} ---------------------------------------------------------------------------------

typedef int (*path_fn)(struct private_files *p, const struct served_file *file, char *path,
                       size_t path_bytes, struct err *err);

// Without writing: is there room for such a path at all?
static int check_path(struct private_files *p, const struct served_file *file, char *path,
                      size_t path_bytes, struct err *err)
{
    (void)p;
    (void)err;
    snprintf(path, path_bytes, "%s", file->name);
    return 0;
}

static int expand_word(struct scorer_command *c, const char *word, const struct served_file *files,
                       size_t n_files, path_fn path_of, struct text_buffer *out, struct err *err)
{
    static const char mark[] = "{file:";
    text_buffer_clear(out);
    for (const char *at = word;;) {
        const char *open = strstr(at, mark);
        if (open == NULL) {
            text_buffer_add_string(out, at);
            return 0;
        }
        text_buffer_add(out, at, (size_t)(open - at));
        const char *start = open + strlen(mark), *close = strchr(start, '}');
        char name[NAME_BYTES_MAX + 1], path[PRIVATE_PATH_BYTES];
        if (close == NULL || (size_t)(close - start) > NAME_BYTES_MAX)
            return err_set(err, ERR_USAGE, "'%.60s': want {file:NAME}", open);
        snprintf(name, sizeof name, "%.*s", (int)(close - start), start);
        const struct served_file *file = private_files_find(files, n_files, name, err);
        if (file == NULL || path_of(&c->files, file, path, sizeof path, err) != 0) return -1;
        text_buffer_add_string(out, path);
        at = close + 1;
    }
}

// --- the recipe's words --------------------------------------------------------------------------

static int add_word(struct scorer_command *c, size_t i, struct json value, struct err *err)
{
    size_t size_bytes;
    const char *text = json_to_string(value, &size_bytes);
    if (text == NULL || size_bytes > COMMAND_WORD_BYTES_MAX || strlen(text) != size_bytes)
        return err_set(err, ERR_USAGE, "want text of at most %d bytes", COMMAND_WORD_BYTES_MAX);
    c->words[i] = text_copy(text, size_bytes);
    return 0;
}

static int read_words(struct scorer_command *c, struct json command, struct err *err)
{
    if (json_is_string(command)) {
        c->words[0] = text_copy("sh", 2);
        c->words[1] = text_copy("-c", 2);
        return add_word(c, 2, command, err);
    }
    const size_t n = json_count(command);
    if (!json_is_array(command) || n == 0 || n > COMMAND_WORDS_MAX)
        return err_set(err, ERR_USAGE, "want a text, or a list of 1 to %d", COMMAND_WORDS_MAX);
    for (size_t i = 0; i < n; i++)
        if (add_word(c, i, json_item(command, i), err) != 0) return -1;
    if (c->words[0][0] == '\0') return err_set(err, ERR_USAGE, "the program's name is empty");
    return 0;
}

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

// Found at once, rather than in every score that fails.
static int check_program(const char *name, struct err *err)
{
    const char *path = getenv("PATH");
    if (strstr(name, "{file:") != NULL) return 0; // it will be there
    if (strchr(name, '/') != NULL) {
        if (is_program(name)) return 0;
        return err_set(err, ERR_USAGE, "there is no program %.200s", name);
    }
    for (const char *at = path == NULL ? "" : path; *at != '\0';) {
        char candidate[PRIVATE_PATH_BYTES];
        const size_t n = strcspn(at, ":");
        const int size = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)n, at, name);
        if (size > 0 && (size_t)size < sizeof candidate && is_program(candidate)) return 0;
        at += n + (at[n] == ':');
    }
    return err_set(err, ERR_USAGE, "there is no program %.200s in PATH", name);
}

static int read_companions(struct scorer_command *c, struct json list,
                           const struct served_file *files, size_t n_files, struct err *err)
{
    const size_t n = json_count(list);
    if (!json_is_present(list)) return 0;
    if (!json_is_array(list) || n > FILES_MAX)
        return err_set(err, ERR_USAGE, "files: want a list of names of served files");
    for (size_t i = 0; i < n; i++) {
        const char *name = json_to_string(json_item(list, i), NULL);
        if (name == NULL) return err_set(err, ERR_USAGE, "files: want names of served files");
        const struct served_file *file = private_files_find(files, n_files, name, err);
        if (file == NULL) return err_prefix(err, "files");
        c->companions[c->n_companions++] = file;
    }
    return 0;
}

// A Python script that forgets to flush would seem to hang.
static char **make_environment(void)
{
    static char unbuffered[] = "PYTHONUNBUFFERED=1";
    size_t n = 0;
    while (environ[n] != NULL)
        n++;
    char **copy = malloc((n + 2) * sizeof *copy);
    CHECK(copy != NULL);
    memcpy(copy, environ, n * sizeof *copy);
    copy[n] = unbuffered;
    copy[n + 1] = NULL;
    return copy;
}

int scorer_command_init(struct scorer_command *c, struct json command, struct json companions,
                        const struct served_file *files, size_t n_files, const char *what,
                        struct err *err)
{
    *c = (struct scorer_command){.n_companions = 0};
    struct text_buffer scratch;
    text_buffer_init(&scratch);
    int result = read_words(c, command, err);
    for (size_t i = 0; c->words[i] != NULL && result == 0; i++)
        result = expand_word(c, c->words[i], files, n_files, check_path, &scratch, err);
    if (result == 0) result = check_program(c->words[0], err);
    text_buffer_fini(&scratch);
    if (result != 0) err_prefix(err, "%s.command", what);
    if (result == 0 && read_companions(c, companions, files, n_files, err) != 0)
        result = err_prefix(err, "%s", what);
    if (result != 0) {
        scorer_command_fini(c);
        return -1;
    }
    c->environment = make_environment();
    return 0;
}

void scorer_command_fini(struct scorer_command *c)
{
    for (size_t i = 0; i < COMMAND_WORDS_MAX; i++) {
        free(c->words[i]);
        free(c->ready[i]);
    }
    free(c->environment);
    private_files_fini(&c->files);
    *c = (struct scorer_command){.n_companions = 0};
}

int scorer_command_prepare(struct scorer_command *c, const struct served_file *files,
                           size_t n_files, struct err *err)
{
    char path[PRIVATE_PATH_BYTES];
    struct text_buffer word;
    if (c->ready[0] != NULL) return 0;
    for (size_t i = 0; i < c->n_companions; i++)
        if (private_files_write(&c->files, c->companions[i], path, sizeof path, err) != 0)
            return -1;
    text_buffer_init(&word);
    int result = 0;
    // The first word last: it says that all is ready.
    for (size_t i = COMMAND_WORDS_MAX; i-- > 0 && result == 0;) {
        if (c->words[i] == NULL) continue;
        result = expand_word(c, c->words[i], files, n_files, private_files_write, &word, err);
        free(c->ready[i]);
        c->ready[i] =
            result == 0 ? text_copy(word.bytes == NULL ? "" : word.bytes, word.size_bytes) : NULL;
    }
    text_buffer_fini(&word);
    return result;
}
