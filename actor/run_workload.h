/*
 * run_workload.h - the workload of a run, from its folder alone.
 *
 * RUN/actor_spec.json says what the run's actors were told; with the same files
 * a tool reads the run's samples as they did.
 */
#ifndef ARGOSY_ACTOR_RUN_WORKLOAD_H
#define ARGOSY_ACTOR_RUN_WORKLOAD_H

#include "actor/workload.h"
#include "common/base/file.h"

struct run_workload {
    struct workload *workload;
    char *spec; // malloc'ed
    struct served_file files[FILES_MAX];
    struct file_map maps[FILES_MAX];
    size_t n_files;
};

// A file of the run that has gone is an error that names it.
int run_workload_open(struct run_workload *r, const char *run_folder, struct err *err);
void run_workload_close(struct run_workload *r);

#endif
