/*
 * convention.h - what the rows of a data file look like: one row of a table each.
 *
 * The field has a dozen ways to write down a prompt and what a right answer is.
 * A file's way is told by its first rows, or named; columns can be named one by
 * one besides.  Reading a row never guesses: what is missing or of another type
 * is an error that names the column.
 */
#ifndef ARGOSY_ACTOR_DATA_CONVENTION_H
#define ARGOSY_ACTOR_DATA_CONVENTION_H

#include <stdint.h>

#include "actor/data/jsonl.h"
#include "actor/text/conversation.h"

#define CONVENTION_TURNS_MAX 1024

struct row_content { // texts are malloc'ed; NULL: the row has none
    struct conversation conversation;
    char *text;       // of a document that is no conversation
    char *answer;     // the reference as the row has it
    char *completion; // what a model could learn to say
    char *metadata;   // JSON text
    char *source;
    char *maker;        // the generator that made the row and knows its grader
                        // (reasoning-gym's source_dataset)
    const char *grader; // by name; NULL: the row does not show which
    uint32_t level;     // of difficulty; 0: not known
};
void row_content_fini(struct row_content *c);

struct convention {
    const char *name;
    const char *columns; // that its rows have, for people
    const char *grader;  // of its answers; NULL: rows say it
    bool (*fits)(struct json row);
    int (*read)(struct json row, struct row_content *out, struct err *err);
};

extern const struct convention conventions[];
extern const size_t n_conventions;
const struct convention *convention_find(const char *name);  // NULL: no such
const struct convention *convention_of_row(struct json row); // NULL: none fits

// The convention of one file of the list: as its options name it, or as its
// first rows show it.  NULL with an error when they show none, or not one alone;
// `skips`: rows that show none are bad ones, passed over.
const struct convention *convention_of_file(const struct jsonl *j, size_t file, bool skips,
                                            struct err *err);

// What one row says, with the columns that the options name.  convention NULL:
// by those columns alone.
int convention_read(const struct convention *convention, const struct data_options *options,
                    struct json row, struct row_content *out, struct err *err);

// A prompt or a conversation: text, or a list of {"role", "content"} (also
// {"from", "value"}).
int turns_read(struct json value, const char *what, struct conversation *out, struct err *err);
// The grader for where a row is from ("openai/gsm8k"); NULL: not known.
const char *grader_of_source(const char *source);

#endif
