/*
 * sandbox.h - one program run where it can reach nothing and leave nothing.
 *
 * bubblewrap makes the place: own user, process, network, IPC, host name and
 * mount namespaces; a read-only root with the folders of the interpreter and
 * one small tmpfs at /tmp; a cleared environment, no /proc, no terminal, no
 * capabilities, no further user namespaces.  On top the system call filter of
 * seccomp_filter.h and resource limits.  Root first becomes nobody (65534).
 * Started with vfork, so that a process with many GB mapped starts one as fast
 * as a small one.  All descriptors given stay the caller's.
 *
 * A sandbox ends whole: when its program ends, when it is killed, or when the
 * thread that started it dies, the kernel kills everything in it.  Bubblewrap
 * does not wait for that; sandbox_reap does.  For it this process becomes the
 * one that orphans among its descendants go to (PR_SET_CHILD_SUBREAPER), so
 * that none is left to a container's process 1 that may not reap.
 *
 * There is no way round: where one of these parts is not to be had,
 * sandbox_host_init says which, and no program is run.
 *
 * Not thread-safe: the thread that starts a sandbox ends it.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_SANDBOX_H
#define ARGOSY_ACTOR_SANDBOX_SANDBOX_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"

#define SANDBOX_NOBODY 65534
#define SANDBOX_PROGRAM_PATH "/box/program" // where a command finds the program's text

// What this machine runs sandboxes with; made once, then only read.
struct sandbox_host {
    char bwrap[PATH_MAX];
    char python[PATH_MAX]; // the binary itself, links followed
    char prefix[PATH_MAX]; // the folder its bin/ and lib/ are in
    int one_process_filter_fd;
    int many_processes_filter_fd;
    int lifeline[2];   // a pipe nobody writes to; its end is this process' end
    char mark[64];     // among the arguments of every sandbox of this host
    pid_t janitor_pid; // janitor.py
    bool knows_memory; // sandbox_memory.h
};

#define SANDBOX_HOST_NONE                                                                          \
    {                                                                                              \
        .one_process_filter_fd = -1, .many_processes_filter_fd = -1, .lifeline = { -1, -1 }        \
    }

// python NULL: the first python3 on the usual path.  Finds the parts, then runs
// a self-check in a sandbox; ERR_USAGE with what is missing and how to get it.
int sandbox_host_init(struct sandbox_host *host, const char *python, struct err *err);
void sandbox_host_fini(struct sandbox_host *host);

struct sandbox_limits {
    uint32_t cpu_s;        // of processor time, each process
    uint64_t memory_bytes; // of address space, each process
    uint64_t disk_bytes;   // of /tmp
    // How many tasks and how long a file it sets itself, as its first act: entry.py.
};

struct sandbox_file { // appears read-only at `path`, with what fd has from its start
    int fd;
    const char *path;
};

enum { SANDBOX_FILES_MAX = 4 };

struct sandbox_spec {
    const char *const *argv; // as seen inside, NULL-terminated
    bool is_command;         // sees /usr and may start processes; else Python alone
    int stdio[3];            // -1: /dev/null
    int channel[2];          // become descriptors 3 and 4 inside; -1: closed
    struct sandbox_file files[SANDBOX_FILES_MAX];
    uint32_t n_files;
    struct sandbox_limits limits;
};

enum { SANDBOX_STATUS_BYTES = 512 };

struct sandbox {
    pid_t pid;       // bubblewrap; 0: nothing runs
    pid_t inner_pid; // the sandbox's process 1; 0: not known yet
    int pid_fd;      // of bubblewrap, until it ended
    int inner_fd;    // of process 1
    int status_fd;
    char status[SANDBOX_STATUS_BYTES]; // what bubblewrap said of its child so far
    uint32_t status_bytes;
    double cpu_s; // of what ended so far
    uint64_t max_resident_bytes;
    int exit_status; // bubblewrap's own
};

struct sandbox_end {
    bool was_set_up; // false: bubblewrap failed, or was killed, before the program ran to its end
    int status;      // of the program: 0..255, 128 + signal
    double cpu_s;    // all its processes
    uint64_t max_resident_bytes; // of the largest of them
};

int sandbox_start(struct sandbox *s, const struct sandbox_host *host,
                  const struct sandbox_spec *spec, struct err *err);

// Whether its process 1 is known, which it is soon after the start; looks if not.
bool sandbox_find_inner(struct sandbox *s);

// Readable when sandbox_reap has something to do; another one after each reap.
int sandbox_fd(const struct sandbox *s);

// Kills everything in it; it is over when sandbox_reap says so.  May be repeated.
void sandbox_kill(struct sandbox *s);

// False while it runs.  True once: it is over, nothing of it is left, end says how.
bool sandbox_reap(struct sandbox *s, struct sandbox_end *end);

// Kills and waits until it is over.
void sandbox_stop(struct sandbox *s);

#endif
