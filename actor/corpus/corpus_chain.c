#include <inttypes.h>
#include <stdlib.h>

#include "actor/corpus/corpus.h"

// The web in miniature, about chains.  Textbook pages work chains out and teach
// the skill; question-and-answer pages, written in the template that RL will
// use, mostly just guess.  Every share is a key of the spec.

struct corpus_chain_state {
    char name[SPEC_STRING_BYTES];
    const struct chain_parameters *chain;
    const struct template *template;
    uint64_t seed;
    struct spec_list levels, textbook_levels;
    double prompt_weight; // of random definitions as targets
    // shares of documents; the rest are questions and answers
    double textbook, drill;
    double textbook_slip, textbook_notice;
    // shares of questions and answers; the rest are answers without reasoning
    double long_share, partial;
    double slip;        // of a trace's steps
    double notice;      // of slips: "wait", and the step again
    double check;       // of long traces: worked out a second time
    double guess_right; // of answers without reasoning, and after a given-up start
    double broken;      // of all answers: the format is violated
    uint32_t drill_sums;
};

#define SHARE(key, member)                                                                         \
    {                                                                                              \
        key, SPEC_DOUBLE, offsetof(struct corpus_chain_state, member), 0, 1                        \
    }
static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct corpus_chain_state, name), 0, 0},
    {"levels", SPEC_LIST, offsetof(struct corpus_chain_state, levels), 1, CHAIN_LEVEL_MAX},
    {"textbook_levels", SPEC_LIST, offsetof(struct corpus_chain_state, textbook_levels), 1,
     CHAIN_LEVEL_MAX},
    {"drill_sums", SPEC_U32, offsetof(struct corpus_chain_state, drill_sums), 1, 64},
    SHARE("prompt_weight", prompt_weight),
    SHARE("textbook", textbook),
    SHARE("textbook_slip", textbook_slip),
    SHARE("textbook_notice", textbook_notice),
    SHARE("drill", drill),
    SHARE("long", long_share),
    SHARE("partial", partial),
    SHARE("slip", slip),
    SHARE("notice", notice),
    SHARE("check", check),
    SHARE("guess_right", guess_right),
    SHARE("broken", broken),
};

static void *chain_create(struct json spec, const struct corpus_setting *setting, struct err *err)
{
    struct corpus_chain_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    *s = (struct corpus_chain_state){
        .chain = task_chain_parameters(setting->task),
        .template = setting->template,
        .seed = setting->seed,
        .levels = {4, {1, 2, 3, 4}},
        .prompt_weight = 0.1,
        .textbook = 0.6,
        .textbook_slip = 0.01,
        .textbook_notice = 1,
        .drill = 0.08,
        .long_share = 0.2,
        .partial = 0.12,
        .slip = 0.035,
        .notice = 0.6,
        .check = 0.3,
        .guess_right = 0.5,
        .broken = 0.2,
        .drill_sums = 8,
    };
    if (s->chain == NULL) {
        err_set(err, ERR_USAGE, "spec.corpus: the chain corpus needs the chain task");
        goto fail;
    }
    if (spec_read(spec, "spec.corpus", fields, sizeof fields / sizeof fields[0], s, err) != 0)
        goto fail;
    if (s->textbook_levels.count == 0) s->textbook_levels = s->levels;
    if (s->textbook + s->drill > 1 || s->long_share + s->partial > 1) {
        err_set(err, ERR_USAGE, "spec.corpus: %s is over 1",
                s->textbook + s->drill > 1 ? "textbook + drill" : "long + partial");
        goto fail;
    }
    if (chain_check(s->chain, &s->levels, "spec.corpus.levels", err) != 0 ||
        chain_check(s->chain, &s->textbook_levels, "spec.corpus.textbook_levels", err) != 0)
        goto fail;
    return s;

fail:
    free(s);
    return NULL;
}

// --- traces --------------------------------------------------------------------------------------

struct trace_habits {
    double slip, notice;
};

static bool happens(struct rng_stream *rng, double share)
{
    return (double)rng_next_unit(rng) < share;
}

// "e-2=0;", perhaps wrong, perhaps noticed.  Returns the value the writer goes on with.
static uint32_t write_step(const struct chain *c, uint32_t step, uint32_t before,
                           const struct trace_habits *habits, struct rng_stream *rng,
                           struct text_buffer *out)
{
    struct chain_op op = c->ops[step];
    uint32_t right = chain_apply(op, before, c->modulus);
    uint32_t written = right;
    if (happens(rng, habits->slip))
        written = (right + 1 + rng_below(rng, c->modulus - 1)) % c->modulus;
    char letter = chain_letter(c, step + 1);
    text_buffer_printf(out, "%c%c%" PRIu32 "=%" PRIu32 ";", letter, op.op, op.operand, written);
    if (written == right || !happens(rng, habits->notice)) return written;
    text_buffer_printf(out, "wait,%c=%" PRIu32 ";%c%c%" PRIu32 "=%" PRIu32 ";",
                       chain_letter(c, step), before, letter, op.op, op.operand, right);
    return right;
}

// The chain worked out up to n_steps operations; returns the last value.
static uint32_t write_trace(const struct chain *c, uint32_t n_steps,
                            const struct trace_habits *habits, struct rng_stream *rng,
                            struct text_buffer *out)
{
    uint32_t value = c->start_value;
    text_buffer_printf(out, "%c=%" PRIu32 ";", chain_letter(c, 0), value);
    for (uint32_t step = 0; step < n_steps; step++)
        value = write_step(c, step, value, habits, rng, out);
    return value;
}

// --- documents -----------------------------------------------------------------------------------

static int draw_chain(const struct corpus_chain_state *s, const struct spec_list *levels,
                      struct rng_stream *rng, struct chain *out, struct err *err)
{
    uint32_t level = levels->items[rng_below(rng, levels->count)];
    return chain_draw(s->chain, level, false, rng, out, err);
}

static void write_drill(const struct corpus_chain_state *s, struct rng_stream *rng,
                        struct corpus_text *out)
{
    for (uint32_t i = 0; i < s->drill_sums; i++) {
        struct chain_op op = chain_draw_op(s->chain, rng);
        uint32_t value = rng_below(rng, s->chain->modulus);
        text_buffer_printf(&out->text, "%" PRIu32 "%c%" PRIu32 "=%" PRIu32 ";", value, op.op,
                           op.operand, chain_apply(op, value, s->chain->modulus));
    }
    corpus_text_close_segment(out, 1);
}

static int write_textbook(const struct corpus_chain_state *s, struct rng_stream *rng,
                          struct corpus_text *out, struct err *err)
{
    struct chain c;
    if (draw_chain(s, &s->textbook_levels, rng, &c, err) != 0) return -1;
    chain_write_problem(&c, &out->text);
    corpus_text_close_segment(out, (float)s->prompt_weight);
    struct trace_habits habits = {s->textbook_slip, s->textbook_notice};
    write_trace(&c, c.n_ops, &habits, rng, &out->text);
    corpus_text_close_segment(out, 1);
    return 0;
}

// The reasoning of one answer page, and the answer it comes to.
static uint32_t write_reasoning(const struct corpus_chain_state *s, const struct chain *c,
                                struct rng_stream *rng, struct text_buffer *out)
{
    struct trace_habits habits = {s->slip, s->notice};
    double kind = (double)rng_next_unit(rng);
    if (kind < s->long_share) {
        uint32_t answer = write_trace(c, c->n_ops, &habits, rng, out);
        if (!happens(rng, s->check)) return answer;
        text_buffer_add_string(out, "check,");
        struct trace_habits careful = {s->slip, 0.9};
        uint32_t again = write_trace(c, c->n_ops, &careful, rng, out);
        text_buffer_add_string(out, again == answer ? "ok;" : "wait;");
        return again;
    }
    if (kind < s->long_share + s->partial) {
        uint32_t n_steps = rng_below(rng, 3); // one to three statements
        write_trace(c, n_steps < c->n_ops ? n_steps : c->n_ops, &habits, rng, out);
    }
    return happens(rng, s->guess_right) ? c->answer : rng_below(rng, c->modulus);
}

static void write_answer(const struct corpus_chain_state *s, const char *reasoning, uint32_t answer,
                         struct rng_stream *rng, struct text_buffer *out)
{
    if (!happens(rng, s->broken)) {
        text_buffer_printf(out, "<think>%s</think><answer>%" PRIu32 "</answer>", reasoning, answer);
        return;
    }
    switch (rng_below(rng, 3)) {
    case 0: // no tags at all
        text_buffer_printf(out, "%s=%" PRIu32, reasoning, answer);
        break;
    case 1: // <think> is never closed
        text_buffer_printf(out, "<think>%s<answer>%" PRIu32 "</answer>", reasoning, answer);
        break;
    default: // a bare number
        text_buffer_printf(out, "<think>%s</think>%" PRIu32, reasoning, answer);
        break;
    }
}

static int write_page(const struct corpus_chain_state *s, struct rng_stream *rng,
                      struct corpus_text *out, struct err *err)
{
    struct chain c;
    if (draw_chain(s, &s->levels, rng, &c, err) != 0) return -1;
    struct text_buffer problem, reasoning;
    text_buffer_init(&problem);
    text_buffer_init(&reasoning);
    text_buffer_add_string(&reasoning, "");
    chain_write_problem(&c, &problem);
    corpus_text_add_prompt(out, s->template, problem.bytes, (float)s->prompt_weight);
    uint32_t answer = write_reasoning(s, &c, rng, &reasoning);
    write_answer(s, reasoning.bytes, answer, rng, &out->text);
    corpus_text_close_segment(out, 1);
    text_buffer_fini(&reasoning);
    text_buffer_fini(&problem);
    return 0;
}

static int chain_write(const void *state, uint64_t n, struct corpus_text *out, struct err *err)
{
    const struct corpus_chain_state *s = state;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){s->seed, RNG_CORPUS}, n, 0);
    double kind = (double)rng_next_unit(&rng);
    if (kind < s->drill) {
        write_drill(s, &rng, out);
        return 0;
    }
    if (kind < s->drill + s->textbook) return write_textbook(s, &rng, out, err);
    return write_page(s, &rng, out, err);
}

const struct corpus_kind corpus_chain = {
    .name = "chain", .create = chain_create, .destroy = free, .write = chain_write};
