#include "actor/grading/response_format.h"

#include <string.h>

#include "actor/grading/answer.h"

static const char *const tags[] = {"<think>", "</think>", "<answer>", "</answer>"};
enum { TAGS = sizeof tags / sizeof tags[0] };

static double strict(struct view text, bool is_stopped)
{
    size_t at[TAGS];
    if (!is_stopped) return 0;
    for (size_t i = 0; i < TAGS; i++) {
        if (text_count(text, tags[i]) != 1) return 0;
        at[i] = text_find(text, tags[i], 0);
    }
    const size_t end_of_think = at[1] + strlen(tags[1]);
    if (at[0] > at[1] || end_of_think > at[2] || at[2] > at[3]) return 0;
    const struct view before = text_part(text, 0, at[0]);
    const struct view between = text_part(text, end_of_think, at[2]);
    const struct view after = text_part(text, at[3] + strlen(tags[3]), text.size_bytes);
    return text_is_blank(before) && text_is_blank(between) && text_is_blank(after) ? 1 : 0;
}

static double think(struct view text, bool is_stopped)
{
    const size_t n_open = text_count(text, tags[0]);
    if (!is_stopped || n_open > 1 || text_count(text, tags[1]) != 1) return 0;
    const size_t close = text_find(text, tags[1], 0);
    if (n_open == 1) {
        const size_t open = text_find(text, tags[0], 0);
        if (open > close || !text_is_blank(text_part(text, 0, open))) return 0;
    }
    const size_t after = close + strlen(tags[1]);
    return text_is_blank(text_part(text, after, text.size_bytes)) ? 0 : 1;
}

// The first possible place of each part leaves the rest the most room, so no
// other needs to be tried.
static double open_r1(struct view text, bool is_stopped)
{
    static const char first[] = "<think>\n", middle[] = "\n</think>\n<answer>\n";
    static const char last[] = "\n</answer>";
    (void)is_stopped;
    if (text_find(text, first, 0) != 0) return 0;
    const size_t turn = text_find(text, middle, strlen(first));
    if (turn == TEXT_NOWHERE) return 0;
    size_t end = turn + strlen(middle);
    while ((end = text_find(text, last, end)) != TEXT_NOWHERE) {
        end += strlen(last);
        if (end == text.size_bytes || text.bytes[end] == '\n') return 1;
    }
    return 0;
}

static double tag_count(struct view text, bool is_stopped)
{
    double value = 0;
    (void)is_stopped;
    for (size_t i = 0; i < TAGS; i++)
        if (text_count(text, tags[i]) == 1) value += 0.25;
    return value;
}

static double boxed(struct view text, bool is_stopped)
{
    struct view inside;
    (void)is_stopped;
    return answer_find_boxed(text, &inside) ? 1 : 0;
}

const struct response_format response_formats[] = {{"strict", strict},
                                                   {"think", think},
                                                   {"open_r1", open_r1},
                                                   {"tag_count", tag_count},
                                                   {"boxed", boxed}};
const size_t n_response_formats = sizeof response_formats / sizeof *response_formats;
const struct response_format *const response_format_strict = &response_formats[0];

const struct response_format *response_format_find(const char *name)
{
    for (size_t i = 0; i < n_response_formats; i++)
        if (strcmp(response_formats[i].name, name) == 0) return &response_formats[i];
    return NULL;
}
