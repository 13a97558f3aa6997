/*
 * verbs.h - what argosy-actor does besides serving a learner.
 *
 * Each verb parses its own arguments (argv[0] is the verb) and returns the
 * exit status: 0, 1 for a failure, 2 for wrong usage.
 */
#ifndef ARGOSY_ACTOR_VERBS_H
#define ARGOSY_ACTOR_VERBS_H

#include <stddef.h>

struct actor_verb {
    const char *name;
    int (*run)(int argc, char **argv);
};

extern const struct actor_verb actor_verbs[];
extern const size_t n_actor_verbs;

int generate_verb(int argc, char **argv);
int chat_verb(int argc, char **argv);
int init_verb(int argc, char **argv);
int show_verb(int argc, char **argv);
int score_verb(int argc, char **argv);
int tokenize_verb(int argc, char **argv);
int decontaminate_verb(int argc, char **argv);

#endif
