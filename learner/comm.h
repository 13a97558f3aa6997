/*
 * comm.h - the ranks of the learner; the only user of MPI.
 *
 * Bytes only move here, nothing is added: sums run in an order that the lanes
 * fix (lanes.h, shard.h), so no MPI reduction touches a float.  Every wait
 * sleeps between looks, because actors live on the same cores, and ends in
 * MPI_Abort after the patience is over: MPI keeps its fatal error handler, a
 * lost rank ends the job and the restart comes from a checkpoint.
 *
 * All of it is called by the main thread, by all ranks in the same order.
 */
#ifndef ARGOSY_LEARNER_COMM_H
#define ARGOSY_LEARNER_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

void comm_start(void);
void comm_end(void);
int comm_rank(void);
int comm_size(void);
int comm_host_size(void); // ranks on this machine
bool comm_is_bound(void); // the launcher bound the ranks to processors
void comm_set_patience(uint32_t seconds);

// Rank 0's bytes, at everybody.
void comm_broadcast(void *bytes, size_t size_bytes);
// The same for a block whose size only rank 0 knows; others get it malloc'ed.
void comm_broadcast_block(void **bytes, size_t *size_bytes);

// Every rank's own `size_bytes` bytes, in rank order, at everybody.
void comm_gather_all(const void *own, size_t size_bytes, void *all);

// Parts of one array: rank r holds [first[r], first[r+1]) items and gets the rest.
// first: (size + 1) in items.
void comm_share_parts(void *array, size_t item_bytes, const size_t *first);

// The other direction: every rank has a whole array of floats of its own and
// wants, of the part [first[rank], first[rank+1]), everyone's values.  They come
// bucket by bucket: fold(context, at, count, parts) gets `count` values from
// index `at` on, parts[r] being rank r's.  It may overwrite them: this rank's
// own are in place in the array, the others' in a buffer.
typedef void (*comm_fold_fn)(void *context, size_t at, size_t count, float *const *parts);
void comm_exchange_parts(float *array, const size_t *first, comm_fold_fn fold, void *context);

// Whether all ranks got 0.  When one did not, everyone returns -1 with the
// error of the lowest such rank.
int comm_agree(int status, struct err *err);

#endif
