#include "actor/grading/answer.h"

#include <string.h>

static bool starts_with(struct view text, size_t at, const char *prefix)
{
    size_t size = strlen(prefix);
    return at <= text.size_bytes && text.size_bytes - at >= size &&
           memcmp(text.bytes + at, prefix, size) == 0;
}

static bool is_blank_at(struct view text, size_t at)
{
    return at < text.size_bytes && text_is_blank(text_part(text, at, at + 1));
}

// --- boxes ---------------------------------------------------------------------------------------

struct box {
    size_t start, end;         // of all of it, the command included
    size_t inside, inside_end; // of what is boxed
};

// A last box that was cut off is passed over, so are this many at most.
enum { BOXES_TRIED = 4, BOXES_JOINED = 16 };

// From the brace at `start` to the one that closes it; TEXT_NOWHERE: none does.
static size_t closing_brace(struct view text, size_t start)
{
    size_t depth = 0;
    for (size_t i = start; i < text.size_bytes; i++) {
        char c = text.bytes[i];
        if (c == '\\')
            i++; // \{ and \} are no braces
        else if (c == '{')
            depth++;
        else if (c == '}' && --depth == 0)
            return i;
    }
    return TEXT_NOWHERE;
}

// The box whose command starts at b->start: \boxed{x}, \boxed {x} or \boxed x.
static bool read_box(struct view text, size_t command_bytes, struct box *b)
{
    size_t at = b->start + command_bytes, blanks = 0;
    while (is_blank_at(text, at + blanks))
        blanks++;
    b->inside = at + blanks;
    if (b->inside >= text.size_bytes) return false;
    if (text.bytes[b->inside] == '{') {
        b->inside_end = closing_brace(text, b->inside);
        if (b->inside_end == TEXT_NOWHERE) return false;
        b->end = b->inside_end + 1;
        b->inside++;
        return true;
    }
    // without braces: what stands next, up to white space or a $
    b->inside_end = b->inside;
    while (b->inside_end < text.size_bytes && text.bytes[b->inside_end] != '$' &&
           !is_blank_at(text, b->inside_end))
        b->inside_end++;
    b->end = b->inside_end;
    char first = text.bytes[at];
    bool is_other_command = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
    return !is_other_command && b->inside_end > b->inside;
}

// The last command that boxes, and its size; one pass from the end.
static size_t find_last_command(struct view text, size_t *command_bytes)
{
    for (size_t at = text.size_bytes; at > 0; at--) {
        if (text.bytes[at - 1] != '\\') continue;
        *command_bytes = starts_with(text, at - 1, "\\boxed")  ? strlen("\\boxed")
                         : starts_with(text, at - 1, "\\fbox") ? strlen("\\fbox")
                                                               : 0;
        if (*command_bytes > 0) return at - 1;
    }
    return TEXT_NOWHERE;
}

// The last box that is complete within the text.
static bool find_last_box(struct view text, struct box *out)
{
    size_t end = text.size_bytes;
    for (int tried = 0; tried < BOXES_TRIED; tried++) {
        size_t command_bytes;
        out->start = find_last_command(text_part(text, 0, end), &command_bytes);
        if (out->start == TEXT_NOWHERE) return false;
        if (read_box(text, command_bytes, out)) return true;
        end = out->start;
    }
    return false;
}

// Whether nothing but commas and "and" divide two boxes.
static bool is_joint(struct view between)
{
    static const char *const joints[] = {
        ",",   ";",   "$",   "\\text{ and }", "and",     "or",      "\\(", "\\)",
        "\\,", "\\;", "\\ ", "\\quad",        "\\qquad", "\\text{", "}",   "\\["};
    enum { JOINT_BYTES_MAX = 64 };
    if (between.size_bytes > JOINT_BYTES_MAX || text_is_blank(between)) return false;
    for (size_t at = 0; at < between.size_bytes;) {
        size_t i = 0;
        while (i < sizeof joints / sizeof *joints && !starts_with(between, at, joints[i]))
            i++;
        if (i < sizeof joints / sizeof *joints)
            at += strlen(joints[i]);
        else if (is_blank_at(between, at))
            at++;
        else
            return false;
    }
    return true;
}

bool answer_find_boxed(struct view text, struct view *out)
{
    struct box last, earlier;
    if (!find_last_box(text, &last)) return false;
    size_t start = last.start;
    for (int joined = 0;
         joined < BOXES_JOINED && find_last_box(text_part(text, 0, start), &earlier); joined++) {
        if (!is_joint(text_part(text, earlier.end, start))) break;
        struct view a = text_part(text, earlier.inside, earlier.inside_end);
        struct view b = text_part(text, last.inside, last.inside_end);
        // said twice is said once
        if (a.size_bytes == b.size_bytes && memcmp(a.bytes, b.bytes, b.size_bytes) == 0) break;
        start = earlier.start;
    }
    *out = start == last.start ? text_part(text, last.inside, last.inside_end)
                               : text_part(text, start, last.end);
    *out = text_trim(*out);
    return out->size_bytes > 0;
}

// --- marks and sentences -------------------------------------------------------------------------

bool answer_find_marked(struct view text, struct view *out)
{
    size_t at = text_find_last(text, "####");
    if (at == TEXT_NOWHERE) return false;
    size_t start = at + 4;
    size_t end = text_find(text, "\n", start);
    *out = text_trim(text_part(text, start, end == TEXT_NOWHERE ? text.size_bytes : end));
    return out->size_bytes > 0;
}

static bool is_word_at(struct view text, size_t at, const char *lower)
{
    size_t size = strlen(lower);
    if (text.size_bytes - at < size) return false;
    for (size_t i = 0; i < size; i++) {
        char c = text.bytes[at + i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != lower[i]) return false;
    }
    return true;
}

static size_t skip_blanks_and_stars(struct view text, size_t at)
{
    while (at < text.size_bytes && (text.bytes[at] == ' ' || text.bytes[at] == '*'))
        at++;
    return at;
}

// What announces an answer at this place: where that ends, or TEXT_NOWHERE.
static size_t end_of_announcement(struct view text, size_t at)
{
    static const char *const verbs[] = {"is",           ":",           "=", "\xef\xbc\x9a",
                                        "\xe6\x98\xaf", "\xe4\xb8\xba"};
    size_t size = is_word_at(text, at, "answer") ? 6 : starts_with(text, at, "答案") ? 6 : 0;
    if (size == 0) return TEXT_NOWHERE;
    at = skip_blanks_and_stars(text, at + size);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (!starts_with(text, at, verbs[i])) continue;
        at += strlen(verbs[i]);
        bool is_longer_word = i == 0 && at < text.size_bytes && text.bytes[at] >= 'a' &&
                              text.bytes[at] <= 'z'; // "answer isn't"
        return is_longer_word ? TEXT_NOWHERE : at;
    }
    return TEXT_NOWHERE;
}

// To the end of the sentence: a dot before white space, a line's end.
static size_t end_of_sentence(struct view text, size_t at)
{
    for (; at < text.size_bytes; at++) {
        char c = text.bytes[at];
        bool is_dot = c == '.' && (at + 1 == text.size_bytes || is_blank_at(text, at + 1) ||
                                   text.bytes[at + 1] == '*');
        if (c == '\n' || is_dot || starts_with(text, at, "。")) return at;
    }
    return at;
}

bool answer_find_announced(struct view text, struct view *out)
{
    size_t start = TEXT_NOWHERE;
    for (size_t at = 0; at < text.size_bytes; at++) {
        size_t end = end_of_announcement(text, at);
        if (end != TEXT_NOWHERE) start = end;
    }
    if (start == TEXT_NOWHERE) return false;
    // the colon of "is:", emphasis, and an answer on a line of its own
    while (start < text.size_bytes &&
           (is_blank_at(text, start) || text.bytes[start] == ':' || text.bytes[start] == '*'))
        start++;
    // in $$ or \[ the lines do not end it
    size_t end = TEXT_NOWHERE;
    if (starts_with(text, start, "$$"))
        end = text_find(text, "$$", start += 2);
    else if (starts_with(text, start, "$"))
        end = text_find(text, "$", start += 1);
    else if (starts_with(text, start, "\\["))
        end = text_find(text, "\\]", start += 2);
    else if (starts_with(text, start, "\\("))
        end = text_find(text, "\\)", start += 2);
    if (end == TEXT_NOWHERE) end = end_of_sentence(text, start);
    // "Answer: the largest n is 34"
    size_t is = text_find_last(text_part(text, start, end), " is ");
    if (is != TEXT_NOWHERE) start += is + strlen(" is ");
    *out = text_trim(text_part(text, start, end));
    while (out->size_bytes > 0 && out->bytes[out->size_bytes - 1] == '*')
        out->size_bytes--;
    return out->size_bytes > 0;
}

// --- the answer ----------------------------------------------------------------------------------

static bool find_tagged(struct view text, struct view *out)
{
    size_t end = text_find_last(text, "</answer>");
    if (end == TEXT_NOWHERE) return false;
    size_t start = text_find_last(text_part(text, 0, end), "<answer>");
    if (start == TEXT_NOWHERE) return false;
    *out = text_trim(text_part(text, start + strlen("<answer>"), end));
    return out->size_bytes > 0;
}

static bool find_untagged(struct view text, struct view *out)
{
    return answer_find_boxed(text, out) || answer_find_marked(text, out) ||
           answer_find_announced(text, out);
}

bool answer_find(struct view text, struct view *out)
{
    size_t thought = text_find_last(text, "</think>");
    if (thought != TEXT_NOWHERE)
        text = text_part(text, thought + strlen("</think>"), text.size_bytes);
    if (!find_tagged(text, out)) return find_untagged(text, out);
    struct view inside;
    if (find_untagged(*out, &inside)) *out = inside;
    return true;
}
