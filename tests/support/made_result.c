#include "tests/support/made_result.h"

#include <string.h>

#include "common/base/rng.h"

void made_result_init(struct made_result *m, const struct lease *lease, uint64_t prompt,
                      uint32_t sample, uint32_t variant)
{
    memset(m, 0, sizeof *m);
    const struct rng_words words =
        rng_at((struct rng_key){variant, RNG_TEST}, prompt, sample, lease->kind);
    const bool is_feed = lease->kind == LEASE_FEED;
    const uint32_t n = MADE_PROMPT_TOKENS + 1 + words.word[0] % 8;
    for (uint32_t i = 0; i < n; i++) {
        m->tokens[i] = (words.word[1] >> i) % MADE_VOCAB;
        m->loss_mask[i] = i < MADE_PROMPT_TOKENS && !is_feed ? 0.0f : 1.0f;
        m->logprobs[i] = -(float)((words.word[2] >> i) % 8) / 8.0f;
    }
    m->result = (struct result){.lease = lease->id,
                                .kind = lease->kind,
                                .prompt_index = prompt,
                                .sample = sample,
                                .n_prompt_tokens = is_feed ? n : MADE_PROMPT_TOKENS,
                                .n_tokens = n,
                                .tokens = m->tokens,
                                .loss_mask = m->loss_mask,
                                .logprobs = is_feed ? NULL : m->logprobs,
                                .n_spans = is_feed ? 0 : 1,
                                .spans = {{0, lease->weights_version}},
                                .reward = words.word[3] % 2};
}

const struct frames *made_result_frames(struct wire_buffer *out, const struct made_result *m,
                                        uint64_t run)
{
    static uint64_t sequence; // the envelope of a message sent again differs
    const struct message message = {
        .type = MESSAGE_RESULT, .run = run, .sequence = ++sequence, .result = m->result};
    wire_encode(out, &message);
    return &out->frames;
}
