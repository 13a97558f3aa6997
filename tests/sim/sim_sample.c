#include "tests/sim/sim_sample.h"

#include <string.h>

#include "common/base/rng.h"

void sim_sample_make(struct sim_sample *s, uint64_t seed, uint32_t kind, uint64_t prompt,
                     uint32_t sample, uint64_t version)
{
    const bool is_fed = kind == LEASE_FEED;
    const struct rng_words words =
        rng_at((struct rng_key){seed, RNG_SAMPLE}, prompt, sample, kind + 16 * (uint32_t)version);
    const uint32_t n_prompt = 3, n = n_prompt + 1 + words.word[0] % 7;
    for (uint32_t i = 0; i < n; i++) {
        s->tokens[i] = (words.word[1] >> i) % SIM_VOCAB;
        s->mask[i] = (float)((words.word[0] >> i) % 2);
        s->logprobs[i] = -(float)((words.word[2] >> i) % 8) / 8.0f;
    }
    s->result = (struct result){.kind = kind,
                                .prompt_index = prompt,
                                .sample = sample,
                                .n_prompt_tokens = is_fed ? n : n_prompt,
                                .n_tokens = n,
                                .tokens = s->tokens,
                                .loss_mask = s->mask,
                                .logprobs = is_fed ? NULL : s->logprobs,
                                .n_spans = is_fed ? 0 : 1,
                                .spans = {{0, version}},
                                .reward = words.word[3] % 2,
                                .answer = words.word[3]};
}

bool sim_sample_is(const struct sim_sample *s, const struct result *r)
{
    const struct result *want = &s->result;
    const uint32_t n_response = want->n_tokens - want->n_prompt_tokens;
    if (r->kind != want->kind || r->prompt_index != want->prompt_index ||
        r->sample != want->sample || r->n_tokens != want->n_tokens ||
        r->n_prompt_tokens != want->n_prompt_tokens || r->n_spans != want->n_spans ||
        r->answer != want->answer || memcmp(&r->reward, &want->reward, sizeof r->reward) != 0)
        return false;
    return memcmp(r->tokens, s->tokens, r->n_tokens * sizeof *r->tokens) == 0 &&
           memcmp(r->loss_mask, s->mask, r->n_tokens * sizeof *r->loss_mask) == 0 &&
           (n_response == 0 ||
            memcmp(r->logprobs, s->logprobs, n_response * sizeof *r->logprobs) == 0) &&
           (r->n_spans == 0 || r->spans[0].version == want->spans[0].version);
}
