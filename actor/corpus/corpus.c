#include "actor/corpus/corpus.h"

#include <stdlib.h>
#include <string.h>

static const struct corpus_kind *const kinds[] = {&corpus_dials, &corpus_jsonl, &corpus_worked};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

void corpus_text_init(struct corpus_text *t)
{
    *t = (struct corpus_text){0};
}

void corpus_text_fini(struct corpus_text *t)
{
    text_buffer_fini(&t->text);
    free(t->segments);
    *t = (struct corpus_text){0};
}

void corpus_text_close_segment(struct corpus_text *t, float weight)
{
    size_t before = 0;
    for (uint32_t i = 0; i < t->n_segments; i++)
        before += t->segments[i].size_bytes;
    size_t size_bytes = t->text.size_bytes - before;
    if (t->n_segments > 0 && t->segments[t->n_segments - 1].weight == weight) {
        t->segments[t->n_segments - 1].size_bytes += size_bytes;
        return;
    }
    CHECK(t->n_segments < CORPUS_SEGMENTS_MAX);
    if (t->n_segments == t->room) {
        t->room = t->room == 0 ? 16 : 2 * t->room;
        t->segments = realloc(t->segments, t->room * sizeof *t->segments);
        CHECK(t->segments != NULL);
    }
    t->segments[t->n_segments++] = (struct corpus_segment){size_bytes, weight};
}

void corpus_text_add_prompt(struct corpus_text *t, const struct template *template,
                            const char *prompt, float weight)
{
    struct conversation conversation = {0};
    conversation_add(&conversation, "user", (struct view){prompt, strlen(prompt)});
    template_add(template, &conversation, &t->text);
    t->is_whole = template_is_whole(template);
    conversation_fini(&conversation);
    corpus_text_close_segment(t, weight);
}

int corpus_init(struct corpus *c, struct json spec, const struct corpus_setting *setting,
                struct err *err)
{
    *c = (struct corpus){0};
    if (!json_is_present(spec)) return 0;
    const char *name = json_to_string(json_member(spec, "name"), NULL);
    for (size_t i = 0; i < N_KINDS; i++) {
        if (name == NULL || strcmp(name, kinds[i]->name) != 0) continue;
        void *state = kinds[i]->create(spec, setting, err);
        if (state == NULL) return -1;
        *c = (struct corpus){kinds[i], state};
        return 0;
    }
    return err_set(err, ERR_USAGE, "spec.corpus.name: want dials, jsonl or worked, got '%.60s'",
                   name == NULL ? "" : name);
}

void corpus_fini(struct corpus *c)
{
    if (c->kind != NULL) c->kind->destroy(c->state);
    *c = (struct corpus){0};
}
