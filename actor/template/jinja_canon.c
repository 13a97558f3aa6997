#include "actor/template/jinja_canon.h"

#include <stdlib.h>
#include <string.h>

// The form is lines: "T" and printed text, or "%" / "=" and a tag's tokens,
// each token ended by a 0 byte so that no two lists of tokens look alike.
struct scan {
    struct view text;
    size_t at;
    struct text_buffer *form;
    // strings seen: where their value stands in the form
    struct {
        size_t start, size_bytes;
        bool is_odd; // with an escape that was left as it is
    } * strings;
    size_t n_strings, room;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static char byte_at(const struct scan *s, size_t at)
{
    return at < s->text.size_bytes ? s->text.bytes[at] : '\0';
}

// --- the tokens of a tag -------------------------------------------------------------------------

static void end_token(struct scan *s)
{
    text_buffer_add(s->form, "", 1);
}

static void keep_string(struct scan *s, size_t start, bool is_odd)
{
    if (s->n_strings == s->room) {
        s->room = s->room == 0 ? 64 : 2 * s->room;
        s->strings = realloc(s->strings, s->room * sizeof *s->strings);
        CHECK(s->strings != NULL);
    }
    s->strings[s->n_strings].start = start;
    s->strings[s->n_strings].size_bytes = s->form->size_bytes - start;
    s->strings[s->n_strings].is_odd = is_odd;
    s->n_strings++;
}

// A string in either quotes, its usual escapes undone.
static int take_string(struct scan *s, struct err *err)
{
    const char quote = s->text.bytes[s->at++];
    text_buffer_add(s->form, "\"", 1);
    const size_t start = s->form->size_bytes;
    bool is_odd = false;
    for (;;) {
        if (s->at >= s->text.size_bytes)
            return err_set(err, ERR_FORMAT, "a string that does not end");
        char c = s->text.bytes[s->at++];
        if (c == quote) break;
        if (c == '\\' && s->at < s->text.size_bytes) {
            char name = s->text.bytes[s->at++];
            bool is_known = name != '\0' && strchr("ntr\\'\"", name) != NULL;
            if (!is_known) text_buffer_add(s->form, "\\", 1);
            is_odd = is_odd || !is_known;
            c = name;
            if (is_known && name == 'n') c = '\n';
            if (is_known && name == 't') c = '\t';
            if (is_known && name == 'r') c = '\r';
        }
        text_buffer_add(s->form, &c, 1);
    }
    keep_string(s, start, is_odd);
    end_token(s);
    return 0;
}

// ['name'] after a value is .name: true when that was taken.
static bool take_member(struct scan *s)
{
    size_t at = s->at + 1, start;
    while (is_space(byte_at(s, at)))
        at++;
    const char quote = byte_at(s, at);
    if (quote != '\'' && quote != '"') return false;
    start = ++at;
    while (is_name(byte_at(s, at)))
        at++;
    const size_t n = at - start;
    if (n == 0 || byte_at(s, at) != quote) return false;
    at++;
    while (is_space(byte_at(s, at)))
        at++;
    if (byte_at(s, at) != ']') return false;
    text_buffer_add(s->form, ".", 2); // two tokens: the point, the name
    text_buffer_add(s->form, s->text.bytes + start, n);
    end_token(s);
    s->at = at + 1;
    return true;
}

// Up to the tag's end, which is "%}" or "}}" with an optional sign before it.
static int take_tokens(struct scan *s, char last, char *sign, struct err *err)
{
    bool is_value = false; // a name or a bracket ends here, so that [ picks a member
    for (;;) {
        char c = byte_at(s, s->at);
        if (s->at >= s->text.size_bytes) return err_set(err, ERR_FORMAT, "a tag that does not end");
        size_t signed_at = s->at + ((c == '-' || c == '+') ? 1 : 0);
        if (byte_at(s, signed_at) == last && byte_at(s, signed_at + 1) == '}') {
            *sign = signed_at == s->at ? '\0' : c;
            s->at = signed_at + 2;
            return 0;
        }
        if (is_space(c)) {
            s->at++;
        } else if (c == '\'' || c == '"') {
            if (take_string(s, err) != 0) return -1;
            is_value = false;
        } else if (is_name(c)) {
            size_t start = s->at;
            while (is_name(byte_at(s, s->at)))
                s->at++;
            text_buffer_add(s->form, s->text.bytes + start, s->at - start);
            end_token(s);
            is_value = true;
        } else if (c == '[' && is_value && take_member(s)) {
            is_value = true;
        } else {
            text_buffer_add(s->form, &c, 1);
            end_token(s);
            is_value = c == ']' || c == ')';
            s->at++;
        }
    }
}

// --- text and tags -------------------------------------------------------------------------------

static size_t find_tag(const struct scan *s)
{
    for (size_t at = s->at; at + 1 < s->text.size_bytes; at++)
        if (s->text.bytes[at] == '{' && strchr("{%#", s->text.bytes[at + 1]) != NULL &&
            s->text.bytes[at + 1] != '\0')
            return at;
    return s->text.size_bytes;
}

// Text up to a tag.  `strips` is the sign of the tag, lines_up whether the tag
// takes the blanks that indent it.
static void add_text(struct scan *s, size_t end, char sign, bool lines_up)
{
    size_t n = end;
    if (sign == '-') {
        while (n > s->at && is_space(s->text.bytes[n - 1]))
            n--;
    } else if (lines_up && sign != '+') {
        size_t blank = n;
        while (blank > s->at &&
               (s->text.bytes[blank - 1] == ' ' || s->text.bytes[blank - 1] == '\t'))
            blank--;
        if (blank == 0 || s->text.bytes[blank - 1] == '\n') n = blank;
    }
    if (n == s->at) return;
    text_buffer_add(s->form, "T", 1);
    text_buffer_add(s->form, s->text.bytes + s->at, n - s->at);
    end_token(s);
}

static void skip_after(struct scan *s, char sign, bool trims)
{
    if (sign == '-') {
        while (is_space(byte_at(s, s->at)))
            s->at++;
    } else if (trims && sign != '+' && byte_at(s, s->at) == '\n') {
        s->at++;
    }
}

static int take_comment(struct scan *s, char *sign, struct err *err)
{
    for (; s->at + 1 < s->text.size_bytes; s->at++) {
        if (s->text.bytes[s->at] != '#' || s->text.bytes[s->at + 1] != '}') continue;
        *sign = s->text.bytes[s->at - 1];
        s->at += 2;
        return 0;
    }
    return err_set(err, ERR_FORMAT, "a comment that does not end");
}

static int scan_all(struct scan *s, struct err *err)
{
    while (s->at < s->text.size_bytes) {
        size_t tag = find_tag(s);
        if (tag == s->text.size_bytes) {
            add_text(s, tag, '\0', false);
            return 0;
        }
        const char kind = s->text.bytes[tag + 1];
        char sign = byte_at(s, tag + 2);
        if (sign != '-' && sign != '+') sign = '\0';
        add_text(s, tag, sign, kind != '{');
        s->at = tag + 2 + (sign != '\0');
        char end_sign = '\0';
        if (kind == '#') {
            if (take_comment(s, &end_sign, err) != 0) return -1;
        } else {
            text_buffer_add(s->form, kind == '%' ? "%" : "=", 1);
            if (take_tokens(s, kind == '%' ? '%' : '}', &end_sign, err) != 0) return -1;
            end_token(s);
        }
        skip_after(s, end_sign, kind != '{');
    }
    return 0;
}

// --- the system prompt ---------------------------------------------------------------------------

#define SYSTEM_START "<|im_start|>system\n"
#define SYSTEM_END "<|im_end|>\n"

static struct view string_at(const struct scan *s, size_t i)
{
    return (struct view){s->form->bytes + s->strings[i].start, s->strings[i].size_bytes};
}

// Its words: what stands between the marks of a system turn in one string, or
// what `system_message` is first set to.
static bool find_system(const struct scan *s, struct view *out)
{
    static const char set[] = "%set\0system_message\0=\0\"";
    const size_t n_start = strlen(SYSTEM_START), n_end = strlen(SYSTEM_END);
    for (size_t i = 0; i < s->n_strings; i++) {
        struct view v = string_at(s, i);
        if (!s->strings[i].is_odd && v.size_bytes > n_start + n_end &&
            memcmp(v.bytes, SYSTEM_START, n_start) == 0 &&
            memcmp(v.bytes + v.size_bytes - n_end, SYSTEM_END, n_end) == 0) {
            *out = text_part(v, n_start, v.size_bytes - n_end);
            return true;
        }
    }
    if (s->n_strings == 0 || s->strings[0].is_odd || s->strings[0].start != sizeof set - 1 ||
        memcmp(s->form->bytes, set, sizeof set - 1) != 0)
        return false;
    *out = string_at(s, 0);
    return out->size_bytes > 0;
}

// Writes the form anew with the words left out of the strings that are them.
static void take_out_system(struct scan *s, struct view system)
{
    struct text_buffer out;
    text_buffer_init(&out);
    const size_t n_start = strlen(SYSTEM_START);
    size_t at = 0;
    for (size_t i = 0; i < s->n_strings; i++) {
        struct view v = string_at(s, i);
        size_t skip = v.size_bytes == system.size_bytes ? 0 : n_start;
        if (v.size_bytes != system.size_bytes &&
            v.size_bytes != system.size_bytes + n_start + strlen(SYSTEM_END))
            continue;
        if (memcmp(v.bytes + skip, system.bytes, system.size_bytes) != 0) continue;
        size_t start = s->strings[i].start + skip;
        text_buffer_add(&out, s->form->bytes + at, start - at);
        text_buffer_add_string(&out, "{system}");
        at = start + system.size_bytes;
    }
    text_buffer_add(&out, s->form->bytes + at, s->form->size_bytes - at);
    text_buffer_fini(s->form);
    *s->form = out;
}

// --- the whole -----------------------------------------------------------------------------------

// Line ends as \n, the last one gone.
static char *even_lines(struct view text, size_t *size_bytes)
{
    char *out = text_copy(text.bytes, text.size_bytes);
    size_t n = 0;
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (out[i] == '\r' && i + 1 < text.size_bytes && out[i + 1] == '\n') continue;
        out[n++] = out[i] == '\r' ? '\n' : out[i];
    }
    if (n > 0 && out[n - 1] == '\n') n--;
    *size_bytes = n;
    return out;
}

int jinja_canon_init(struct jinja_canon *j, struct view text, struct err *err)
{
    *j = (struct jinja_canon){0};
    if (text.size_bytes > JINJA_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "chat template: %zu bytes, at most %zu", text.size_bytes,
                       JINJA_BYTES_MAX);
    struct scan s = {.form = &j->form};
    char *even = even_lines(text, &s.text.size_bytes);
    s.text.bytes = even;
    text_buffer_add_string(&j->form, "");
    int result = scan_all(&s, err);
    struct view system;
    if (result == 0 && find_system(&s, &system)) {
        j->system = text_copy(system.bytes, system.size_bytes);
        take_out_system(&s, (struct view){j->system, system.size_bytes});
    }
    free(s.strings);
    free(even);
    if (result == 0) return 0;
    jinja_canon_fini(j);
    return err_prefix(err, "chat template");
}

void jinja_canon_fini(struct jinja_canon *j)
{
    text_buffer_fini(&j->form);
    free(j->system);
    *j = (struct jinja_canon){0};
}
