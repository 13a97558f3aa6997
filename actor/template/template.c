#include "actor/template/template.h"

#include <stdlib.h>
#include <string.h>

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

int template_init(struct template *t, const char *text, struct err *err)
{
    *t = (struct template){0};
    const char *body = text;
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (strcmp(text, built_in[i].name) == 0) body = built_in[i].text;
    const char *place = strstr(body, PLACE);
    if (place == NULL || strstr(place + 1, PLACE) != NULL)
        return err_set(err, ERR_USAGE,
                       "template '%.100s': want r1_zero, short, plain or a text with " PLACE
                       " in it once",
                       text);
    const char *after = place + strlen(PLACE);
    t->before = text_copy(body, (size_t)(place - body));
    t->after = text_copy(after, strlen(after));
    return 0;
}

int template_init_for_model(struct template *t, const char *text,
                            const struct template_files *files, struct err *err)
{
    (void)files;
    return template_init(t, text, err);
}

void template_fini(struct template *t)
{
    free(t->before);
    free(t->after);
    free(t->bos);
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
    render_prompt(t, c, opens_answer, out);
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
