/*
 * result.h - one sample as its actor sends it and the journal keeps it.
 *
 * Part of messages.h, which everyone includes.
 */
#ifndef ARGOSY_PROTO_RESULT_H
#define ARGOSY_PROTO_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"

struct text { // not 0-terminated
    const char *bytes;
    uint32_t size_bytes;
};

enum lease_kind {
    LEASE_GENERATE = 1,
    LEASE_FEED,  // send sequences from text, nothing is sampled
    LEASE_SCORE, // not yet served: refused
    LEASE_EVAL,  // generate on held-out prompts
};

enum outcome {
    OUTCOME_OK = 0,
    OUTCOME_SCORER_ERROR,
    OUTCOME_SCORER_TIMEOUT,
    OUTCOME_PROMPT_TOO_LONG,
    OUTCOME_BAD_DATA, // a line of a data file cannot be used
    OUTCOME_INTERNAL,
};

enum finish_reason { FINISH_STOP = 0, FINISH_LENGTH, FINISH_ABORT };

struct version_span { // tokens from `start` on (index into the response) were drawn by `version`
    uint32_t start;
    uint64_t version;
};

struct named_number {
    struct text name;
    double value;
};

struct result {
    uint64_t lease;
    uint32_t kind; // enum lease_kind
    uint64_t prompt_index;
    uint32_t sample;  // 0 .. n_samples-1
    uint32_t outcome; // enum outcome; when not OK the rest may be empty
    struct text outcome_text;
    uint32_t finish_reason;
    uint32_t n_prompt_tokens; // the first of `tokens`
    uint32_t n_tokens;        // prompt and response
    const uint32_t *tokens;   // (n_tokens)                         blob "tokens"
    const float *loss_mask;   // (n_tokens) weight of each token    blob "loss_mask"
    const float *logprobs;    // (n_tokens - n_prompt_tokens)       blob "logprobs"; NULL for FEED
    const float *logprobs_behaviour; // the same, or NULL           blob "logprobs_behaviour"
    uint32_t n_spans;
    struct version_span spans[SPANS_MAX];
    double reward; // the weighted total
    uint32_t n_rewards;
    struct named_number rewards[REWARDS_MAX]; // components, unweighted
    uint32_t n_metrics;
    struct named_number metrics[METRICS_MAX]; // "level", "reflective_words", ...
    uint64_t answer;    // hash of the canonical final answer, for majorities; 0: none given
    bool is_correct;    // accuracy component is full
    struct text source; // data_source
};

#endif
