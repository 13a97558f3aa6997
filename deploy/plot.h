/*
 * plot.h - a run's curves as one PNG, drawn by gnuplot.
 */
#ifndef ARGOSY_DEPLOY_PLOT_H
#define ARGOSY_DEPLOY_PLOT_H

#include <stddef.h>

#include "common/base/err.h"

// From RUN/metrics.jsonl: reward, pass@1 and cons@n, response length, reflective
// words per response and per 1000 tokens, entropy.  Writes png_path.
int plot_run(const char *run_folder, const char *png_path, struct err *err);

int plot_verb(int argc, char **argv);

#endif
