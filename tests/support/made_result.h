/*
 * made_result.h - a well-formed sample of a lease, as a struct and as frames.
 *
 * Its content follows from (kind, prompt, sample, variant), so that the same
 * sample can be made again, and another one under the same key.
 */
#ifndef ARGOSY_TESTS_SUPPORT_MADE_RESULT_H
#define ARGOSY_TESTS_SUPPORT_MADE_RESULT_H

#include "proto/messages.h"
#include "proto/wire.h"

#define MADE_VOCAB 50
#define MADE_PROMPT_TOKENS 3
#define MADE_TOKENS_MAX 16

struct made_result {
    uint32_t tokens[MADE_TOKENS_MAX];
    float loss_mask[MADE_TOKENS_MAX], logprobs[MADE_TOKENS_MAX];
    struct result result; // points into the arrays above
};
void made_result_init(struct made_result *m, const struct lease *lease, uint64_t prompt,
                      uint32_t sample, uint32_t variant);

// The RESULT message; frames point into *out and *m.
const struct frames *made_result_frames(struct wire_buffer *out, const struct made_result *m,
                                        uint64_t run);

#endif
