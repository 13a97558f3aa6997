/*
 * template.h - how a problem becomes what the model reads.
 *
 * By name: "r1_zero" (the conversation of the DeepSeek-R1 paper), "short"
 * (User:…Assistant:, for small vocabularies), "plain" (the problem alone); or
 * any text with {prompt} in it once.
 */
#ifndef ARGOSY_ACTOR_TEMPLATE_TEMPLATE_H
#define ARGOSY_ACTOR_TEMPLATE_TEMPLATE_H

#include <stddef.h>

#include "actor/text/conversation.h"
#include "actor/text/text_buffer.h"
#include "common/base/err.h"

struct template
{
    char *before, *after; // malloc'ed
};

int template_init(struct template *t, const char *text, struct err *err);
void template_fini(struct template *t);
// The conversation with the opening of the answer to come.  A template without
// roles takes the last turn of the user.
void template_add(const struct template *t, const struct conversation *c, struct text_buffer *out);

#endif
