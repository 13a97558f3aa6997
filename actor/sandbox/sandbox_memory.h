/*
 * sandbox_memory.h - the memory of all processes in a sandbox together.
 *
 * A limit on address space is of one process; where a program may start many,
 * this is what to look at from time to time.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_SANDBOX_MEMORY_H
#define ARGOSY_ACTOR_SANDBOX_SANDBOX_MEMORY_H

#include "actor/sandbox/sandbox.h"

// Resident anonymous memory; pages that several share since a fork count for
// each.  0 while its process 1 is not known.
uint64_t sandbox_memory_bytes(struct sandbox *s);

// Whether the kernel lists a process' children (CONFIG_PROC_CHILDREN).
bool sandbox_memory_is_known(void);

#endif
