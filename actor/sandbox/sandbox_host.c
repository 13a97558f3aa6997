#define _GNU_SOURCE // pipe2, realpath
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor/sandbox/harness.h"
#include "actor/sandbox/sandbox.h"
#include "actor/sandbox/sandbox_memory.h"
#include "actor/sandbox/seccomp_filter.h"
#include "common/base/clock.h"

enum { CHECK_MS = 20000, SAID_BYTES = 400 };

// The first of that name in the usual folders, links followed.
static bool find_program(const char *name, char path[PATH_MAX])
{
    static const char *const folders[] = {"/usr/bin", "/usr/local/bin", "/bin"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char candidate[PATH_MAX];
        snprintf(candidate, sizeof candidate, "%s/%s", folders[i], name);
        if (access(candidate, X_OK) == 0 && realpath(candidate, path) != NULL) return true;
    }
    return false;
}

static int find_python(struct sandbox_host *host, const char *python, struct err *err)
{
    if (python != NULL && realpath(python, host->python) == NULL)
        return err_set(err, ERR_USAGE, "code reward: python %s: %s", python, strerror(errno));
    if (python == NULL && !find_program("python3", host->python))
        return err_set(err, ERR_USAGE, "code reward: no python3 in /usr/bin or /usr/local/bin");
    // PREFIX/bin/python3.11 has its library in PREFIX/lib.
    memcpy(host->prefix, host->python, sizeof host->prefix);
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(host->prefix, '/');
        if (slash == NULL || slash == host->prefix)
            return err_set(err, ERR_USAGE, "code reward: python %s is not in a bin/ of a prefix",
                           host->python);
        *slash = '\0';
    }
    return 0;
}

// --- the self-check ------------------------------------------------------------------------------

static const char *advice(const char *said)
{
    if (strstr(said, "Unknown option") != NULL) return "; bubblewrap 0.8 or later is needed";
    if (strstr(said, "namespace") != NULL || strstr(said, "uid map") != NULL)
        return "; this machine forbids user namespaces (see sysctl user.max_user_namespaces, "
               "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; a "
               "container needs a seccomp profile that allows unshare and mount)";
    return "";
}

static void read_said(int fd, char said[SAID_BYTES])
{
    const ssize_t n = pread(fd, said, SAID_BYTES - 1, 0);
    said[n < 0 ? 0 : n] = '\0';
    for (char *c = said; *c != '\0'; c++)
        if (*c == '\n') *c = c[1] == '\0' ? '\0' : ' ';
}

static int judge_check(struct sandbox *s, int said_fd, struct err *err)
{
    char said[SAID_BYTES];
    struct sandbox_end end;
    const uint64_t end_ms = clock_now_ms() + CHECK_MS;
    while (!sandbox_reap(s, &end)) {
        struct pollfd ended = {.fd = sandbox_fd(s), .events = POLLIN};
        (void)poll(&ended, 1, CHECK_MS);
        if (clock_now_ms() < end_ms) continue;
        sandbox_stop(s);
        return err_set(err, ERR_TIMEOUT, "code reward: a sandbox took more than %d s to check",
                       CHECK_MS / 1000);
    }
    read_said(said_fd, said);
    if (end.was_set_up && end.status == 0 && strcmp(said, "isolated") == 0) return 0;
    return err_set(err, ERR_USAGE, "code reward: no sandbox here: %s%s",
                   said[0] == '\0' ? "bubblewrap ended without a word" : said, advice(said));
}

static int run_check(const struct sandbox_host *host, int entry, int script, int said,
                     struct err *err)
{
    const char *argv[] = {host->python, "-S",      "-s", "-B", harness_path(HARNESS_SELF_CHECK),
                          "8",          "1048576", NULL}; // tasks, bytes of a file
    const struct sandbox_spec spec = {
        .argv = argv,
        .stdio = {-1, said, said},
        .channel = {-1, -1},
        .files = {{entry, harness_path(HARNESS_ENTRY)}, {script, harness_path(HARNESS_SELF_CHECK)}},
        .n_files = 2,
        .limits = {.cpu_s = 10, .memory_bytes = 512 << 20, .disk_bytes = 1 << 20},
    };
    struct sandbox s;
    if (sandbox_start(&s, host, &spec, err) != 0) return -1;
    return judge_check(&s, said, err);
}

static int self_check(const struct sandbox_host *host, struct err *err)
{
    int status = -1, script = -1, said = -1;
    const int entry = harness_open(HARNESS_ENTRY, err);
    if (entry >= 0) script = harness_open(HARNESS_SELF_CHECK, err);
    if (script >= 0) said = harness_open_bytes("", 0, err);
    if (said >= 0) status = run_check(host, entry, script, said, err);
    if (said >= 0) close(said);
    if (script >= 0) close(script);
    if (entry >= 0) close(entry);
    return status;
}

// --- the janitor ---------------------------------------------------------------------------------

static int start_janitor(struct sandbox_host *host, struct err *err)
{
    char *argv[] = {host->python,   (char[]){"-S"},
                    (char[]){"-s"}, (char[]){"-B"},
                    (char[]){"-c"}, (char *)(uintptr_t)harness_text(HARNESS_JANITOR),
                    host->mark,     NULL};
    char *none[] = {NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t no_signals;
    sigemptyset(&no_signals);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, host->lifeline[0], 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_setsigmask(&attributes, &no_signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    const int failed =
        posix_spawn(&host->janitor_pid, host->python, &files, &attributes, argv, none);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (failed == 0) return 0;
    host->janitor_pid = 0;
    return err_set(err, ERR_IO, "code reward: start %s: %s", host->python, strerror(failed));
}

static int open_lifeline(struct sandbox_host *host, struct err *err)
{
    snprintf(host->mark, sizeof host->mark, "argosy-%d-%" PRIu64, (int)getpid(), clock_now_ms());
    if (pipe2(host->lifeline, O_CLOEXEC | O_NONBLOCK) == 0) return 0;
    host->lifeline[0] = host->lifeline[1] = -1;
    return err_set(err, ERR_IO, "code reward: pipe: %s", strerror(errno));
}

int sandbox_host_init(struct sandbox_host *host, const char *python, struct err *err)
{
    *host = (struct sandbox_host)SANDBOX_HOST_NONE;
    if (!find_program("bwrap", host->bwrap))
        return err_set(err, ERR_USAGE,
                       "code reward: no bwrap in /usr/bin (apt-get install bubblewrap)");
    if (find_python(host, python, err) != 0) return -1;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return err_set(err, ERR_IO, "code reward: become a subreaper: %s", strerror(errno));
    host->knows_memory = sandbox_memory_is_known();
    if (open_lifeline(host, err) == 0 &&
        seccomp_filter_open(false, &host->one_process_filter_fd, err) == 0 &&
        seccomp_filter_open(true, &host->many_processes_filter_fd, err) == 0 &&
        self_check(host, err) == 0 && start_janitor(host, err) == 0)
        return 0;
    sandbox_host_fini(host);
    return -1;
}

void sandbox_host_fini(struct sandbox_host *host)
{
    if (host->janitor_pid > 0) {
        (void)kill(host->janitor_pid, SIGKILL);
        (void)waitpid(host->janitor_pid, NULL, 0);
    }
    const int fds[] = {host->one_process_filter_fd, host->many_processes_filter_fd,
                       host->lifeline[0], host->lifeline[1]};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0) close(fds[i]);
    *host = (struct sandbox_host)SANDBOX_HOST_NONE;
}
