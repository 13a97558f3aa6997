/*
 * conversation.h - who said what, in order: what a chat template renders.
 */
#ifndef ARGOSY_ACTOR_TEXT_CONVERSATION_H
#define ARGOSY_ACTOR_TEXT_CONVERSATION_H

#include <stddef.h>

#include "actor/text/text_search.h"

struct turn {
    char *role;    // malloc'ed: "system", "user", "assistant", as the data says
    char *content; // malloc'ed
};

struct conversation {
    struct turn *turns; // malloc'ed
    size_t n_turns;
};

void conversation_fini(struct conversation *c); // and back to none
void conversation_add(struct conversation *c, const char *role, struct view content);
// Puts text after the content of the last turn, if there is one and it does not
// end so already.
void conversation_extend(struct conversation *c, const char *text);
// The content of the last turn of this role; NULL: there is none.
const char *conversation_last(const struct conversation *c, const char *role);

#endif
