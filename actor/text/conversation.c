#include "actor/text/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "common/base/err.h"

void conversation_fini(struct conversation *c)
{
    for (size_t i = 0; i < c->n_turns; i++) {
        free(c->turns[i].role);
        free(c->turns[i].content);
    }
    free(c->turns);
    *c = (struct conversation){0};
}

void conversation_add(struct conversation *c, const char *role, struct view content)
{
    c->turns = realloc(c->turns, (c->n_turns + 1) * sizeof *c->turns);
    CHECK(c->turns != NULL);
    c->turns[c->n_turns++] =
        (struct turn){text_copy(role, strlen(role)), text_copy(content.bytes, content.size_bytes)};
}

void conversation_extend(struct conversation *c, const char *text)
{
    if (c->n_turns == 0) return;
    char **content = &c->turns[c->n_turns - 1].content;
    size_t before = strlen(*content), added = strlen(text);
    if (before >= added && memcmp(*content + before - added, text, added) == 0) return;
    *content = realloc(*content, before + added + 1);
    CHECK(*content != NULL);
    memcpy(*content + before, text, added + 1);
}

const char *conversation_last(const struct conversation *c, const char *role)
{
    for (size_t i = c->n_turns; i-- > 0;)
        if (strcmp(c->turns[i].role, role) == 0) return c->turns[i].content;
    return NULL;
}
