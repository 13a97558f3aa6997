/*
 * progress.h - what a person sees while a stage runs.
 *
 * The learner prints `progress {json}` lines; on a terminal they become one
 * live line with a bar, elsewhere one plain line a step.
 */
#ifndef ARGOSY_DEPLOY_PROGRESS_H
#define ARGOSY_DEPLOY_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_LINE_MAX 8192

struct progress_view {
    bool is_terminal;
    bool is_line_open;            // a live line stands without its newline
    char part[PROGRESS_LINE_MAX]; // of a line not yet complete
    size_t part_bytes;
    uint64_t shown_ms;
};

void progress_init(struct progress_view *v);
// Bytes of the learner's standard output, in any pieces.
void progress_feed(struct progress_view *v, const char *bytes, size_t size_bytes, uint64_t now_ms);
void progress_end(struct progress_view *v); // closes a live line

#endif
