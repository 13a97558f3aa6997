#include "actor/tokenizer/decoder.h"

#include <stdlib.h>
#include <string.h>

// A token of a hostile file grows by this much at most.
#define REPLACES_MAX 2
#define REPLACE_BYTES_MAX 16

// --- reading -------------------------------------------------------------------------------------

static struct decoder_step *take_step(struct decoder *d, enum decoder_kind kind, struct err *err)
{
    if (d->n_steps == DECODER_STEPS_MAX) {
        err_set(err, ERR_LIMIT, "decoder: more than %d steps", DECODER_STEPS_MAX);
        return NULL;
    }
    struct decoder_step *step = &d->steps[d->n_steps++]; // zeroed
    step->kind = kind;
    return step;
}

static int read_replace(struct decoder *d, struct json value, struct err *err)
{
    size_t from_bytes, to_bytes;
    const char *from =
        json_to_string(json_member(json_member(value, "pattern"), "String"), &from_bytes);
    const char *to = json_to_string(json_member(value, "content"), &to_bytes);
    size_t n_replace = 0;
    for (size_t i = 0; i < d->n_steps; i++)
        n_replace += d->steps[i].kind == DECODE_REPLACE;
    if (from == NULL || from_bytes == 0 || to == NULL)
        return err_set(err, ERR_FORMAT,
                       "decoder: Replace with other than pattern.String and content is not "
                       "implemented");
    if (from_bytes > REPLACE_BYTES_MAX || to_bytes > REPLACE_BYTES_MAX || n_replace == REPLACES_MAX)
        return err_set(err, ERR_LIMIT, "decoder: at most %d Replace, of at most %d bytes",
                       REPLACES_MAX, REPLACE_BYTES_MAX);
    struct decoder_step *step = take_step(d, DECODE_REPLACE, err);
    if (step == NULL) return -1;
    step->from = text_copy(from, from_bytes);
    step->to = text_copy(to, to_bytes);
    step->from_bytes = from_bytes;
    step->to_bytes = to_bytes;
    return 0;
}

static int read_strip(struct decoder *d, struct json value, struct err *err)
{
    uint64_t start, stop;
    const char *content = json_to_string(json_member(value, "content"), NULL);
    if (json_get_u64(value, "start", UINT32_MAX, &start, err) != 0 ||
        json_get_u64(value, "stop", UINT32_MAX, &stop, err) != 0)
        return err_prefix(err, "decoder: Strip");
    if (content == NULL || content[0] == '\0')
        return err_set(err, ERR_FORMAT, "decoder: Strip needs content");
    if (d->is_fused) {
        if (stop != 0)
            return err_set(err, ERR_FORMAT, "decoder: Strip with a stop is not implemented");
        d->strip = text_copy(content, strlen(content));
        d->strip_count = (uint32_t)start;
        return 0;
    }
    for (size_t i = 0; i < d->n_steps; i++)
        if (d->steps[i].kind == DECODE_BYTE_FALLBACK)
            return err_set(err, ERR_FORMAT,
                           "decoder: Strip after ByteFallback without Fuse is not implemented");
    struct decoder_step *step = take_step(d, DECODE_STRIP, err);
    if (step == NULL) return -1;
    step->from = text_copy(content, strlen(content));
    step->from_bytes = strlen(content);
    step->count = (uint32_t)start;
    step->end_count = (uint32_t)stop;
    return 0;
}

static int read_metaspace(struct decoder *d, struct json value, struct err *err)
{
    const char *space = json_to_string(json_member(value, "replacement"), NULL);
    const char *scheme = json_to_string(json_member(value, "prepend_scheme"), NULL);
    struct json legacy = json_member(value, "add_prefix_space");
    if (space == NULL || space[0] == '\0')
        return err_set(err, ERR_FORMAT, "decoder: Metaspace needs a replacement");
    struct decoder_step *step = take_step(d, DECODE_METASPACE, err);
    if (step == NULL) return -1;
    step->from = text_copy(space, strlen(space));
    step->from_bytes = strlen(space);
    step->is_dropped = scheme != NULL ? strcmp(scheme, "never") != 0
                                      : !json_is_bool(legacy) || json_to_bool(legacy);
    return 0;
}

static int read_step(struct decoder *d, struct json value, struct err *err)
{
    const char *type = json_to_string(json_member(value, "type"), NULL);
    if (type == NULL) return err_set(err, ERR_FORMAT, "decoder: no type");
    bool is_strip = strcmp(type, "Strip") == 0;
    if (d->is_byte_level || d->strip != NULL || (d->is_fused && !is_strip))
        return err_set(err, ERR_FORMAT, "decoder: '%.60s' after %s is not implemented", type,
                       d->is_byte_level ? "ByteLevel" : "Fuse");
    if (is_strip) return read_strip(d, value, err);
    if (strcmp(type, "Replace") == 0) return read_replace(d, value, err);
    if (strcmp(type, "Metaspace") == 0) return read_metaspace(d, value, err);
    if (strcmp(type, "ByteFallback") == 0)
        return take_step(d, DECODE_BYTE_FALLBACK, err) == NULL ? -1 : 0;
    if (strcmp(type, "ByteLevel") == 0) {
        d->is_byte_level = true;
        return 0;
    }
    if (strcmp(type, "Fuse") == 0) {
        d->is_fused = true;
        return 0;
    }
    return err_set(err, ERR_FORMAT, "decoder: '%.60s' is not implemented", type);
}

int decoder_init(struct decoder *d, struct json value, struct err *err)
{
    *d = (struct decoder){.is_spaced = !json_is_present(value)};
    if (d->is_spaced) return 0;
    const char *type = json_to_string(json_member(value, "type"), NULL);
    int result = 0;
    if (type != NULL && strcmp(type, "Sequence") == 0) {
        struct json list = json_member(value, "decoders");
        for (size_t i = 0; i < json_count(list) && result == 0; i++)
            result = read_step(d, json_item(list, i), err);
    } else {
        result = read_step(d, value, err);
    }
    if (result != 0) decoder_fini(d);
    return result;
}

void decoder_fini(struct decoder *d)
{
    for (size_t i = 0; i < d->n_steps; i++) {
        free(d->steps[i].from);
        free(d->steps[i].to);
    }
    free(d->strip);
    *d = (struct decoder){0};
}

// --- running -------------------------------------------------------------------------------------

// Of out from `start` on, every `from` becomes `to`.
static void replace(const struct decoder_step *s, const char *to, size_t to_bytes,
                    struct text_buffer *out, size_t start)
{
    size_t end = out->size_bytes;
    bool is_there = false;
    for (size_t at = start; at + s->from_bytes <= end && !is_there; at++)
        is_there = memcmp(out->bytes + at, s->from, s->from_bytes) == 0;
    if (!is_there) return;
    char *token = text_copy(out->bytes + start, end - start);
    size_t n = end - start;
    out->size_bytes = start;
    for (size_t at = 0; at < n;) {
        if (at + s->from_bytes <= n && memcmp(token + at, s->from, s->from_bytes) == 0) {
            text_buffer_add(out, to, to_bytes);
            at += s->from_bytes;
        } else {
            text_buffer_add(out, token + at++, 1);
        }
    }
    free(token);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static void fall_back(struct text_buffer *out, size_t start)
{
    char *token = out->bytes + start;
    if (out->size_bytes - start != 6 || memcmp(token, "<0x", 3) != 0 || token[5] != '>') return;
    int high = hex_digit(token[3]), low = hex_digit(token[4]);
    if (high < 0 || low < 0) return;
    token[0] = (char)(16 * high + low);
    out->size_bytes = start + 1;
}

static void strip(const struct decoder_step *s, struct text_buffer *out, size_t start)
{
    size_t n = out->size_bytes - start, cut = 0;
    char *token = out->bytes + start;
    for (uint32_t i = 0; i < s->count && n - cut >= s->from_bytes; i++, cut += s->from_bytes)
        if (memcmp(token + cut, s->from, s->from_bytes) != 0) break;
    memmove(token, token + cut, n - cut);
    n -= cut;
    for (uint32_t i = 0; i < s->end_count && n >= s->from_bytes; i++, n -= s->from_bytes)
        if (memcmp(token + n - s->from_bytes, s->from, s->from_bytes) != 0) break;
    out->size_bytes = start + n;
}

// The space at the start of the whole text, token by token: it is one
// character of a token, never cut between two.
static void strip_whole(const struct decoder *d, struct decoding *state, struct text_buffer *out,
                        size_t start)
{
    size_t n_strip = strlen(d->strip), n = out->size_bytes - start, cut = 0;
    while (!state->is_past_strip && cut < n) {
        bool is_match =
            n - cut >= n_strip && memcmp(out->bytes + start + cut, d->strip, n_strip) == 0;
        if (!is_match || state->n_stripped == d->strip_count) {
            state->is_past_strip = true;
            break;
        }
        state->n_stripped++;
        cut += n_strip;
    }
    memmove(out->bytes + start, out->bytes + start + cut, n - cut);
    out->size_bytes = start + n - cut;
}

void decoder_add(const struct decoder *d, struct decoding *state, struct view token,
                 struct text_buffer *out)
{
    if (d->is_spaced && state->has_tokens) text_buffer_add(out, " ", 1);
    const size_t start = out->size_bytes;
    text_buffer_add(out, token.bytes, token.size_bytes);
    for (size_t i = 0; i < d->n_steps; i++) {
        const struct decoder_step *s = &d->steps[i];
        switch (s->kind) {
        case DECODE_REPLACE:
            replace(s, s->to, s->to_bytes, out, start);
            break;
        case DECODE_BYTE_FALLBACK:
            fall_back(out, start);
            break;
        case DECODE_STRIP:
            strip(s, out, start);
            break;
        case DECODE_METASPACE:
            replace(s, " ", s->is_dropped && !state->has_tokens ? 0 : 1, out, start);
            break;
        }
    }
    if (d->strip != NULL) strip_whole(d, state, out, start);
    out->bytes[out->size_bytes] = '\0';
    state->has_tokens = true;
}
