/*
 * process.h - a child program: started with its output directed, watched
 * without blocking, ended within a bound.
 *
 * A child gets a process group of its own, so that a whole mpirun tree can be
 * signalled, and dies when this process dies.
 */
#ifndef ARGOSY_DEPLOY_PROCESS_H
#define ARGOSY_DEPLOY_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"

struct process {
    pid_t pid;  // 0: none
    int out_fd; // its standard output, non-blocking; -1 when that goes to the log
};

// argv[0] is a path or a name looked up in PATH.  Standard error, and standard
// output unless wants_output, are appended to log_path (NULL: ours).
int process_start(struct process *p, const char *const *argv, const char *log_path,
                  bool wants_output, struct err *err);

// True once it has ended; *status as a shell gives it (128 + signal when killed).
bool process_has_ended(struct process *p, int *status);

void process_signal(const struct process *p, int signal_number);

// SIGTERM, then after grace_ms SIGKILL; returns its status.
int process_stop(struct process *p, uint64_t grace_ms);

// Runs to the end within limit_ms and returns all it wrote to standard output
// (malloc'ed, at most limit_bytes); a status other than 0 is an error.
int process_capture(const char *const *argv, const char *log_path, uint64_t limit_ms,
                    size_t limit_bytes, char **output, struct err *err);

// The path of a program installed beside this one ("argosy-learner").
int process_sibling(char *out, size_t out_bytes, const char *name, struct err *err);

#endif
