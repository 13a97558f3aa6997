#include "actor/sandbox/sandbox_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROCESSES_MAX = 256, LIST_BYTES = 4096 };

static size_t read_text(const char *path, char *text, size_t text_bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const ssize_t n = read(fd, text, text_bytes - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return n < 0 ? 0 : (size_t)n;
}

static uint64_t memory_of(pid_t pid)
{
    char path[64], text[256];
    unsigned long long size, resident, shared;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (read_text(path, text, sizeof text) == 0) return 0;
    if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || resident < shared)
        return 0;
    return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static size_t add_children_of_thread(pid_t pid, const char *thread, pid_t *pids, size_t n)
{
    char path[sizeof "/proc//task//children" + 32 + NAME_MAX], text[LIST_BYTES];
    snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, thread);
    if (read_text(path, text, sizeof text) == 0) return n;
    for (char *at = text, *end; n < PROCESSES_MAX; at = end) {
        const long child = strtol(at, &end, 10);
        if (end == at) break;
        pids[n++] = (pid_t)child;
    }
    return n;
}

// Each thread has its own.
static size_t add_children(pid_t pid, pid_t *pids, size_t n)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (threads == NULL) return n;
    for (const struct dirent *e = readdir(threads); e != NULL; e = readdir(threads))
        if (e->d_name[0] != '.') n = add_children_of_thread(pid, e->d_name, pids, n);
    closedir(threads);
    return n;
}

bool sandbox_memory_is_known(void)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    return access(path, R_OK) == 0;
}

// All are below process 1: whose parent ends becomes its child.
uint64_t sandbox_memory_bytes(struct sandbox *s)
{
    pid_t pids[PROCESSES_MAX];
    uint64_t sum = 0;
    if (!sandbox_find_inner(s)) return 0;
    pids[0] = s->inner_pid;
    for (size_t at = 0, n = 1; at < n; at++) {
        sum += memory_of(pids[at]);
        n = add_children(pids[at], pids, n);
    }
    return sum;
}
