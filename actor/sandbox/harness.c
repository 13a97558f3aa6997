#define _GNU_SOURCE // memfd_create
#include "actor/sandbox/harness.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/file.h"

// The assembler puts the files in as they are; the Makefile knows that the
// object depends on them.
#define EMBED(symbol, path)                                                                        \
    __asm__(".section .rodata\n"                                                                   \
            "harness_" #symbol ":\n"                                                               \
            ".incbin \"" path "\"\n"                                                               \
            "harness_" #symbol "_end:\n"                                                           \
            ".byte 0\n"                                                                            \
            ".previous\n");                                                                        \
    extern const char harness_##symbol[], harness_##symbol##_end[]

EMBED(answering, "actor/sandbox/answering.py");
EMBED(command_runner, "actor/sandbox/command_runner.py");
EMBED(entry, "actor/sandbox/entry.py");
EMBED(janitor, "actor/sandbox/janitor.py");
EMBED(judge, "actor/sandbox/judge.py");
EMBED(literals, "actor/sandbox/literals.py");
EMBED(program_runner, "actor/sandbox/program_runner.py");
EMBED(self_check, "actor/sandbox/self_check.py");

static const struct {
    const char *path, *bytes, *end;
} files[N_HARNESS_FILES] = {
    [HARNESS_ANSWERING] = {"/box/answering.py", harness_answering, harness_answering_end},
    [HARNESS_COMMAND_RUNNER] = {"/box/command_runner.py", harness_command_runner,
                                harness_command_runner_end},
    [HARNESS_ENTRY] = {"/box/entry.py", harness_entry, harness_entry_end},
    [HARNESS_JANITOR] = {"janitor.py", harness_janitor, harness_janitor_end},
    [HARNESS_JUDGE] = {"/box/judge.py", harness_judge, harness_judge_end},
    [HARNESS_LITERALS] = {"/box/literals.py", harness_literals, harness_literals_end},
    [HARNESS_PROGRAM_RUNNER] = {"/box/program_runner.py", harness_program_runner,
                                harness_program_runner_end},
    [HARNESS_SELF_CHECK] = {"/box/self_check.py", harness_self_check, harness_self_check_end},
};

const char *harness_path(enum harness_file file)
{
    return files[file].path;
}

const char *harness_text(enum harness_file file)
{
    return files[file].bytes;
}

int harness_open(enum harness_file file, struct err *err)
{
    return harness_open_bytes(files[file].bytes, (size_t)(files[file].end - files[file].bytes),
                              err);
}

int harness_open_bytes(const char *bytes, size_t size_bytes, struct err *err)
{
    const int fd = memfd_create("argosy-sandbox", MFD_CLOEXEC);
    if (fd < 0) return err_set(err, ERR_IO, "sandbox: memfd_create: %s", strerror(errno));
    if (file_write_all(fd, bytes, size_bytes, "a sandbox's file", err) == 0 &&
        lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}
