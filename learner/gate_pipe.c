#include "learner/gate_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"

#define PAYLOAD_BYTES_MAX (UINT64_C(1) << 37) // a sanity bound: weights are the largest

static void pipe_init(struct gate_pipe *p, int fd)
{
    *p = (struct gate_pipe){.fd = fd};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    int bytes = 1 << 20; // fewer turns for a batch; whatever the system allows
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

int gate_pipe_pair(struct gate_pipe *trainer, struct gate_pipe *gate, struct err *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return err_set(err, ERR_IO, "socketpair for the gate: %s", strerror(errno));
    pipe_init(trainer, fds[0]);
    pipe_init(gate, fds[1]);
    return 0;
}

void gate_pipe_fini(struct gate_pipe *p)
{
    if (p->fd >= 0) close(p->fd);
    free(p->reading.payload);
    free(p->out);
    *p = (struct gate_pipe){.fd = -1};
}

// --- reading ------------------------------------------------------------------------

// 1: n bytes more are there; 0: not now; -1: gone.
static int read_some(int fd, unsigned char *to, size_t want, size_t *n)
{
    for (;;) {
        ssize_t got = recv(fd, to, want, 0);
        if (got > 0) {
            *n = (size_t)got;
            return 1;
        }
        if (got == 0) return -1;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (errno != EINTR) return -1;
    }
}

static int header_read(struct gate_pipe *p)
{
    memcpy(&p->reading.type, p->header, 4);
    memcpy(&p->reading.request, p->header + 8, 8);
    memcpy(&p->reading.payload_bytes, p->header + 16, 8);
    if (p->reading.payload_bytes > PAYLOAD_BYTES_MAX) return -1;
    p->payload_bytes = 0;
    size_t room = p->reading.payload_bytes > 0 ? (size_t)p->reading.payload_bytes : 1;
    p->reading.payload = malloc(room);
    CHECK(p->reading.payload != NULL);
    return 0;
}

int gate_pipe_read(struct gate_pipe *p, struct pipe_record *out)
{
    size_t n;
    while (p->header_bytes < PIPE_HEADER_BYTES) {
        int got =
            read_some(p->fd, p->header + p->header_bytes, PIPE_HEADER_BYTES - p->header_bytes, &n);
        if (got <= 0) return got;
        p->header_bytes += n;
        if (p->header_bytes == PIPE_HEADER_BYTES && header_read(p) != 0) return -1;
    }
    while (p->payload_bytes < p->reading.payload_bytes) {
        int got = read_some(p->fd, p->reading.payload + p->payload_bytes,
                            (size_t)(p->reading.payload_bytes - p->payload_bytes), &n);
        if (got <= 0) return got;
        p->payload_bytes += n;
    }
    *out = p->reading;
    p->reading = (struct pipe_record){0};
    p->header_bytes = 0;
    return 1;
}

// False: the deadline passed.
static bool wait_for(int fd, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now_ms = clock_now_ms();
        if (now_ms >= deadline_ms) return false;
        uint64_t left_ms = deadline_ms - now_ms;
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int got = poll(&poll_fd, 1, left_ms < 60000 ? (int)left_ms : 60000);
        if (got > 0 || (got < 0 && errno != EINTR)) return true; // the next call says which
    }
}

int gate_pipe_wait(struct gate_pipe *p, uint64_t deadline_ms, struct pipe_record *out)
{
    for (;;) {
        int got = gate_pipe_read(p, out);
        if (got != 0) return got;
        if (!wait_for(p->fd, POLLIN, deadline_ms)) return 0;
    }
}

// --- writing ------------------------------------------------------------------------

static void header_write(unsigned char *at, uint32_t type, uint64_t request, uint64_t size_bytes)
{
    memset(at, 0, PIPE_HEADER_BYTES);
    memcpy(at, &type, 4);
    memcpy(at + 8, &request, 8);
    memcpy(at + 16, &size_bytes, 8);
}

void gate_pipe_add(struct gate_pipe *p, const void *bytes, size_t size_bytes)
{
    if (p->out_bytes + size_bytes > p->out_capacity) {
        p->out_capacity = 2 * (p->out_bytes + size_bytes);
        p->out = realloc(p->out, p->out_capacity);
        CHECK(p->out != NULL);
    }
    if (size_bytes > 0) memcpy(p->out + p->out_bytes, bytes, size_bytes);
    p->out_bytes += size_bytes;
}

size_t gate_pipe_begin(struct gate_pipe *p, uint32_t type, uint64_t request)
{
    unsigned char header[PIPE_HEADER_BYTES];
    header_write(header, type, request, 0);
    size_t begun = p->out_bytes;
    gate_pipe_add(p, header, sizeof header);
    return begun;
}

void gate_pipe_end(struct gate_pipe *p, size_t begun)
{
    uint64_t size_bytes = p->out_bytes - begun - PIPE_HEADER_BYTES;
    memcpy(p->out + begun + 16, &size_bytes, 8);
}

void gate_pipe_put(struct gate_pipe *p, uint32_t type, uint64_t request, const void *head,
                   size_t head_bytes, const void *tail, size_t tail_bytes)
{
    size_t begun = gate_pipe_begin(p, type, request);
    gate_pipe_add(p, head, head_bytes);
    gate_pipe_add(p, tail, tail_bytes);
    gate_pipe_end(p, begun);
}

// As recv: 1 some went, 0 not now, -1 gone.
static int write_some(int fd, const unsigned char *from, size_t want, size_t *n)
{
    for (;;) {
        ssize_t put = send(fd, from, want, MSG_NOSIGNAL);
        if (put >= 0) {
            *n = (size_t)put;
            return 1;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (errno != EINTR) return -1;
    }
}

int gate_pipe_flush(struct gate_pipe *p)
{
    size_t n;
    while (p->out_written < p->out_bytes) {
        int put = write_some(p->fd, p->out + p->out_written, p->out_bytes - p->out_written, &n);
        if (put <= 0) return put;
        p->out_written += n;
    }
    p->out_bytes = p->out_written = 0;
    return 1;
}

static int write_until(int fd, const unsigned char *from, size_t size_bytes, uint64_t deadline_ms,
                       struct err *err)
{
    while (size_bytes > 0) {
        size_t n;
        int put = write_some(fd, from, size_bytes, &n);
        if (put < 0) return err_set(err, ERR_IO, "the gate is gone");
        if (put > 0) {
            from += n;
            size_bytes -= n;
        } else if (!wait_for(fd, POLLOUT, deadline_ms)) {
            return err_set(err, ERR_TIMEOUT, "the gate does not read");
        }
    }
    return 0;
}

int gate_pipe_write(struct gate_pipe *p, uint32_t type, uint64_t request, const void *head,
                    size_t head_bytes, const void *tail, size_t tail_bytes, uint64_t deadline_ms,
                    struct err *err)
{
    unsigned char header[PIPE_HEADER_BYTES];
    header_write(header, type, request, head_bytes + tail_bytes);
    if (write_until(p->fd, header, sizeof header, deadline_ms, err) != 0 ||
        write_until(p->fd, head, head_bytes, deadline_ms, err) != 0)
        return -1;
    return write_until(p->fd, tail, tail_bytes, deadline_ms, err);
}
