/*
 * processors.h - how many processors the kernel's groups let a process use.
 *
 * A container or a batch system may allow 2 processors' worth of time on a
 * machine of 128; a pool of 128 threads would then be throttled to a crawl.
 * The quota is read where the kernel shows it, for both versions of cgroups.
 */
#ifndef ARGOSY_COMMON_BASE_PROCESSORS_H
#define ARGOSY_COMMON_BASE_PROCESSORS_H

// The quota in processors, the smallest on the way from the process' group to
// the root; 0: none.  `membership` is the text of /proc/self/cgroup, `root`
// where the groups are mounted.
double processors_quota(const char *membership, const char *root);

// Processors this process may use: its affinity mask, capped by the quota
// rounded to the nearest whole number; at least 1.
unsigned processors_usable(void);

#endif
