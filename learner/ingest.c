#include "learner/ingest.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learner/id_map.h"

struct group { // the samples of one lease
    struct lease lease;
    uint32_t n_wanted, n_have;
    struct ingest_sample samples[]; // (n_prompts, n_samples)
};

struct ingest {
    struct ingest_limits limits;
    struct id_map groups; // by lease id
};

struct ingest *ingest_create(const struct ingest_limits *limits)
{
    struct ingest *g = calloc(1, sizeof *g);
    CHECK(g != NULL);
    g->limits = *limits;
    id_map_init(&g->groups);
    return g;
}

static void group_free(struct group *group)
{
    if (group == NULL) return;
    for (uint32_t i = 0; i < group->n_wanted; i++)
        free(group->samples[i].payload);
    free(group);
}

void ingest_destroy(struct ingest *g)
{
    if (g == NULL) return;
    size_t at = 0;
    for (struct group *group; (group = id_map_next(&g->groups, &at)) != NULL;)
        group_free(group);
    id_map_fini(&g->groups);
    free(g);
}

void ingest_open(struct ingest *g, const struct lease *lease)
{
    uint32_t n = lease->n_prompts * lease->n_samples;
    struct group *group = calloc(1, sizeof *group + n * sizeof group->samples[0]);
    CHECK(group != NULL);
    group->lease = *lease;
    group->n_wanted = n;
    id_map_put(&g->groups, lease->id, group);
}

void ingest_close(struct ingest *g, uint64_t lease)
{
    group_free(id_map_remove(&g->groups, lease));
}

uint64_t ingest_payload_hash(const struct frames *frames)
{
    uint64_t hashes[FRAMES_MAX] = {0};
    for (uint32_t i = 1; i < frames->n; i++) // the envelope's sequence changes when sent again
        hashes[i] = checksum_of(frames->frame[i].bytes, frames->frame[i].size_bytes);
    return checksum_of(hashes, sizeof hashes);
}

// --- is it a sample of this lease? ------------------------------------------------

static int check_lengths(const struct ingest *g, const struct group *group, const struct result *r,
                         struct err *err)
{
    if (r->n_tokens == 0 || r->tokens == NULL || r->loss_mask == NULL)
        return err_set(err, ERR_FORMAT, "no tokens or no loss mask");
    if (r->n_tokens > g->limits.context_length)
        return err_set(err, ERR_LIMIT, "%u tokens, context is %u", r->n_tokens,
                       g->limits.context_length);
    if (r->n_prompt_tokens > r->n_tokens)
        return err_set(err, ERR_FORMAT, "%u of %u tokens are the prompt", r->n_prompt_tokens,
                       r->n_tokens);
    uint32_t n_response = r->n_tokens - r->n_prompt_tokens;
    if (group->lease.kind == LEASE_FEED) return 0;
    if (r->n_prompt_tokens == 0) return err_set(err, ERR_FORMAT, "no prompt tokens");
    if (n_response > group->lease.max_new_tokens)
        return err_set(err, ERR_LIMIT, "%u new tokens, at most %u were asked for", n_response,
                       group->lease.max_new_tokens);
    if (n_response > 0 && r->logprobs == NULL) return err_set(err, ERR_FORMAT, "no logprobs");
    if (r->finish_reason > FINISH_ABORT)
        return err_set(err, ERR_FORMAT, "finish reason %u", r->finish_reason);
    return 0;
}

static int check_numbers(const struct ingest *g, const struct result *r, struct err *err)
{
    uint32_t highest = 0;
    for (uint32_t i = 0; i < r->n_tokens; i++)
        highest = r->tokens[i] > highest ? r->tokens[i] : highest;
    if (highest >= g->limits.vocab_size)
        return err_set(err, ERR_LIMIT, "token id %u, the vocabulary has %u", highest,
                       g->limits.vocab_size);
    bool is_bad = false;
    for (uint32_t i = 0; i < r->n_tokens; i++) // false for NaN as well
        is_bad |= !(r->loss_mask[i] >= 0.0f && r->loss_mask[i] < INFINITY);
    if (is_bad) return err_set(err, ERR_FORMAT, "the loss mask is negative or not finite");
    uint32_t n_response = r->n_tokens - r->n_prompt_tokens;
    const float *logprobs[2] = {r->logprobs, r->logprobs_behaviour};
    for (int k = 0; k < 2; k++) {
        if (logprobs[k] == NULL) continue;
        for (uint32_t i = 0; i < n_response; i++)
            is_bad |= !(logprobs[k][i] <= 1e-3f && logprobs[k][i] > -INFINITY);
    }
    if (is_bad) return err_set(err, ERR_FORMAT, "a logprob is positive or not finite");
    is_bad = !isfinite(r->reward);
    for (uint32_t i = 0; i < r->n_rewards; i++)
        is_bad |= !isfinite(r->rewards[i].value);
    for (uint32_t i = 0; i < r->n_metrics; i++)
        is_bad |= !isfinite(r->metrics[i].value);
    if (is_bad) return err_set(err, ERR_FORMAT, "a reward or a metric is not finite");
    return 0;
}

static int check_spans(const struct group *group, const struct result *r, struct err *err)
{
    if (group->lease.kind == LEASE_FEED) return 0;
    uint32_t n_response = r->n_tokens - r->n_prompt_tokens;
    if (n_response > 0 && (r->n_spans == 0 || r->spans[0].start != 0))
        return err_set(err, ERR_FORMAT, "no version says who drew the first token");
    for (uint32_t i = 0; i < r->n_spans; i++) {
        if (i > 0 &&
            (r->spans[i].start <= r->spans[i - 1].start || r->spans[i].start >= n_response))
            return err_set(err, ERR_FORMAT, "version span %u starts at %u", i, r->spans[i].start);
        if (r->spans[i].version != group->lease.weights_version)
            return err_set(err, ERR_MISMATCH, "drawn by version %" PRIu64 ", not %" PRIu64,
                           r->spans[i].version, group->lease.weights_version);
    }
    return 0;
}

static int check_key(const struct group *group, const struct result *r, struct err *err)
{
    const struct lease *l = &group->lease;
    if (r->kind != l->kind)
        return err_set(err, ERR_MISMATCH, "lease %" PRIu64 " is of kind %u, not %u", l->id, l->kind,
                       r->kind);
    if (r->prompt_index < l->prompt_first || r->prompt_index - l->prompt_first >= l->n_prompts)
        return err_set(err, ERR_MISMATCH, "lease %" PRIu64 " has no prompt %" PRIu64, l->id,
                       r->prompt_index);
    if (r->sample >= l->n_samples)
        return err_set(err, ERR_MISMATCH, "lease %" PRIu64 " has %u samples, not sample %u", l->id,
                       l->n_samples, r->sample);
    if (r->outcome > OUTCOME_INTERNAL)
        return err_set(err, ERR_FORMAT, "outcome %u is unknown", r->outcome);
    return 0;
}

// The caller has checked the key.
static struct ingest_sample *sample_of(struct group *group, uint64_t prompt, uint32_t sample)
{
    return &group->samples[(prompt - group->lease.prompt_first) * group->lease.n_samples + sample];
}

enum verdict ingest_judge(const struct ingest *g, const struct result *r, uint64_t payload_hash,
                          struct err *err)
{
    struct group *group = id_map_get(&g->groups, r->lease);
    if (group == NULL) return VERDICT_STALE;
    if (check_key(group, r, err) != 0) return VERDICT_REFUSED;

    const struct ingest_sample *had = sample_of(group, r->prompt_index, r->sample);
    if (had->payload != NULL) {
        // Work done twice may fail the second time: the sample is here all the same.
        if (had->hash == payload_hash || r->outcome != OUTCOME_OK) return VERDICT_DUPLICATE;
        err_set(err, ERR_MISMATCH,
                "lease %" PRIu64 ", prompt %" PRIu64 ", sample %u came before with other bytes",
                r->lease, r->prompt_index, r->sample);
        return VERDICT_CONFLICT;
    }
    if (r->outcome != OUTCOME_OK) return VERDICT_OK;
    if (check_lengths(g, group, r, err) != 0 || check_numbers(g, r, err) != 0 ||
        check_spans(group, r, err) != 0)
        return VERDICT_REFUSED;
    return VERDICT_OK;
}

bool ingest_keep(struct ingest *g, const struct result *r, uint64_t payload_hash,
                 const void *payload, uint32_t payload_bytes)
{
    struct group *group = id_map_get(&g->groups, r->lease);
    CHECK(group != NULL);
    if (r->outcome != OUTCOME_OK) return false;
    struct ingest_sample *s = sample_of(group, r->prompt_index, r->sample);
    CHECK(s->payload == NULL);
    unsigned char *copy = malloc(payload_bytes > 0 ? payload_bytes : 1);
    CHECK(copy != NULL);
    memcpy(copy, payload, payload_bytes);
    *s = (struct ingest_sample){
        .payload = copy, .payload_bytes = payload_bytes, .hash = payload_hash};
    return ++group->n_have == group->n_wanted;
}

const struct ingest_sample *ingest_sample(const struct ingest *g, uint64_t lease, uint64_t prompt,
                                          uint32_t sample)
{
    struct group *group = id_map_get(&g->groups, lease);
    if (group == NULL || prompt < group->lease.prompt_first ||
        prompt - group->lease.prompt_first >= group->lease.n_prompts ||
        sample >= group->lease.n_samples)
        return NULL;
    const struct ingest_sample *s = sample_of(group, prompt, sample);
    return s->payload != NULL ? s : NULL;
}
