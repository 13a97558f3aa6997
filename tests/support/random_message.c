#include "tests/support/random_message.h"

#include <string.h>

struct maker {
    struct random_message *out;
    struct rng_stream rng;
};

static uint64_t any_u64(struct maker *m)
{
    uint64_t high = rng_next(&m->rng), low = rng_next(&m->rng);
    return (high << 32 | low) >> rng_below(&m->rng, 64); // of every length
}

static uint32_t any_u32(struct maker *m)
{
    return rng_next(&m->rng) >> rng_below(&m->rng, 32);
}

static bool any_bool(struct maker *m)
{
    return rng_below(&m->rng, 2) == 1;
}

static struct hash any_hash(struct maker *m)
{
    struct hash h;
    for (size_t i = 0; i < HASH_BYTES; i++)
        h.bytes[i] = (unsigned char)rng_next(&m->rng);
    return h;
}

static struct text any_text(struct maker *m, uint32_t bytes_max)
{
    size_t room = RANDOM_TEXT_BYTES - m->out->texts_used;
    uint32_t n = rng_below(&m->rng, bytes_max + 1);
    if (n > room) n = (uint32_t)room;
    char *at = m->out->texts + m->out->texts_used;
    for (uint32_t i = 0; i < n; i++)
        at[i] = (char)rng_next(&m->rng);
    m->out->texts_used += n;
    return (struct text){at, n};
}

static void make_lease(struct maker *m, struct lease *v)
{
    *v = (struct lease){.id = any_u64(m),
                        .kind = 1 + rng_below(&m->rng, 4),
                        .step = any_u64(m),
                        .prompt_first = any_u64(m) >> 1,
                        .n_prompts = 1 + rng_below(&m->rng, 100),
                        .n_samples = 1 + rng_below(&m->rng, GROUP_SAMPLES_MAX),
                        .n_parts = 1 + rng_below(&m->rng, GROUP_SAMPLES_MAX),
                        .weights_version = any_u64(m),
                        .seed = any_u64(m),
                        .temperature = 2.0f * rng_next_unit(&m->rng),
                        .top_p = rng_next_unit(&m->rng),
                        .top_k = any_bool(m) ? any_u32(m) : 0,
                        .max_new_tokens = rng_below(&m->rng, SAMPLE_TOKENS_MAX + 1),
                        .timeout_ms = any_u32(m)};
}

static uint32_t any_numbers(struct maker *m, struct named_number *numbers, uint32_t max)
{
    uint32_t n = rng_below(&m->rng, max + 1);
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = (struct named_number){any_text(m, 24), (double)rng_next_normal(&m->rng) * 1e3};
    return n;
}

static void make_arrays(struct maker *m, struct result *v)
{
    struct random_message *out = m->out;
    v->n_tokens = 1 + rng_below(&m->rng, RANDOM_TOKENS_MAX);
    v->n_prompt_tokens = rng_below(&m->rng, v->n_tokens + 1);
    uint32_t n_response = v->n_tokens - v->n_prompt_tokens;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        out->tokens[i] = any_u32(m);
        out->loss_mask[i] = (float)rng_below(&m->rng, 2);
        out->logprobs[i] = -20.0f * rng_next_unit(&m->rng);
        out->logprobs_behaviour[i] = -5.0f * rng_next_unit(&m->rng);
    }
    v->tokens = out->tokens;
    v->loss_mask = out->loss_mask;
    if (v->kind == LEASE_FEED) return;

    v->logprobs = out->logprobs;
    if (any_bool(m)) v->logprobs_behaviour = out->logprobs_behaviour;
    uint32_t wanted = 1 + rng_below(&m->rng, SPANS_MAX), start = 0;
    while (v->n_spans < wanted && start < n_response) {
        v->spans[v->n_spans++] = (struct version_span){start, any_u64(m)};
        start += 1 + rng_below(&m->rng, 20);
    }
}

static void make_result(struct maker *m, struct result *v)
{
    *v = (struct result){.lease = any_u64(m),
                         .kind = 1 + rng_below(&m->rng, 4),
                         .prompt_index = any_u64(m),
                         .sample = rng_below(&m->rng, GROUP_SAMPLES_MAX),
                         .outcome = rng_below(&m->rng, 2) * rng_below(&m->rng, 6),
                         .outcome_text = any_text(m, 100),
                         .finish_reason = rng_below(&m->rng, 3),
                         .reward = (double)rng_next_normal(&m->rng),
                         .answer = any_bool(m) ? any_u64(m) : 0,
                         .is_correct = any_bool(m),
                         .source = any_text(m, NAME_BYTES_MAX)};
    if (v->outcome == OUTCOME_OK || any_bool(m)) make_arrays(m, v);
    v->n_rewards = any_numbers(m, v->rewards, REWARDS_MAX);
    v->n_metrics = any_numbers(m, v->metrics, METRICS_MAX);
}

static void make_welcome(struct maker *m, struct welcome *v)
{
    *v = (struct welcome){.spec = any_text(m, 4000),
                          .n_files = rng_below(&m->rng, FILES_MAX + 1),
                          .progress_ms = any_u32(m),
                          .deterministic = any_bool(m)};
    for (uint32_t i = 0; i < v->n_files; i++)
        v->files[i] = (struct file_entry){any_text(m, NAME_BYTES_MAX), any_hash(m), any_u64(m)};
}

static void make_manifest(struct maker *m, struct manifest *v)
{
    uint32_t n = rng_below(&m->rng, 9);
    for (uint32_t i = 0; i < n; i++)
        m->out->chunks[i] = any_hash(m);
    *v = (struct manifest){.object = any_hash(m),
                           .size_bytes = n == 0 ? 0 : (n - 1) * (uint64_t)CHUNK_BYTES + 1,
                           .version = any_u64(m),
                           .base = any_bool(m) ? any_u64(m) : 0,
                           .chunk_bytes = CHUNK_BYTES,
                           .n_chunks = n,
                           .chunks = n > 0 ? m->out->chunks : NULL,
                           .endpoint = any_text(m, 40)};
}

static void make_chunk(struct maker *m, struct chunk_data *v)
{
    *v = (struct chunk_data){.object = any_hash(m),
                             .number = rng_below(&m->rng, OBJECT_CHUNKS_MAX),
                             .bytes = m->out->bytes,
                             .size_bytes = 1 + rng_below(&m->rng, RANDOM_CHUNK_BYTES_MAX)};
    for (uint32_t i = 0; i < v->size_bytes; i++)
        m->out->bytes[i] = (unsigned char)rng_next(&m->rng);
}

static void make_lists(struct maker *m, struct message *v)
{
    if (v->type == MESSAGE_PROGRESS) {
        v->progress.n = rng_below(&m->rng, PROGRESS_MAX + 1);
        for (uint32_t i = 0; i < v->progress.n; i++)
            v->progress.entries[i] = (struct progress_entry){any_u64(m), any_u64(m)};
    } else if (v->type == MESSAGE_ACK) {
        v->ack.n = rng_below(&m->rng, ACKS_MAX + 1);
        for (uint32_t i = 0; i < v->ack.n; i++)
            v->ack.entries[i] =
                (struct ack_entry){any_u64(m), any_u64(m), rng_below(&m->rng, GROUP_SAMPLES_MAX),
                                   1 + rng_below(&m->rng, 5)};
    } else {
        v->lease_list.n = rng_below(&m->rng, PROGRESS_MAX + 1);
        for (uint32_t i = 0; i < v->lease_list.n; i++)
            v->lease_list.leases[i] = any_u64(m);
        v->lease_list.reason = any_text(m, 200);
    }
}

static void make_body(struct maker *m, struct message *v)
{
    switch (v->type) {
    case MESSAGE_HELLO:
        v->hello = (struct hello){any_u32(m), any_u64(m), any_text(m, NAME_BYTES_MAX), any_hash(m)};
        break;
    case MESSAGE_WELCOME:
        make_welcome(m, &v->welcome);
        break;
    case MESSAGE_REFUSE:
        v->refuse = (struct refuse){1 + rng_below(&m->rng, 5), any_text(m, TEXT_BYTES_MAX)};
        break;
    case MESSAGE_READY:
        v->ready = (struct ready){any_hash(m), any_hash(m), any_hash(m), any_hash(m), any_u64(m)};
        break;
    case MESSAGE_CREDIT:
        v->credit = (struct credit){any_u64(m), any_u32(m), any_bool(m), any_u64(m)};
        break;
    case MESSAGE_LEASE:
        make_lease(m, &v->lease);
        break;
    case MESSAGE_RESULT:
        make_result(m, &v->result);
        break;
    case MESSAGE_ANNOUNCE:
        v->announce = (struct announce){any_u64(m), any_hash(m), any_u64(m)};
        break;
    case MESSAGE_GET:
        v->get = (struct get){any_hash(m), any_bool(m), rng_below(&m->rng, OBJECT_CHUNKS_MAX),
                              rng_below(&m->rng, 100)};
        break;
    case MESSAGE_MANIFEST:
        make_manifest(m, &v->manifest);
        break;
    case MESSAGE_CHUNK:
        make_chunk(m, &v->chunk);
        break;
    case MESSAGE_BYE:
        v->bye = (struct bye){any_bool(m), any_text(m, TEXT_BYTES_MAX)};
        break;
    case MESSAGE_PROGRESS:
    case MESSAGE_ACK:
    case MESSAGE_RETURN:
    case MESSAGE_CANCEL:
        make_lists(m, v);
        break;
    }
}

void random_message_make(struct random_message *out, enum message_type type, uint64_t seed,
                         uint32_t number)
{
    struct maker m = {.out = out};
    memset(out, 0, sizeof *out);
    rng_stream_init(&m.rng, (struct rng_key){seed, RNG_TEST}, number, (uint32_t)type);
    out->message.type = type;
    out->message.run = any_u64(&m);
    out->message.epoch = any_u32(&m);
    out->message.sequence = any_u64(&m);
    make_body(&m, &out->message);
}

// --- sameness ------------------------------------------------------------------------------------

static bool text_is_same(struct text a, struct text b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.bytes, b.bytes, a.size_bytes) == 0);
}

static bool array_is_same(const void *a, const void *b, size_t size_bytes)
{
    if (size_bytes == 0) return true;
    if (a == NULL || b == NULL) return a == b;
    return memcmp(a, b, size_bytes) == 0;
}

static bool numbers_are_same(const struct named_number *a, const struct named_number *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!text_is_same(a[i].name, b[i].name)) return false;
        if (memcmp(&a[i].value, &b[i].value, sizeof a[i].value) != 0) return false;
    }
    return true;
}

static bool result_is_same(const struct result *a, const struct result *b)
{
    bool is_same = a->lease == b->lease && a->kind == b->kind &&
                   a->prompt_index == b->prompt_index && a->sample == b->sample &&
                   a->outcome == b->outcome && a->finish_reason == b->finish_reason &&
                   a->n_prompt_tokens == b->n_prompt_tokens && a->n_tokens == b->n_tokens &&
                   a->n_spans == b->n_spans && memcmp(&a->reward, &b->reward, 8) == 0 &&
                   a->n_rewards == b->n_rewards && a->n_metrics == b->n_metrics &&
                   a->answer == b->answer && a->is_correct == b->is_correct;
    if (!is_same || !text_is_same(a->outcome_text, b->outcome_text) ||
        !text_is_same(a->source, b->source))
        return false;
    for (uint32_t i = 0; i < a->n_spans; i++) {
        if (a->spans[i].start != b->spans[i].start || a->spans[i].version != b->spans[i].version)
            return false;
    }
    size_t all = 4 * (size_t)a->n_tokens, response = all - 4 * (size_t)a->n_prompt_tokens;
    return array_is_same(a->tokens, b->tokens, all) &&
           array_is_same(a->loss_mask, b->loss_mask, all) &&
           array_is_same(a->logprobs, b->logprobs, response) &&
           array_is_same(a->logprobs_behaviour, b->logprobs_behaviour, response) &&
           numbers_are_same(a->rewards, b->rewards, a->n_rewards) &&
           numbers_are_same(a->metrics, b->metrics, a->n_metrics);
}

static bool lease_is_same(const struct lease *a, const struct lease *b)
{
    return a->id == b->id && a->kind == b->kind && a->step == b->step &&
           a->prompt_first == b->prompt_first && a->n_prompts == b->n_prompts &&
           a->n_samples == b->n_samples && a->n_parts == b->n_parts &&
           a->weights_version == b->weights_version && a->seed == b->seed &&
           memcmp(&a->temperature, &b->temperature, 4) == 0 &&
           memcmp(&a->top_p, &b->top_p, 4) == 0 && a->top_k == b->top_k &&
           a->max_new_tokens == b->max_new_tokens && a->timeout_ms == b->timeout_ms;
}

static bool welcome_is_same(const struct welcome *a, const struct welcome *b)
{
    if (!text_is_same(a->spec, b->spec) || a->n_files != b->n_files ||
        a->progress_ms != b->progress_ms || a->deterministic != b->deterministic)
        return false;
    for (uint32_t i = 0; i < a->n_files; i++) {
        if (!text_is_same(a->files[i].name, b->files[i].name) ||
            !hash_is_equal(&a->files[i].object, &b->files[i].object) ||
            a->files[i].size_bytes != b->files[i].size_bytes)
            return false;
    }
    return true;
}

static bool acks_are_same(const struct ack *a, const struct ack *b)
{
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        const struct ack_entry *x = &a->entries[i], *y = &b->entries[i];
        if (x->lease != y->lease || x->prompt_index != y->prompt_index || x->sample != y->sample ||
            x->verdict != y->verdict)
            return false;
    }
    return true;
}

static bool manifest_is_same(const struct manifest *a, const struct manifest *b)
{
    return hash_is_equal(&a->object, &b->object) && a->size_bytes == b->size_bytes &&
           a->version == b->version && a->base == b->base && a->chunk_bytes == b->chunk_bytes &&
           a->n_chunks == b->n_chunks && text_is_same(a->endpoint, b->endpoint) &&
           array_is_same(a->chunks, b->chunks, a->n_chunks * sizeof *a->chunks);
}

static bool small_body_is_same(const struct message *a, const struct message *b)
{
    if (a->type == MESSAGE_HELLO)
        return a->hello.protocol == b->hello.protocol && a->hello.session == b->hello.session &&
               text_is_same(a->hello.name, b->hello.name) &&
               hash_is_equal(&a->hello.fingerprint, &b->hello.fingerprint);
    if (a->type == MESSAGE_REFUSE)
        return a->refuse.reason == b->refuse.reason && text_is_same(a->refuse.text, b->refuse.text);
    if (a->type == MESSAGE_READY) return memcmp(&a->ready, &b->ready, sizeof a->ready) == 0;
    if (a->type == MESSAGE_CREDIT)
        return a->credit.bytes == b->credit.bytes && a->credit.samples == b->credit.samples &&
               a->credit.has_weights == b->credit.has_weights &&
               a->credit.weights_version == b->credit.weights_version;
    if (a->type == MESSAGE_ANNOUNCE)
        return a->announce.version == b->announce.version &&
               hash_is_equal(&a->announce.object, &b->announce.object) &&
               a->announce.size_bytes == b->announce.size_bytes;
    if (a->type == MESSAGE_GET)
        return hash_is_equal(&a->get.object, &b->get.object) &&
               a->get.want_manifest == b->get.want_manifest && a->get.first == b->get.first &&
               a->get.count == b->get.count;
    return a->bye.is_final == b->bye.is_final && text_is_same(a->bye.reason, b->bye.reason);
}

bool message_is_same(const struct message *a, const struct message *b)
{
    if (a->type != b->type || a->run != b->run || a->epoch != b->epoch ||
        a->sequence != b->sequence)
        return false;
    switch (a->type) {
    case MESSAGE_WELCOME:
        return welcome_is_same(&a->welcome, &b->welcome);
    case MESSAGE_LEASE:
        return lease_is_same(&a->lease, &b->lease);
    case MESSAGE_PROGRESS:
        return a->progress.n == b->progress.n &&
               memcmp(a->progress.entries, b->progress.entries,
                      a->progress.n * sizeof a->progress.entries[0]) == 0;
    case MESSAGE_RESULT:
        return result_is_same(&a->result, &b->result);
    case MESSAGE_ACK:
        return acks_are_same(&a->ack, &b->ack);
    case MESSAGE_RETURN:
    case MESSAGE_CANCEL:
        return a->lease_list.n == b->lease_list.n &&
               memcmp(a->lease_list.leases, b->lease_list.leases,
                      a->lease_list.n * sizeof a->lease_list.leases[0]) == 0 &&
               text_is_same(a->lease_list.reason, b->lease_list.reason);
    case MESSAGE_MANIFEST:
        return manifest_is_same(&a->manifest, &b->manifest);
    case MESSAGE_CHUNK:
        return hash_is_equal(&a->chunk.object, &b->chunk.object) &&
               a->chunk.number == b->chunk.number && a->chunk.size_bytes == b->chunk.size_bytes &&
               memcmp(a->chunk.bytes, b->chunk.bytes, a->chunk.size_bytes) == 0;
    case MESSAGE_HELLO:
    case MESSAGE_REFUSE:
    case MESSAGE_READY:
    case MESSAGE_CREDIT:
    case MESSAGE_ANNOUNCE:
    case MESSAGE_GET:
    case MESSAGE_BYE:
        return small_body_is_same(a, b);
    }
    return false;
}
