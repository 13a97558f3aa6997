/*
 * cgroup.h - the control groups a process is in, from its own up to the root.
 *
 * A parent's limit binds its children, so whoever looks for a limit looks at
 * all of them.  Both versions of the kernel's interface.
 */
#ifndef ARGOSY_COMMON_BASE_CGROUP_H
#define ARGOSY_COMMON_BASE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

// One group's folder; is_v2: its files are those of version 2.
typedef void (*cgroup_fn)(void *context, const char *folder, bool is_v2);

// Every group of `controller` ("cpu", "memory").  `membership` is the text of
// /proc/self/cgroup, `root` where the groups are mounted.
void cgroup_visit(const char *membership, const char *root, const char *controller, cgroup_fn fn,
                  void *context);

// The text of /proc/self/cgroup; empty where there is none.
void cgroup_membership(char *out, size_t out_bytes);

#endif
