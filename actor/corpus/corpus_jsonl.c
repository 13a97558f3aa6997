#include <stdlib.h>

#include "actor/corpus/corpus.h"
#include "actor/data/row_fields.h"

// Supervised examples: the prompt in the template, then the completion, which
// alone is learned.

struct corpus_jsonl_state {
    char name[SPEC_STRING_BYTES];
    char prompt_key[SPEC_STRING_BYTES], completion_key[SPEC_STRING_BYTES];
    double prompt_weight;
    const struct template *template;
    uint64_t seed;
    struct jsonl rows;
};

static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct corpus_jsonl_state, name), 0, 0},
    {"prompt_key", SPEC_STRING, offsetof(struct corpus_jsonl_state, prompt_key), 0, 0},
    {"completion_key", SPEC_STRING, offsetof(struct corpus_jsonl_state, completion_key), 0, 0},
    {"prompt_weight", SPEC_DOUBLE, offsetof(struct corpus_jsonl_state, prompt_weight), 0, 1},
};

static void jsonl_destroy(void *state)
{
    struct corpus_jsonl_state *s = state;
    jsonl_fini(&s->rows);
    free(s);
}

static void *jsonl_create(struct json spec, const struct corpus_setting *setting, struct err *err)
{
    struct corpus_jsonl_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->template = setting->template;
    s->seed = setting->seed;
    enum file_role role = setting->files->roles[FILES_SFT].count > 0 ? FILES_SFT : FILES_TRAIN;
    if (spec_read(spec, "spec.corpus", fields, sizeof fields / sizeof fields[0], s, err) != 0 ||
        jsonl_init(&s->rows, setting->files, role, JSONL_ALL, err) != 0) {
        jsonl_destroy(s);
        return NULL;
    }
    return s;
}

static int jsonl_write(const void *state, uint64_t n, struct corpus_text *out, struct err *err)
{
    static const char *const prompt_keys[] = {"prompt", "question", "problem", "input", NULL};
    static const char *const completion_keys[] = {"completion", "response", "output", "answer",
                                                  NULL};
    const struct corpus_jsonl_state *s = state;
    uint64_t row;
    struct json_document *document = row_read(&s->rows, true, s->seed, n, &row, err);
    if (document == NULL) return -1;
    struct json root = json_root(document);
    char *prompt = NULL, *completion = NULL;
    int result = row_text(root, s->prompt_key, prompt_keys, "prompt_key", &prompt, err);
    if (result == 0)
        result =
            row_text(root, s->completion_key, completion_keys, "completion_key", &completion, err);
    if (result == 0) {
        corpus_text_add_prompt(out, s->template, prompt, (float)s->prompt_weight);
        text_buffer_add_string(&out->text, completion);
        corpus_text_close_segment(out, 1);
    } else {
        jsonl_blame(&s->rows, row, err);
    }
    free(prompt);
    free(completion);
    json_destroy(document);
    return result;
}

const struct corpus_kind corpus_jsonl = {
    .name = "jsonl", .create = jsonl_create, .destroy = jsonl_destroy, .write = jsonl_write};
