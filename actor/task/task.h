/*
 * task.h - where problems come from, and what a right answer is.
 *
 * Every kind is a row of one table: the generators (generator.h) by their own
 * names, dials, countdown from rows, jsonl, and mix of any of these.  Problem n of a split is a
 * pure function of (spec, files, split, n), so it is the same on every actor; the held-out split
 * shares no problem with the training one.
 */
#ifndef ARGOSY_ACTOR_TASK_TASK_H
#define ARGOSY_ACTOR_TASK_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/data/dataset.h"
#include "actor/data/served_files.h"
#include "actor/grading/grader.h"
#include "actor/task/dials.h"
#include "actor/task/generator.h"
#include "actor/text/conversation.h"
#include "common/base/err.h"
#include "common/base/json.h"

enum task_split { TASK_TRAIN, TASK_HELD_OUT };

struct problem {
    struct conversation conversation; // what goes into the template; the last turn is the user's
    char *answer;   // malloc'ed: the reference as the data has it; NULL: the metadata says it
    char *metadata; // malloc'ed: JSON text of what else the row says; NULL: nothing
    const struct grader *grader;
    uint32_t level;     // of difficulty; 0: not known
    uint32_t n_steps;   // a worked solution takes; 0: not known
    const char *source; // where it is from; owned by the task, or own_source
    char *own_source;   // malloc'ed, or NULL
    uint32_t n_skipped; // rows that could not be used, in whose place this one stands
};
void problem_fini(struct problem *p);

struct task_kind {
    const char *name;
    void *(*create)(struct json spec, const struct served_files *files, uint64_t seed,
                    struct err *err);
    void (*destroy)(void *state);
    uint64_t (*count)(const void *state, enum task_split split); // 0: without end
    int (*problem)(const void *state, enum task_split split, uint64_t n, struct problem *out,
                   struct err *err);
    // Training problem n with the lines that work it out (generator.h); NULL:
    // this kind cannot.
    int (*work_out)(const void *state, uint64_t n, const struct working *working,
                    struct problem *out, struct err *err);
    // What stands in for training problem n when it cannot be used, the
    // attempt-th of 1 .. DATASET_ATTEMPTS_MAX; as pure as the problem is.  NULL:
    // nothing does.
    int (*substitute)(const void *state, uint64_t n, uint32_t attempt, struct problem *out,
                      struct err *err);
};

extern const struct task_kind task_countdown, task_dials, task_generated, task_jsonl, task_mix;

struct task {
    const struct task_kind *kind;
    void *state;
};

// spec: the spec's "task" value.  Files must outlive the task.
int task_init(struct task *t, struct json spec, const struct served_files *files, uint64_t seed,
              struct err *err);
void task_fini(struct task *t);

// The puzzle's parameters, for the corpus about it; NULL for another task.
const struct dials_parameters *task_dials_parameters(const struct task *t);

#endif
