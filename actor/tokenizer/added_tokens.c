#include "actor/tokenizer/added_tokens.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/text/utf8.h"
#include "actor/tokenizer/vocabulary.h"

static int compare_items(const void *left, const void *right)
{
    const struct added_token *a = left, *b = right;
    unsigned char first_a = (unsigned char)a->bytes[0], first_b = (unsigned char)b->bytes[0];
    if (first_a != first_b) return first_a < first_b ? -1 : 1;
    if (a->size_bytes != b->size_bytes) return a->size_bytes > b->size_bytes ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int read_item(struct added_token *item, struct json value, struct err *err)
{
    uint64_t id;
    const char *ignored;
    if (json_get_u64(value, "id", VOCABULARY_IDS_MAX - 1, &id, err) != 0 ||
        json_get_string(value, "content", &ignored, err) != 0)
        return -1;
    size_t size_bytes;
    const char *content = json_to_string(json_member(value, "content"), &size_bytes);
    if (size_bytes == 0)
        return err_set(err, ERR_FORMAT, "added_tokens: token %" PRIu64 " is empty", id);
    if (json_to_bool(json_member(value, "single_word")))
        return err_set(err, ERR_FORMAT, "added_tokens: single_word of '%.100s' is not implemented",
                       content);
    *item = (struct added_token){
        .bytes = text_copy(content, size_bytes),
        .size_bytes = size_bytes,
        .id = (uint32_t)id,
        .special = json_to_bool(json_member(value, "special")),
        .normalized = json_to_bool(json_member(value, "normalized")),
        .strip_left = json_to_bool(json_member(value, "lstrip")),
        .strip_right = json_to_bool(json_member(value, "rstrip")),
    };
    return 0;
}

int added_tokens_init(struct added_tokens *a, struct json list, struct err *err)
{
    *a = (struct added_tokens){0};
    size_t n = json_count(list);
    if (n == 0) return 0;
    a->items = calloc(n, sizeof *a->items);
    CHECK(a->items != NULL);
    for (; a->count < n; a->count++) {
        if (read_item(&a->items[a->count], json_item(list, a->count), err) != 0) {
            added_tokens_fini(a);
            return -1;
        }
    }
    qsort(a->items, n, sizeof *a->items, compare_items);
    for (size_t i = 0; i < n; i++)
        a->first[(unsigned char)a->items[i].bytes[0] + 1] = i + 1;
    for (size_t b = 1; b <= 256; b++)
        if (a->first[b] == 0) a->first[b] = a->first[b - 1];
    return 0;
}

void added_tokens_fini(struct added_tokens *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->items[i].bytes);
    free(a->items);
    *a = (struct added_tokens){0};
}

static size_t strip_left(const char *text, size_t from, size_t start)
{
    while (start > from) {
        size_t before = start - 1;
        while (before > from && ((unsigned char)text[before] & 0xc0u) == 0x80u)
            before--;
        uint32_t c;
        if (utf8_next(text + before, start - before, &c) != start - before || !utf8_is_space(c))
            break;
        start = before;
    }
    return start;
}

static size_t strip_right(const char *text, size_t size_bytes, size_t end)
{
    uint32_t c;
    size_t n;
    while ((n = utf8_next(text + end, size_bytes - end, &c)) > 0 && utf8_is_space(c))
        end += n;
    return end;
}

struct added_match added_tokens_find(const struct added_tokens *a, bool normalized,
                                     const char *text, size_t size_bytes, size_t from)
{
    if (a->count == 0) return (struct added_match){0};
    for (size_t at = from; at < size_bytes; at++) {
        unsigned char byte = (unsigned char)text[at];
        for (size_t i = a->first[byte]; i < a->first[byte + 1]; i++) {
            const struct added_token *token = &a->items[i];
            if (token->normalized != normalized || token->size_bytes > size_bytes - at ||
                memcmp(token->bytes, text + at, token->size_bytes) != 0)
                continue;
            size_t end = at + token->size_bytes;
            return (struct added_match){
                .token = token,
                .start = token->strip_left ? strip_left(text, from, at) : at,
                .end = token->strip_right ? strip_right(text, size_bytes, end) : end,
            };
        }
    }
    return (struct added_match){0};
}
