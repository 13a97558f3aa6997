/*
 * journal.h - the journal's writer: recovery, group commit, segments.
 *
 * What journal_commit() has returned 0 for is on the disk.  A life of the
 * learner begins a new segment; a torn tail, left by a crash within a write,
 * is cut off before.  After a failed write or sync nothing more is written:
 * what the disk then holds is not known, and the next life finds out.
 *
 * Folder RUN/journal, format proto/journal_format.h.  One thread, and one
 * process: the run folder's lock is the caller's.
 */
#ifndef ARGOSY_LEARNER_JOURNAL_H
#define ARGOSY_LEARNER_JOURNAL_H

#include "common/base/err.h"
#include "proto/journal_format.h"

struct journal;

// Called with every record of earlier lives, in order; -1 ends the recovery.
typedef int (*journal_replay_fn)(void *context, const struct journal_record *record,
                                 struct err *err);

// Reads what is there (all of it must be of this run), cuts a torn tail and
// begins a segment.  segment_bytes: begin another one above this size.
struct journal *journal_start(const char *run_folder, uint64_t run, uint32_t epoch,
                              uint64_t segment_bytes, journal_replay_fn replay, void *context,
                              struct err *err);
void journal_stop(struct journal *j);

uint64_t journal_next_sequence(const struct journal *j); // right after the start
// Appends whole encoded records and syncs them.
int journal_commit(struct journal *j, const void *records, size_t size_bytes, struct err *err);
uint64_t journal_size_bytes(const struct journal *j); // written in this life

// The run of the journal in this folder, if it has one.
int journal_find_run(const char *run_folder, bool *is_there, uint64_t *run, struct err *err);

#endif
