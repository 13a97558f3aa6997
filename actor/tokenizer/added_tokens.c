#include "actor/tokenizer/added_tokens.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/text/utf8.h"
#include "actor/tokenizer/vocabulary.h"

// --- reading -------------------------------------------------------------------------------------

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
    *item = (struct added_token){
        .bytes = text_copy(content, size_bytes),
        .size_bytes = size_bytes,
        .id = (uint32_t)id,
        .special = json_to_bool(json_member(value, "special")),
        .normalized = json_to_bool(json_member(value, "normalized")),
        .strip_left = json_to_bool(json_member(value, "lstrip")),
        .strip_right = json_to_bool(json_member(value, "rstrip")),
        .single_word = json_to_bool(json_member(value, "single_word")),
    };
    return 0;
}

static int read_pattern(struct added_token *item, const struct normalizer *normalizer,
                        struct regex_scan *scan, struct text_buffer buffers[2], struct err *err)
{
    struct view pattern = {item->bytes, item->size_bytes};
    if (item->normalized &&
        normalizer_run(normalizer, scan, pattern, &buffers[0], &buffers[1], &pattern, err) != 0)
        return err_prefix(err, "added_tokens: '%.100s'", item->bytes);
    item->pattern = text_copy(pattern.bytes, pattern.size_bytes);
    item->pattern_bytes = pattern.size_bytes;
    return 0;
}

static int compare_items(const void *left, const void *right)
{
    const struct added_token *a = *(const struct added_token *const *)left;
    const struct added_token *b = *(const struct added_token *const *)right;
    size_t n = a->pattern_bytes < b->pattern_bytes ? a->pattern_bytes : b->pattern_bytes;
    int order = memcmp(a->pattern, b->pattern, n);
    if (order != 0) return order;
    if (a->pattern_bytes != b->pattern_bytes) return a->pattern_bytes < b->pattern_bytes ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void make_index(struct added_index *x, const struct added_tokens *a, bool normalized)
{
    x->items = calloc(a->count + 1, sizeof *x->items);
    CHECK(x->items != NULL);
    for (size_t i = 0; i < a->count; i++)
        if (a->items[i].normalized == normalized && a->items[i].pattern_bytes > 0)
            x->items[x->count++] = &a->items[i];
    qsort(x->items, x->count, sizeof *x->items, compare_items);
    for (size_t i = 0; i < x->count; i++)
        x->first[(unsigned char)x->items[i]->pattern[0] + 1] = i + 1;
    for (size_t b = 1; b <= 256; b++)
        if (x->first[b] == 0) x->first[b] = x->first[b - 1];
}

int added_tokens_init(struct added_tokens *a, struct json list, const struct normalizer *normalizer,
                      struct err *err)
{
    *a = (struct added_tokens){0};
    size_t n = json_count(list);
    a->items = calloc(n + 1, sizeof *a->items);
    CHECK(a->items != NULL);
    struct regex_scan *scan = regex_scan_create();
    struct text_buffer buffers[2] = {0};
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        result = read_item(&a->items[i], json_item(list, i), err);
        a->count += result == 0;
        if (result == 0) result = read_pattern(&a->items[i], normalizer, scan, buffers, err);
    }
    text_buffer_fini(&buffers[0]);
    text_buffer_fini(&buffers[1]);
    regex_scan_destroy(scan);
    if (result != 0) {
        added_tokens_fini(a);
        return -1;
    }
    make_index(&a->plain, a, false);
    make_index(&a->normalized, a, true);
    return 0;
}

void added_tokens_fini(struct added_tokens *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->items[i].bytes);
        free(a->items[i].pattern);
    }
    free(a->items);
    free(a->plain.items);
    free(a->normalized.items);
    *a = (struct added_tokens){0};
}

// --- finding -------------------------------------------------------------------------------------

// The character that ends at `end`, none (0) before `from`.
static size_t character_before(struct view text, size_t from, size_t end, uint32_t *c)
{
    if (end <= from) return 0;
    size_t start = end - 1;
    while (start > from && ((unsigned char)text.bytes[start] & 0xc0u) == 0x80u)
        start--;
    return utf8_next(text.bytes + start, end - start, c) == end - start ? end - start : 0;
}

static size_t strip_left(struct view text, size_t from, size_t start)
{
    uint32_t c;
    size_t n;
    while ((n = character_before(text, from, start, &c)) > 0 && utf8_is_space(c))
        start -= n;
    return start;
}

static size_t strip_right(struct view text, size_t end)
{
    uint32_t c;
    size_t n;
    while ((n = utf8_next(text.bytes + end, text.size_bytes - end, &c)) > 0 && utf8_is_space(c))
        end += n;
    return end;
}

static bool stands_alone(struct view text, size_t start, size_t end)
{
    uint32_t c;
    if (character_before(text, 0, start, &c) > 0 && nfc_is_word(c)) return false;
    return utf8_next(text.bytes + end, text.size_bytes - end, &c) == 0 || !nfc_is_word(c);
}

static bool is_literal(const struct literal_ranges *literal, size_t start, size_t end)
{
    for (size_t i = 0; literal != NULL && i < literal->count; i++)
        if (literal->items[i].start < end && start < literal->items[i].end) return true;
    return false;
}

// The longest token whose pattern starts the text at `at`.  The items that
// agree with the text so far are a range that shrinks byte by byte.
static const struct added_token *longest_at(const struct added_index *x, struct view text,
                                            size_t at)
{
    const struct added_token *longest = NULL;
    unsigned char byte = (unsigned char)text.bytes[at];
    size_t low = x->first[byte], high = x->first[byte + 1];
    for (size_t depth = 1; low < high; depth++) {
        if (x->items[low]->pattern_bytes == depth) longest = x->items[low];
        while (low < high && x->items[low]->pattern_bytes == depth)
            low++;
        if (low == high || at + depth >= text.size_bytes) break;
        byte = (unsigned char)text.bytes[at + depth];
        size_t end = high;
        while (low < end) { // the first that is not below the byte
            size_t middle = low + (end - low) / 2;
            if ((unsigned char)x->items[middle]->pattern[depth] < byte)
                low = middle + 1;
            else
                end = middle;
        }
        size_t from = low;
        while (from < high) { // the first that is above it
            size_t middle = from + (high - from) / 2;
            if ((unsigned char)x->items[middle]->pattern[depth] <= byte)
                from = middle + 1;
            else
                high = middle;
        }
    }
    return longest;
}

struct added_match added_index_find(const struct added_index *x, struct view text, size_t from,
                                    const struct literal_ranges *literal)
{
    if (x->count == 0) return (struct added_match){0};
    for (size_t at = from; at < text.size_bytes;) {
        unsigned char byte = (unsigned char)text.bytes[at];
        const struct added_token *token =
            x->first[byte] == x->first[byte + 1] ? NULL : longest_at(x, text, at);
        if (token == NULL) {
            at++;
            continue;
        }
        size_t end = at + token->pattern_bytes;
        if ((token->special && is_literal(literal, at, end)) ||
            (token->single_word && !stands_alone(text, at, end))) {
            at = end; // passed over whole, as the tokenizers package does
            continue;
        }
        return (struct added_match){
            .token = token,
            .start = token->strip_left ? strip_left(text, from, at) : at,
            .end = token->strip_right ? strip_right(text, end) : end,
        };
    }
    return (struct added_match){0};
}
