/*
 * seccomp_filter.h - the system calls a sandboxed program may make.
 *
 * A list of what is allowed; every other call answers ENOSYS, so that a C
 * library falls back to an older call or gives up politely.  Not on it, among
 * others: sockets of any kind (a socketpair is), ptrace, mount, chroot, bpf,
 * userfaultfd, keyctl, io_uring, perf_event_open, unshare, setns, kexec,
 * System V memory and queues, set*id, mknod.  clone() may make no namespace.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_SECCOMP_FILTER_H
#define ARGOSY_ACTOR_SANDBOX_SECCOMP_FILTER_H

#include <stdbool.h>

#include "common/base/err.h"

// The compiled filter in an anonymous file, for bubblewrap to load; the caller
// closes it.  may_fork false: threads may be started, processes may not.
int seccomp_filter_open(bool may_fork, int *fd, struct err *err);

#endif
