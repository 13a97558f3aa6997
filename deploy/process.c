#define _GNU_SOURCE // pipe2, PR_SET_PDEATHSIG's companions
#include "deploy/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"

#define START_FAILED 127

static _Noreturn void become(const char *const *argv, int log_fd, int out_fd, pid_t parent)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(START_FAILED); // it died before the line above
    if (log_fd >= 0) (void)dup2(log_fd, STDERR_FILENO);
    if (out_fd >= 0)
        (void)dup2(out_fd, STDOUT_FILENO);
    else if (log_fd >= 0)
        (void)dup2(log_fd, STDOUT_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv); // it promises not to write
    fprintf(stderr, "start %s: %s\n", argv[0], strerror(errno));
    _exit(START_FAILED);
}

int process_start(struct process *p, const char *const *argv, const char *log_path,
                  bool wants_output, struct err *err)
{
    int log_fd = -1;
    int ends[2] = {-1, -1};
    if (log_path != NULL) {
        log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (log_fd < 0) return err_set(err, ERR_IO, "open %s: %s", log_path, strerror(errno));
    }
    if (wants_output && pipe2(ends, O_CLOEXEC) != 0) {
        err_set(err, ERR_IO, "pipe for %s: %s", argv[0], strerror(errno));
        goto close_log;
    }
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        err_set(err, ERR_IO, "fork for %s: %s", argv[0], strerror(errno));
        goto close_pipe;
    }
    if (pid == 0) become(argv, log_fd, ends[1], parent);
    (void)setpgid(pid, pid); // both sides, so that neither order of events loses
    if (log_fd >= 0) close(log_fd);
    if (wants_output) {
        close(ends[1]);
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    }
    *p = (struct process){pid, ends[0]};
    return 0;

close_pipe:
    if (wants_output) {
        close(ends[0]);
        close(ends[1]);
    }
close_log:
    if (log_fd >= 0) close(log_fd);
    return -1;
}

static int shell_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool process_has_ended(struct process *p, int *status)
{
    int raw;
    if (p->pid == 0) return true;
    pid_t got;
    do {
        got = waitpid(p->pid, &raw, WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    *status = got < 0 ? START_FAILED : shell_status(raw);
    p->pid = 0;
    return true;
}

void process_signal(const struct process *p, int signal_number)
{
    if (p->pid > 0) (void)kill(-p->pid, signal_number);
}

static bool ends_within(struct process *p, uint64_t limit_ms, int *status)
{
    const uint64_t deadline_ms = clock_now_ms() + limit_ms;
    while (!process_has_ended(p, status)) {
        if (clock_now_ms() >= deadline_ms) return false;
        (void)poll(NULL, 0, 10);
    }
    return true;
}

int process_stop(struct process *p, uint64_t grace_ms)
{
    int status = 0;
    if (p->pid != 0) {
        process_signal(p, SIGTERM);
        if (!ends_within(p, grace_ms, &status)) {
            process_signal(p, SIGKILL);
            (void)ends_within(p, 5000, &status);
        }
    }
    if (p->out_fd >= 0) close(p->out_fd);
    *p = (struct process){0, -1};
    return status;
}

// Reads what is there; false at the end of the pipe.
static bool read_some(int fd, char *out, size_t *n, size_t limit)
{
    if (*n >= limit) return false;
    const ssize_t got = read(fd, out + *n, limit - *n);
    if (got > 0) *n += (size_t)got;
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

int process_capture(const char *const *argv, const char *log_path, uint64_t limit_ms,
                    size_t limit_bytes, char **output, struct err *err)
{
    struct process p;
    if (process_start(&p, argv, log_path, true, err) != 0) return -1;
    char *text = malloc(limit_bytes + 1);
    CHECK(text != NULL);
    size_t n = 0;
    const uint64_t deadline_ms = clock_now_ms() + limit_ms;
    bool is_open = true;
    while (is_open && clock_now_ms() < deadline_ms) {
        struct pollfd wait = {.fd = p.out_fd, .events = POLLIN};
        (void)poll(&wait, 1, 100);
        is_open = read_some(p.out_fd, text, &n, limit_bytes);
    }
    text[n] = '\0';
    const uint64_t now_ms = clock_now_ms();
    int status = -1;
    const bool has_ended =
        ends_within(&p, deadline_ms > now_ms ? deadline_ms - now_ms : 0, &status);
    (void)process_stop(&p, 1000);
    if (has_ended && status == 0) {
        *output = text;
        return 0;
    }
    free(text);
    if (!has_ended)
        return err_set(err, ERR_TIMEOUT, "%s %s: no end within %llu ms", argv[0], argv[1],
                       (unsigned long long)limit_ms);
    return err_set(err, status == 2 ? ERR_USAGE : ERR_IO, "%s ended with status %d", argv[0],
                   status);
}

int process_sibling(char *out, size_t out_bytes, const char *name, struct err *err)
{
    char self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return err_set(err, ERR_IO, "read /proc/self/exe: %s", strerror(errno));
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) return err_set(err, ERR_IO, "%s has no folder", self);
    *slash = '\0';
    const int length = snprintf(out, out_bytes, "%s/%s", self, name);
    if (length < 0 || (size_t)length >= out_bytes)
        return err_set(err, ERR_LIMIT, "path of %s beside %s is too long", name, self);
    if (access(out, X_OK) != 0) return err_set(err, ERR_IO, "%s: %s", out, strerror(errno));
    return 0;
}
