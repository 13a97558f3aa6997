/*
 * summary.h - what a whole run came to: RUN/summary.json and a table.
 *
 * Read from what the stages left in their folders: result.json, eval-*.json
 * and the ledger.  `base` is the first evaluation of the run, `final` the last.
 */
#ifndef ARGOSY_DEPLOY_SUMMARY_H
#define ARGOSY_DEPLOY_SUMMARY_H

#include <stddef.h>

#include "common/base/err.h"

// folders: of the stages, in order.  Writes RUN/summary.json atomically.
int summary_write(const char *run_folder, const char *const *folders, size_t n_folders,
                  double seconds, struct err *err);

// Before and after, in all and by level and style, to standard output.
int summary_print(const char *run_folder, struct err *err);

#endif
