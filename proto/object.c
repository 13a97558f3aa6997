#include "proto/object.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MS 1000
#define RETRY_MS_MAX 8000
#define FORGET_CHUNKS 64 // of a file: after so many the written ones need no memory

static uint32_t count_chunks(uint64_t size_bytes)
{
    return (uint32_t)((size_bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
}

static uint32_t chunk_size(uint64_t size_bytes, uint32_t number)
{
    uint64_t left = size_bytes - (uint64_t)number * CHUNK_BYTES;
    return left < CHUNK_BYTES ? (uint32_t)left : CHUNK_BYTES;
}

static void *take_memory(size_t n)
{
    void *memory = calloc(n > 0 ? n : 1, 1);
    CHECK(memory != NULL);
    return memory;
}

// --- serving -------------------------------------------------------------------------------------

void object_init(struct object *o, const void *bytes, uint64_t size_bytes, uint64_t version)
{
    CHECK(size_bytes <= OBJECT_BYTES_MAX);
    *o = (struct object){.bytes = bytes,
                         .size_bytes = size_bytes,
                         .version = version,
                         .n_chunks = count_chunks(size_bytes)};
    o->chunks = take_memory(o->n_chunks * sizeof *o->chunks);

    struct hasher whole; // chunk by chunk, while each is in cache for its own hash
    hasher_init(&whole);
    for (uint32_t i = 0; i < o->n_chunks; i++) {
        const unsigned char *chunk = o->bytes + (uint64_t)i * CHUNK_BYTES;
        o->chunks[i] = hash_of(chunk, chunk_size(size_bytes, i));
        hasher_add(&whole, chunk, chunk_size(size_bytes, i));
    }
    o->hash = hasher_end(&whole);
}

void object_fini(struct object *o)
{
    free(o->chunks);
    *o = (struct object){0};
}

void object_manifest(const struct object *o, struct manifest *out)
{
    *out = (struct manifest){.object = o->hash,
                             .size_bytes = o->size_bytes,
                             .version = o->version,
                             .chunk_bytes = CHUNK_BYTES,
                             .n_chunks = o->n_chunks,
                             .chunks = o->n_chunks > 0 ? o->chunks : NULL};
}

bool object_chunk(const struct object *o, uint32_t number, struct chunk_data *out)
{
    if (number >= o->n_chunks) return false;
    *out = (struct chunk_data){.object = o->hash,
                               .number = number,
                               .bytes = o->bytes + (uint64_t)number * CHUNK_BYTES,
                               .size_bytes = chunk_size(o->size_bytes, number)};
    return true;
}

// --- fetching ------------------------------------------------------------------------------------

struct request { // a chunk, or the manifest, asked for and not yet here
    uint32_t number;
    uint64_t asked_ms;
    uint32_t wait_ms; // before it is asked again
};

struct fetch {
    struct hash object;
    uint64_t size_bytes_max;
    uint64_t heard_ms; // latest fetch_next() after something came
    bool has_news;     // something came since

    struct request manifest_request; // wait_ms 0: not asked yet
    bool has_manifest, is_complete;
    uint64_t size_bytes, bytes_done;
    uint32_t n_chunks;
    struct hash *chunks;    // (n_chunks)
    bool *is_done;          // (n_chunks)
    struct scratch content; // (size_bytes + 1)
    bool may_be_file;

    uint32_t next; // first chunk never asked for
    uint32_t n_requests;
    struct request requests[FETCH_WINDOW_MAX];

    struct hasher whole; // over the chunks below n_hashed
    uint32_t n_hashed;
};

struct fetch *fetch_create(const struct hash *object, uint64_t size_bytes_max)
{
    struct fetch *f = aligned_alloc(64, (sizeof *f + 63) / 64 * 64);
    CHECK(f != NULL);
    *f = (struct fetch){.object = *object, .size_bytes_max = size_bytes_max};
    return f;
}

static void forget_manifest(struct fetch *f)
{
    free(f->chunks);
    free(f->is_done);
    scratch_release(&f->content);
    *f = (struct fetch){.object = f->object,
                        .size_bytes_max = f->size_bytes_max,
                        .heard_ms = f->heard_ms,
                        .may_be_file = f->may_be_file};
}

void fetch_into_scratch(struct fetch *f)
{
    f->may_be_file = true;
}

void fetch_destroy(struct fetch *f)
{
    if (f == NULL) return;
    forget_manifest(f);
    free(f);
}

static bool is_overdue(const struct fetch *f, const struct request *r, uint64_t now_ms)
{
    uint64_t since = r->asked_ms > f->heard_ms ? r->asked_ms : f->heard_ms;
    return now_ms >= since && now_ms - since >= r->wait_ms;
}

static void ask_again(struct request *r, uint64_t now_ms)
{
    r->asked_ms = now_ms;
    r->wait_ms = r->wait_ms * 2 > RETRY_MS_MAX ? RETRY_MS_MAX : r->wait_ms * 2;
}

static bool next_manifest(struct fetch *f, uint64_t now_ms, struct get *out)
{
    struct request *r = &f->manifest_request;
    if (r->wait_ms == 0)
        *r = (struct request){.asked_ms = now_ms, .wait_ms = RETRY_MS};
    else if (is_overdue(f, r, now_ms))
        ask_again(r, now_ms);
    else
        return false;
    *out = (struct get){.object = f->object, .want_manifest = true};
    return true;
}

// An overdue chunk, with those that follow it and are overdue as well.
static bool next_overdue(struct fetch *f, uint64_t now_ms, struct get *out)
{
    *out = (struct get){.object = f->object};
    for (uint32_t i = 0; i < f->n_requests; i++) {
        struct request *r = &f->requests[i];
        if (!is_overdue(f, r, now_ms)) continue;
        if (out->count == 0)
            out->first = r->number;
        else if (r->number != out->first + out->count)
            break;
        ask_again(r, now_ms);
        out->count++;
    }
    return out->count > 0;
}

bool fetch_next(struct fetch *f, uint64_t now_ms, uint32_t window, struct get *out)
{
    if (f->has_news) f->heard_ms = now_ms;
    f->has_news = false;
    if (f->is_complete) return false;
    if (!f->has_manifest) return next_manifest(f, now_ms, out);
    if (next_overdue(f, now_ms, out)) return true;

    if (window > FETCH_WINDOW_MAX) window = FETCH_WINDOW_MAX;
    while (f->next < f->n_chunks && f->is_done[f->next]) // came unasked
        f->next++;
    *out = (struct get){.object = f->object, .first = f->next};
    while (f->n_requests < window && f->next < f->n_chunks && !f->is_done[f->next]) {
        f->requests[f->n_requests++] =
            (struct request){.number = f->next++, .asked_ms = now_ms, .wait_ms = RETRY_MS};
        out->count++;
    }
    return out->count > 0;
}

// The whole is hashed as its front grows, so that the end costs one chunk.
static int hash_front(struct fetch *f, struct err *err)
{
    for (; f->n_hashed < f->n_chunks && f->is_done[f->n_hashed]; f->n_hashed++) {
        const size_t at = (size_t)f->n_hashed * CHUNK_BYTES;
        hasher_add(&f->whole, f->content.bytes + at, chunk_size(f->size_bytes, f->n_hashed));
        if (f->n_hashed % FORGET_CHUNKS == 0) scratch_forget(&f->content, at);
    }
    if (f->n_hashed < f->n_chunks) return 0;

    struct hash whole = hasher_end(&f->whole);
    if (!hash_is_equal(&whole, &f->object)) {
        char hex[HASH_HEX_BYTES];
        hash_hex(&f->object, hex);
        forget_manifest(f);
        return err_set(err, ERR_MISMATCH, "object %.16s: its chunks make up something else", hex);
    }
    f->is_complete = true;
    return 0;
}

// Not touched before it is filled.
static int take_content(struct fetch *f, size_t size_bytes, struct err *err)
{
    if (f->may_be_file) return scratch_take(&f->content, size_bytes, err);
    f->content = (struct scratch){malloc(size_bytes), size_bytes, false};
    if (f->content.bytes != NULL) return 0;
    return err_set(err, ERR_LIMIT, "manifest: no memory for %zu bytes", size_bytes);
}

int fetch_take_manifest(struct fetch *f, const struct manifest *m, struct err *err)
{
    if (!hash_is_equal(&m->object, &f->object))
        return err_set(err, ERR_MISMATCH, "manifest of another object");
    if (f->has_manifest) return 0;
    if (m->size_bytes > f->size_bytes_max || m->size_bytes > OBJECT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "manifest: object of %llu bytes, at most %llu",
                       (unsigned long long)m->size_bytes, (unsigned long long)f->size_bytes_max);
    if (m->base != 0)
        return err_set(err, ERR_FORMAT, "manifest: a delta to version %llu, which is not held",
                       (unsigned long long)m->base);
    if (m->chunk_bytes != CHUNK_BYTES || m->n_chunks != count_chunks(m->size_bytes) ||
        (m->n_chunks > 0 && m->chunks == NULL))
        return err_set(err, ERR_FORMAT, "manifest: %u chunks of %u bytes for %llu bytes",
                       m->n_chunks, m->chunk_bytes, (unsigned long long)m->size_bytes);

    if (take_content(f, (size_t)m->size_bytes + 1, err) != 0) return -1;
    f->content.bytes[m->size_bytes] = 0;
    f->chunks = take_memory(m->n_chunks * sizeof *f->chunks);
    if (m->n_chunks > 0) memcpy(f->chunks, m->chunks, m->n_chunks * sizeof *f->chunks);
    f->is_done = take_memory(m->n_chunks * sizeof *f->is_done);
    f->size_bytes = m->size_bytes;
    f->n_chunks = m->n_chunks;
    f->has_manifest = f->has_news = true;
    hasher_init(&f->whole);
    return hash_front(f, err);
}

static void forget_request(struct fetch *f, uint32_t number)
{
    for (uint32_t i = 0; i < f->n_requests; i++) {
        if (f->requests[i].number != number) continue;
        f->n_requests--; // keeps their order, which next_overdue() joins by
        memmove(&f->requests[i], &f->requests[i + 1], (f->n_requests - i) * sizeof f->requests[0]);
        return;
    }
}

int fetch_take_chunk(struct fetch *f, const struct chunk_data *c, struct err *err)
{
    if (!hash_is_equal(&c->object, &f->object))
        return err_set(err, ERR_MISMATCH, "chunk of another object");
    if (!f->has_manifest) return err_set(err, ERR_FORMAT, "chunk before its manifest");
    if (c->number >= f->n_chunks || c->size_bytes != chunk_size(f->size_bytes, c->number))
        return err_set(err, ERR_FORMAT, "chunk %u of %u: %u bytes", c->number, f->n_chunks,
                       c->size_bytes);
    if (f->is_done[c->number]) return 0;

    struct hash got = hash_of(c->bytes, c->size_bytes);
    if (!hash_is_equal(&got, &f->chunks[c->number]))
        return err_set(err, ERR_MISMATCH, "chunk %u of %u: its hash does not match", c->number,
                       f->n_chunks);

    memcpy(f->content.bytes + (uint64_t)c->number * CHUNK_BYTES, c->bytes, c->size_bytes);
    f->is_done[c->number] = true;
    f->has_news = true;
    f->bytes_done += c->size_bytes;
    forget_request(f, c->number);
    return hash_front(f, err);
}

bool fetch_is_complete(const struct fetch *f)
{
    return f->is_complete;
}

const struct hash *fetch_object(const struct fetch *f)
{
    return &f->object;
}

uint64_t fetch_bytes_done(const struct fetch *f)
{
    return f->bytes_done;
}

struct scratch fetch_take_scratch(struct fetch *f)
{
    CHECK(f->is_complete && f->content.bytes != NULL);
    const struct scratch content = f->content;
    scratch_forget(&content, content.size_bytes);
    f->content = (struct scratch){0};
    return content;
}

unsigned char *fetch_take_bytes(struct fetch *f, uint64_t *size_bytes)
{
    CHECK(!f->may_be_file);
    *size_bytes = f->size_bytes;
    return fetch_take_scratch(f).bytes;
}
