/*
 * rendered_ids.h - a rendered conversation as the ids that the model reads.
 */
#ifndef ARGOSY_ACTOR_RENDERED_IDS_H
#define ARGOSY_ACTOR_RENDERED_IDS_H

#include "actor/template/template.h"
#include "actor/tokenizer/tokenizer.h"

// Appends them, a BOS of the tokenizer before them unless the template writes
// its own.  Special tokens are recognised wherever they are spelled out, as
// transformers does it; with is_literal not in what the system and the user
// say, so that a problem's text cannot end its own turn.
int rendered_ids(const struct tokenizer *t, const struct template *template,
                 const struct rendering *r, bool is_literal, struct token_ids *out,
                 struct err *err);

#endif
