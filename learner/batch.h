/*
 * batch.h - which sequences of an optimiser step go into which pack and lane.
 *
 * A function of the batch alone: not of ranks, threads or arrival.  Groups are
 * kept together, so that their prompt is computed once, unless one would fill
 * more than a lane's fair share.  The longest unit first, each goes to the
 * lane with the fewest rows; inside a lane, best fit into packs.  A plan is
 * cheap and made by every rank; packs are made for the lanes a rank owns.
 */
#ifndef ARGOSY_LEARNER_BATCH_H
#define ARGOSY_LEARNER_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "learner/gradient.h"
#include "learner/pack.h"
#include "learner/samples.h"

struct batch_limits {
    uint32_t n_lanes;
    uint32_t n_rows_max;  // of a pack; at least the longest sequence
    uint32_t n_pages_max; // of a pack
    uint32_t n_items_max; // of a pack
};

// A pack of at least pack_tokens rows, with pages and items that are enough for
// most such packs and for any one sequence.
struct batch_limits batch_limits_for(uint32_t n_lanes, uint32_t pack_tokens,
                                     uint32_t n_sequence_max);
// What the gradient of such packs has to have room for.
struct gradient_limits batch_gradient_limits(const struct batch_limits *limits, bool recompute);

struct unit { // samples [first, first + count) of the batch, one prompt
    uint32_t first, count;
    uint32_t n_rows, n_pages, n_items;
    uint32_t lane, pack; // pack: within the lane
};

struct batch {
    const struct sample *samples;
    size_t n_samples;
    struct batch_limits limits;
    struct unit *units; // longest first
    uint32_t n_units;
    uint32_t *n_packs; // (n_lanes)
    uint64_t n_rows;   // of all units
};

// The samples outlive the batch.
void batch_plan(struct batch *b, const struct sample *samples, size_t n_samples,
                const struct batch_limits *limits);
void batch_fini(struct batch *b);

uint32_t batch_lanes_used(const struct batch *b); // lanes with at least one pack

// Fills *pack (free with pack_fini).
void batch_make_pack(const struct batch *b, uint32_t lane, uint32_t number, struct pack *pack);
void pack_fini(struct pack *pack);

#endif
