/*
 * code_program.h - the program in a response.
 *
 * It is looked for after the last </think>; a response that begins to think
 * and does not end that has none.  Inside <answer>…</answer> where there is
 * one.  There it is the last fenced block that says python, py or python3, else
 * the last fenced block, else all of the text.  A block that is not closed ends
 * with the text.
 *
 * For tests with a prompt (HumanEval) it is a completion of that when it does
 * not itself define the function asked for.
 */
#ifndef ARGOSY_ACTOR_SANDBOX_CODE_PROGRAM_H
#define ARGOSY_ACTOR_SANDBOX_CODE_PROGRAM_H

#include <stdbool.h>

#include "actor/sandbox/code_tests.h"

// A view into the response; false: none.
bool code_program_find(struct view response, struct view *code);

// What is run: the code itself, or with the tests' prompt before it.
void code_program_make(const struct code_tests *tests, struct view code, struct text_buffer *out);

#endif
