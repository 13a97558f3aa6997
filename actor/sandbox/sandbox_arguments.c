#define _DEFAULT_SOURCE // readlink, lstat's S_ISLNK
#include "actor/sandbox/sandbox_arguments.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(struct sandbox_arguments *a, const char *item)
{
    if (a->count < SANDBOX_ARGUMENTS_MAX) a->items[a->count] = item;
    a->count++; // one too many is seen at the end
}

// Up to four items; NULL ends them early.
static void add_all(struct sandbox_arguments *a, const char *first, const char *second,
                    const char *third)
{
    add(a, first);
    if (second != NULL) add(a, second);
    if (third != NULL) add(a, third);
}

__attribute__((format(printf, 2, 3))) static void add_made(struct sandbox_arguments *a,
                                                           const char *fmt, ...)
{
    char *at = a->text + a->text_bytes;
    const size_t room = sizeof a->text - a->text_bytes;
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(at, room, fmt, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < room); // paths and numbers: their sizes are bounded
    a->text_bytes += (size_t)n + 1;
    add(a, at);
}

// A top folder as the host has it: where it is a link into /usr, a link.
static void add_system_folder(struct sandbox_arguments *a, const char *path)
{
    char target[64];
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0) {
        add_all(a, "--ro-bind-try", path, path);
        return;
    }
    target[n] = '\0';
    add(a, "--symlink");
    add_made(a, "%s", target);
    add(a, path);
}

// Python needs the system's libraries and its own; a command gets all of /usr.
static void add_folders(struct sandbox_arguments *a, const struct sandbox_host *host,
                        bool is_command)
{
    static const char *const links[] = {"/lib", "/lib64", "/lib32", "/libx32", "/bin", "/sbin"};
    enum { N_LIBRARY_LINKS = 4, N_LINKS = sizeof links / sizeof links[0] };
    if (is_command) {
        add_all(a, "--ro-bind", "/usr", "/usr");
        add_all(a, "--ro-bind-try", "/etc/alternatives", "/etc/alternatives");
    } else {
        add_all(a, "--ro-bind", "/usr/lib", "/usr/lib");
        add_all(a, "--ro-bind-try", "/usr/lib64", "/usr/lib64");
    }
    for (int i = 0; i < (is_command ? N_LINKS : N_LIBRARY_LINKS); i++)
        add_system_folder(a, links[i]);
    if (strcmp(host->prefix, "/usr") != 0) {
        add(a, "--ro-bind");
        add_made(a, "%s/lib", host->prefix);
        add_made(a, "%s/lib", host->prefix);
    }
    add_all(a, "--ro-bind", host->python, host->python);
    add_all(a, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache");
}

static void add_environment(struct sandbox_arguments *a)
{
    // The hash seed is fixed, so that a set is printed in the same order on every actor.
    static const char *const pairs[][2] = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                           {"HOME", "/tmp"},
                                           {"TMPDIR", "/tmp"},
                                           {"LANG", "C.UTF-8"},
                                           {"PYTHONUTF8", "1"},
                                           {"PYTHONHASHSEED", "0"},
                                           {"MALLOC_ARENA_MAX", "2"},
                                           {"OMP_NUM_THREADS", "1"}};
    add(a, "--clearenv");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        add_all(a, "--setenv", pairs[i][0], pairs[i][1]);
}

static void add_files(struct sandbox_arguments *a, const struct sandbox_spec *spec)
{
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"};
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        add_all(a, "--dev-bind", devices[i], devices[i]);
    for (uint32_t i = 0; i < spec->n_files; i++) {
        add_all(a, "--perms", "0444", "--file");
        add_made(a, "%d", SANDBOX_FD_FILES + (int)i);
        add(a, spec->files[i].path);
    }
    add(a, "--size");
    add_made(a, "%" PRIu64, spec->limits.disk_bytes);
    add_all(a, "--perms", "0700", "--tmpfs");
    add(a, "/tmp");
    // The root is a tmpfs too, without a size: nobody may write there.
    add_all(a, "--remount-ro", "/", NULL);
    add_all(a, "--chdir", "/tmp", NULL);
}

static void add_isolation(struct sandbox_arguments *a, const struct sandbox_host *host)
{
    static const char *const flags[] = {
        "--unshare-user", "--unshare-pid",     "--unshare-net",
        "--unshare-ipc",  "--unshare-uts",     "--disable-userns",
        "--new-session",  "--die-with-parent", "--unshare-cgroup-try"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        add(a, flags[i]);
    add_all(a, "--cap-drop", "ALL", NULL);
    add_all(a, "--uid", "65534", NULL);
    add_all(a, "--gid", "65534", NULL);
    add_all(a, "--hostname", "sandbox", NULL);
    add_all(a, "--unsetenv", host->mark, NULL); // says whose it is, and does nothing
    add(a, "--json-status-fd");
    add_made(a, "%d", SANDBOX_FD_STATUS);
    add(a, "--seccomp");
    add_made(a, "%d", SANDBOX_FD_FILTER);
}

int sandbox_arguments_make(struct sandbox_arguments *a, const struct sandbox_host *host,
                           const struct sandbox_spec *spec, struct err *err)
{
    a->count = 0;
    a->text_bytes = 0;
    add(a, "bwrap");
    add_isolation(a, host);
    add_environment(a);
    add_folders(a, host, spec->is_command);
    add_files(a, spec);
    add(a, "--");
    for (const char *const *item = spec->argv; *item != NULL; item++)
        add(a, *item);
    if (a->count >= SANDBOX_ARGUMENTS_MAX)
        return err_set(err, ERR_LIMIT, "sandbox: a command of %zu arguments, at most %d fit",
                       a->count, SANDBOX_ARGUMENTS_MAX);
    a->items[a->count] = NULL;
    return 0;
}
