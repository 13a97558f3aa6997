#include "common/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cgroup.h"

enum { PATH_BYTES = 1100, TEXT_BYTES = 16384, LINE_BYTES = 256 };
#define LIMIT_MAX (UINT64_C(1) << 60) // version 1 writes "no limit" as a number above this

// "Key:   123 kB" of a file of /proc; MEMORY_UNLIMITED when it is not there.
static uint64_t field_bytes(const char *text, const char *key)
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        uint64_t kib;
        if (strncmp(line, key, strlen(key)) == 0 &&
            sscanf(line + strlen(key), " %" SCNu64, &kib) == 1)
            return kib * 1024;
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    return MEMORY_UNLIMITED;
}

static uint64_t number_in(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    uint64_t value = MEMORY_UNLIMITED;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) return value;
    if (fscanf(f, "%" SCNu64, &value) != 1) value = MEMORY_UNLIMITED; // "max"
    fclose(f);
    return value;
}

// File pages the kernel would give back before it kills anybody.
static uint64_t cached_bytes(const char *folder, bool is_v2)
{
    char path[PATH_BYTES], line[LINE_BYTES], key[LINE_BYTES];
    uint64_t sum = 0, value;
    const char *const keys[] = {is_v2 ? "inactive_file" : "total_inactive_file",
                                is_v2 ? "active_file" : "total_active_file"};
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    FILE *f = fopen(path, "r");
    if (f == NULL) return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%255s %" SCNu64, key, &value) != 2) continue;
        if (strcmp(key, keys[0]) == 0 || strcmp(key, keys[1]) == 0) sum += value;
    }
    fclose(f);
    return sum;
}

static void look_at_group(void *context, const char *folder, bool is_v2)
{
    struct memory_room *room = context;
    const uint64_t limit = number_in(folder, is_v2 ? "memory.max" : "memory.limit_in_bytes");
    const uint64_t used = number_in(folder, is_v2 ? "memory.current" : "memory.usage_in_bytes");
    if (limit >= LIMIT_MAX || used == MEMORY_UNLIMITED) return;
    const uint64_t cached = cached_bytes(folder, is_v2);
    const uint64_t held = used > cached ? used - cached : 0;
    const uint64_t left = limit > held ? limit - held : 0;
    if (left >= room->group_available_bytes) return;
    room->group_bytes = limit;
    room->group_available_bytes = left;
}

struct memory_room memory_room_of(const char *meminfo, const char *membership, const char *root)
{
    struct memory_room room = {
        .machine_bytes = field_bytes(meminfo, "MemTotal:"),
        .available_bytes = field_bytes(meminfo, "MemAvailable:"),
        .group_bytes = MEMORY_UNLIMITED,
        .group_available_bytes = MEMORY_UNLIMITED,
    };
    cgroup_visit(membership, root, "memory", look_at_group, &room);
    return room;
}

static void read_text(const char *path, char *out, size_t out_bytes)
{
    FILE *f = fopen(path, "r");
    size_t size = 0;
    if (f != NULL) {
        size = fread(out, 1, out_bytes - 1, f);
        fclose(f);
    }
    out[size] = '\0';
}

struct memory_room memory_room(void)
{
    char meminfo[TEXT_BYTES], membership[TEXT_BYTES];
    read_text("/proc/meminfo", meminfo, sizeof meminfo);
    cgroup_membership(membership, sizeof membership);
    return memory_room_of(meminfo, membership, CGROUP_ROOT);
}

uint64_t memory_room_bytes(const struct memory_room *room)
{
    return room->available_bytes < room->group_available_bytes ? room->available_bytes
                                                               : room->group_available_bytes;
}

uint64_t memory_peak_bytes(void)
{
    char status[TEXT_BYTES];
    read_text("/proc/self/status", status, sizeof status);
    const uint64_t peak = field_bytes(status, "VmHWM:");
    return peak == MEMORY_UNLIMITED ? 0 : peak;
}
