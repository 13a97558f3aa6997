/*
 * scorer_command.h - the command of a scorer as the recipe has it: a list of
 * words, or one text for `sh -c`.
 *
 * {file:NAME} in it becomes the path of a served file that is written out for it
 * (private_files.h).
 */
#ifndef ARGOSY_ACTOR_REWARD_SCORER_COMMAND_H
#define ARGOSY_ACTOR_REWARD_SCORER_COMMAND_H

#include "actor/reward/private_files.h"
#include "common/base/json.h"

#define COMMAND_WORDS_MAX 64
#define COMMAND_WORD_BYTES_MAX 65536

struct scorer_command {
    char *words[COMMAND_WORDS_MAX + 1]; // malloc'ed, as in the recipe; NULL behind the last
    char *ready[COMMAND_WORDS_MAX + 1]; // malloc'ed, with the files' paths; once prepared
    char **environment;                 // malloc'ed: ours, and PYTHONUNBUFFERED=1
    struct private_files files;
    const struct served_file *companions[FILES_MAX]; // written out beside
    size_t n_companions;
};

// Reads, and checks that every file it names is served and that there is such a
// program; writes nothing.  `what` is how errors call it.
int scorer_command_init(struct scorer_command *c, struct json command, struct json companions,
                        const struct served_file *files, size_t n_files, const char *what,
                        struct err *err);
void scorer_command_fini(struct scorer_command *c);

// Writes the files out and fills `ready`; once done, does nothing.
int scorer_command_prepare(struct scorer_command *c, const struct served_file *files,
                           size_t n_files, struct err *err);

#endif
