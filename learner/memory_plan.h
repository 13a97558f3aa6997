/*
 * memory_plan.h - the memory a stage will take, said before it takes any.
 *
 * Every large array of a rank and of an actor is counted from the shape and the
 * recipe by the code that allocates it; programs, libraries and the tokenizer
 * are estimates.  What is said is the most that is held at once, with sequences
 * of full length.
 */
#ifndef ARGOSY_LEARNER_MEMORY_PLAN_H
#define ARGOSY_LEARNER_MEMORY_PLAN_H

#include <stdio.h>

#include "common/base/memory.h"
#include "learner/options.h"

struct rank_memory {
    size_t optimizer, gradients, weights, reference, activations, serving;
};

struct actor_memory {
    size_t weights, incoming, cache, step, program;
};

struct memory_plan {
    size_t n_parameters;
    uint64_t n_ranks, n_actors;
    struct rank_memory rank;
    size_t previous;      // rank 0, one_step_off: the weights before the newest
    size_t files;         // rank 0: what actors fetch
    size_t program;       // a rank's libraries and tables
    uint64_t rank_bytes;  // of each rank
    uint64_t first_bytes; // what rank 0 has besides
    struct actor_memory actor;
    uint64_t actor_bytes; // of each actor
    uint64_t host_bytes;  // all ranks and actors on one machine
};

// Reads the model's config.json and the sizes of files.
int memory_plan_make(struct memory_plan *p, const struct options *o, struct err *err);
void memory_plan_print(const struct memory_plan *p, FILE *out);

// Whether `bytes` for what `who` says fit in the room, or in the recipe's limit;
// ERR_LIMIT with the numbers when not.  resources.check_memory: false allows all.
int memory_plan_check(const struct memory_plan *p, uint64_t bytes, const char *who,
                      const struct options *o, const struct memory_room *room, struct err *err);

#endif
