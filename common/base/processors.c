#define _GNU_SOURCE // sched_getaffinity, CPU_COUNT_S

#include "common/base/processors.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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

// From the group upwards: a parent's limit binds its children.  Inside a
// container the path may be one of the host's that is not to be seen here;
// its last parent, the mount itself, is then the container's own group.
static void walk_up(const char *mount, const char *group, bool is_v2, double *quota)
{
    char folder[PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (n < 0 || (size_t)n >= sizeof folder) return;
    size_t mount_bytes = strlen(mount);
    for (;;) {
        keep_smaller(quota, quota_of_group(folder, is_v2));
        if (strlen(folder) <= mount_bytes) return;
        char *slash = strrchr(folder + mount_bytes, '/');
        if (slash == NULL) return;
        *slash = '\0';
    }
}

static bool lists_cpu(const char *controllers)
{
    for (const char *at = controllers; *at != '\0';) {
        size_t bytes = strcspn(at, ",");
        if (bytes == 3 && memcmp(at, "cpu", 3) == 0) return true;
        at += bytes;
        if (*at == ',') at++;
    }
    return false;
}

double processors_quota(const char *membership, const char *root)
{
    double quota = 0;
    for (const char *line = membership; *line != '\0';) {
        size_t line_bytes = strcspn(line, "\n");
        char text[PATH_BYTES];
        // "number:controllers:/path"; version 2 has no controllers.
        if (line_bytes < sizeof text) {
            memcpy(text, line, line_bytes);
            text[line_bytes] = '\0';
            char *controllers = strchr(text, ':');
            char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
            if (group != NULL) {
                *group++ = '\0';
                controllers++;
                char mount[PATH_BYTES];
                bool is_v2 = *controllers == '\0';
                int n = is_v2 ? snprintf(mount, sizeof mount, "%s", root)
                              : snprintf(mount, sizeof mount, "%s/%s", root, controllers);
                bool fits = n > 0 && (size_t)n < sizeof mount;
                if (fits && (is_v2 || lists_cpu(controllers))) {
                    walk_up(mount, group, is_v2, &quota);
                }
            }
        }
        line += line_bytes;
        if (*line == '\n') line++;
    }
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
    FILE *f = fopen("/proc/self/cgroup", "r");
    if (f == NULL) return count;
    size_t size = fread(membership, 1, sizeof membership - 1, f);
    fclose(f);
    membership[size] = '\0';

    double quota = processors_quota(membership, "/sys/fs/cgroup");
    if (quota <= 0 || quota >= (double)count) return count;
    return quota < 1 ? 1 : (unsigned)(quota + 0.5);
}
