/*
 * score.h - what scoring says of one response.
 */
#ifndef ARGOSY_ACTOR_REWARD_SCORE_H
#define ARGOSY_ACTOR_REWARD_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/messages.h"

struct score {
    enum outcome outcome;
    char outcome_text[256];
    double reward; // weighted total
    uint32_t n_rewards;
    struct named_number rewards[REWARDS_MAX]; // names are static or the rewards' own
    uint32_t n_metrics;
    struct named_number metrics[METRICS_MAX];
    uint64_t answer; // hash of the canonical answer; 0: none
    bool is_correct;
    struct text source;
};

#endif
