/*
 * grader.h - whether an answer is right: rows of one table, found by name.
 *
 * A grader is a pure function of text: no process, no file, no clock.  A
 * reference that cannot be graded against is an error, never a wrong answer.
 */
#ifndef ARGOSY_ACTOR_GRADING_GRADER_H
#define ARGOSY_ACTOR_GRADING_GRADER_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_search.h"
#include "common/base/err.h"
#include "common/base/json.h"

struct grading {          // what is judged
    struct view response; // all the model said
    struct view answer;   // taken out of it (answer.h); size 0: it gave none
    struct view gold;     // the reference, as the data has it; size 0: the metadata says it
    struct view metadata; // JSON text of what else the row says; size 0: nothing
};

struct grade {
    double value; // 1 right, 0 wrong; graders with partial credit say so
    bool is_correct;
    uint64_t hash; // equal for answers that are one by this grader; 0: none given
};

struct grader {
    const char *name;
    const char *help; // one line
    // -1: the reference or its metadata cannot be graded against.
    int (*grade)(const struct grading *g, struct grade *out, struct err *err);
};

extern const struct grader *const graders[];
extern const size_t n_graders;
const struct grader *grader_find(const char *name); // NULL: no such

extern const struct grader grader_choice, grader_countdown, grader_exact, grader_knights_knaves,
    grader_math, grader_number, grader_prime_factorization;

// The grader of rows that reasoning-gym made, by their metadata.source_dataset;
// NULL: another's, or one with rules of its own that are not here.
const struct grader *grader_of_dataset(const char *source_dataset);

// No reference is as long; reading further would only cost time.
#define GRADER_ANSWER_BYTES_MAX ((size_t)64 << 10)

// Grades, or leaves the grade of an answer not given where there is none.  A longer
// answer than the above is wrong unread.
int grader_judge(const struct grader *grader, const struct grading *g, struct grade *out,
                 struct err *err);

#endif
