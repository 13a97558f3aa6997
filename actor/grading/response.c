#include "actor/grading/response.h"

#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/response_format.h"

#define WORD(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
static const struct {
    const char *text;
    size_t size_bytes;
} reflective_words[] = {WORD("wait"),  WORD("mistake"), WORD("however"), WORD("but"),
                        WORD("retry"), WORD("error"),   WORD("verify"),  WORD("wrong"),
                        WORD("check"), WORD("evaluate")};
enum { REFLECTIVE_WORDS = sizeof reflective_words / sizeof reflective_words[0] };

// --- parts ---------------------------------------------------------------------------------------

static struct view find_reasoning(struct view text)
{
    const size_t answer = text_find(text, "<answer>", 0);
    const size_t end = answer == TEXT_NOWHERE ? text.size_bytes : answer;
    const size_t think = text_find(text, "<think>", 0);
    const bool is_open = think != TEXT_NOWHERE && think <= end;
    const size_t start = is_open ? think + strlen("<think>") : 0;
    const size_t close = text_find(text, "</think>", start);
    return text_part(text, start, close != TEXT_NOWHERE && close < end ? close : end);
}

// --- words ---------------------------------------------------------------------------------------

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_reflective(struct view word)
{
    const char first = lower(word.bytes[0]);
    for (size_t i = 0; i < REFLECTIVE_WORDS; i++) {
        const char *known = reflective_words[i].text;
        const size_t n = reflective_words[i].size_bytes;
        if (n != word.size_bytes || first != known[0]) continue;
        size_t same = 1;
        while (same < n && lower(word.bytes[same]) == known[same])
            same++;
        if (same == n) return true;
    }
    return false;
}

static uint32_t count_reflective(struct view text)
{
    uint32_t count = 0;
    for (size_t at = 0; at < text.size_bytes;) {
        size_t start = at;
        while (at < text.size_bytes && is_letter(text.bytes[at]))
            at++;
        if (at > start && is_reflective(text_part(text, start, at))) count++;
        if (at == start) at++;
    }
    return count;
}

void response_read(struct response *out, struct view text, bool is_stopped, uint32_t n_steps_needed)
{
    *out = (struct response){.text = text, .answer = {text.bytes, 0}};
    struct view answer;
    if (answer_find(text, &answer)) out->answer = answer;
    out->is_formatted = response_format_strict->value(text, is_stopped) >= 1;
    const struct view reasoning = find_reasoning(text);
    out->reasoning = reasoning;
    out->n_steps = (uint32_t)text_count(reasoning, "=");
    out->n_reflective = count_reflective(text);
    if (out->n_steps < (n_steps_needed == 0 ? 1 : n_steps_needed))
        out->style = STYLE_SHORT;
    else
        out->style = count_reflective(reasoning) > 0 ? STYLE_CHECKED : STYLE_LONG;
}
