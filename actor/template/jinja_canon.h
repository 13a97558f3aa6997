/*
 * jinja_canon.h - one spelling for the many of the same Jinja text.
 *
 * Published chat templates differ in indentation, quotes, comments and
 * message.role against message['role'], and mean the same.  The canonical form
 * keeps what is printed and the tokens of each tag; white space is trimmed as
 * transformers has Jinja do it (trim_blocks, lstrip_blocks).  Two texts of one
 * form print the same.
 *
 * The system prompt that a template falls back to is taken out of the form:
 * fine-tuned models change it and nothing else.
 */
#ifndef ARGOSY_ACTOR_TEMPLATE_JINJA_CANON_H
#define ARGOSY_ACTOR_TEMPLATE_JINJA_CANON_H

#include "actor/text/text_buffer.h"
#include "common/base/err.h"

#define JINJA_BYTES_MAX ((size_t)1 << 20)

struct jinja_canon {
    struct text_buffer form;
    char *system; // malloc'ed; NULL: no system prompt to fall back to
};

// Fails on text that is not made of tags and text (an open tag or string).
int jinja_canon_init(struct jinja_canon *j, struct view text, struct err *err);
void jinja_canon_fini(struct jinja_canon *j);

#endif
