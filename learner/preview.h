/*
 * preview.h - what a recipe comes to, without running it.
 */
#ifndef ARGOSY_LEARNER_PREVIEW_H
#define ARGOSY_LEARNER_PREVIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "common/base/recipe.h"

// {"recipe", "stages": [{"name", every key ...}]} as JSON; with_memory adds, for
// each stage whose model is there, the bytes a rank and an actor will take.
int preview_print(struct recipe *recipe, bool with_memory, FILE *out, struct err *err);

#endif
