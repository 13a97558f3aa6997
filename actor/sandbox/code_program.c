#include "actor/sandbox/code_program.h"

#include <string.h>

// --- finding -------------------------------------------------------------------------------------

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static size_t line_end(struct view text, size_t at)
{
    const char *end =
        at < text.size_bytes ? memchr(text.bytes + at, '\n', text.size_bytes - at) : NULL;
    return end == NULL ? text.size_bytes : (size_t)(end - text.bytes);
}

static bool is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_+-.#", c) != NULL);
}

// A line that is a fence: backticks and at most the name of a language.
static bool is_fence(struct view text, size_t start, size_t end, struct view *language)
{
    while (start < end && is_space(text.bytes[start]))
        start++;
    if (end - start < 3 || memcmp(text.bytes + start, "```", 3) != 0) return false;
    *language = text_trim(text_part(text, start + 3, end));
    for (size_t i = 0; i < language->size_bytes; i++)
        if (!is_of_name(language->bytes[i])) return false;
    return true;
}

static bool is_python(struct view language)
{
    static const char *const names[] = {"python", "py", "python3", "Python"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (language.size_bytes == strlen(names[i]) &&
            memcmp(language.bytes, names[i], language.size_bytes) == 0)
            return true;
    return false;
}

static bool find_block(struct view text, struct view *code)
{
    bool is_found = false, is_found_python = false, is_open = false, is_open_python = false;
    size_t block = 0;
    for (size_t at = 0; at <= text.size_bytes; at = line_end(text, at) + 1) {
        const size_t end = line_end(text, at);
        struct view language;
        const bool is_end = end == text.size_bytes;
        const bool is_mark = is_fence(text, at, end, &language);
        if (is_open && (is_mark || is_end)) {
            if (is_open_python || !is_found_python) {
                *code = text_part(text, block, is_mark ? at : end);
                is_found = true;
                is_found_python = is_open_python;
            }
            is_open = false;
            // A language begins a block: the one before was not closed.
            if (!is_mark || language.size_bytes == 0) continue;
        }
        if (is_mark && !is_end) {
            is_open = true;
            is_open_python = is_python(language);
            block = end + 1;
        }
    }
    return is_found;
}

bool code_program_find(struct view response, struct view *code)
{
    const size_t thought = text_find_last(response, "</think>");
    if (thought == TEXT_NOWHERE && text_find(response, "<think>", 0) != TEXT_NOWHERE) return false;
    struct view text = response;
    if (thought != TEXT_NOWHERE)
        text = text_part(response, thought + strlen("</think>"), response.size_bytes);
    const size_t answer = text_find_last(text, "<answer>");
    if (answer != TEXT_NOWHERE) {
        const size_t start = answer + strlen("<answer>");
        const size_t end = text_find(text, "</answer>", start);
        text = text_part(text, start, end == TEXT_NOWHERE ? text.size_bytes : end);
    }
    *code = text;
    (void)find_block(text, code);
    return !text_is_blank(*code);
}

// --- making --------------------------------------------------------------------------------------

// "def NAME(" or "async def NAME(" at the start of a line.
static bool defines(struct view code, const char *name)
{
    struct text_buffer want;
    bool is_defined = false;
    text_buffer_init(&want);
    text_buffer_printf(&want, "def %s", name);
    for (size_t at = text_find(code, want.bytes, 0); !is_defined && at != TEXT_NOWHERE;
         at = text_find(code, want.bytes, at + 1)) {
        const size_t after = at + want.size_bytes;
        const bool ends =
            after >= code.size_bytes || code.bytes[after] == '(' || is_space(code.bytes[after]);
        const bool starts = at == 0 || code.bytes[at - 1] == '\n' ||
                            (at >= 6 && memcmp(code.bytes + at - 6, "async ", 6) == 0);
        is_defined = starts && ends;
    }
    text_buffer_fini(&want);
    return is_defined;
}

static void add_indented(struct text_buffer *out, struct view code)
{
    for (size_t at = 0; at < code.size_bytes; at = line_end(code, at) + 1) {
        const size_t end = line_end(code, at);
        if (end > at) text_buffer_add_string(out, "    ");
        text_buffer_add(out, code.bytes + at, end - at);
        text_buffer_add_string(out, "\n");
    }
}

// Whether the first line that is not blank begins at the margin.
static bool is_at_margin(struct view code)
{
    for (size_t at = 0; at < code.size_bytes; at = line_end(code, at) + 1) {
        const struct view line = text_part(code, at, line_end(code, at));
        if (!text_is_blank(line)) return !is_space(line.bytes[0]);
    }
    return true;
}

void code_program_make(const struct code_tests *tests, struct view code, struct text_buffer *out)
{
    text_buffer_clear(out);
    if (tests->kind != CODE_TESTS_CHECK || tests->prompt == NULL || tests->entry_point == NULL) {
        text_buffer_add(out, code.bytes, code.size_bytes);
        return;
    }
    // The prompt goes first either way: it imports what signatures mention, and
    // a later definition replaces its stub.
    text_buffer_add_string(out, tests->prompt);
    if (defines(code, tests->entry_point)) {
        text_buffer_add_string(out, "\n\n");
        text_buffer_add(out, code.bytes, code.size_bytes);
    } else if (is_at_margin(code)) {
        text_buffer_add_string(out, "\n");
        add_indented(out, code);
    } else {
        text_buffer_add(out, code.bytes, code.size_bytes);
    }
}
