#include "actor/verbs.h"

const struct actor_verb actor_verbs[] = {
    {"generate", generate_verb},
    {"chat", chat_verb},
    {"init", init_verb},
    {"show", show_verb},
    {"score", score_verb},
    {"tokenize", tokenize_verb},
    {"decontaminate", decontaminate_verb},
};
const size_t n_actor_verbs = sizeof actor_verbs / sizeof *actor_verbs;
