/*
 * random_samples.h - batches as training sees them, drawn from a seed.
 */
#ifndef ARGOSY_TESTS_SUPPORT_RANDOM_SAMPLES_H
#define ARGOSY_TESTS_SUPPORT_RANDOM_SAMPLES_H

#include "learner/samples.h"

struct sample_dials {
    uint32_t n_groups, n_per_group;
    uint32_t prompt_max; // tokens, at least 1 of them; 0: documents
    uint32_t response_max;
    uint32_t vocab_size;
};

struct random_samples {
    struct sample *samples;
    size_t n;
    void *memory;
};

void random_samples_init(struct random_samples *out, uint64_t seed, const struct sample_dials *d);
void random_samples_fini(struct random_samples *s);

#endif
