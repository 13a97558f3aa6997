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

// What is alphabetic, a mark, a decimal digit or a connector, as Oniguruma's \w
// has it; circled letters are no \p{L}.
#define WORDS                                                                                      \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}"                    \
    "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// \p{Name} or \x{1f}, with its brace.  A name of more than two letters is a
// script; PCRE2 would take the scripts a character is also used in with it.
static size_t translate_braced(const char *at, struct text_buffer *out)
{
    size_t n = strcspn(at, "}"), n_letters = 0;
    if (at[2] != '{' || at[n] == '\0') {
        text_buffer_add(out, at, 2);
        return 2;
    }
    while (is_letter(at[3 + n_letters]))
        n_letters++;
    bool is_script = at[1] != 'x' && n_letters > 2 && 3 + n_letters == n;
    text_buffer_printf(out, "\\%c{%s%.*s}", at[1], is_script ? "sc:" : "", (int)(n - 3), at + 3);
    return n + 1;
}

// One escape sequence of the pattern, at[0] being the backslash; *n_taken bytes
// of it were translated.
static int translate_escape(const char *at, bool in_class, struct text_buffer *out, size_t *n_taken,
                            struct err *err)
{
    char name = at[1];
    *n_taken = 2;
    if (name == '\0') return err_set(err, ERR_FORMAT, "the pattern ends in a backslash");
    if (name == 's') {
        text_buffer_add_string(out, in_class ? SPACES : "[" SPACES "]");
    } else if (name == 'w') {
        text_buffer_add_string(out, in_class ? WORDS : "[" WORDS "]");
    } else if ((name == 'S' || name == 'W') && !in_class) {
        text_buffer_add_string(out, name == 'S' ? "[^" SPACES "]" : "[^" WORDS "]");
    } else if (name == 'u' && strspn(at + 2, "0123456789abcdefABCDEF") >= 4) {
        text_buffer_printf(out, "\\x{%.4s}", at + 2);
        *n_taken = 6;
    } else if (name == 'p' || name == 'P' || name == 'x') {
        *n_taken = translate_braced(at, out);
    } else if ((is_letter(name) && strchr("rntfaedDAz", name) == NULL) ||
               (name >= '0' && name <= '9')) {
        return err_set(err, ERR_FORMAT, "'\\%c'%s in a pattern is not implemented", name,
                       in_class ? " inside brackets" : "");
    } else {
        text_buffer_add(out, at, 2);
    }
    return 0;
}

// What PCRE2 would take for something else than Oniguruma does.
static int refuse_sign(const char *at, struct err *err)
{
    static const char *const groups[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    if (strncmp(at, "(*", 2) == 0)
        return err_set(err, ERR_FORMAT, "'(*' in a pattern is not implemented");
    if (strncmp(at, "{,", 2) == 0 || strncmp(at, "}+", 2) == 0)
        return err_set(err, ERR_FORMAT, "'%.2s' in a pattern is not implemented", at);
    if (strncmp(at, "(?", 2) != 0) return 0;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strncmp(at, groups[i], strlen(groups[i])) == 0) return 0;
    return err_set(err, ERR_FORMAT, "'%.4s' in a pattern is not implemented", at);
}

static int translate(const char *pattern, struct text_buffer *out, struct err *err)
{
    bool in_class = false;
    size_t class_start = 0, n;
    for (size_t at = 0; pattern[at] != '\0'; at += n) {
        char c = pattern[at];
        n = 1;
        if (c == '\\') {
            if (translate_escape(pattern + at, in_class, out, &n, err) != 0) return -1;
            continue;
        }
        if (in_class && (c == '[' || (c == '&' && pattern[at + 1] == '&')))
            return err_set(err, ERR_FORMAT, "nested brackets in a pattern are not implemented");
        if (!in_class && refuse_sign(pattern + at, err) != 0) return -1;
        if (c == '[' && !in_class) {
            in_class = true;
            class_start = at + (pattern[at + 1] == '^' ? 2 : 1);
        } else if (c == ']' && at != class_start) {
            in_class = false;
        }
        text_buffer_add(out, &c, 1);
    }
    return 0;
}

// ^ and $ are about lines and a line ends in \n, as in Oniguruma.
static pcre2_code *compile(const char *pattern, const struct text_buffer *translated,
                           struct err *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    CHECK(context != NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)translated->bytes, translated->size_bytes,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (code == NULL) {
        char why[160];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof why);
        err_set(err, ERR_FORMAT, "pattern '%.200s': %s", pattern, why);
        return NULL;
    }
    uint32_t matches_nothing = 0;
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_nothing);
    if (matches_nothing == 0) return code;
    pcre2_code_free(code);
    err_set(err, ERR_FORMAT, "pattern '%.200s': one that matches nothing is not implemented",
            pattern);
    return NULL;
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
    text_buffer_add_string(&translated, "");
    pcre2_code *code = NULL;
    if (translate(pattern, &translated, err) == 0) code = compile(pattern, &translated, err);
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
