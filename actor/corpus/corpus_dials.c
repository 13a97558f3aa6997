#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/corpus/corpus.h"

// The web in miniature, about two dials.  Textbook pages work problems out and
// teach the skill; drills teach single steps; question-and-answer pages,
// written in the template that RL will use, mostly just guess.  Every share is
// a key of the spec.

struct corpus_dials_state {
    char name[SPEC_STRING_BYTES];
    struct dials_parameters page_dials, textbook_dials;
    const struct template *template;
    uint64_t seed;
    struct spec_list levels, textbook_levels;
    double prompt_weight; // of random words as targets
    // shares of documents; the rest are questions and answers
    double textbook, drill;
    double textbook_slip;
    // shares of questions and answers; the rest are answers without reasoning
    double long_share, partial;
    double slip;        // of a trace's steps
    double check;       // of traces: a doubtful turn is checked
    double guess_right; // of answers without reasoning, and after a given-up start
    double broken;      // of all answers: the format is violated
};

#define SHARE(key, member)                                                                         \
    {                                                                                              \
        key, SPEC_DOUBLE, offsetof(struct corpus_dials_state, member), 0, 1                        \
    }
static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct corpus_dials_state, name), 0, 0},
    {"levels", SPEC_LIST, offsetof(struct corpus_dials_state, levels), 1, DIALS_LEVEL_MAX},
    {"textbook_levels", SPEC_LIST, offsetof(struct corpus_dials_state, textbook_levels), 1,
     DIALS_LEVEL_MAX},
    SHARE("prompt_weight", prompt_weight),
    SHARE("textbook", textbook),
    SHARE("textbook_slip", textbook_slip),
    SHARE("textbook_doubt", textbook_dials.doubt),
    SHARE("textbook_wrong_first", textbook_dials.wrong_first),
    SHARE("drill", drill),
    SHARE("long", long_share),
    SHARE("partial", partial),
    SHARE("slip", slip),
    SHARE("check", check),
    SHARE("guess_right", guess_right),
    SHARE("broken", broken),
};

static void set_defaults(struct corpus_dials_state *s)
{
    s->levels = (struct spec_list){4, {1, 2, 3, 4}};
    // a level as often as it is listed
    s->textbook_levels =
        (struct spec_list){20, {1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4}};
    s->textbook_dials.doubt = 0.85;
    s->textbook_dials.wrong_first = 0.6;
    s->prompt_weight = 0.1;
    s->textbook = 0.54;
    s->drill = 0.1;
    s->long_share = 0.15;
    s->partial = 0.02;
    s->slip = 0.02;
    s->check = 0.5;
    s->broken = 0.2;
}

static void *dials_create(struct json spec, const struct corpus_setting *setting, struct err *err)
{
    struct corpus_dials_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    const struct dials_parameters *of_task = task_dials_parameters(setting->task);
    if (of_task == NULL) {
        err_set(err, ERR_USAGE, "spec.corpus: the dials corpus needs the dials task");
        goto fail;
    }
    s->template = setting->template;
    s->seed = setting->seed;
    s->page_dials = s->textbook_dials = *of_task;
    set_defaults(s);
    if (spec_read(spec, "spec.corpus", fields, sizeof fields / sizeof fields[0], s, err) != 0)
        goto fail;
    if (s->levels.count == 0 || s->textbook_levels.count == 0) {
        err_set(err, ERR_USAGE, "spec.corpus.%s: no levels",
                s->levels.count == 0 ? "levels" : "textbook_levels");
        goto fail;
    }
    if (s->textbook + s->drill > 1 || s->long_share + s->partial > 1) {
        err_set(err, ERR_USAGE, "spec.corpus: %s is over 1",
                s->textbook + s->drill > 1 ? "textbook + drill" : "long + partial");
        goto fail;
    }
    return s;

fail:
    free(s);
    return NULL;
}

static bool happens(struct rng_stream *rng, double share)
{
    return (double)rng_next_unit(rng) < share;
}

// --- the pieces of a trace -----------------------------------------------------------------------

// "j = 7 2 ; "
static void write_start(char letter, struct dial_values v, struct text_buffer *out)
{
    text_buffer_printf(out, "%c = ", letter);
    dials_write_values(v, out);
    text_buffer_add_string(out, " ; ");
}

// "m maybe 7 2 ; ": where a doubtful letter is met, and the dials before it.
static void write_bookmark(char letter, struct dial_values before, struct text_buffer *out)
{
    text_buffer_printf(out, "%c maybe ", letter);
    dials_write_values(before, out);
    text_buffer_add_string(out, " ; ");
}

// "m L+3 = 0 2 ; "
static void write_step(char letter, struct dial_turn turn, struct dial_values after,
                       struct text_buffer *out)
{
    text_buffer_printf(out, "%c ", letter);
    dials_write_turn(turn, out);
    text_buffer_add_string(out, " = ");
    dials_write_values(after, out);
    text_buffer_add_string(out, " ; ");
}

// One of the dials misread.
static struct dial_values slipped(struct dial_values v, struct rng_stream *rng)
{
    uint32_t by = 1 + rng_below(rng, 9);
    uint32_t *dial = &v.at[rng_below(rng, 2)];
    *dial = (*dial + by) % 10;
    return v;
}

struct trace_habits {
    double slip;
    bool checks; // against the dial that was seen, going back once if it disagrees
};

// The problem worked out; returns the last values.
static struct dial_values write_trace(const struct dials *d, const struct trace_habits *habits,
                                      struct rng_stream *rng, struct text_buffer *out)
{
    struct dial_values values[DIALS_LETTERS] = {d->values[0]};
    uint32_t candidate = 0;
    write_start(dials_letter(d, 0), values[0], out);
    for (uint32_t i = 0; i < d->n_turns;) {
        struct dial_turn turn = d->turns[i];
        if (d->is_doubtful && i == d->doubtful_turn) {
            turn = d->candidates[candidate];
            write_bookmark(dials_letter(d, i + 1), values[i], out);
        }
        values[i + 1] = dials_apply(turn, values[i]);
        if (happens(rng, habits->slip)) values[i + 1] = slipped(values[i + 1], rng);
        i++;
        write_step(dials_letter(d, i), turn, values[i], out);
        if (!d->is_doubtful || !habits->checks || i != d->seen_letter) continue;
        uint32_t seen = d->values[i].at[d->seen_dial];
        bool is_ok = candidate > 0 || values[i].at[d->seen_dial] == seen;
        text_buffer_printf(out, "check %c %s %" PRIu32 " %s ; ", dials_letter(d, i),
                           dials_dial_word(d->seen_dial), seen, is_ok ? "ok" : "wait");
        if (is_ok) continue;
        candidate = 1;
        i = d->doubtful_turn;
    }
    return values[d->n_turns];
}

// --- textbooks -----------------------------------------------------------------------------------

static int draw(const struct dials_parameters *p, const struct spec_list *levels,
                struct rng_stream *rng, struct dials *out, struct err *err)
{
    return dials_draw(p, levels->items[rng_below(rng, levels->count)], false, rng, out, err);
}

static int write_textbook(const struct corpus_dials_state *s, struct rng_stream *rng,
                          struct corpus_text *out, struct err *err)
{
    struct dials d;
    if (draw(&s->textbook_dials, &s->textbook_levels, rng, &d, err) != 0) return -1;
    dials_write_problem(&d, &out->text);
    text_buffer_add_string(&out->text, " ");
    corpus_text_close_segment(out, (float)s->prompt_weight);
    write_trace(&d, &(struct trace_habits){s->textbook_slip, true}, rng, &out->text);
    corpus_text_close_segment(out, 1);
    return 0;
}

// --- drills --------------------------------------------------------------------------------------

// A drill shows steps, bookmarks and checks of a problem that nobody stated:
// what does not follow from the words before it weighs as little as a prompt.
struct drill {
    struct corpus_text *out;
    struct rng_stream *rng;
    float guess_weight; // of what cannot be known
    uint32_t letter;
    struct dial_values values;
    bool is_marked; // there is a bookmark to go back to
    uint32_t marked_letter;
    struct dial_values marked_values;
};

static void close_guess(struct drill *d)
{
    corpus_text_close_segment(d->out, d->guess_weight);
}

static void close_known(struct drill *d)
{
    corpus_text_close_segment(d->out, 1);
}

static char drill_letter(uint32_t i)
{
    return (char)('a' + i);
}

static void drill_mark(struct drill *d)
{
    struct text_buffer *text = &d->out->text;
    d->is_marked = true;
    d->marked_letter = d->letter;
    d->marked_values = d->values;
    text_buffer_printf(text, "%c ", drill_letter(d->letter + 1));
    close_known(d);
    text_buffer_add_string(text, "maybe ");
    close_guess(d);
    dials_write_values(d->values, text);
    text_buffer_add_string(text, " ; ");
    close_known(d);
}

static void drill_step(struct drill *d, struct dial_turn turn)
{
    struct text_buffer *text = &d->out->text;
    d->values = dials_apply(turn, d->values);
    d->letter++;
    text_buffer_printf(text, "%c ", drill_letter(d->letter));
    close_known(d);
    dials_write_turn(turn, text);
    text_buffer_add_string(text, " ");
    close_guess(d);
    text_buffer_add_string(text, "= ");
    dials_write_values(d->values, text);
    text_buffer_add_string(text, " ; ");
    close_known(d);
}

static void drill_check(struct drill *d)
{
    struct text_buffer *text = &d->out->text;
    enum dial dial = rng_below(d->rng, 2) == 0 ? DIAL_LEFT : DIAL_RIGHT;
    bool is_ok = happens(d->rng, 0.4);
    uint32_t seen = d->values.at[dial];
    if (!is_ok) seen = (seen + 1 + rng_below(d->rng, 9)) % 10;
    text_buffer_add_string(text, "check ");
    close_guess(d);
    text_buffer_printf(text, "%c ", drill_letter(d->letter));
    close_known(d);
    text_buffer_printf(text, "%s %" PRIu32 " ", dials_dial_word(dial), seen);
    close_guess(d);
    text_buffer_add_string(text, is_ok ? "ok ; " : "wait ; ");
    if (is_ok) {
        d->is_marked = false;
    } else {
        d->letter = d->marked_letter;
        d->values = d->marked_values;
        write_bookmark(drill_letter(d->letter + 1), d->values, text);
    }
    close_known(d);
}

static void write_drill(const struct corpus_dials_state *s, struct rng_stream *rng,
                        struct corpus_text *out)
{
    enum { STEPS_MIN = 4, STEPS_MAX = 6, FIRST_LETTERS = 19 };
    struct drill d = {.out = out, .rng = rng, .guess_weight = (float)s->prompt_weight};
    d.letter = rng_below(rng, FIRST_LETTERS);
    d.values = dials_draw_values(rng);
    text_buffer_printf(&out->text, "%c = ", drill_letter(d.letter));
    dials_write_values(d.values, &out->text);
    text_buffer_add_string(&out->text, " ");
    close_guess(&d);
    text_buffer_add_string(&out->text, "; ");
    close_known(&d);
    uint32_t n_steps = STEPS_MIN + rng_below(rng, STEPS_MAX - STEPS_MIN + 1);
    for (uint32_t i = 0; i < n_steps; i++) {
        if (!d.is_marked && happens(rng, 0.5)) drill_mark(&d);
        drill_step(&d, dials_draw_turn(&s->textbook_dials, rng));
        if (d.is_marked && happens(rng, 0.5)) drill_check(&d);
    }
}

// --- questions and answers -----------------------------------------------------------------------

// Keeps the first one to three statements of a trace.
static void give_up(struct rng_stream *rng, struct text_buffer *trace)
{
    uint32_t n_left = 1 + rng_below(rng, 3);
    for (size_t i = 0; i < trace->size_bytes; i++) {
        if (trace->bytes[i] != ';' || --n_left > 0) continue;
        trace->size_bytes = i + 1;
        text_buffer_add_string(trace, " ");
        return;
    }
}

// The reasoning of one answer page, and the answer it comes to.
static struct dial_values write_reasoning(const struct corpus_dials_state *s, const struct dials *d,
                                          struct rng_stream *rng, struct text_buffer *out)
{
    double kind = (double)rng_next_unit(rng);
    struct trace_habits habits = {s->slip, happens(rng, s->check)};
    if (kind < s->long_share) return write_trace(d, &habits, rng, out);
    if (kind < s->long_share + s->partial) {
        write_trace(d, &habits, rng, out);
        give_up(rng, out);
    }
    return happens(rng, s->guess_right) ? dials_answer(d) : dials_draw_values(rng);
}

static void write_answer(const struct corpus_dials_state *s, const char *reasoning,
                         struct dial_values answer, struct rng_stream *rng, struct text_buffer *out)
{
    bool is_broken = happens(rng, s->broken);
    uint32_t how = is_broken ? rng_below(rng, 3) : 0;
    const char *open = "<think> ", *close = "</think> ", *tag = "<answer> ", *end = " </answer>";
    if (is_broken && how == 0) { // no tags at all
        open = close = end = "";
        tag = "= ";
    } else if (is_broken && how == 1) { // <think> is never closed
        close = "";
    } else if (is_broken) { // bare numbers
        tag = end = "";
    }
    text_buffer_printf(out, "%s%s%s%s", open, reasoning, close, tag);
    dials_write_values(answer, out);
    text_buffer_add_string(out, end);
}

static int write_page(const struct corpus_dials_state *s, struct rng_stream *rng,
                      struct corpus_text *out, struct err *err)
{
    struct dials d;
    if (draw(&s->page_dials, &s->levels, rng, &d, err) != 0) return -1;
    struct text_buffer problem, reasoning;
    text_buffer_init(&problem);
    text_buffer_init(&reasoning);
    text_buffer_add_string(&reasoning, "");
    dials_write_problem(&d, &problem);
    corpus_text_add_prompt(out, s->template, problem.bytes, (float)s->prompt_weight);
    struct dial_values answer = write_reasoning(s, &d, rng, &reasoning);
    write_answer(s, reasoning.bytes, answer, rng, &out->text);
    corpus_text_close_segment(out, 1);
    text_buffer_fini(&reasoning);
    text_buffer_fini(&problem);
    return 0;
}

static int dials_write(const void *state, uint64_t n, struct corpus_text *out, struct err *err)
{
    const struct corpus_dials_state *s = state;
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

const struct corpus_kind corpus_dials = {
    .name = "dials", .create = dials_create, .destroy = free, .write = dials_write};
