#define _GNU_SOURCE // vfork, pipe2, the numbers of system calls
#include "actor/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor/sandbox/sandbox_arguments.h"
#include "common/base/clock.h"

enum {
    FD_ABOVE = 64, // where the child puts descriptors out of the way of their new numbers
    OPEN_FILES_MAX = 64,
    STACK_BYTES = 64 << 20,
    FILTER_BYTES_MAX = 1 << 15, // of a system call filter: fits a pipe
    START_FAILED = 127,
    STOP_MS = 5000,
    STATUS_MS = 500, // bubblewrap says its child's number in its first few
};
static const uint64_t BUBBLEWRAP_FILE_BYTES = 64 << 20; // it copies the program's text

// --- the child, between vfork and exec -----------------------------------------------------------

// Shares the parent's memory: only system calls, and nothing written but `failed`.
struct start {
    const char *bwrap;
    const char *const *argv;
    int fds[SANDBOX_FD_END]; // by their number in the child; -1: closed there
    struct rlimit limits[RLIM_NLIMITS];
    bool is_limited[RLIM_NLIMITS];
    pid_t parent;
    volatile int failed_errno;
    const char *volatile failed_at;
};

static _Noreturn void give_up(struct start *s, const char *at)
{
    s->failed_errno = errno;
    s->failed_at = at;
    _exit(START_FAILED);
}

// The C library's setuid would change the parent's other threads too: it
// signals them, and here they are ours to leave alone.
static void become_nobody(struct start *s)
{
    if (getuid() != 0) return;
    if (syscall(SYS_setgroups, 0, NULL) != 0 ||
        syscall(SYS_setresgid, SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) != 0 ||
        syscall(SYS_setresuid, SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) != 0)
        give_up(s, "become user 65534, as root must");
}

static void place_descriptors(struct start *s)
{
    int moved[SANDBOX_FD_END];
    for (int i = 0; i < SANDBOX_FD_END; i++) {
        moved[i] = s->fds[i] < 0 ? -1 : fcntl(s->fds[i], F_DUPFD, FD_ABOVE);
        if (s->fds[i] >= 0 && moved[i] < 0) give_up(s, "duplicate a descriptor");
    }
    for (int i = 0; i < SANDBOX_FD_END; i++) {
        if (moved[i] < 0)
            (void)close(i);
        else if (dup2(moved[i], i) < 0)
            give_up(s, "place a descriptor");
    }
    // Whatever else this process has open, a socket or a model, stays here.
    if (syscall(SYS_close_range, SANDBOX_FD_END, ~0u, 0) == 0) return;
    struct rlimit open_files;
    if (getrlimit(RLIMIT_NOFILE, &open_files) != 0) give_up(s, "count descriptors");
    for (int i = SANDBOX_FD_END; i < (int)open_files.rlim_cur; i++)
        (void)close(i);
}

static void reset_signals(void)
{
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(struct start *s)
{
    // Should memory run out, the kernel takes the sandbox first.
    const int oom = open("/proc/self/oom_score_adj", O_WRONLY);
    if (oom >= 0) {
        const ssize_t written = write(oom, "1000", 4);
        (void)written;
    }
    become_nobody(s);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // after setuid, which clears it
    if (getppid() != s->parent) give_up(s, "find the parent");
    (void)setsid();
    (void)umask(022);
    place_descriptors(s);
    reset_signals();
    for (int i = 0; i < (int)RLIM_NLIMITS; i++) // last: a sanitizer's memory does not fit
        if (s->is_limited[i] && setrlimit((__rlimit_resource_t)i, &s->limits[i]) != 0)
            give_up(s, "set a limit");
    char *none[] = {NULL};
    execve(s->bwrap, (char *const *)(uintptr_t)s->argv, none); // it promises not to write
    give_up(s, "run bubblewrap");
}

// --- starting ------------------------------------------------------------------------------------

// A limit is never above what this process itself has.
static void limit(struct start *s, int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit own;
    if (getrlimit((__rlimit_resource_t)resource, &own) == 0 && own.rlim_max < hard)
        hard = own.rlim_max;
    s->limits[resource] = (struct rlimit){soft < hard ? soft : hard, hard};
    s->is_limited[resource] = true;
}

static void set_limits(struct start *s, const struct sandbox_limits *l)
{
    limit(s, RLIMIT_CPU, l->cpu_s, (uint64_t)l->cpu_s + 1); // first a signal, then the end
    limit(s, RLIMIT_AS, l->memory_bytes, l->memory_bytes);
    limit(s, RLIMIT_STACK, STACK_BYTES, STACK_BYTES);
    limit(s, RLIMIT_FSIZE, BUBBLEWRAP_FILE_BYTES, BUBBLEWRAP_FILE_BYTES);
    limit(s, RLIMIT_NOFILE, OPEN_FILES_MAX, OPEN_FILES_MAX);
    limit(s, RLIMIT_CORE, 0, 0);
    limit(s, RLIMIT_MEMLOCK, 0, 0);
    limit(s, RLIMIT_MSGQUEUE, 0, 0);
}

// Each sandbox reads its filter from a pipe of its own: a file's offset would
// be shared with the others that are starting.
static int filter_pipe(int filter_fd, int *fd, struct err *err)
{
    char bytes[FILTER_BYTES_MAX];
    int ends[2];
    const ssize_t n = pread(filter_fd, bytes, sizeof bytes, 0);
    if (n <= 0 || n == (ssize_t)sizeof bytes)
        return err_set(err, ERR_IO, "sandbox: read the system call filter: %s",
                       n < 0 ? strerror(errno) : "its size");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set(err, ERR_IO, "sandbox: pipe: %s", strerror(errno));
    if (write(ends[1], bytes, (size_t)n) != n) {
        err_set(err, ERR_IO, "sandbox: a pipe does not hold the filter of %zd bytes", n);
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    close(ends[1]);
    *fd = ends[0];
    return 0;
}

static int open_null(struct err *err)
{
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) err_set(err, ERR_IO, "sandbox: open /dev/null: %s", strerror(errno));
    return fd;
}

// Signals wait: a handler that ran in the child would write to the parent's memory.
static pid_t spawn(struct start *s)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    s->parent = getpid();
    const pid_t pid = vfork();
    if (pid == 0) become(s);
    const int failed = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return pid;
}

static int watch(struct sandbox *s, pid_t pid, int status_fd, struct err *err)
{
    *s = (struct sandbox){.pid = pid, .inner_fd = -1, .status_fd = status_fd};
    s->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (s->pid_fd >= 0) return 0;
    err_set(err, ERR_IO, "sandbox: pidfd_open: %s (Linux 5.3 or later is needed)", strerror(errno));
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    s->pid = 0;
    return -1;
}

static int start_child(struct sandbox *s, struct start *start, int status_fd, struct err *err)
{
    const pid_t pid = spawn(start);
    if (pid < 0) return err_set(err, ERR_IO, "sandbox: vfork: %s", strerror(errno));
    if (start->failed_at != NULL) {
        (void)waitpid(pid, NULL, 0);
        return err_set(err, ERR_IO, "sandbox: %s: %s", start->failed_at,
                       strerror(start->failed_errno));
    }
    return watch(s, pid, status_fd, err);
}

int sandbox_start(struct sandbox *s, const struct sandbox_host *host,
                  const struct sandbox_spec *spec, struct err *err)
{
    int status = -1, null, status_ends[2], filter = -1;
    struct sandbox_arguments arguments;
    struct start start = {.bwrap = host->bwrap, .argv = arguments.items};
    *s = (struct sandbox){.pid_fd = -1, .inner_fd = -1, .status_fd = -1};
    if (sandbox_arguments_make(&arguments, host, spec, err) != 0) return -1;
    if ((null = open_null(err)) < 0) return -1;
    if (filter_pipe(spec->is_command ? host->many_processes_filter_fd : host->one_process_filter_fd,
                    &filter, err) != 0)
        goto close_null;
    if (pipe2(status_ends, O_CLOEXEC) != 0) {
        err_set(err, ERR_IO, "sandbox: pipe: %s", strerror(errno));
        goto close_filter;
    }
    (void)fcntl(status_ends[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < SANDBOX_FD_END; i++)
        start.fds[i] = -1;
    for (int i = 0; i < 3; i++)
        start.fds[i] = spec->stdio[i] < 0 ? null : spec->stdio[i];
    start.fds[SANDBOX_FD_CHANNEL] = spec->channel[0];
    start.fds[SANDBOX_FD_CHANNEL + 1] = spec->channel[1];
    start.fds[SANDBOX_FD_LIFELINE] = host->lifeline[0];
    start.fds[SANDBOX_FD_STATUS] = status_ends[1];
    start.fds[SANDBOX_FD_FILTER] = filter;
    for (uint32_t i = 0; i < spec->n_files; i++)
        start.fds[SANDBOX_FD_FILES + i] = spec->files[i].fd;
    set_limits(&start, &spec->limits);
    for (uint32_t i = 0; i < spec->n_files; i++)
        (void)lseek(spec->files[i].fd, 0, SEEK_SET);
    status = start_child(s, &start, status_ends[0], err);
    if (status != 0) close(status_ends[0]);
    close(status_ends[1]);
close_filter:
    close(filter);
close_null:
    close(null);
    return status;
}

// --- ending --------------------------------------------------------------------------------------

static void read_status(struct sandbox *s)
{
    while (s->status_bytes < sizeof s->status - 1) {
        const ssize_t n =
            read(s->status_fd, s->status + s->status_bytes, sizeof s->status - 1 - s->status_bytes);
        if (n <= 0) break;
        s->status_bytes += (uint32_t)n;
    }
    s->status[s->status_bytes] = '\0';
}

// A number that bubblewrap gave; -1: it has not.
static long status_number(const struct sandbox *s, const char *key)
{
    const char *at = strstr(s->status, key);
    if (at == NULL || (at = strchr(at, ':')) == NULL) return -1;
    char *end;
    const long value = strtol(at + 1, &end, 10);
    return end == at + 1 || value < 0 ? -1 : value;
}

// The parent of a process, from /proc; 0: not to be had.
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    const char *after_name = strrchr(text, ')');
    char state;
    int parent;
    return after_name != NULL && sscanf(after_name, ") %c %d", &state, &parent) == 2 ? parent : 0;
}

// Process 1 of the sandbox, held by descriptor.  Its number could be another's
// by now: it is the right one if it is bubblewrap's child, or was and is now
// ours, after it was opened.
bool sandbox_find_inner(struct sandbox *s)
{
    if (s->inner_fd >= 0) return true;
    read_status(s);
    const long pid = status_number(s, "child-pid");
    if (pid <= 0) return false;
    const int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd < 0) return false;
    const pid_t parent = parent_of((pid_t)pid);
    if (parent != s->pid && parent != getpid()) {
        close(fd);
        return false;
    }
    s->inner_fd = fd;
    s->inner_pid = (pid_t)pid;
    return true;
}

void sandbox_kill(struct sandbox *s)
{
    if (s->pid == 0) return;
    if (!sandbox_find_inner(s) && s->pid_fd >= 0) {
        // Killed this early, bubblewrap would leave a child behind that waits for it.
        struct pollfd said = {.fd = s->status_fd, .events = POLLIN};
        (void)poll(&said, 1, STATUS_MS);
        (void)sandbox_find_inner(s);
    }
    if (s->inner_fd >= 0)
        (void)syscall(SYS_pidfd_send_signal, s->inner_fd, SIGKILL, NULL, 0);
    else if (s->pid_fd >= 0)
        (void)kill(s->pid, SIGKILL);
}

int sandbox_fd(const struct sandbox *s)
{
    return s->pid_fd >= 0 ? s->pid_fd : s->inner_fd;
}

static void add_usage(struct sandbox *s, const struct rusage *used)
{
    const uint64_t resident = (uint64_t)used->ru_maxrss * 1024;
    s->cpu_s += (double)(used->ru_utime.tv_sec + used->ru_stime.tv_sec) +
                1e-6 * (double)(used->ru_utime.tv_usec + used->ru_stime.tv_usec);
    if (resident > s->max_resident_bytes) s->max_resident_bytes = resident;
}

// True when bubblewrap is gone.  Its child is found while bubblewrap is a
// zombie, when neither number can be given to another process.
static bool reap_outer(struct sandbox *s)
{
    siginfo_t info = {.si_pid = 0};
    struct rusage used;
    int status;
    if (s->pid_fd < 0) return true;
    if (waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return false;
    (void)sandbox_find_inner(s);
    if (wait4(s->pid, &status, 0, &used) != s->pid) return false;
    s->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    add_usage(s, &used);
    close(s->pid_fd);
    s->pid_fd = -1;
    return true;
}

// True when process 1 is gone, which it is after all others in there.
static bool reap_inner(struct sandbox *s)
{
    struct rusage used;
    if (s->inner_fd < 0) return true;
    const pid_t ended = wait4(s->inner_pid, NULL, WNOHANG, &used);
    if (ended == 0) {
        (void)syscall(SYS_pidfd_send_signal, s->inner_fd, SIGKILL, NULL, 0);
        return false;
    }
    if (ended == s->inner_pid) add_usage(s, &used); // else bubblewrap has reaped it
    return true;
}

bool sandbox_reap(struct sandbox *s, struct sandbox_end *end)
{
    if (s->pid == 0 || !reap_outer(s) || !reap_inner(s)) return false;
    read_status(s);
    const long code = status_number(s, "exit-code");
    *end = (struct sandbox_end){
        .was_set_up = code >= 0,
        .status = code >= 0 ? (int)code : s->exit_status,
        .cpu_s = s->cpu_s,
        .max_resident_bytes = s->max_resident_bytes,
    };
    close(s->status_fd);
    if (s->inner_fd >= 0) close(s->inner_fd);
    *s = (struct sandbox){.pid_fd = -1, .inner_fd = -1, .status_fd = -1};
    return true;
}

void sandbox_stop(struct sandbox *s)
{
    struct sandbox_end end;
    // A process that was sent SIGKILL ends, unless the kernel itself is stuck in it.
    const uint64_t end_ms = clock_now_ms() + STOP_MS;
    while (s->pid != 0 && clock_now_ms() < end_ms) {
        sandbox_kill(s);
        struct pollfd ended = {.fd = sandbox_fd(s), .events = POLLIN};
        (void)poll(&ended, 1, 100);
        (void)sandbox_reap(s, &end);
    }
}
