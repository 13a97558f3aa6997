#define _GNU_SOURCE // sched_getaffinity, CPU_COUNT_S

#include "common/base/processors.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cgroup.h"

enum { PATH_BYTES = 1024, PROCESSORS_MAX = 1 << 16 };

static void keep_smaller(double *quota, double found)
{
    if (found > 0 && (*quota <= 0 || found < *quota)) *quota = found;
}

// Two numbers of a group: "150000 100000" in one file (version 2) or in two.
// A group without a limit says "max" or -1, and no number is found.
static double quota_of_group(const char *folder, bool is_v2)
{
    double allowed = 0;
    double period = 0;
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", folder, is_v2 ? "cpu.max" : "cpu.cfs_quota_us");
    FILE *f = fopen(path, "r");
    if (f == NULL) return 0;
    int n = is_v2 ? fscanf(f, "%lf %lf", &allowed, &period) : fscanf(f, "%lf", &allowed);
    fclose(f);
    if (!is_v2 && n == 1) {
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        f = fopen(path, "r");
        if (f == NULL) return 0;
        n += fscanf(f, "%lf", &period);
        fclose(f);
    }
    return n == 2 && allowed > 0 && period > 0 ? allowed / period : 0;
}

static void look_at_group(void *context, const char *folder, bool is_v2)
{
    keep_smaller(context, quota_of_group(folder, is_v2));
}

double processors_quota(const char *membership, const char *root)
{
    double quota = 0;
    cgroup_visit(membership, root, "cpu", look_at_group, &quota);
    return quota;
}

static unsigned count_affinity(void)
{
    // The kernel refuses a mask smaller than its own: grow until it fits.
    for (size_t n = 1024; n <= PROCESSORS_MAX; n *= 4) {
        cpu_set_t *set = CPU_ALLOC(n);
        if (set == NULL) return 1;
        size_t bytes = CPU_ALLOC_SIZE(n);
        CPU_ZERO_S(bytes, set);
        int status = sched_getaffinity(0, bytes, set);
        int reason = errno;
        int count = status == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (status == 0) return count > 0 ? (unsigned)count : 1;
        if (reason != EINVAL) return 1;
    }
    return 1;
}

unsigned processors_usable(void)
{
    unsigned count = count_affinity();
    char membership[16384];
    cgroup_membership(membership, sizeof membership);
    double quota = processors_quota(membership, CGROUP_ROOT);
    if (quota <= 0 || quota >= (double)count) return count;
    return quota < 1 ? 1 : (unsigned)(quota + 0.5);
}
