/*
 * template.h - how a conversation becomes what the model reads.
 *
 * By name: `auto` is the model's own chat template, recognised and rendered as
 * the published Jinja text would be; those of well-known models have names too
 * (template_names()); `r1_zero` (the conversation of the DeepSeek-R1 paper),
 * `short` (User:…Assistant:, for small vocabularies) and `plain` (the problem
 * alone) are for models without one, as is any text with {prompt} in it once.
 * Tools are out of scope: a role other than system, user and assistant is
 * refused.  Llama 3.1 and later name a day; it is the one their template falls
 * back to, 26 Jul 2024, and never today.
 *
 * Immutable once made: any number of threads may render.
 */
#ifndef ARGOSY_ACTOR_TEMPLATE_TEMPLATE_H
#define ARGOSY_ACTOR_TEMPLATE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "actor/text/conversation.h"
#include "actor/text/text_buffer.h"
#include "common/base/err.h"

// What a model's folder says about its template.  bytes NULL: no such file.
struct template_files {
    struct view tokenizer_config; // tokenizer_config.json
    struct view jinja;            // chat_template.jinja, which wins over the others
    struct view json;             // chat_template.json
};

struct chat_style; // one family of chat templates

struct template
{
    const struct chat_style *chat; // NULL: the text before and after the prompt
    char *before, *after;          // malloc'ed
    char *bos;                     // malloc'ed; the text of the token that opens a conversation
    char *system;                  // malloc'ed; said when the conversation has no system turn
};

// Without the model's files "auto" is refused, and a BOS is the published one.
int template_init(struct template *t, const char *text, struct err *err);
int template_init_for_model(struct template *t, const char *text,
                            const struct template_files *files, struct err *err);
void template_fini(struct template *t);

// "auto, qwen2.5, …, plain": what a recipe can name.  malloc'ed.
char *template_names(void);

// What it renders is all that the model reads: nothing (a BOS) must be put
// before it.  So it is with chat templates, which write their own.
bool template_is_whole(const struct template *t);
// A finished answer ends in the model's own token for that: nothing (an EOS)
// must be put after it.
bool template_ends_answers(const struct template *t);
const char *template_end(const struct template *t); // that token's text, or NULL

enum part_kind {
    PART_FRAME,   // the template's own words
    PART_CONTENT, // what the system and the user say
    PART_ANSWER,  // what the assistant says
    PART_END,     // the token that ends an answer: learned with it
};

struct rendered_part {
    size_t size_bytes; // never 0; neighbours differ in kind
    enum part_kind kind;
};

struct rendering {
    struct text_buffer text;
    struct rendered_part *parts; // they cover the text, in order
    size_t n_parts, room;
};
void rendering_init(struct rendering *r);
void rendering_fini(struct rendering *r);
void rendering_add(struct rendering *r, enum part_kind kind, const char *bytes, size_t size_bytes);

// Appends a conversation, with the opening of an answer to come if asked for.
// A template without roles takes the last turn of the user, and the turn of
// the assistant after it if there is one.  Fails on a role it does not know
// and on a conversation the template has no form for.
int template_render(const struct template *t, const struct conversation *c, bool opens_answer,
                    struct rendering *out, struct err *err);

// Likewise for a conversation to learn from: the last answer, if it comes last,
// stands as the model would have written it after the opening, its thoughts
// included (many chat templates drop them).
int template_render_example(const struct template *t, const struct conversation *c,
                            struct rendering *out, struct err *err);

// The text alone, with the opening of the answer to come; nothing is added for
// a conversation that template_render refuses.
void template_add(const struct template *t, const struct conversation *c, struct text_buffer *out);

#endif
