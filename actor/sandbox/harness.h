/*
 * harness.h - the Python files that go into a sandbox, built into the program.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_HARNESS_H
#define ARGOSY_ACTOR_SANDBOX_HARNESS_H

#include <stddef.h>

#include "common/base/err.h"

enum harness_file {
    HARNESS_ANSWERING,
    HARNESS_COMMAND_RUNNER,
    HARNESS_ENTRY,
    HARNESS_JANITOR, // runs outside
    HARNESS_JUDGE,
    HARNESS_LITERALS,
    HARNESS_PROGRAM_RUNNER,
    HARNESS_SELF_CHECK,
    N_HARNESS_FILES,
};

const char *harness_path(enum harness_file file); // where it is inside: "/box/judge.py"
const char *harness_text(enum harness_file file); // 0-terminated

// Anonymous files, positioned at their start; the caller closes them; -1: error.
int harness_open(enum harness_file file, struct err *err);
int harness_open_bytes(const char *bytes, size_t size_bytes, struct err *err);

#endif
