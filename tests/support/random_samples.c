#include "tests/support/random_samples.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"

struct maker {
    const struct sample_dials *dials;
    struct rng_stream rng;
    uint32_t *tokens; // cursors
    float *weights, *logprobs;
    uint32_t group;
};

static void put_prompt(struct maker *m, uint32_t *prompt, uint32_t n)
{
    for (uint32_t t = 0; t < n; t++)
        prompt[t] = rng_below(&m->rng, m->dials->vocab_size);
}

static void put_sample(struct maker *m, struct sample *s, const uint32_t *prompt, uint32_t n_prompt)
{
    uint32_t n_response = 1 + rng_below(&m->rng, m->dials->response_max);

    *s = (struct sample){
        .group = m->group,
        .n_prompt_tokens = n_prompt,
        .n_tokens = n_prompt + n_response,
        .advantage = 2.0f * rng_next_unit(&m->rng) - 1.0f,
        .tokens = m->tokens,
        .weights = m->weights,
        .logprobs = n_prompt > 0 ? m->logprobs : NULL,
    };
    if (n_prompt > 0) memcpy(m->tokens, prompt, n_prompt * sizeof *prompt);
    for (uint32_t t = 0; t < s->n_tokens; t++) {
        if (t >= n_prompt) m->tokens[t] = rng_below(&m->rng, m->dials->vocab_size);
        // A few tokens of a response are masked out.
        m->weights[t] = t < n_prompt || rng_below(&m->rng, 8) == 0
                            ? 0.0f
                            : 0.01f * (1.0f + rng_next_unit(&m->rng));
    }
    for (uint32_t t = 0; t < n_response; t++)
        m->logprobs[t] = -7.5f * rng_next_unit(&m->rng);
    m->tokens += s->n_tokens;
    m->weights += s->n_tokens;
    m->logprobs += n_response;
}

void random_samples_init(struct random_samples *out, uint64_t seed, const struct sample_dials *d)
{
    size_t n = (size_t)d->n_groups * d->n_per_group;
    size_t n_tokens_max = n * ((size_t)d->prompt_max + d->response_max);
    uint32_t *prompt = calloc((size_t)d->prompt_max + 1, sizeof *prompt);
    struct maker m = {.dials = d};

    out->n = n;
    out->samples = calloc(n, sizeof *out->samples);
    out->memory = calloc(n_tokens_max, 3 * sizeof(uint32_t));
    CHECK(prompt != NULL && out->samples != NULL && out->memory != NULL);
    m.tokens = out->memory;
    m.weights = (float *)out->memory + n_tokens_max;
    m.logprobs = m.weights + n_tokens_max;
    rng_stream_init(&m.rng, (struct rng_key){.seed = seed, .domain = RNG_TEST}, 0, 0);
    for (; m.group < d->n_groups; m.group++) {
        uint32_t n_prompt = d->prompt_max > 0 ? 1 + rng_below(&m.rng, d->prompt_max) : 0;

        put_prompt(&m, prompt, n_prompt);
        for (uint32_t i = 0; i < d->n_per_group; i++)
            put_sample(&m, &out->samples[(size_t)m.group * d->n_per_group + i], prompt, n_prompt);
    }
    free(prompt);
}

void random_samples_fini(struct random_samples *s)
{
    free(s->samples);
    free(s->memory);
    *s = (struct random_samples){0};
}
