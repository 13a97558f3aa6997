/*
 * code_tests.h - what a row of data says a program must do.
 *
 * Forms that are recognised, by what the row (a JSON object) holds:
 *   "test" with "entry_point"      HumanEval: "test" defines check(candidate);
 *                                  "prompt" has its helper functions.  Without
 *                                  a check() in it, statements that assert.
 *   "test_list"                    MBPP: assertions, each one test; with
 *                                  "test_setup_code", "test_imports",
 *                                  "challenge_test_list".
 *   "inputs" with "outputs"        APPS, TACO, PRIME, DeepCoder: text for
 *                                  standard input and what is expected on
 *                                  standard output; with "fn_name" arguments
 *                                  and results of that function instead.
 *   [{"input", "output"}, …]       the same, case by case; "testtype":
 *                                  "functional" with "func_name" or "fn_name"
 * The last two may stand in the row itself or under "input_output", "tests",
 * "test_cases", "ground_truth" or "reward_model.ground_truth", as JSON or as a
 * string that is JSON.  "tests" may also be a list of assertions.
 * "time_limit" in seconds is of one standard input case, or of all of a
 * function's tests together.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_CODE_TESTS_H
#define ARGOSY_ACTOR_SANDBOX_CODE_TESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/text/text_buffer.h"
#include "common/base/err.h"

enum code_tests_kind {
    CODE_TESTS_STDIO,   // standard input to standard output, compared by this process
    CODE_TESTS_CHECK,   // check(candidate)
    CODE_TESTS_ASSERTS, // assertions that call the program's functions
    CODE_TESTS_CALLS,   // arguments and results of one function
};

struct code_case {
    struct view input, output; // malloc'ed
};

struct code_tests {
    enum code_tests_kind kind;
    char *row;               // malloc'ed JSON text, for the judge
    char *path;              // malloc'ed JSON list of keys: where in the row the tests are
    char *entry_point;       // malloc'ed; NULL: not said
    char *prompt;            // malloc'ed; NULL: none
    struct code_case *cases; // of CODE_TESTS_STDIO
    uint32_t n_cases;
    double time_limit_s; // 0: not said
};

// row: the row's JSON text; gold: the reference as the data has it, looked into
// when the row has no tests: JSON in one of the forms, or assertions as Python.
// Either may be empty.  -1: no tests there, or none that make sense.
int code_tests_read(struct code_tests *t, struct view row, struct view gold, struct err *err);
void code_tests_fini(struct code_tests *t);

#endif
