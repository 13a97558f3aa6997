/*
 * run_folder.h - the folder of one stage's run, and the right to write it.
 *
 *   recipe.json  run_id  lock  endpoint  metrics.jsonl  journal/  checkpoints/
 *   eval-N.json  model/  result.json
 *
 * One writer at a time: a lock that ends with its process.  The run's id is
 * made once and kept, so that results outlive a restart of the learner.
 */
#ifndef ARGOSY_LEARNER_RUN_FOLDER_H
#define ARGOSY_LEARNER_RUN_FOLDER_H

#include <stdint.h>

#include "common/base/err.h"

#define RUN_PATH_BYTES 4096

struct run_folder {
    const char *path; // the caller's
    char metrics[RUN_PATH_BYTES], checkpoints[RUN_PATH_BYTES], model[RUN_PATH_BYTES];
    char result[RUN_PATH_BYTES], recipe[RUN_PATH_BYTES];
    uint64_t run; // random, below 2^63
    int lock_fd;
};

// Paths only: for ranks that do not own the folder.
int run_folder_name(struct run_folder *f, const char *path, struct err *err);
// Makes what is missing and takes the lock (rank 0).
int run_folder_open(struct run_folder *f, const char *path, struct err *err);
void run_folder_close(struct run_folder *f);

#endif
