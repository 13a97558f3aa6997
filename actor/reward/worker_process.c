#define _GNU_SOURCE // pipe2
#include "actor/reward/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"

enum {
    START_FAILED = 127,
    PUMP_READS = 16, // then others have their turn
    READ_BYTES = 1 << 16,
    FDS_CLOSED = 1024, // in the child, from 3 on: what was opened without CLOEXEC
    REAP_TRIES = 2000, // a killed process is gone within so many milliseconds
    LEAVE_TRIES = 3,   // one that closed its output may be about to end
};

// --- start ---------------------------------------------------------------------------------------

struct pipes {
    int in[2], out[2], err[2];
};

static void close_pair(int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
}

static void close_pipes(struct pipes *p)
{
    close_pair(p->in);
    close_pair(p->out);
    close_pair(p->err);
}

static int open_pipes(struct pipes *p, const char *name, struct err *err)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(p->in, O_CLOEXEC) == 0 && pipe2(p->out, O_CLOEXEC) == 0 &&
        pipe2(p->err, O_CLOEXEC) == 0 && fcntl(p->in[1], F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(p->out[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(p->err[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    err_set(err, ERR_IO, "pipes for %s: %s", name, strerror(errno));
    close_pipes(p);
    return -1;
}

// In the child, between fork and exec: only what is safe there.
static _Noreturn void become(const struct pipes *p, char *const *argv, char *const *environment,
                             pid_t parent)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(START_FAILED); // it died before the line above
    // Out of the way of 0 to 2 first, which may be closed in us.
    const int in = fcntl(p->in[0], F_DUPFD, 3), out = fcntl(p->out[1], F_DUPFD, 3),
              err = fcntl(p->err[1], F_DUPFD, 3);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(START_FAILED);
    for (int fd = 3; fd < FDS_CLOSED; fd++)
        (void)close(fd);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    environ = (char **)(uintptr_t)environment;
    execvp(argv[0], argv);
    const char *why = strerror(errno);
    (void)!write(2, "cannot be started: ", 19);
    (void)!write(2, why, strlen(why));
    (void)!write(2, "\n", 1);
    _exit(START_FAILED);
}

static void watch(const struct worker_process *p, int fd, uint32_t events, int operation)
{
    struct epoll_event wanted = {.events = events};
    // A failure only means that whoever waits there wakes later.
    (void)epoll_ctl(p->epoll_fd, operation, fd, &wanted);
}

int worker_process_start(struct worker_process *p, const char *name, char *const *argv,
                         char *const *environment, int epoll_fd, struct err *err)
{
    struct pipes pipes;
    if (open_pipes(&pipes, name, err) != 0) return -1;
    // A child that has gone is an error of write(), not our end.
    (void)signal(SIGPIPE, SIG_IGN);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        err_set(err, ERR_IO, "fork for %s: %s", name, strerror(errno));
        close_pipes(&pipes);
        return -1;
    }
    if (pid == 0) become(&pipes, argv, environment, parent);
    (void)setpgid(pid, pid); // both sides, so that neither order of events loses
    close(pipes.in[0]);
    close(pipes.out[1]);
    close(pipes.err[1]);
    *p = (struct worker_process){.name = name,
                                 .pid = pid,
                                 .in_fd = pipes.in[1],
                                 .out_fd = pipes.out[0],
                                 .err_fd = pipes.err[0],
                                 .epoll_fd = epoll_fd};
    watch(p, p->in_fd, 0, EPOLL_CTL_ADD);
    watch(p, p->out_fd, EPOLLIN, EPOLL_CTL_ADD);
    watch(p, p->err_fd, EPOLLIN, EPOLL_CTL_ADD);
    return 0;
}

bool worker_process_is_running(const struct worker_process *p)
{
    return p->pid != 0;
}

// --- end -----------------------------------------------------------------------------------------

// Within so many milliseconds; false: it still runs.
static bool reap(pid_t pid, int tries, int *status)
{
    for (int i = 0; i < tries; i++) {
        const pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR)) return true;
        const struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    return false;
}

static void describe(int status, char *how, size_t how_bytes)
{
    if (WIFSIGNALED(status))
        snprintf(how, how_bytes, "it was killed by signal %d", WTERMSIG(status));
    else
        snprintf(how, how_bytes, "it ended with status %d", WEXITSTATUS(status));
}

void worker_process_stop(struct worker_process *p, char *how, size_t how_bytes)
{
    int status = 0;
    how[0] = '\0';
    if (p->pid == 0) return;
    close(p->in_fd);
    close(p->out_fd);
    if (p->err_fd >= 0) close(p->err_fd);
    const bool has_ended = reap(p->pid, p->is_closed ? LEAVE_TRIES : 1, &status);
    if (has_ended) describe(status, how, how_bytes);
    (void)kill(-p->pid, SIGKILL); // what it has started too
    if (!has_ended && !reap(p->pid, REAP_TRIES, &status))
        log_line(LOG_WARN, "scorer %s pid=%ld does not die", p->name, (long)p->pid);
    text_buffer_fini(&p->input);
    text_buffer_fini(&p->output);
    text_buffer_fini(&p->complaint);
    *p = (struct worker_process){.in_fd = -1, .out_fd = -1, .err_fd = -1};
}

// --- bytes ---------------------------------------------------------------------------------------

void worker_process_send(struct worker_process *p, const char *bytes, size_t size_bytes)
{
    if (p->input.size_bytes == 0) watch(p, p->in_fd, EPOLLOUT, EPOLL_CTL_MOD);
    text_buffer_add(&p->input, bytes, size_bytes);
}

static void write_input(struct worker_process *p)
{
    while (p->input_at < p->input.size_bytes) {
        const ssize_t n =
            write(p->in_fd, p->input.bytes + p->input_at, p->input.size_bytes - p->input_at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n < 0) break; // it has closed its input, and we will read why
        p->input_at += (size_t)n;
    }
    if (p->input.size_bytes > 0) watch(p, p->in_fd, 0, EPOLL_CTL_MOD);
    text_buffer_clear(&p->input);
    p->input_at = 0;
}

// Up to so many reads; true: the other end is closed.
static bool read_some(int fd, struct text_buffer *into, size_t limit_bytes)
{
    char bytes[READ_BYTES];
    for (int i = 0; i < PUMP_READS && into->size_bytes <= limit_bytes; i++) {
        const ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
        if (n == 0) return true;
        text_buffer_add(into, bytes, (size_t)n);
    }
    return false;
}

static void log_complaint(struct worker_process *p, const char *bytes, size_t size_bytes)
{
    char line[WORKER_LOG_LINE_BYTES];
    size_t n = 0;
    if (p->n_complaints > WORKER_LOG_LINES_MAX) return;
    if (p->n_complaints++ == WORKER_LOG_LINES_MAX) {
        log_line(LOG_WARN, "scorer %s pid=%ld says more, which is not shown", p->name,
                 (long)p->pid);
        return;
    }
    for (; n < size_bytes && n + 1 < sizeof line; n++)
        line[n] = bytes[n] >= ' ' && bytes[n] != 0x7f ? bytes[n] : ' ';
    line[n] = '\0';
    log_line(LOG_WARN, "scorer %s pid=%ld says: %s", p->name, (long)p->pid, line);
}

static void relay_complaints(struct worker_process *p)
{
    if (p->err_fd < 0) return;
    const bool is_closed = read_some(p->err_fd, &p->complaint, READ_BYTES);
    size_t at = 0;
    while (at < p->complaint.size_bytes) {
        const char *start = p->complaint.bytes + at;
        const size_t left = p->complaint.size_bytes - at;
        const char *end = memchr(start, '\n', left);
        if (end == NULL && !is_closed && left < WORKER_LOG_LINE_BYTES) break;
        const size_t size = end == NULL ? left : (size_t)(end - start);
        log_complaint(p, start, size);
        at += end == NULL ? size : size + 1;
    }
    if (at > 0) {
        memmove(p->complaint.bytes, p->complaint.bytes + at, p->complaint.size_bytes - at);
        p->complaint.size_bytes -= at;
    }
    if (!is_closed) return;
    close(p->err_fd);
    p->err_fd = -1;
}

void worker_process_pump(struct worker_process *p)
{
    write_input(p);
    relay_complaints(p);
    if (p->output_at > 0) {
        memmove(p->output.bytes, p->output.bytes + p->output_at,
                p->output.size_bytes - p->output_at);
        p->output.size_bytes -= p->output_at;
        p->output_at = 0;
    }
    if (!p->is_closed) p->is_closed = read_some(p->out_fd, &p->output, WORKER_LINE_BYTES_MAX);
}

int worker_process_line(struct worker_process *p, struct view *line, struct err *err)
{
    const size_t left = p->output.size_bytes - p->output_at;
    const char *start = left == 0 ? NULL : p->output.bytes + p->output_at;
    const char *end = left == 0 ? NULL : memchr(start, '\n', left);
    if (end != NULL) {
        *line = (struct view){start, (size_t)(end - start)};
        p->output_at += line->size_bytes + 1;
        return 1;
    }
    if (left > WORKER_LINE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a line of more than %zu bytes", WORKER_LINE_BYTES_MAX);
    if (!p->is_closed) return 0;
    return left > 0 ? err_set(err, ERR_IO, "it stopped in the middle of a line")
                    : err_set(err, ERR_IO, "it stopped");
}
