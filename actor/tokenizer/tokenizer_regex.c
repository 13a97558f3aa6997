#include "actor/tokenizer/tokenizer_regex.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "actor/text/text_buffer.h"

// White_Space, as Oniguruma's \s has it; PCRE2's own adds U+180E.
#define SPACES                                                                                     \
    "\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}"                             \
    "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

#define MATCH_STEPS_MAX 100000000u
#define PATTERN_BYTES_MAX (64u << 10)

struct tokenizer_regex {
    pcre2_code *code;
};

struct regex_scan {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

// One escape sequence of the pattern, at[0] being the backslash.
static int translate_escape(const char *at, bool in_class, struct text_buffer *out, struct err *err)
{
    char name = at[1];
    if (name == '\0') return err_set(err, ERR_FORMAT, "the pattern ends in a backslash");
    if (strchr("hHyYKGXR", name) != NULL)
        return err_set(err, ERR_FORMAT, "'\\%c' in a pattern is not implemented", name);
    if (name == 's') {
        text_buffer_add_string(out, in_class ? SPACES : "[" SPACES "]");
    } else if (name == 'S') {
        if (in_class) return err_set(err, ERR_FORMAT, "'\\S' inside brackets is not implemented");
        text_buffer_add_string(out, "[^" SPACES "]");
    } else {
        text_buffer_add(out, at, 2);
    }
    return 0;
}

static int translate(const char *pattern, struct text_buffer *out, struct err *err)
{
    bool in_class = false;
    size_t class_start = 0;
    for (size_t at = 0; pattern[at] != '\0'; at++) {
        char c = pattern[at];
        if (c == '\\') {
            if (translate_escape(pattern + at, in_class, out, err) != 0) return -1;
            at++;
            continue;
        }
        if (in_class && (c == '[' || (c == '&' && pattern[at + 1] == '&')))
            return err_set(err, ERR_FORMAT, "nested brackets in a pattern are not implemented");
        if (c == '[') {
            in_class = true;
            class_start = at + (pattern[at + 1] == '^' ? 2 : 1);
        } else if (c == ']' && at != class_start) {
            in_class = false;
        }
        text_buffer_add(out, &c, 1);
    }
    return 0;
}

struct tokenizer_regex *tokenizer_regex_create(const char *pattern, struct err *err)
{
    size_t size_bytes = strlen(pattern);
    if (size_bytes > PATTERN_BYTES_MAX) {
        err_set(err, ERR_LIMIT, "a pattern of %zu bytes, at most %u", size_bytes,
                PATTERN_BYTES_MAX);
        return NULL;
    }
    struct text_buffer translated;
    text_buffer_init(&translated);
    pcre2_code *code = NULL;
    if (translate(pattern, &translated, err) == 0) {
        int code_error;
        PCRE2_SIZE offset;
        code =
            pcre2_compile((PCRE2_SPTR)(translated.bytes ? translated.bytes : ""),
                          translated.size_bytes, PCRE2_UTF | PCRE2_UCP, &code_error, &offset, NULL);
        if (code == NULL) {
            char why[160];
            pcre2_get_error_message(code_error, (PCRE2_UCHAR *)why, sizeof why);
            err_set(err, ERR_FORMAT, "pattern '%.200s': %s", pattern, why);
        }
    }
    text_buffer_fini(&translated);
    if (code == NULL) return NULL;
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); // without it matching is only slower
    struct tokenizer_regex *r = malloc(sizeof *r);
    CHECK(r != NULL);
    r->code = code;
    return r;
}

void tokenizer_regex_destroy(struct tokenizer_regex *r)
{
    if (r == NULL) return;
    pcre2_code_free(r->code);
    free(r);
}

struct regex_scan *regex_scan_create(void)
{
    struct regex_scan *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->data = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    CHECK(s->data != NULL && s->context != NULL);
    pcre2_set_match_limit(s->context, MATCH_STEPS_MAX);
    return s;
}

void regex_scan_destroy(struct regex_scan *s)
{
    if (s == NULL) return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->context);
    free(s);
}

int tokenizer_regex_find(const struct tokenizer_regex *r, struct regex_scan *s, const char *text,
                         size_t size_bytes, size_t from, size_t *start, size_t *end,
                         struct err *err)
{
    const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int n = pcre2_match(r->code, subject, size_bytes, from, options, s->data, s->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT) // 32 KiB of machine stack did not do; rare
        n = pcre2_match(r->code, subject, size_bytes, from, options | PCRE2_NO_JIT, s->data,
                        s->context);
    if (n == PCRE2_ERROR_NOMATCH) return 0;
    if (n < 0) {
        char why[160];
        pcre2_get_error_message(n, (PCRE2_UCHAR *)why, sizeof why);
        return err_set(err, ERR_LIMIT, "splitting a text of %zu bytes: %s", size_bytes, why);
    }
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(s->data);
    *start = range[0];
    *end = range[1];
    return 1;
}

char *tokenizer_regex_escape(const char *text, size_t size_bytes)
{
    struct text_buffer out;
    text_buffer_init(&out);
    for (size_t i = 0; i < size_bytes; i++) {
        if (text[i] != '\0' && strchr("\\^$.|?*+()[]{}/-&#~", text[i]) != NULL)
            text_buffer_add(&out, "\\", 1);
        text_buffer_add(&out, text + i, 1);
    }
    return text_buffer_take(&out);
}
