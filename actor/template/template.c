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

void template_fini(struct template *t)
{
    free(t->before);
    free(t->after);
    *t = (struct template){0};
}

void template_add(const struct template *t, const struct conversation *c, struct text_buffer *out)
{
    const char *prompt = conversation_last(c, "user");
    text_buffer_add_string(out, t->before);
    text_buffer_add_string(out, prompt == NULL ? "" : prompt);
    text_buffer_add_string(out, t->after);
}
