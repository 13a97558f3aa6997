#include "proto/wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/little_endian.h"
#include "proto/wire_fields.h"

// --- tables: what a message is made of -----------------------------------------------------------

#define AT(member) .offset = offsetof(struct message, member)
#define INTEGER(name, k, member, low, high)                                                        \
    {                                                                                              \
        .key = name, .kind = FIELD_##k, AT(member), .min = low, .max = high                        \
    }
#define INTEGER_OPTIONAL(name, k, member, high)                                                    \
    {                                                                                              \
        .key = name, .kind = FIELD_##k, AT(member), .max = high, .is_optional = true               \
    }
#define OF_KIND(name, k, member)                                                                   \
    {                                                                                              \
        .key = name, .kind = FIELD_##k, AT(member)                                                 \
    }
#define TEXT(name, member, bytes_max)                                                              \
    {                                                                                              \
        .key = name, .kind = FIELD_TEXT, AT(member), .max = bytes_max                              \
    }
// For people or for statistics: may be absent, and is cut rather than refused.
#define TEXT_LOOSE(name, member, bytes_max)                                                        \
    {                                                                                              \
        .key = name, .kind = FIELD_TEXT, AT(member), .max = bytes_max, .is_optional = true,        \
        .is_cut = true                                                                             \
    }
#define LIST(name, member, count, items_max, type, item_fields)                                    \
    {                                                                                              \
        .key = name, .kind = FIELD_LIST, AT(member), .max = items_max, .is_optional = true,        \
        .count_offset = offsetof(struct message, count), .stride_bytes = sizeof(type),             \
        .items = item_fields, .n_items = sizeof item_fields / sizeof item_fields[0]                \
    }
#define ITEM(name, k, type, member, low, high)                                                     \
    {                                                                                              \
        .key = name, .kind = FIELD_##k, .offset = offsetof(type, member), .min = low, .max = high  \
    }

static const struct field hello_fields[] = {
    INTEGER("protocol", U32, hello.protocol, 0, UINT32_MAX),
    INTEGER("session", U64, hello.session, 0, UINT64_MAX),
    TEXT_LOOSE("name", hello.name, NAME_BYTES_MAX),
    OF_KIND("fingerprint", HASH, hello.fingerprint),
};

static const struct field file_items[] = {
    ITEM("name", TEXT, struct file_entry, name, 0, NAME_BYTES_MAX),
    ITEM("object", HASH, struct file_entry, object, 0, 0),
    ITEM("size", U64, struct file_entry, size_bytes, 0, UINT64_MAX),
};
static const struct field welcome_fields[] = {
    TEXT("spec", welcome.spec, SPEC_BYTES_MAX),
    LIST("files", welcome.files, welcome.n_files, FILES_MAX, struct file_entry, file_items),
    INTEGER("progress_ms", U32, welcome.progress_ms, 0, UINT32_MAX),
    OF_KIND("deterministic", BOOL, welcome.deterministic),
};

static const struct field refuse_fields[] = {
    INTEGER("reason", U32, refuse.reason, REFUSAL_PROTOCOL, REFUSAL_FULL),
    TEXT_LOOSE("text", refuse.text, TEXT_BYTES_MAX),
};

static const struct field ready_fields[] = {
    OF_KIND("shape", HASH, ready.shape),
    OF_KIND("tokenizer", HASH, ready.tokenizer),
    OF_KIND("sampler", HASH, ready.sampler),
    OF_KIND("spec", HASH, ready.spec),
    INTEGER("n_held_out", U64, ready.n_held_out, 0, UINT64_MAX),
};

static const struct field credit_fields[] = {
    INTEGER("bytes", U64, credit.bytes, 0, UINT64_MAX),
    INTEGER("samples", U32, credit.samples, 0, UINT32_MAX),
    OF_KIND("has_weights", BOOL, credit.has_weights),
    INTEGER_OPTIONAL("version", U64, credit.weights_version, UINT64_MAX),
};

static const struct field lease_fields[] = {
    INTEGER("lease", U64, lease.id, 0, UINT64_MAX),
    INTEGER("kind", U32, lease.kind, LEASE_GENERATE, LEASE_EVAL),
    INTEGER("step", U64, lease.step, 0, UINT64_MAX),
    INTEGER("prompt", U64, lease.prompt_first, 0, UINT64_MAX - LEASE_PROMPTS_MAX),
    INTEGER("n_prompts", U32, lease.n_prompts, 1, LEASE_PROMPTS_MAX),
    INTEGER("n_samples", U32, lease.n_samples, 1, GROUP_SAMPLES_MAX),
    INTEGER("n_parts", U32, lease.n_parts, 1, GROUP_SAMPLES_MAX),
    INTEGER("version", U64, lease.weights_version, 0, UINT64_MAX),
    INTEGER("seed", U64, lease.seed, 0, UINT64_MAX),
    OF_KIND("temperature", F32, lease.temperature),
    OF_KIND("top_p", F32, lease.top_p),
    INTEGER_OPTIONAL("top_k", U32, lease.top_k, UINT32_MAX),
    INTEGER("max_new_tokens", U32, lease.max_new_tokens, 0, SAMPLE_TOKENS_MAX),
    INTEGER("timeout_ms", U32, lease.timeout_ms, 0, UINT32_MAX),
};

static const struct field progress_items[] = {
    ITEM("lease", U64, struct progress_entry, lease, 0, UINT64_MAX),
    ITEM("n_tokens", U64, struct progress_entry, n_tokens, 0, UINT64_MAX),
};
static const struct field progress_fields[] = {
    LIST("leases", progress.entries, progress.n, PROGRESS_MAX, struct progress_entry,
         progress_items),
};

static const struct field span_items[] = {
    ITEM("start", U32, struct version_span, start, 0, SAMPLE_TOKENS_MAX),
    ITEM("version", U64, struct version_span, version, 0, UINT64_MAX),
};
static const struct field number_items[] = {
    {.key = "name",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct named_number, name),
     .max = NAME_BYTES_MAX,
     .is_cut = true},
    ITEM("value", F64, struct named_number, value, 0, 0),
};
static const struct field result_fields[] = {
    INTEGER("lease", U64, result.lease, 0, UINT64_MAX),
    INTEGER("kind", U32, result.kind, LEASE_GENERATE, LEASE_EVAL),
    INTEGER("prompt", U64, result.prompt_index, 0, UINT64_MAX),
    INTEGER("sample", U32, result.sample, 0, GROUP_SAMPLES_MAX - 1),
    INTEGER("outcome", U32, result.outcome, OUTCOME_OK, OUTCOME_INTERNAL),
    TEXT_LOOSE("outcome_text", result.outcome_text, TEXT_BYTES_MAX),
    INTEGER("finish", U32, result.finish_reason, FINISH_STOP, FINISH_ABORT),
    INTEGER("n_prompt", U32, result.n_prompt_tokens, 0, SAMPLE_TOKENS_MAX),
    INTEGER("n_tokens", U32, result.n_tokens, 0, SAMPLE_TOKENS_MAX),
    LIST("spans", result.spans, result.n_spans, SPANS_MAX, struct version_span, span_items),
    OF_KIND("reward", F64, result.reward),
    LIST("rewards", result.rewards, result.n_rewards, REWARDS_MAX, struct named_number,
         number_items),
    LIST("metrics", result.metrics, result.n_metrics, METRICS_MAX, struct named_number,
         number_items),
    INTEGER_OPTIONAL("answer", U64, result.answer, UINT64_MAX),
    OF_KIND("correct", BOOL, result.is_correct),
    TEXT_LOOSE("source", result.source, NAME_BYTES_MAX),
};

static const struct field ack_items[] = {
    ITEM("lease", U64, struct ack_entry, lease, 0, UINT64_MAX),
    ITEM("prompt", U64, struct ack_entry, prompt_index, 0, UINT64_MAX),
    ITEM("sample", U32, struct ack_entry, sample, 0, GROUP_SAMPLES_MAX - 1),
    ITEM("verdict", U32, struct ack_entry, verdict, VERDICT_OK, VERDICT_REFUSED),
};
static const struct field ack_fields[] = {
    LIST("samples", ack.entries, ack.n, ACKS_MAX, struct ack_entry, ack_items),
};

static const struct field lease_items[] = {
    {.key = "lease", .kind = FIELD_U64, .max = UINT64_MAX},
};
static const struct field lease_list_fields[] = {
    LIST("leases", lease_list.leases, lease_list.n, PROGRESS_MAX, uint64_t, lease_items),
    TEXT_LOOSE("reason", lease_list.reason, TEXT_BYTES_MAX),
};

static const struct field announce_fields[] = {
    INTEGER("version", U64, announce.version, 0, UINT64_MAX),
    OF_KIND("object", HASH, announce.object),
    INTEGER("size", U64, announce.size_bytes, 0, UINT64_MAX),
};

static const struct field get_fields[] = {
    OF_KIND("object", HASH, get.object),
    OF_KIND("manifest", BOOL, get.want_manifest),
    INTEGER_OPTIONAL("first", U32, get.first, OBJECT_CHUNKS_MAX),
    INTEGER_OPTIONAL("count", U32, get.count, OBJECT_CHUNKS_MAX),
};

static const struct field manifest_fields[] = {
    OF_KIND("object", HASH, manifest.object),
    INTEGER("size", U64, manifest.size_bytes, 0, OBJECT_BYTES_MAX),
    INTEGER("version", U64, manifest.version, 0, UINT64_MAX),
    INTEGER_OPTIONAL("base", U64, manifest.base, UINT64_MAX),
    INTEGER("chunk_bytes", U32, manifest.chunk_bytes, 1, FRAME_BYTES_MAX),
    INTEGER("n_chunks", U32, manifest.n_chunks, 0, OBJECT_CHUNKS_MAX),
    TEXT_LOOSE("endpoint", manifest.endpoint, NAME_BYTES_MAX),
};

static const struct field chunk_fields[] = {
    OF_KIND("object", HASH, chunk.object),
    INTEGER("number", U32, chunk.number, 0, OBJECT_CHUNKS_MAX - 1),
    INTEGER("size", U32, chunk.size_bytes, 1, FRAME_BYTES_MAX),
};

static const struct field bye_fields[] = {
    OF_KIND("final", BOOL, bye.is_final),
    TEXT_LOOSE("reason", bye.reason, TEXT_BYTES_MAX),
};

// --- tables: blobs -------------------------------------------------------------------------------

struct blob { // an array in a frame of its own
    const char *name;
    size_t offset;                     // of the pointer to it
    size_t count_offset, minus_offset; // its length: one member, less another when not 0
    size_t unit_bytes;
};

#define BLOB(n, member, count, minus, unit)                                                        \
    {                                                                                              \
        .name = n, AT(member), .count_offset = offsetof(struct message, count),                    \
        .minus_offset = minus, .unit_bytes = unit                                                  \
    }
#define LESS_PROMPT offsetof(struct message, result.n_prompt_tokens)

static const struct blob result_blobs[] = {
    BLOB("tokens", result.tokens, result.n_tokens, 0, sizeof(uint32_t)),
    BLOB("loss_mask", result.loss_mask, result.n_tokens, 0, sizeof(float)),
    BLOB("logprobs", result.logprobs, result.n_tokens, LESS_PROMPT, sizeof(float)),
    BLOB("logprobs_behaviour", result.logprobs_behaviour, result.n_tokens, LESS_PROMPT,
         sizeof(float)),
};
static const struct blob manifest_blobs[] = {
    BLOB("chunks", manifest.chunks, manifest.n_chunks, 0, HASH_BYTES),
};
static const struct blob chunk_blobs[] = {
    BLOB("bytes", chunk.bytes, chunk.size_bytes, 0, 1),
};

#define BLOBS_MAX (FRAMES_MAX - 2)

// The map's key "blobs": names of the frames that follow it.
struct blob_names {
    uint32_t n;
    struct text names[BLOBS_MAX];
};
static const struct field name_items[] = {
    {.key = "name", .kind = FIELD_TEXT, .max = NAME_BYTES_MAX},
};
static const struct field blob_fields[] = {
    {.key = "blobs",
     .kind = FIELD_LIST,
     .is_optional = true,
     .offset = offsetof(struct blob_names, names),
     .max = BLOBS_MAX,
     .count_offset = offsetof(struct blob_names, n),
     .stride_bytes = sizeof(struct text),
     .items = name_items,
     .n_items = 1},
};

// --- checks beyond a single field ----------------------------------------------------------------

static int check_lease(const struct message *m, struct err *err)
{
    const struct lease *v = &m->lease;
    if (v->temperature < 0.0f) return err_set(err, ERR_FORMAT, "'temperature': below 0");
    if (v->top_p < 0.0f || v->top_p > 1.0f)
        return err_set(err, ERR_FORMAT, "'top_p': want a number from 0 to 1");
    return 0;
}

static int check_logprobs(const char *name, const float *logprobs, uint32_t n, struct err *err)
{
    if (logprobs == NULL) return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!(logprobs[i] <= 0.0f && isfinite(logprobs[i])))
            return err_set(err, ERR_FORMAT, "blob '%s': item %u is not a log-probability", name, i);
    }
    return 0;
}

static int check_spans(const struct result *v, uint32_t n_response, struct err *err)
{
    for (uint32_t i = 0; i < v->n_spans; i++) {
        uint32_t start = v->spans[i].start;
        bool is_ascending = i == 0 ? start == 0 : start > v->spans[i - 1].start;
        if (!is_ascending || start >= n_response)
            return err_set(err, ERR_FORMAT, "'spans': item %u starts at %u of %u tokens", i, start,
                           n_response);
    }
    return 0;
}

static int check_result(const struct message *m, struct err *err)
{
    const struct result *v = &m->result;
    uint32_t n_response = v->n_tokens - v->n_prompt_tokens;
    bool is_drawn = v->kind != LEASE_FEED && v->kind != LEASE_SCORE;

    if (v->outcome == OUTCOME_OK) {
        if (v->n_tokens == 0) return err_set(err, ERR_FORMAT, "'n_tokens': 0 in a good sample");
        if (v->tokens == NULL) return err_set(err, ERR_FORMAT, "blob 'tokens' is missing");
        if (v->loss_mask == NULL) return err_set(err, ERR_FORMAT, "blob 'loss_mask' is missing");
        if (is_drawn && n_response > 0) {
            if (v->logprobs == NULL) return err_set(err, ERR_FORMAT, "blob 'logprobs' is missing");
            if (v->n_spans == 0) return err_set(err, ERR_FORMAT, "'spans' is missing");
        }
    }
    if (v->loss_mask != NULL) {
        for (uint32_t i = 0; i < v->n_tokens; i++) {
            if (!(v->loss_mask[i] >= 0.0f && isfinite(v->loss_mask[i])))
                return err_set(err, ERR_FORMAT, "blob 'loss_mask': item %u is not a weight", i);
        }
    }
    if (check_logprobs("logprobs", v->logprobs, n_response, err) != 0) return -1;
    if (check_logprobs("logprobs_behaviour", v->logprobs_behaviour, n_response, err) != 0)
        return -1;
    return check_spans(v, n_response, err);
}

static int check_manifest(const struct message *m, struct err *err)
{
    const struct manifest *v = &m->manifest;
    uint64_t n_chunks = v->size_bytes / v->chunk_bytes + (v->size_bytes % v->chunk_bytes != 0);
    if (v->n_chunks != n_chunks)
        return err_set(err, ERR_FORMAT, "'n_chunks': %u, but the size makes it %llu", v->n_chunks,
                       (unsigned long long)n_chunks);
    if (v->n_chunks > 0 && v->chunks == NULL)
        return err_set(err, ERR_FORMAT, "blob 'chunks' is missing");
    return 0;
}

static int check_chunk(const struct message *m, struct err *err)
{
    if (m->chunk.bytes == NULL) return err_set(err, ERR_FORMAT, "blob 'bytes' is missing");
    return 0;
}

// --- messages ------------------------------------------------------------------------------------

struct schema {
    const char *name;
    const struct field *fields;
    uint32_t n_fields;
    uint32_t n_blobs;
    const struct blob *blobs;
    int (*check)(const struct message *m, struct err *err);
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FIELDS(table) .fields = (table), .n_fields = COUNT(table)
#define BLOBS(table) .blobs = (table), .n_blobs = COUNT(table)

static const struct schema schemas[] = {
    [MESSAGE_HELLO] = {"HELLO", FIELDS(hello_fields)},
    [MESSAGE_WELCOME] = {"WELCOME", FIELDS(welcome_fields)},
    [MESSAGE_REFUSE] = {"REFUSE", FIELDS(refuse_fields)},
    [MESSAGE_READY] = {"READY", FIELDS(ready_fields)},
    [MESSAGE_CREDIT] = {"CREDIT", FIELDS(credit_fields)},
    [MESSAGE_LEASE] = {"LEASE", FIELDS(lease_fields), .check = check_lease},
    [MESSAGE_PROGRESS] = {"PROGRESS", FIELDS(progress_fields)},
    [MESSAGE_RESULT] = {"RESULT", FIELDS(result_fields), BLOBS(result_blobs),
                        .check = check_result},
    [MESSAGE_ACK] = {"ACK", FIELDS(ack_fields)},
    [MESSAGE_RETURN] = {"RETURN", FIELDS(lease_list_fields)},
    [MESSAGE_CANCEL] = {"CANCEL", FIELDS(lease_list_fields)},
    [MESSAGE_ANNOUNCE] = {"ANNOUNCE", FIELDS(announce_fields)},
    [MESSAGE_GET] = {"GET", FIELDS(get_fields)},
    [MESSAGE_MANIFEST] = {"MANIFEST", FIELDS(manifest_fields), BLOBS(manifest_blobs),
                          .check = check_manifest},
    [MESSAGE_CHUNK] = {"CHUNK", FIELDS(chunk_fields), BLOBS(chunk_blobs), .check = check_chunk},
    [MESSAGE_BYE] = {"BYE", FIELDS(bye_fields)},
};

static const struct schema *schema_of(uint32_t type)
{
    return type >= MESSAGE_HELLO && type < COUNT(schemas) ? &schemas[type] : NULL;
}

const char *message_type_name(enum message_type type)
{
    const struct schema *schema = schema_of(type);
    return schema != NULL ? schema->name : "unknown";
}

// --- buffer --------------------------------------------------------------------------------------

void wire_buffer_init(struct wire_buffer *b)
{
    *b = (struct wire_buffer){0};
}

void wire_buffer_fini(struct wire_buffer *b)
{
    free(b->bytes);
    *b = (struct wire_buffer){0};
}

unsigned char *wire_buffer_take(struct wire_buffer *b, size_t n)
{
    if (n > b->capacity_bytes - b->size_bytes) {
        size_t capacity = 2 * b->capacity_bytes + n;
        if (capacity < 1024) capacity = 1024;
        b->bytes = realloc(b->bytes, capacity);
        CHECK(b->bytes != NULL);
        b->capacity_bytes = capacity;
    }
    unsigned char *at = b->bytes + b->size_bytes;
    b->size_bytes += n;
    return at;
}

// --- encode --------------------------------------------------------------------------------------

static size_t blob_bytes(const struct blob *b, const struct message *m)
{
    const unsigned char *base = (const unsigned char *)m;
    uint32_t count = get_u32(base + b->count_offset);
    if (b->minus_offset != 0) {
        uint32_t minus = get_u32(base + b->minus_offset);
        CHECK(minus <= count);
        count -= minus;
    }
    return count * b->unit_bytes;
}

static struct frame blob_frame(const struct blob *b, const struct message *m)
{
    const void *const *pointer = (const void *const *)(const void *)((const char *)m + b->offset);
    return (struct frame){.bytes = *pointer, .size_bytes = *pointer != NULL ? blob_bytes(b, m) : 0};
}

void wire_encode(struct wire_buffer *out, const struct message *message)
{
    const struct schema *schema = schema_of(message->type);
    CHECK(schema != NULL);

    struct blob_names names = {0};
    struct frames *frames = &out->frames;
    frames->n = 2;
    for (uint32_t i = 0; i < schema->n_blobs; i++) {
        const char *name = schema->blobs[i].name;
        struct frame frame = blob_frame(&schema->blobs[i], message);
        if (frame.size_bytes == 0) continue;
        CHECK(frame.size_bytes <= FRAME_BYTES_MAX);
        frames->frame[frames->n++] = frame;
        names.names[names.n++] = (struct text){name, (uint32_t)strlen(name)};
    }

    // The encoder only reads; one struct serves both directions, hence the casts.
    struct field_set sets[] = {
        {schema->fields, schema->n_fields, (void *)(uintptr_t)message},
        {blob_fields, COUNT(blob_fields), &names},
    };
    out->size_bytes = 0;
    wire_buffer_take(out, ENVELOPE_BYTES);
    fields_encode(out, sets, COUNT(sets));
    frames->frame[0] = (struct frame){out->bytes, ENVELOPE_BYTES};
    frames->frame[1] =
        (struct frame){out->bytes + ENVELOPE_BYTES, out->size_bytes - ENVELOPE_BYTES};

    struct envelope envelope = {.type = (uint16_t)message->type,
                                .epoch = message->epoch,
                                .run = message->run,
                                .sequence = message->sequence};
    envelope_encode(out->bytes, &envelope, frames);
}

// --- decode --------------------------------------------------------------------------------------

static const struct blob *find_blob(const struct schema *schema, const struct text *name)
{
    for (uint32_t i = 0; i < schema->n_blobs; i++) {
        const char *known = schema->blobs[i].name;
        if (strlen(known) == name->size_bytes && memcmp(known, name->bytes, name->size_bytes) == 0)
            return &schema->blobs[i];
    }
    return NULL;
}

static bool needs_copy(const struct blob *b, const struct frame *frame)
{
    return b != NULL && b->unit_bytes == sizeof(uint32_t) &&
           (uintptr_t)frame->bytes % sizeof(uint32_t) != 0;
}

// Copies the arrays that are not aligned for their items, in one block so that
// none moves when the next is added.
static int align_blobs(const struct schema *schema, const struct blob_names *names,
                       struct frames *frames, struct wire_buffer *aligned, struct err *err)
{
    size_t total = 0;
    for (uint32_t i = 0; i < names->n; i++) {
        const struct frame *f = &frames->frame[2 + i];
        if (needs_copy(find_blob(schema, &names->names[i]), f))
            total += (f->size_bytes + 7) / 8 * 8;
    }
    if (total == 0) return 0;
    if (aligned == NULL) return err_set(err, ERR_FORMAT, "a blob is not aligned");

    aligned->size_bytes = 0;
    unsigned char *at = wire_buffer_take(aligned, total);
    for (uint32_t i = 0; i < names->n; i++) {
        struct frame *f = &frames->frame[2 + i];
        if (!needs_copy(find_blob(schema, &names->names[i]), f)) continue;
        memcpy(at, f->bytes, f->size_bytes);
        f->bytes = at;
        at += (f->size_bytes + 7) / 8 * 8;
    }
    return 0;
}

static int attach_blobs(struct message *m, const struct schema *schema,
                        const struct blob_names *names, const struct frames *frames,
                        struct err *err)
{
    for (uint32_t i = 0; i < names->n; i++) {
        const struct blob *b = find_blob(schema, &names->names[i]);
        if (b == NULL) continue;

        const struct frame *f = &frames->frame[2 + i];
        const void **pointer = (const void **)(void *)((char *)m + b->offset);
        if (*pointer != NULL) return err_set(err, ERR_FORMAT, "blob '%s' comes twice", b->name);
        if (f->size_bytes == 0 || f->size_bytes != blob_bytes(b, m))
            return err_set(err, ERR_FORMAT, "blob '%s': %zu bytes, want %zu", b->name,
                           f->size_bytes, blob_bytes(b, m));
        *pointer = f->bytes;
    }
    return 0;
}

static int decode_payload(struct message *m, const struct schema *schema,
                          const struct frames *frames, struct wire_buffer *aligned, struct err *err)
{
    struct blob_names names = {0};
    struct field_set sets[] = {
        {schema->fields, schema->n_fields, m},
        {blob_fields, COUNT(blob_fields), &names},
    };
    if (fields_decode(frames->frame[1].bytes, frames->frame[1].size_bytes, sets, COUNT(sets),
                      err) != 0)
        return -1;
    if (m->type == MESSAGE_RESULT && m->result.n_prompt_tokens > m->result.n_tokens)
        return err_set(err, ERR_FORMAT, "'n_prompt': %u of %u tokens", m->result.n_prompt_tokens,
                       m->result.n_tokens);

    if (names.n != frames->n - 2)
        return err_set(err, ERR_FORMAT, "'blobs' names %u frames, %u came", names.n, frames->n - 2);
    struct frames placed = *frames;
    if (align_blobs(schema, &names, &placed, aligned, err) != 0) return -1;
    if (attach_blobs(m, schema, &names, &placed, err) != 0) return -1;
    return schema->check != NULL ? schema->check(m, err) : 0;
}

int wire_decode(struct message *message, const struct frames *frames, struct wire_buffer *aligned,
                struct err *err)
{
    struct envelope envelope;
    if (envelope_decode(&envelope, frames, err) != 0) return -1;

    const struct schema *schema = schema_of(envelope.type);
    if (schema == NULL)
        return err_set(err, ERR_FORMAT, "envelope: unknown message type %u", envelope.type);

    memset(message, 0, sizeof *message);
    message->type = envelope.type;
    message->run = envelope.run;
    message->epoch = envelope.epoch;
    message->sequence = envelope.sequence;
    if (decode_payload(message, schema, frames, aligned, err) != 0)
        return err_prefix(err, "%s", schema->name);
    return 0;
}
