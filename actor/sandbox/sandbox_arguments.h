/*
 * sandbox_arguments.h - a sandbox's description as bubblewrap's command line.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_SANDBOX_ARGUMENTS_H
#define ARGOSY_ACTOR_SANDBOX_SANDBOX_ARGUMENTS_H

#include <stddef.h>

#include "actor/sandbox/sandbox.h"

enum { SANDBOX_ARGUMENTS_MAX = 192, SANDBOX_ARGUMENT_TEXT_BYTES = 4 * PATH_MAX };

// The descriptors bubblewrap is given, by number in the child.
enum {
    SANDBOX_FD_CHANNEL = 3,  // and 4: the program's own
    SANDBOX_FD_LIFELINE = 5, // until entry.py closes it
    SANDBOX_FD_STATUS = 6,
    SANDBOX_FD_FILTER = 7,
    SANDBOX_FD_FILES = 8,
    SANDBOX_FD_END = SANDBOX_FD_FILES + SANDBOX_FILES_MAX,
};

struct sandbox_arguments {
    const char *items[SANDBOX_ARGUMENTS_MAX]; // NULL-terminated
    size_t count;
    char text[SANDBOX_ARGUMENT_TEXT_BYTES]; // made-up items
    size_t text_bytes;
};

// ERR_LIMIT when the program's own arguments are too many.
int sandbox_arguments_make(struct sandbox_arguments *a, const struct sandbox_host *host,
                           const struct sandbox_spec *spec, struct err *err);

#endif
