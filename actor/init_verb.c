/*
 * `argosy init`: a model folder from nothing.
 *
 * The whole folder is made under another name beside it and renamed, so it is
 * there in full or not at all.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/option_number.h"
#include "actor/preset.h"
#include "actor/verbs.h"
#include "common/base/file.h"
#include "common/base/log.h"

#define PATH_BYTES 4096

struct init_options {
    const char *preset, *tokenizer, *folder;
    uint64_t seed;
    bool is_forced, is_config;
};

static void print_usage(FILE *out)
{
    fputs("usage: argosy init --preset NAME [--tokenizer DIR] [--seed N] [--force] DIR\n"
          "       argosy init --preset NAME [--tokenizer DIR] --config\n"
          "\n"
          "  --preset NAME  what to make:\n",
          out);
    for (size_t i = 0; i < n_presets; i++)
        fprintf(out, "                   %-12s %s\n", presets[i].name, presets[i].help);
    fputs("  --tokenizer DIR  a folder with the tokenizer.json such a preset is to have\n"
          "  --seed N       of the first weights (default 1)\n"
          "  --force        replace a folder that is not empty\n"
          "  --config       only print the model's config.json\n",
          out);
}

static int parse(int argc, char **argv, struct init_options *o, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const bool is_seed = strcmp(argv[i], "--seed") == 0;
        const char **text = strcmp(argv[i], "--preset") == 0      ? &o->preset
                            : strcmp(argv[i], "--tokenizer") == 0 ? &o->tokenizer
                                                                  : NULL;
        if (text != NULL || is_seed) {
            if (++i == argc) return err_set(err, ERR_USAGE, "%s: a value is missing", argv[i - 1]);
            if (text != NULL)
                *text = argv[i];
            else if (option_whole("--seed", argv[i], 0, UINT64_MAX, &o->seed, err) != 0)
                return -1;
        } else if (strcmp(argv[i], "--force") == 0) {
            o->is_forced = true;
        } else if (strcmp(argv[i], "--config") == 0) {
            o->is_config = true;
        } else if (argv[i][0] == '-' || o->folder != NULL) {
            return err_set(err, ERR_USAGE, "unexpected argument %s; see --help", argv[i]);
        } else {
            o->folder = argv[i];
        }
    }
    const bool has_folder = o->folder != NULL && o->folder[0] != '\0';
    if (o->preset == NULL || has_folder == o->is_config)
        return err_set(err, ERR_USAGE,
                       "--preset and either a folder or --config are needed; see --help");
    return 0;
}

// 1 when there is something in the folder, 0 when it is empty or missing.
static int folder_is_used(const char *folder, struct err *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL && errno == ENOENT) return 0;
    if (dir == NULL) return err_set(err, ERR_IO, "open %s: %s", folder, strerror(errno));
    int used = 0;
    for (struct dirent *entry; used == 0 && (entry = readdir(dir)) != NULL;)
        used = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return used;
}

static int move(const char *from, const char *to, struct err *err)
{
    if (rename(from, to) == 0) return 0;
    return err_set(err, ERR_IO, "rename %s to %s: %s", from, to, strerror(errno));
}

// Puts the finished folder in its place; an old one goes only after that.
static int put_in_place(const char *made, const char *folder, bool is_used, struct err *err)
{
    char old[PATH_BYTES];
    if (!is_used) return move(made, folder, err);
    int n = snprintf(old, sizeof old, "%s.old-%ld", folder, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof old) return err_set(err, ERR_LIMIT, "%s: too long", folder);
    if (move(folder, old, err) != 0) return -1;
    if (move(made, folder, err) != 0) {
        rename(old, folder); // as it was; if even this fails the old folder keeps its other name
        return -1;
    }
    return file_remove_tree(old, err);
}

static int make(const struct init_options *o, const struct preset *preset, struct err *err)
{
    char folder[PATH_BYTES], made[PATH_BYTES + 32];
    size_t n = strlen(o->folder);
    while (n > 1 && o->folder[n - 1] == '/')
        n--;
    if (n >= sizeof folder) return err_set(err, ERR_LIMIT, "%s: too long", o->folder);
    memcpy(folder, o->folder, n);
    folder[n] = '\0';
    int is_used = folder_is_used(folder, err);
    if (is_used < 0) return -1;
    if (is_used && !o->is_forced)
        return err_set(err, ERR_USAGE, "%s is not empty; --force replaces it", folder);

    snprintf(made, sizeof made, "%s.tmp-%ld", folder, (long)getpid());
    int result = file_make_folders(made, err);
    if (result == 0) result = preset_write(preset, o->seed, o->tokenizer, made, err);
    if (result == 0) result = file_sync_folder(made, err);
    if (result == 0) result = put_in_place(made, folder, is_used, err);
    struct err ignored;
    if (result != 0) file_remove_tree(made, &ignored);
    return result;
}

static int print_config(const struct preset *preset, const char *tokenizer, struct err *err)
{
    struct json_writer w;
    json_writer_init(&w);
    const int result = preset_config(preset, tokenizer, &w, err);
    if (result == 0) puts(w.bytes);
    free(w.bytes);
    return result;
}

int init_verb(int argc, char **argv)
{
    struct init_options options = {.seed = 1};
    struct err err;
    log_init("init", LOG_INFO);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return 0;
    }
    int result = parse(argc, argv, &options, &err);
    const struct preset *preset = result == 0 ? preset_find(options.preset) : NULL;
    if (result == 0 && preset == NULL)
        result =
            err_set(&err, ERR_USAGE, "--preset: no preset '%.60s'; see --help", options.preset);
    if (result == 0 && options.is_config) {
        result = print_config(preset, options.tokenizer, &err);
        if (result == 0) return 0;
    }
    if (result == 0) result = make(&options, preset, &err);
    if (result == 0) {
        log_line(LOG_INFO, "made folder=%s preset=%s seed=%llu", options.folder, preset->name,
                 (unsigned long long)options.seed);
        return 0;
    }
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
