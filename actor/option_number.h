/*
 * option_number.h - the number behind an option of a command line.
 *
 * Only what is written in decimal and lies in the range is taken; the error
 * (ERR_USAGE) names the option, the range and what stood there.
 *
 * Thread-safe.
 */
#ifndef ARGOSY_ACTOR_OPTION_NUMBER_H
#define ARGOSY_ACTOR_OPTION_NUMBER_H

#include <stdint.h>

#include "common/base/err.h"

int option_whole(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                 struct err *err);
int option_real(const char *name, const char *text, double min, double max, double *out,
                struct err *err);

#endif
