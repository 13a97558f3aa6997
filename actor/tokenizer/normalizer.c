#include "actor/tokenizer/normalizer.h"

#include <stdlib.h>
#include <string.h>

// A text of n bytes may become this long by replacements; a space becomes 3
// bytes in real files.
#define GROWN_BYTES_MAX(n) (16 * (n) + (64u << 10))

#define FROM_BYTES_MAX 256

// --- reading -------------------------------------------------------------------------------------

static bool find_form(const char *type, enum normal_form *form)
{
    static const char *const names[] = {
        [FORM_C] = "NFC", [FORM_D] = "NFD", [FORM_KC] = "NFKC", [FORM_KD] = "NFKD"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(type, names[i]) != 0) continue;
        *form = (enum normal_form)i;
        return true;
    }
    return false;
}

static int read_replace(struct normalizer_step *step, struct json value, struct err *err)
{
    struct json pattern = json_member(value, "pattern");
    const char *regex = json_to_string(json_member(pattern, "Regex"), NULL);
    const char *literal = json_to_string(json_member(pattern, "String"), &step->from_bytes);
    const char *content = json_to_string(json_member(value, "content"), &step->to_bytes);
    if ((regex == NULL) == (literal == NULL) || content == NULL)
        return err_set(err, ERR_FORMAT,
                       "normalizer: Replace needs content and pattern.Regex or .String");
    if (literal != NULL && (step->from_bytes == 0 || step->from_bytes > FROM_BYTES_MAX))
        return err_set(err, ERR_FORMAT, "normalizer: Replace of a text of %zu bytes, not 1 to %d",
                       step->from_bytes, FROM_BYTES_MAX);
    step->kind = NORMALIZE_REPLACE;
    if (regex != NULL && (step->regex = tokenizer_regex_create(regex, err)) == NULL)
        return err_prefix(err, "normalizer");
    if (literal != NULL) step->from = text_copy(literal, step->from_bytes);
    step->to = text_copy(content, step->to_bytes);
    return 0;
}

static int read_prepend(struct normalizer_step *step, struct json value, struct err *err)
{
    const char *text = json_to_string(json_member(value, "prepend"), &step->to_bytes);
    if (text == NULL) return err_set(err, ERR_FORMAT, "normalizer: Prepend needs prepend");
    step->kind = NORMALIZE_PREPEND;
    step->to = text_copy(text, step->to_bytes);
    return 0;
}

static int read_step(struct normalizer *n, struct json value, struct err *err)
{
    const char *type = json_to_string(json_member(value, "type"), NULL);
    if (n->n_steps == NORMALIZER_STEPS_MAX)
        return err_set(err, ERR_LIMIT, "normalizer: more than %d steps", NORMALIZER_STEPS_MAX);
    struct normalizer_step *step = &n->steps[n->n_steps++]; // zeroed
    if (type == NULL) return err_set(err, ERR_FORMAT, "normalizer: no type");
    if (find_form(type, &step->form)) return 0;
    if (strcmp(type, "Prepend") == 0) return read_prepend(step, value, err);
    if (strcmp(type, "Replace") == 0) return read_replace(step, value, err);
    return err_set(err, ERR_FORMAT, "normalizer: '%.60s' is not implemented", type);
}

int normalizer_init(struct normalizer *n, struct json value, struct err *err)
{
    *n = (struct normalizer){0};
    if (!json_is_present(value)) return 0;
    const char *type = json_to_string(json_member(value, "type"), NULL);
    int result = 0;
    if (type != NULL && strcmp(type, "Sequence") == 0) {
        struct json list = json_member(value, "normalizers");
        for (size_t i = 0; i < json_count(list) && result == 0; i++)
            result = read_step(n, json_item(list, i), err);
    } else {
        result = read_step(n, value, err);
    }
    if (result != 0) normalizer_fini(n);
    return result;
}

void normalizer_fini(struct normalizer *n)
{
    for (size_t i = 0; i < n->n_steps; i++) {
        tokenizer_regex_destroy(n->steps[i].regex);
        free(n->steps[i].from);
        free(n->steps[i].to);
    }
    *n = (struct normalizer){0};
}

// --- running -------------------------------------------------------------------------------------

// The next match at or after `from`: 1, 0 for none, -1.
static int find(const struct normalizer_step *step, struct regex_scan *scan, struct view text,
                size_t from, size_t *start, size_t *end, struct err *err)
{
    if (step->regex != NULL)
        return tokenizer_regex_find(step->regex, scan, text.bytes, text.size_bytes, from, start,
                                    end, err);
    // a literal may hold 0 bytes, so text_find does not do
    while (from + step->from_bytes <= text.size_bytes) {
        const char *hit =
            memchr(text.bytes + from, step->from[0], text.size_bytes - from - step->from_bytes + 1);
        if (hit == NULL) return 0;
        from = (size_t)(hit - text.bytes);
        if (memcmp(hit, step->from, step->from_bytes) == 0) {
            *start = from;
            *end = from + step->from_bytes;
            return 1;
        }
        from++;
    }
    return 0;
}

static int replace(const struct normalizer_step *step, struct regex_scan *scan, struct view text,
                   size_t limit_bytes, struct text_buffer *out, struct err *err)
{
    size_t at = 0, start, end;
    int found;
    while ((found = find(step, scan, text, at, &start, &end, err)) == 1) {
        if (out->size_bytes + (start - at) + step->to_bytes > limit_bytes)
            return err_set(err, ERR_LIMIT, "normalizer: a text grows over %zu bytes", limit_bytes);
        text_buffer_add(out, text.bytes + at, start - at);
        text_buffer_add(out, step->to, step->to_bytes);
        at = end;
    }
    if (found == 0) text_buffer_add(out, text.bytes + at, text.size_bytes - at);
    return found;
}

static void convert(enum normal_form form, struct view text, struct text_buffer *out)
{
    size_t size_bytes;
    char *converted = nfc_convert(form, text.bytes, text.size_bytes, &size_bytes);
    text_buffer_add(out, converted, size_bytes);
    free(converted);
}

int normalizer_run(const struct normalizer *n, struct regex_scan *scan, struct view text,
                   struct text_buffer *out, struct text_buffer *spare, struct view *result,
                   struct err *err)
{
    const size_t limit_bytes = GROWN_BYTES_MAX(text.size_bytes);
    for (size_t i = 0; i < n->n_steps; i++) {
        const struct normalizer_step *step = &n->steps[i];
        if (step->kind == NORMALIZE_FORM && nfc_is_plain(step->form, text.bytes, text.size_bytes))
            continue;
        if (step->kind == NORMALIZE_PREPEND && text.size_bytes == 0) continue;
        text_buffer_clear(spare);
        if (step->kind == NORMALIZE_FORM) {
            convert(step->form, text, spare);
        } else if (step->kind == NORMALIZE_PREPEND) {
            text_buffer_add(spare, step->to, step->to_bytes);
            text_buffer_add(spare, text.bytes, text.size_bytes);
        } else if (replace(step, scan, text, limit_bytes, spare, err) != 0) {
            return -1;
        }
        struct text_buffer swap = *out; // the text may lie in out
        *out = *spare;
        *spare = swap;
        text = text_buffer_view(out);
    }
    *result = text;
    return 0;
}
