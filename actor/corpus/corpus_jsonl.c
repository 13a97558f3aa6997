#include <stdlib.h>
#include <string.h>

#include "actor/corpus/corpus.h"
#include "actor/data/dataset.h"

// Supervised examples out of data files: conversations in the template, of which
// what the assistant says is learned, and documents, of which all is.

struct corpus_jsonl_state {
    char name[SPEC_STRING_BYTES];
    struct data_options usual;
    double prompt_weight;
    const struct template *template;
    struct dataset rows;
};

#define OPTION(key)                                                                                \
    {                                                                                              \
#key, SPEC_STRING, offsetof(struct corpus_jsonl_state, usual.key), 0, 0                    \
    }
static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct corpus_jsonl_state, name), 0, 0},
    OPTION(convention),
    OPTION(prompt_key),
    OPTION(completion_key),
    OPTION(source_key),
    {"prompt_weight", SPEC_DOUBLE, offsetof(struct corpus_jsonl_state, prompt_weight), 0, 1},
};

// A row's completion becomes the assistant's turn, so that the template has it all.
static int accept(struct row_content *c, struct err *err)
{
    if (c->text != NULL) return 0;
    struct conversation *turns = &c->conversation;
    if (c->completion != NULL)
        conversation_add(turns, "assistant", (struct view){c->completion, strlen(c->completion)});
    for (size_t i = 0; i < turns->n_turns; i++)
        if (strcmp(turns->turns[i].role, "assistant") == 0) return 0;
    return err_set(err, ERR_FORMAT,
                   "nothing to learn: no turn of the assistant and no completion (set "
                   "completion_key)");
}

static void jsonl_destroy(void *state)
{
    struct corpus_jsonl_state *s = state;
    dataset_close(&s->rows);
    free(s);
}

static void *jsonl_create(struct json spec, const struct corpus_setting *setting, struct err *err)
{
    struct corpus_jsonl_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->template = setting->template;
    int result = spec_read(spec, "spec.corpus", fields, sizeof fields / sizeof fields[0], s, err);
    const struct dataset_setting rows = {
        .files = setting->files,
        .role = setting->files->roles[FILES_SFT].count > 0 ? FILES_SFT : FILES_TRAIN,
        .part = JSONL_ALL,
        .is_shuffled = true,
        .seed = setting->seed,
        .usual = s->usual,
        .accept = accept};
    if (result == 0) result = dataset_open(&s->rows, &rows, err);
    if (result == 0) return s;
    jsonl_destroy(s);
    return NULL;
}

static float weight_of(const struct corpus_jsonl_state *s, enum part_kind kind)
{
    switch (kind) {
    case PART_ANSWER:
    case PART_END:
        return 1;
    case PART_FRAME:
    case PART_CONTENT:
        break;
    }
    return (float)s->prompt_weight;
}

static int render(const struct corpus_jsonl_state *s, const struct conversation *c,
                  struct corpus_text *out, struct err *err)
{
    struct rendering rendering;
    rendering_init(&rendering);
    const int result = template_render_example(s->template, c, &rendering, err);
    out->is_whole = template_is_whole(s->template);
    size_t at = 0;
    for (size_t i = 0; result == 0 && i < rendering.n_parts; i++) {
        text_buffer_add(&out->text, rendering.text.bytes + at, rendering.parts[i].size_bytes);
        corpus_text_close_segment(out, weight_of(s, rendering.parts[i].kind));
        at += rendering.parts[i].size_bytes;
    }
    rendering_fini(&rendering);
    return result;
}

static int write_row(const void *state, uint64_t n, uint32_t attempt, struct corpus_text *out,
                     struct err *err)
{
    const struct corpus_jsonl_state *s = state;
    struct row_content c;
    if (dataset_read(&s->rows, n, attempt, &c, err) != 0) return -1;
    int result = 0;
    if (c.text != NULL) {
        text_buffer_add_string(&out->text, c.text);
        corpus_text_close_segment(out, 1);
    } else {
        result = render(s, &c.conversation, out, err);
        if (result != 0) {
            err->code = ERR_FORMAT;
            err_prefix(err, "%s", c.source);
        }
    }
    row_content_fini(&c);
    return result;
}

static int jsonl_write(const void *state, uint64_t n, struct corpus_text *out, struct err *err)
{
    return write_row(state, n, 0, out, err);
}

const struct corpus_kind corpus_jsonl = {.name = "jsonl",
                                         .create = jsonl_create,
                                         .destroy = jsonl_destroy,
                                         .write = jsonl_write,
                                         .substitute = write_row};
