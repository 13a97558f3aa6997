/*
 * stage_result.h - what a finished stage leaves: the model and RUN/result.json.
 *
 * result.json is written last: a stage is done when it is there.
 */
#ifndef ARGOSY_LEARNER_STAGE_RESULT_H
#define ARGOSY_LEARNER_STAGE_RESULT_H

#include "learner/trainer.h"

int stage_result_write(const struct trainer *t, struct err *err);

#endif
