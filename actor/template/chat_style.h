/*
 * chat_style.h - one family of chat templates; for this room only.
 */
#ifndef ARGOSY_ACTOR_TEMPLATE_CHAT_STYLE_H
#define ARGOSY_ACTOR_TEMPLATE_CHAT_STYLE_H

#include "actor/template/template.h"
#include "common/base/hash.h"

struct chat_style {
    const char *name;
    void (*render)(const struct template *t, const struct conversation *c, bool opens_answer,
                   struct rendering *out);
    const char *bos;             // opens a conversation; NULL: nothing does
    const char *system;          // said when the conversation has no system turn; NULL: nothing is
    const char *opening;         // what an answer starts with that the model need not write
    const char *end, *after_end; // end an answer: the token, what follows it
    bool is_offered;             // by name, in a recipe
    // of DeepSeek's
    bool joins_systems;   // all system turns, else the last one
    bool opens_with_user; // a turn of the user opens the answer to it
    // of Qwen3's
    bool has_thinking_frame; // the opening is in finished answers too
};

extern const struct chat_style chat_styles[];
extern const size_t n_chat_styles;
const struct chat_style *chat_style_find(const char *name); // NULL: none

// The style of a published Jinja text by the hash of its canonical form.
const struct chat_style *chat_style_of(const struct hash *form);

#endif
