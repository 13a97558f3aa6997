#include "actor/template/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/template/chat_style.h"
#include "actor/template/jinja_canon.h"
#include "actor/template/template_files.h"

#define PLACE "{prompt}"

static const struct {
    const char *name, *text;
} built_in[] = {
    {"r1_zero",
     "A conversation between User and Assistant. The user asks a question, and the Assistant "
     "solves it. The assistant first thinks about the reasoning process in the mind and then "
     "provides the user with the answer. The reasoning process and answer are enclosed within "
     "<think>...</think> and <answer>...</answer> tags, respectively, i.e., <think> reasoning "
     "process here </think> <answer> answer here </answer>. User: " PLACE ". Assistant:"},
    {"short", "User:" PLACE "Assistant:"},
    {"plain", PLACE},
};

static const char *text_of(const char *name)
{
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (strcmp(name, built_in[i].name) == 0) return built_in[i].text;
    return name;
}

char *template_names(void)
{
    struct text_buffer names;
    text_buffer_init(&names);
    text_buffer_add_string(&names, "auto");
    for (size_t i = 0; i < n_chat_styles; i++)
        if (chat_styles[i].is_offered) text_buffer_printf(&names, ", %s", chat_styles[i].name);
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        text_buffer_printf(&names, ", %s", built_in[i].name);
    return text_buffer_take(&names);
}

static int refuse(const char *what, struct err *err)
{
    char *names = template_names();
    err_set(err, ERR_USAGE, "%s; choose one of %s or a text with " PLACE " in it once", what,
            names);
    free(names);
    return -1;
}

static int init_prompt(struct template *t, const char *text, struct err *err)
{
    const char *body = text_of(text);
    const char *place = strstr(body, PLACE);
    if (place == NULL || strstr(place + 1, PLACE) != NULL) {
        char what[160];
        snprintf(what, sizeof what, "template '%.100s' is not known", text);
        return refuse(what, err);
    }
    const char *after = place + strlen(PLACE);
    t->before = text_copy(body, (size_t)(place - body));
    t->after = text_copy(after, strlen(after));
    return 0;
}

static char *copy_of(const char *text)
{
    return text == NULL ? NULL : text_copy(text, strlen(text));
}

static void init_chat(struct template *t, const struct chat_style *style)
{
    t->chat = style;
    t->bos = copy_of(style->bos);
    t->system = copy_of(style->system);
}

int template_init(struct template *t, const char *text, struct err *err)
{
    *t = (struct template){0};
    const struct chat_style *style = chat_style_find(text);
    if (strcmp(text, "auto") == 0) return refuse("template auto needs a model's files", err);
    if (style == NULL || !style->is_offered) return init_prompt(t, text, err);
    init_chat(t, style);
    return 0;
}

// The model's own: its Jinja text is recognised, not run.
static int init_own(struct template *t, const struct template_files *files, struct err *err)
{
    size_t size_bytes;
    char *jinja = template_files_jinja(files, &size_bytes, err);
    if (jinja == NULL && err->code == ERR_USAGE) {
        char what[160];
        snprintf(what, sizeof what, "%s", err->text);
        return refuse(what, err);
    }
    if (jinja == NULL) return -1;
    struct jinja_canon canon;
    int result = jinja_canon_init(&canon, (struct view){jinja, size_bytes}, err);
    free(jinja);
    if (result != 0) return -1;
    struct hash form = hash_of(canon.form.bytes, canon.form.size_bytes);
    const struct chat_style *style = chat_style_of(&form);
    if (style == NULL) {
        char hex[HASH_HEX_BYTES], what[160];
        hash_hex(&form, hex);
        snprintf(what, sizeof what, "template auto: the model's chat template is not known (%.16s)",
                 hex);
        result = refuse(what, err);
    } else {
        init_chat(t, style);
        if (canon.system != NULL) {
            free(t->system);
            t->system = copy_of(canon.system);
        }
    }
    jinja_canon_fini(&canon);
    return result;
}

int template_init_for_model(struct template *t, const char *text,
                            const struct template_files *files, struct err *err)
{
    *t = (struct template){0};
    int result = strcmp(text, "auto") == 0 ? init_own(t, files, err) : template_init(t, text, err);
    char *bos = NULL;
    if (result == 0 && t->bos != NULL) result = template_files_bos(files, &bos, err);
    if (bos != NULL) {
        free(t->bos);
        t->bos = bos;
    }
    if (result != 0) template_fini(t);
    return result;
}

void template_fini(struct template *t)
{
    free(t->before);
    free(t->after);
    free(t->bos);
    free(t->system);
    *t = (struct template){0};
}

bool template_is_whole(const struct template *t)
{
    return t->chat != NULL;
}

bool template_ends_answers(const struct template *t)
{
    return t->chat != NULL;
}

const char *template_end(const struct template *t)
{
    return t->chat == NULL ? NULL : t->chat->end;
}

static void add_string(struct rendering *out, enum part_kind kind, const char *text)
{
    rendering_add(out, kind, text, strlen(text));
}

static void render_prompt(const struct template *t, const struct conversation *c, bool opens_answer,
                          struct rendering *out)
{
    size_t user = c->n_turns;
    for (size_t i = c->n_turns; i-- > 0 && user == c->n_turns;)
        if (strcmp(c->turns[i].role, "user") == 0) user = i;
    bool is_answered = user + 1 < c->n_turns && strcmp(c->turns[user + 1].role, "assistant") == 0;
    add_string(out, PART_FRAME, t->before);
    if (user < c->n_turns) add_string(out, PART_CONTENT, c->turns[user].content);
    if (is_answered || opens_answer) add_string(out, PART_FRAME, t->after);
    if (is_answered) add_string(out, PART_ANSWER, c->turns[user + 1].content);
}

static int check_roles(const struct conversation *c, struct err *err)
{
    for (size_t i = 0; i < c->n_turns; i++) {
        const char *role = c->turns[i].role;
        if (strcmp(role, "system") != 0 && strcmp(role, "user") != 0 &&
            strcmp(role, "assistant") != 0)
            return err_set(err, ERR_FORMAT,
                           "turn %zu: role '%.60s' is not implemented (system, user, assistant)", i,
                           role);
    }
    return 0;
}

int template_render(const struct template *t, const struct conversation *c, bool opens_answer,
                    struct rendering *out, struct err *err)
{
    if (check_roles(c, err) != 0) return -1;
    if (t->chat == NULL)
        render_prompt(t, c, opens_answer, out);
    else if (c->n_turns == 0)
        return err_set(err, ERR_FORMAT, "a conversation without a turn");
    else
        t->chat->render(t, c, opens_answer, out);
    return 0;
}

int template_render_example(const struct template *t, const struct conversation *c,
                            struct rendering *out, struct err *err)
{
    const size_t n = c->n_turns;
    if (t->chat == NULL || n < 2 || strcmp(c->turns[n - 1].role, "assistant") != 0)
        return template_render(t, c, false, out, err);
    const struct conversation question = {c->turns, n - 1};
    if (template_render(t, &question, true, out, err) != 0) return -1;
    const char *answer = c->turns[n - 1].content, *opening = t->chat->opening;
    if (opening != NULL && strncmp(answer, opening, strlen(opening)) == 0)
        answer += strlen(opening);
    add_string(out, PART_ANSWER, answer);
    add_string(out, PART_END, t->chat->end);
    if (t->chat->after_end != NULL) add_string(out, PART_FRAME, t->chat->after_end);
    return 0;
}

void template_add(const struct template *t, const struct conversation *c, struct text_buffer *out)
{
    struct rendering r;
    struct err ignored;
    rendering_init(&r);
    if (template_render(t, c, true, &r, &ignored) == 0)
        text_buffer_add(out, r.text.bytes == NULL ? "" : r.text.bytes, r.text.size_bytes);
    rendering_fini(&r);
}
