/*
 * talker.h - a model folder that answers a conversation, token by token.
 *
 * One sample at a time by the generation engine, in the model's own chat
 * template or another.  What is drawn depends on (weights, conversation,
 * sampling, seed, turn) alone.
 */
#ifndef ARGOSY_ACTOR_TALKER_H
#define ARGOSY_ACTOR_TALKER_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/engine/sampler.h"
#include "actor/text/conversation.h"
#include "common/base/err.h"

struct talker; // opaque

struct talker_options {
    const char *model;        // folder
    const char *template;     // template.h
    unsigned n_threads;       // 0: what the machine allows
    uint64_t cache_bytes_max; // for keys and values
};

struct talker *talker_open(const struct talker_options *options, struct err *err);
void talker_close(struct talker *t);

// What the model's generation_config.json asks for; draws of the plain
// distribution where it says nothing.
struct sampling talker_sampling(const struct talker *t);

struct talker_turn {
    struct sampling sampling;
    uint64_t seed, number;   // with the position: the key of a draw
    uint32_t max_new_tokens; // cut to what the context has room for
    bool is_literal;         // special tokens spelled out in turns are text
};

// Gets the answer as it is drawn, whole characters at a time.
typedef void (*talker_fn)(void *context, struct view text);

// Draws the answer to a conversation.  malloc'ed, without the token that ended
// it, U+FFFD where bytes form no character; NULL with a reason: the conversation fills the context,
// or is not text.
char *talker_answer(struct talker *t, const struct conversation *c, const struct talker_turn *turn,
                    talker_fn write, void *context, struct err *err);

#endif
