/*
 * preview.h - what a recipe comes to, without running it.
 */
#ifndef ARGOSY_LEARNER_PREVIEW_H
#define ARGOSY_LEARNER_PREVIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "learner/options.h"

// {"recipe", "stages": [{"name", every key ...}]} as JSON; with_memory adds, for
// each stage whose model is there, the bytes a rank and an actor will take.
int preview_print(struct recipe *recipe, bool with_memory, FILE *out, struct err *err);

// Why a stage's ranks and actors do not fit this machine together; nothing when
// they do, or when there is no model: that is for the stage itself to say.
void preview_refusal(const struct options *o, const char *stage, FILE *out);

#endif
