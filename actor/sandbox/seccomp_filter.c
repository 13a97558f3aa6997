// memfd_create and the CLONE_ flags are Linux's own.
#define _GNU_SOURCE
#include "actor/sandbox/seccomp_filter.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CLONE_NEW_ANYTHING                                                                         \
    (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |     \
     CLONE_NEWCGROUP)

// By name, because which of them exist differs from one architecture and one
// libseccomp to the next; a name unknown here is a call that stays forbidden.
static const char *const allowed[] = {
    // files
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
    "pwritev2", "open", "openat", "close", "close_range", "creat", "lseek", "_llseek", "stat",
    "stat64", "lstat", "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx", "statfs",
    "statfs64", "fstatfs", "fstatfs64", "access", "faccessat", "faccessat2", "getdents",
    "getdents64", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "readlink",
    "readlinkat", "chmod", "fchmod", "fchmodat", "umask", "truncate", "truncate64", "ftruncate",
    "ftruncate64", "fallocate", "fsync", "fdatasync", "flock", "fadvise64", "utime", "utimes",
    "utimensat", "futimesat", "dup", "dup2", "dup3", "fcntl", "fcntl64", "pipe", "pipe2",
    "sendfile", "sendfile64", "copy_file_range", "memfd_create", "getxattr", "lgetxattr",
    "fgetxattr",
    // waiting
    "poll", "ppoll", "select", "_newselect", "pselect6", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd", "signalfd4",
    // a pair of connected ends inside one program, which event loops wake themselves by
    "socketpair", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "getsockopt",
    "setsockopt", "getsockname", "getpeername",
    // memory
    "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "brk", "membarrier", "msync",
    // threads and signals
    "futex", "futex_time64", "set_robust_list", "get_robust_list", "set_tid_address", "rseq",
    "gettid", "tgkill", "tkill", "kill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    "sigaltstack", "sigreturn", "pause", "alarm", "setitimer", "getitimer", "timer_create",
    "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "restart_syscall",
    // the process itself
    "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "waitpid", "getpid", "getppid",
    "getpgid", "getpgrp", "setpgid", "getsid", "setsid", "getuid", "getuid32", "getgid", "getgid32",
    "geteuid", "geteuid32", "getegid", "getegid32", "getresuid", "getresuid32", "getresgid",
    "getresgid32", "getgroups", "getgroups32", "getrlimit", "ugetrlimit", "setrlimit", "prlimit64",
    "getrusage", "times", "uname", "sysinfo", "prctl", "arch_prctl", "set_thread_area",
    "get_thread_area", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "getpriority", "getcpu", "getrandom",
    "riscv_flush_icache", "riscv_hwprobe", "cacheflush",
    // time
    "time", "gettimeofday", "clock_gettime", "clock_gettime64", "clock_getres",
    "clock_getres_time64", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64"};

static int allow(scmp_filter_ctx filter, const char *name, unsigned n_conditions,
                 const struct scmp_arg_cmp *conditions)
{
    const int number = seccomp_syscall_resolve_name(name);
    if (number < 0) return 0; // unknown or not of this architecture
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, n_conditions, conditions);
}

// Flags are the first argument of clone everywhere but on s390.  clone3 is not
// allowed: its flags are in memory, where a filter cannot see them.
static int allow_clone(scmp_filter_ctx filter, bool may_fork)
{
    const uint64_t mask = may_fork ? CLONE_NEW_ANYTHING : CLONE_NEW_ANYTHING | CLONE_THREAD;
    const struct scmp_arg_cmp flags =
        SCMP_A0(SCMP_CMP_MASKED_EQ, mask, may_fork ? 0 : (uint64_t)CLONE_THREAD);
    int failed = allow(filter, "clone", 1, &flags);
    if (may_fork) {
        failed = failed != 0 ? failed : allow(filter, "fork", 0, NULL);
        failed = failed != 0 ? failed : allow(filter, "vfork", 0, NULL);
    }
    return failed;
}

// Of the thousands of requests only the harmless few; the mask is there because
// the kernel looks at 32 bits of an argument that a filter sees 64 of.
static int allow_ioctl(scmp_filter_ctx filter)
{
    static const uint64_t requests[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
    int failed = 0;
    for (size_t i = 0; failed == 0 && i < sizeof requests / sizeof requests[0]; i++) {
        const struct scmp_arg_cmp request = SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]);
        failed = allow(filter, "ioctl", 1, &request);
    }
    return failed;
}

static int add_rules(scmp_filter_ctx filter, bool may_fork)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        const int failed = allow(filter, allowed[i], 0, NULL);
        if (failed != 0) return failed;
    }
    const int failed = allow_clone(filter, may_fork);
    return failed != 0 ? failed : allow_ioctl(filter);
}

int seccomp_filter_open(bool may_fork, int *fd, struct err *err)
{
    *fd = -1;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (filter == NULL) return err_set(err, ERR_IO, "sandbox: libseccomp makes no filter here");
    // Not there in old libseccomp, where the filter is only slower.
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    int failed = add_rules(filter, may_fork);
    if (failed != 0) {
        err_set(err, ERR_IO, "sandbox: a rule of the system call filter: %s", strerror(-failed));
        goto release;
    }
    *fd = memfd_create("argosy-seccomp", MFD_CLOEXEC);
    failed = *fd < 0 ? -errno : seccomp_export_bpf(filter, *fd);
    if (failed != 0) {
        err_set(err, ERR_IO, "sandbox: write the system call filter: %s", strerror(-failed));
        if (*fd >= 0) close(*fd);
        *fd = -1;
    }
release:
    seccomp_release(filter);
    return failed != 0 ? -1 : 0;
}
