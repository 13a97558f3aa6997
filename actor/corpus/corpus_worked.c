#include <stdlib.h>
#include <string.h>

#include "actor/corpus/corpus.h"
#include "actor/template/template.h"

// Problems of the task, worked out line by line: something to fine-tune on
// before RL.  Document n is a training problem that RL will not see before its
// 2^40th prompt, in the recipe's template:
//
//   <the prompt><think>
//   47 + 85 = 132
//   132 - 9 = 123
//   </think>
//   <answer>123</answer>
//
// Its lines are the generator's (generator.h): running sums, products first,
// Euclid's divisions, one prime after the other, an equation simplified, ways
// to combine numbers that miss and one that hits, assignments tried in turn.
// A template whose opening already says <think> is not given another.
//   digits         sums and products column by column (worked_sum.h)
//   direct         share of documents that only say the answer
//   prompt_weight  of the prompt's tokens in the loss (0)
// The answer and the token that ends it weigh 1.

#define FIRST_PROBLEM ((uint64_t)1 << 40)

struct corpus_worked_state {
    char name[SPEC_STRING_BYTES];
    const struct task *task;
    const struct template *template;
    uint64_t seed;
    bool by_digits;
    double direct, prompt_weight;
    char *end; // malloc'ed: what the template puts after an answer
};

static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct corpus_worked_state, name), 0, 0},
    {"digits", SPEC_BOOL, offsetof(struct corpus_worked_state, by_digits), 0, 0},
    {"direct", SPEC_DOUBLE, offsetof(struct corpus_worked_state, direct), 0, 1},
    {"prompt_weight", SPEC_DOUBLE, offsetof(struct corpus_worked_state, prompt_weight), 0, 1},
};

static void worked_destroy(void *state)
{
    struct corpus_worked_state *s = state;
    free(s->end);
    free(s);
}

// The model's own token at the end of an answer, if its template has one.
static int find_end(struct corpus_worked_state *s, struct err *err)
{
    struct conversation c = {0};
    struct rendering r;
    conversation_add(&c, "user", (struct view){"a", 1});
    conversation_add(&c, "assistant", (struct view){"b", 1});
    rendering_init(&r);
    int result = template_render(s->template, &c, false, &r, err);
    size_t at = 0;
    for (size_t i = 0; i < r.n_parts && result == 0; i++) {
        if (r.parts[i].kind == PART_END && s->end == NULL)
            s->end = text_copy(r.text.bytes + at, r.parts[i].size_bytes);
        at += r.parts[i].size_bytes;
    }
    rendering_fini(&r);
    conversation_fini(&c);
    return result;
}

static void *worked_create(struct json spec, const struct corpus_setting *setting, struct err *err)
{
    struct corpus_worked_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->task = setting->task;
    s->template = setting->template;
    s->seed = setting->seed;
    if (spec_read(spec, "spec.corpus", fields, sizeof fields / sizeof fields[0], s, err) != 0)
        goto fail;
    if (s->task->kind == NULL || s->task->kind->work_out == NULL) {
        err_set(err, ERR_USAGE, "spec.corpus: worked needs a task that is generated");
        goto fail;
    }
    if (template_ends_answers(s->template) && find_end(s, err) != 0) goto fail;
    return s;

fail:
    worked_destroy(s);
    return NULL;
}

// True when the prompt has opened the reasoning already.
static int write_prompt(const struct corpus_worked_state *s, const struct problem *p,
                        struct corpus_text *out, bool *is_thinking, struct err *err)
{
    struct rendering r;
    rendering_init(&r);
    int result = template_render(s->template, &p->conversation, true, &r, err);
    out->is_whole = template_is_whole(s->template);
    if (result == 0) {
        struct view prompt = text_trim(text_buffer_view(&r.text));
        const char *open = "<think>";
        size_t n = strlen(open);
        *is_thinking =
            prompt.size_bytes >= n && memcmp(prompt.bytes + prompt.size_bytes - n, open, n) == 0;
        text_buffer_add(&out->text, r.text.bytes, r.text.size_bytes);
        corpus_text_close_segment(out, (float)s->prompt_weight);
    }
    rendering_fini(&r);
    return result;
}

static int worked_write(const void *state, uint64_t n, struct corpus_text *out, struct err *err)
{
    const struct corpus_worked_state *s = state;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){s->seed, RNG_CORPUS}, n, 0);
    bool is_direct = (double)rng_next_unit(&rng) < s->direct;
    struct text_buffer lines;
    text_buffer_init(&lines);
    text_buffer_add_string(&lines, "");
    const struct working working = {&lines, s->by_digits};
    struct problem p = {0};
    bool is_thinking = false;
    int result = s->task->kind->work_out(s->task->state, FIRST_PROBLEM + n, &working, &p, err);
    if (result == 0) result = write_prompt(s, &p, out, &is_thinking, err);
    if (result == 0) {
        text_buffer_printf(&out->text, "%s%s\n</think>\n<answer>%s</answer>%s",
                           is_thinking ? "" : "<think>\n", is_direct ? "" : lines.bytes, p.answer,
                           s->end == NULL ? "" : s->end);
        corpus_text_close_segment(out, 1);
    }
    problem_fini(&p);
    text_buffer_fini(&lines);
    return result;
}

const struct corpus_kind corpus_worked = {
    .name = "worked", .create = worked_create, .destroy = worked_destroy, .write = worked_write};
