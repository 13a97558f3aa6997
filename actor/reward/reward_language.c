/*
 * language_consistency: the share of the target language's words in the chain of
 * thought (R1, equation 7); words and what does not count as one: script_words.h.
 *   language  "en", "zh", ..., or "prompt" (the default): the language of the last
 *             user turn of the prompt, by the script of most of its words; of the
 *             reasoning itself where the prompt has no words
 * 0 when the reasoning has no words at all.
 */
#include <string.h>

#include "actor/reward/reward_kind.h"
#include "actor/reward/script_words.h"

struct language {
    char name[SPEC_STRING_BYTES];
    uint32_t scripts; // 0: the prompt's
};

static const struct language defaults = {.name = "prompt"};

static const struct spec_field fields[] = {
    {"language", SPEC_STRING, offsetof(struct language, name), 0, 0},
};

static int prepare(void *state, struct json spec, const struct reward_setting *setting,
                   const char *what, struct err *err)
{
    struct language *s = state;
    (void)spec;
    (void)setting;
    if (strcmp(s->name, "prompt") == 0) return 0;
    s->scripts = language_scripts(s->name);
    if (s->scripts != 0) return 0;
    return err_set(err, ERR_USAGE,
                   "%s.language: want \"prompt\" or a language's code (en, zh, ja, ru, ...), got "
                   "'%s'",
                   what, s->name);
}

static uint32_t prompt_scripts(const struct problem *problem)
{
    const char *text = conversation_last(&problem->conversation, "user");
    struct word_counts words;
    if (text == NULL) return 0;
    words_count((struct view){text, strlen(text)}, &words);
    return words_leading_scripts(&words);
}

static int value(const void *state, const struct reward_input *in, double *out, struct err *err)
{
    const struct language *s = state;
    struct word_counts words;
    (void)err;
    words_count(in->response->reasoning, &words);
    uint32_t scripts = s->scripts;
    if (scripts == 0) scripts = prompt_scripts(in->sample->problem);
    if (scripts == 0) scripts = words_leading_scripts(&words);
    *out = words.total == 0 ? 0 : (double)words_of_scripts(&words, scripts) / (double)words.total;
    return 0;
}

const struct reward_kind reward_language = {
    .name = "language_consistency",
    .help = "share of the target language's words in the reasoning (language)",
    .state_bytes = sizeof(struct language),
    .defaults = &defaults,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .prepare = prepare,
    .value = value,
};
