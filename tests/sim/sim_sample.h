/*
 * sim_sample.h - what results are in a simulation: pure functions of their key.
 */
#ifndef ARGOSY_TESTS_SIM_SIM_SAMPLE_H
#define ARGOSY_TESTS_SIM_SIM_SAMPLE_H

#include "proto/messages.h"

#define SIM_TOKENS_MAX 16
#define SIM_VOCAB 50

struct sim_sample {
    uint32_t tokens[SIM_TOKENS_MAX];
    float mask[SIM_TOKENS_MAX], logprobs[SIM_TOKENS_MAX];
    struct result result; // points into the above; without its lease
};

void sim_sample_make(struct sim_sample *s, uint64_t seed, uint32_t kind, uint64_t prompt,
                     uint32_t sample, uint64_t version);
// All that training would read.
bool sim_sample_is(const struct sim_sample *s, const struct result *r);

#endif
