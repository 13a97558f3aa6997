/*
 * memory.h - how much memory a process may still take, and how much it took.
 *
 * What the machine has free is one bound; a container's or a batch job's group
 * is another, and going over that one means to be killed without a word.
 */
#ifndef ARGOSY_COMMON_BASE_MEMORY_H
#define ARGOSY_COMMON_BASE_MEMORY_H

#include <stdint.h>

#define MEMORY_UNLIMITED UINT64_MAX

struct memory_room {
    uint64_t machine_bytes;   // of the whole machine
    uint64_t available_bytes; // that new processes can take without swapping
    uint64_t group_bytes;     // limit of the group that leaves least; MEMORY_UNLIMITED: none
    uint64_t group_available_bytes;
};

// As it is now.  A number that cannot be had is MEMORY_UNLIMITED.
struct memory_room memory_room(void);
// From texts of /proc/meminfo and /proc/self/cgroup, and the groups below root.
struct memory_room memory_room_of(const char *meminfo, const char *membership, const char *root);

// What new processes can take: the lesser of both bounds.
uint64_t memory_room_bytes(const struct memory_room *room);

// Most that this process ever held at once (VmHWM); 0: unknown.
uint64_t memory_peak_bytes(void);

#endif
