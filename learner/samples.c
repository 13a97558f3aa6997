#include "learner/samples.h"

#include <stdlib.h>
#include <string.h>

struct block_head {
    uint64_t n_samples;
};

struct sample_head {
    uint32_t group, n_prompt_tokens, n_tokens, has_logprobs;
    float advantage;
};

static size_t bytes_of(const struct sample *s)
{
    size_t n_response = s->n_tokens - s->n_prompt_tokens;

    return sizeof(struct sample_head) + s->n_tokens * (sizeof(uint32_t) + sizeof(float)) +
           (s->logprobs ? n_response * sizeof(float) : 0);
}

static unsigned char *put(unsigned char *at, const void *bytes, size_t size_bytes)
{
    if (size_bytes > 0) memcpy(at, bytes, size_bytes);
    return at + size_bytes;
}

void *samples_encode(const struct sample *samples, size_t n, size_t *size_bytes)
{
    struct block_head head = {.n_samples = n};
    unsigned char *bytes, *at;

    *size_bytes = sizeof head;
    for (size_t i = 0; i < n; i++)
        *size_bytes += bytes_of(&samples[i]);
    bytes = malloc(*size_bytes);
    CHECK(bytes != NULL);
    at = put(bytes, &head, sizeof head);
    for (size_t i = 0; i < n; i++) {
        const struct sample *s = &samples[i];
        struct sample_head own = {
            .group = s->group,
            .n_prompt_tokens = s->n_prompt_tokens,
            .n_tokens = s->n_tokens,
            .has_logprobs = s->logprobs != NULL,
            .advantage = s->advantage,
        };

        at = put(at, &own, sizeof own);
        at = put(at, s->tokens, s->n_tokens * sizeof *s->tokens);
        at = put(at, s->weights, s->n_tokens * sizeof *s->weights);
        if (s->logprobs) {
            at = put(at, s->logprobs, (s->n_tokens - s->n_prompt_tokens) * sizeof *s->logprobs);
        }
    }
    CHECK((size_t)(at - bytes) == *size_bytes);
    return bytes;
}

// Rank 0 of the same program wrote the bytes: what does not add up is a bug.
void samples_decode(const void *bytes, size_t size_bytes, struct sample **samples, size_t *n)
{
    const unsigned char *at = bytes, *end = at + size_bytes;
    struct block_head head;

    CHECK(size_bytes >= sizeof head);
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    *n = (size_t)head.n_samples;
    *samples = calloc(*n > 0 ? *n : 1, sizeof **samples);
    CHECK(*samples != NULL);
    for (size_t i = 0; i < *n; i++) {
        struct sample *s = &(*samples)[i];
        struct sample_head own;

        CHECK((size_t)(end - at) >= sizeof own);
        memcpy(&own, at, sizeof own);
        at += sizeof own;
        s->group = own.group;
        s->n_prompt_tokens = own.n_prompt_tokens;
        s->n_tokens = own.n_tokens;
        s->advantage = own.advantage;
        s->tokens = (const void *)at;
        at += s->n_tokens * sizeof *s->tokens;
        s->weights = (const void *)at;
        at += s->n_tokens * sizeof *s->weights;
        if (own.has_logprobs) {
            s->logprobs = (const void *)at;
            at += (s->n_tokens - s->n_prompt_tokens) * sizeof *s->logprobs;
        }
        CHECK(at <= end);
    }
}
