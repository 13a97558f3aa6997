#include <string.h>

#include "actor/template/chat_style.h"
#include "actor/text/utf8.h"

// Each function writes what the published Jinja text of its family writes for
// turns of the system, the user and the assistant, without tools.

static void add(struct rendering *out, enum part_kind kind, const char *text)
{
    if (text != NULL) rendering_add(out, kind, text, strlen(text));
}

static bool is_role(const struct conversation *c, size_t i, const char *role)
{
    return i < c->n_turns && strcmp(c->turns[i].role, role) == 0;
}

static enum part_kind kind_of(const char *role)
{
    return strcmp(role, "assistant") == 0 ? PART_ANSWER : PART_CONTENT;
}

static void end_answer(const struct template *t, struct rendering *out)
{
    add(out, PART_END, t->chat->end);
    add(out, PART_FRAME, t->chat->after_end);
}

// What str.strip() of Python takes off.
static struct view trim(const char *content)
{
    struct view v = {content, strlen(content)};
    uint32_t c;
    size_t n;
    while ((n = utf8_next(v.bytes, v.size_bytes, &c)) > 0 &&
           (utf8_is_space(c) || (c >= 0x1c && c <= 0x1f))) {
        v.bytes += n;
        v.size_bytes -= n;
    }
    for (size_t start; v.size_bytes > 0; v.size_bytes = start) {
        start = v.size_bytes - 1;
        while (start > 0 && ((unsigned char)v.bytes[start] & 0xc0u) == 0x80u)
            start--;
        n = utf8_next(v.bytes + start, v.size_bytes - start, &c);
        if (n == 0 || !(utf8_is_space(c) || (c >= 0x1c && c <= 0x1f))) break;
    }
    return v;
}

static struct view trim_newlines(struct view v, bool at_end)
{
    while (v.size_bytes > 0 && v.bytes[0] == '\n') {
        v.bytes++;
        v.size_bytes--;
    }
    while (at_end && v.size_bytes > 0 && v.bytes[v.size_bytes - 1] == '\n')
        v.size_bytes--;
    return v;
}

// What follows the last `mark`; all of it when there is none.
static struct view after_last(struct view v, const char *mark)
{
    size_t at = text_find_last(v, mark);
    return at == TEXT_NOWHERE ? v : text_part(v, at + strlen(mark), v.size_bytes);
}

// --- ChatML, Qwen2, Qwen2.5 ----------------------------------------------------------------------

static void chatml_turn(const struct template *t, const char *role, struct view content,
                        struct rendering *out)
{
    add(out, PART_FRAME, "<|im_start|>");
    add(out, PART_FRAME, role);
    add(out, PART_FRAME, "\n");
    rendering_add(out, kind_of(role), content.bytes, content.size_bytes);
    if (kind_of(role) == PART_ANSWER)
        end_answer(t, out);
    else
        add(out, PART_FRAME, "<|im_end|>\n");
}

static void chatml_system(const struct template *t, struct rendering *out)
{
    if (t->system == NULL) return;
    add(out, PART_FRAME, "<|im_start|>system\n");
    add(out, PART_FRAME, t->system);
    add(out, PART_FRAME, "<|im_end|>\n");
}

static void chatml_open(const struct template *t, struct rendering *out)
{
    add(out, PART_FRAME, "<|im_start|>assistant\n");
    add(out, PART_FRAME, t->chat->opening);
}

static void render_chatml(const struct template *t, const struct conversation *c, bool opens_answer,
                          struct rendering *out)
{
    if (!is_role(c, 0, "system")) chatml_system(t, out);
    for (size_t i = 0; i < c->n_turns; i++) {
        const char *content = c->turns[i].content;
        chatml_turn(t, c->turns[i].role, (struct view){content, strlen(content)}, out);
    }
    if (opens_answer) chatml_open(t, out);
}

// The form that LLaMA-Factory writes: a turn of the user opens the answer,
// whether asked to or not, and only a first system turn counts.
static void render_factory(const struct template *t, const struct conversation *c,
                           bool opens_answer, struct rendering *out)
{
    (void)opens_answer;
    if (is_role(c, 0, "system")) {
        const char *content = c->turns[0].content;
        chatml_turn(t, "system", (struct view){content, strlen(content)}, out);
    } else {
        chatml_system(t, out);
    }
    for (size_t i = 0; i < c->n_turns; i++) {
        const char *content = c->turns[i].content;
        if (is_role(c, i, "user")) {
            chatml_turn(t, "user", (struct view){content, strlen(content)}, out);
            chatml_open(t, out);
        } else if (is_role(c, i, "assistant")) {
            add(out, PART_ANSWER, content);
            end_answer(t, out);
        }
    }
}

// --- Qwen3 ---------------------------------------------------------------------------------------

// The last question that is one: not the result of a tool.
static size_t last_query(const struct conversation *c)
{
    for (size_t i = c->n_turns; i-- > 0;) {
        if (!is_role(c, i, "user")) continue;
        const char *content = c->turns[i].content, *close = "</tool_response>";
        size_t n = strlen(content), n_close = strlen(close);
        bool is_result = strncmp(content, "<tool_response>", strlen("<tool_response>")) == 0 &&
                         n >= n_close && strcmp(content + n - n_close, close) == 0;
        if (!is_result) return i;
    }
    return c->n_turns - 1;
}

// Answers before the last question lose their thoughts, those after it always
// show the place of them.
static void qwen3_answer(const struct template *t, const char *text, bool is_after, bool is_last,
                         struct rendering *out)
{
    struct view whole = {text, strlen(text)}, content = whole, thoughts = {text, 0};
    size_t close = text_find(whole, "</think>", 0);
    if (close != TEXT_NOWHERE) {
        thoughts = text_part(whole, 0, close);
        while (thoughts.size_bytes > 0 && thoughts.bytes[thoughts.size_bytes - 1] == '\n')
            thoughts.size_bytes--;
        thoughts = trim_newlines(after_last(thoughts, "<think>"), false);
        content = trim_newlines(after_last(whole, "</think>"), false);
    }
    add(out, PART_FRAME, "<|im_start|>assistant\n");
    if (is_after && (is_last || thoughts.size_bytes > 0)) {
        add(out, t->chat->has_thinking_frame ? PART_FRAME : PART_ANSWER, "<think>\n");
        thoughts = trim_newlines(thoughts, true);
        rendering_add(out, PART_ANSWER, thoughts.bytes, thoughts.size_bytes);
        add(out, PART_ANSWER, "\n</think>\n\n");
        content = trim_newlines(content, false);
    }
    rendering_add(out, PART_ANSWER, content.bytes, content.size_bytes);
    end_answer(t, out);
}

static void render_qwen3(const struct template *t, const struct conversation *c, bool opens_answer,
                         struct rendering *out)
{
    const size_t query = last_query(c);
    for (size_t i = 0; i < c->n_turns; i++) {
        const char *content = c->turns[i].content;
        if (is_role(c, i, "assistant"))
            qwen3_answer(t, content, i > query, i + 1 == c->n_turns, out);
        else
            chatml_turn(t, c->turns[i].role, (struct view){content, strlen(content)}, out);
    }
    if (opens_answer) chatml_open(t, out);
}

// --- Llama 3 -------------------------------------------------------------------------------------

static void llama_header(const char *role, struct rendering *out)
{
    add(out, PART_FRAME, "<|start_header_id|>");
    add(out, PART_FRAME, role);
    add(out, PART_FRAME, "<|end_header_id|>\n\n");
}

static void llama_turn(const struct template *t, const struct turn *turn, struct rendering *out)
{
    struct view content = trim(turn->content);
    llama_header(turn->role, out);
    rendering_add(out, kind_of(turn->role), content.bytes, content.size_bytes);
    if (kind_of(turn->role) == PART_ANSWER)
        end_answer(t, out);
    else
        add(out, PART_FRAME, t->chat->end);
}

static void render_llama3(const struct template *t, const struct conversation *c, bool opens_answer,
                          struct rendering *out)
{
    add(out, PART_FRAME, t->bos);
    for (size_t i = 0; i < c->n_turns; i++)
        llama_turn(t, &c->turns[i], out);
    if (opens_answer) llama_header("assistant", out);
}

// The first revision opened an answer whether asked to or not.
static void render_llama3_open(const struct template *t, const struct conversation *c,
                               bool opens_answer, struct rendering *out)
{
    (void)opens_answer;
    render_llama3(t, c, true, out);
}

static void render_llama31(const struct template *t, const struct conversation *c,
                           bool opens_answer, struct rendering *out)
{
    const bool has_system = is_role(c, 0, "system");
    add(out, PART_FRAME, t->bos);
    llama_header("system", out);
    // the day that the template names where the caller gives none: a prompt
    // must not change with the calendar
    add(out, PART_FRAME, "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
    if (has_system) {
        struct view content = trim(c->turns[0].content);
        rendering_add(out, PART_CONTENT, content.bytes, content.size_bytes);
    }
    add(out, PART_FRAME, t->chat->end);
    for (size_t i = has_system; i < c->n_turns; i++)
        llama_turn(t, &c->turns[i], out);
    if (opens_answer) llama_header("assistant", out);
}

// --- DeepSeek ------------------------------------------------------------------------------------

#define DEEPSEEK_USER "<\xef\xbd\x9cUser\xef\xbd\x9c>"
#define DEEPSEEK_ASSISTANT                                                                         \
    "<\xef\xbd\x9c"                                                                                \
    "Assistant\xef\xbd\x9c>"
#define DEEPSEEK_BOS                                                                               \
    "<\xef\xbd\x9c"                                                                                \
    "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"
#define DEEPSEEK_EOS                                                                               \
    "<\xef\xbd\x9c"                                                                                \
    "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"

static void deepseek_systems(const struct template *t, const struct conversation *c,
                             struct rendering *out)
{
    const char *last = conversation_last(c, "system");
    bool is_first = true;
    if (!t->chat->joins_systems) add(out, PART_CONTENT, last);
    for (size_t i = 0; i < c->n_turns && t->chat->joins_systems; i++) {
        if (!is_role(c, i, "system")) continue;
        if (!is_first) add(out, PART_FRAME, "\n\n");
        add(out, PART_CONTENT, c->turns[i].content);
        is_first = false;
    }
}

static void render_deepseek(const struct template *t, const struct conversation *c,
                            bool opens_answer, struct rendering *out)
{
    bool is_open = false;
    add(out, PART_FRAME, t->bos);
    deepseek_systems(t, c, out);
    for (size_t i = 0; i < c->n_turns; i++) {
        const char *content = c->turns[i].content;
        if (is_role(c, i, "user")) {
            add(out, PART_FRAME, DEEPSEEK_USER);
            add(out, PART_CONTENT, content);
            is_open = t->chat->opens_with_user;
            if (is_open) add(out, PART_FRAME, DEEPSEEK_ASSISTANT);
        } else if (is_role(c, i, "assistant")) {
            struct view answer = after_last((struct view){content, strlen(content)}, "</think>");
            if (!t->chat->opens_with_user) add(out, PART_FRAME, DEEPSEEK_ASSISTANT);
            rendering_add(out, PART_ANSWER, answer.bytes, answer.size_bytes);
            end_answer(t, out);
            is_open = false;
        }
    }
    if (!opens_answer || is_open) return;
    add(out, PART_FRAME, DEEPSEEK_ASSISTANT);
    add(out, PART_FRAME, t->chat->opening);
}

// --- the list ------------------------------------------------------------------------------------

#define CHATML .render = render_chatml, .end = "<|im_end|>", .after_end = "\n"
#define QWEN3 .render = render_qwen3, .end = "<|im_end|>", .after_end = "\n"
#define LLAMA3 .bos = "<|begin_of_text|>", .end = "<|eot_id|>"
#define DEEPSEEK .render = render_deepseek, .bos = DEEPSEEK_BOS, .end = DEEPSEEK_EOS

const struct chat_style chat_styles[] = {
    {.name = "qwen2.5",
     .is_offered = true,
     .system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
     CHATML},
    {.name = "qwen2.5-math",
     .is_offered = true,
     .system = "Please reason step by step, and put your final answer within \\boxed{}.",
     CHATML},
    {.name = "qwen3", .is_offered = true, QWEN3},
    {.name = "qwen3-nothink", .is_offered = true, .opening = "<think>\n\n</think>\n\n", QWEN3},
    {.name = "qwen3-thinking",
     .is_offered = true,
     .opening = "<think>\n",
     .has_thinking_frame = true,
     QWEN3},
    {.name = "llama3", .is_offered = true, .render = render_llama3, LLAMA3},
    {.name = "llama3.1", .is_offered = true, .render = render_llama31, LLAMA3},
    {.name = "deepseek-r1",
     .is_offered = true,
     .joins_systems = true,
     .opening = "<think>\n",
     DEEPSEEK},
    {.name = "chatml", .is_offered = true, CHATML},
    {.name = "qwen2-factory", .render = render_factory, .end = "<|im_end|>", .after_end = "\n"},
    {.name = "llama3-open", .render = render_llama3_open, LLAMA3},
    {.name = "deepseek-v3", .joins_systems = true, DEEPSEEK},
    {.name = "deepseek-r1-distill", .opening = "<think>\n", DEEPSEEK},
    {.name = "deepseek-r1-distill-plain", DEEPSEEK},
    {.name = "deepseek-r1-0528", .joins_systems = true, .opens_with_user = true, DEEPSEEK},
};
const size_t n_chat_styles = sizeof chat_styles / sizeof chat_styles[0];

const struct chat_style *chat_style_find(const char *name)
{
    for (size_t i = 0; i < n_chat_styles; i++)
        if (strcmp(chat_styles[i].name, name) == 0) return &chat_styles[i];
    return NULL;
}
