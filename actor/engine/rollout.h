/*
 * rollout.h - the generation engine: prompts in, finished samples out.
 *
 * Continuous batching over a fixed number of slots: every step runs one chunk
 * with a row for each sample under way and the prefill of newcomers, so a slot
 * never waits for its neighbours.  A group's prompt is computed once; its
 * samples share the full pages of the prompt and copy the last, partial one.
 * Pages for a sample's longest possible response are taken when it starts, so
 * a running sample never lacks memory.
 *
 * What is drawn depends on (weights, prompt, sampling, key) alone: not on
 * slots, neighbours, or order.  Reads no socket.  One thread drives it; the
 * pool works inside a step.
 */
#ifndef ARGOSY_ACTOR_ENGINE_ROLLOUT_H
#define ARGOSY_ACTOR_ENGINE_ROLLOUT_H

#include "actor/engine/sampler.h"
#include "common/base/err.h"
#include "common/base/pool.h"
#include "common/model/forward.h"

struct rollout_limits {
    uint32_t n_slots;      // samples generated at once
    uint32_t n_pages;      // of the cache; KV_PAGE positions each
    uint32_t prefill_rows; // prompt tokens computed in one step at most
};

struct rollout;

struct rollout *rollout_create(const struct shape *shape, const struct rollout_limits *limits,
                               struct pool *pool);
void rollout_destroy(struct rollout *r);
size_t rollout_bytes(const struct shape *shape, const struct rollout_limits *limits);

// The pages that n_slots samples of this length need at most, prompts included.
uint32_t rollout_pages_needed(uint32_t n_slots, uint32_t n_positions);

// The weights of the following steps; allowed only when nothing is under way.
void rollout_set_weights(struct rollout *r, const struct weights *weights);

struct rollout_group {
    uint64_t ticket; // the caller's name for it
    const uint32_t *prompt;
    uint32_t n_prompt_tokens; // at least 1
    uint32_t n_samples;
    uint32_t max_new_tokens;
    struct sampling sampling;
    uint64_t seed; // with prompt_index, sample and position: the key of a draw
    uint64_t prompt_index;
    uint32_t first_sample;    // what draws call the group's first one
    const uint32_t *stop_ids; // must outlive the group
    size_t n_stop_ids;
};
// Copies the prompt.  ERR_LIMIT when prompt and response exceed the context
// (or could never fit the pages): says which numbers.
int rollout_add(struct rollout *r, const struct rollout_group *group, struct err *err);
void rollout_cancel(struct rollout *r, uint64_t ticket); // its samples vanish

struct rollout_sample {
    uint64_t ticket;
    uint32_t sample;
    uint32_t n_tokens;
    bool is_stopped;        // by a stop id (the last token); else by length
    const uint32_t *tokens; // the three live until the next rollout_step or rollout_pop
    const float *logprobs;
    const float *logprobs_behaviour; // NULL when equal
};

bool rollout_is_idle(const struct rollout *r);
uint32_t rollout_room(const struct rollout *r); // samples that could start at once

// One step of everything under way; nothing to do is fine.
void rollout_step(struct rollout *r);
bool rollout_pop(struct rollout *r, struct rollout_sample *out);

// Tokens generated so far by the group's samples, finished ones included.
uint64_t rollout_progress(const struct rollout *r, uint64_t ticket);

// What a sample under way has drawn so far, until the next step; NULL before its
// first token and once it is finished.
const uint32_t *rollout_drawn(const struct rollout *r, uint64_t ticket, uint32_t sample,
                              uint32_t *n_tokens);

#endif
