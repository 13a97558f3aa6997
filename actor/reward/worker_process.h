/*
 * worker_process.h - one child that reads lines and writes lines.
 *
 * Its own process group, killed as a whole; it dies with us; nothing of ours is
 * open in it but three pipes.  None of the calls waits for the child, but for
 * stop, which waits for a killed one to be gone.  What it writes to stderr goes
 * to our log, some lines of it.
 */
#ifndef ARGOSY_ACTOR_REWARD_WORKER_PROCESS_H
#define ARGOSY_ACTOR_REWARD_WORKER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "actor/text/text_buffer.h"
#include "common/base/err.h"

#define WORKER_LINE_BYTES_MAX ((size_t)1 << 20) // of what it answers
#define WORKER_LOG_LINES_MAX 20                 // of its stderr, in one life
#define WORKER_LOG_LINE_BYTES 240

struct worker_process {
    const char *name; // for logs
    pid_t pid;        // 0: none
    int in_fd, out_fd, err_fd;
    int epoll_fd;
    struct text_buffer input; // not yet written from input_at on
    size_t input_at;
    struct text_buffer output; // not yet read as lines from output_at on
    size_t output_at;
    bool is_closed; // it has ended or wants no more
    struct text_buffer complaint;
    uint32_t n_complaints;
};

// argv and environment as for execve; argv[0] is looked up in PATH.  Registers
// its pipes with the epoll instance, so that whoever waits there wakes.
int worker_process_start(struct worker_process *p, const char *name, char *const *argv,
                         char *const *environment, int epoll_fd, struct err *err);
// Kills the group and reaps; says into `how` how it ended by itself, "" if it
// had not.  Fine on one that is not running.
void worker_process_stop(struct worker_process *p, char *how, size_t how_bytes);
bool worker_process_is_running(const struct worker_process *p);

void worker_process_send(struct worker_process *p, const char *bytes, size_t size_bytes);
// Moves bytes as far as they go at the moment.
void worker_process_pump(struct worker_process *p);
// 1: a line without its end, until the next call; 0: none yet; -1: there will be
// none, and why.
int worker_process_line(struct worker_process *p, struct view *line, struct err *err);

#endif
