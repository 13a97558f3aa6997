#include "learner/evaluation.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "learner/lease_book.h"
#include "proto/journal_format.h"

// Keeps the draws of an evaluation apart from those of training.
#define EVAL_SEED UINT64_C(0x6576616c)

static double metric(const struct result *r, const char *name)
{
    for (uint32_t i = 0; i < r->n_metrics; i++) {
        const struct text *t = &r->metrics[i].name;

        if (strlen(name) == t->size_bytes && memcmp(t->bytes, name, t->size_bytes) == 0) {
            return r->metrics[i].value;
        }
    }
    return 0.0;
}

// A level or a style: what an actor says is any finite number.
static uint32_t small_metric(const struct result *r, const char *name)
{
    const double value = metric(r, name);

    return value > 0.0 && value < (double)UINT32_MAX ? (uint32_t)value : 0;
}

static bool is_same(struct text a, struct text b)
{
    return a.size_bytes == b.size_bytes && memcmp(a.bytes, b.bytes, a.size_bytes) == 0;
}

// The place of a source's name in the list; the last place takes all that are
// too many to tell apart.
static uint32_t source_number(struct text *names, uint32_t *n_names, struct text name)
{
    static const struct text others = {"others", 6};
    uint32_t i = 0;

    while (i < *n_names && !is_same(names[i], name))
        i++;
    if (i < *n_names) return i;
    if (i == EVALUATION_SOURCES_MAX) return i - 1;
    names[i] = i == EVALUATION_SOURCES_MAX - 1 ? others : name;
    return (*n_names)++;
}

struct tally_sample *evaluation_samples(const struct order_samples *s, uint32_t n_parts,
                                        struct evaluation_sources *sources)
{
    struct tally_sample *out = calloc(s->n ? s->n : 1, sizeof *out);

    CHECK(out != NULL);
    sources->n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct result *r = &s->results[i];

        out[i] = (struct tally_sample){
            .prompt = r->prompt_index / n_parts,
            .answer = r->answer,
            .level = small_metric(r, "level"),
            .source = source_number(sources->names, &sources->n, r->source),
            .style = small_metric(r, "style"),
            .n_tokens = r->n_tokens - r->n_prompt_tokens,
            .is_correct = r->is_correct,
            .is_truncated = r->finish_reason == FINISH_LENGTH,
            .reflective_words = metric(r, "reflective_words"),
            .format = metric(r, "format"),
        };
    }
    return out;
}

// --- the report ----------------------------------------------------------------

struct report {
    uint64_t step;
    const struct tally_sample *samples;
    size_t n;
    struct evaluation_sources sources;
};

static int write_file(const struct trainer *t, const struct report *r, struct err *err)
{
    char names[EVALUATION_SOURCES_MAX][NAME_BYTES_MAX + 1];
    const char *pointers[EVALUATION_SOURCES_MAX];
    struct json_writer out;
    char name[64], path[RUN_PATH_BYTES];
    int status;

    snprintf(name, sizeof name, "eval-%" PRIu64 ".json", r->step);
    if (file_join(path, sizeof path, t->folder.path, name, err) != 0) return -1;
    for (uint32_t i = 0; i < r->sources.n; i++) {
        const struct text *text = &r->sources.names[i];

        snprintf(names[i], sizeof names[i], "%.*s", (int)text->size_bytes, text->bytes);
        pointers[i] = names[i];
    }
    json_writer_init(&out);
    json_open(&out, NULL, '{');
    json_put_u64(&out, "step", r->step);
    tally_write(r->samples, r->n, (uint32_t)t->options->eval_n, pointers, r->sources.n, &out);
    json_close(&out, '}');
    status = file_write_atomic(path, out.bytes, out.size_bytes, err);
    free(out.bytes);
    return status;
}

// The accuracies of one source: where prompts come from.
static void put_source(struct trainer *t, const struct report *r, uint32_t source)
{
    const struct text name = r->sources.names[source];
    const struct tally tally = tally_of(r->samples, r->n, (struct tally_part){UINT32_MAX, source});
    const struct {
        const char *what;
        double value;
    } shares[] = {{"mean", tally.pass_1}, {"maj", tally.cons_n}, {"best", tally.pass_n}};

    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        char key[2 * NAME_BYTES_MAX];

        snprintf(key, sizeof key, "val-core/%.*s/acc/%s@%" PRIu64, (int)name.size_bytes, name.bytes,
                 shares[i].what, t->options->eval_n);
        metrics_put(&t->metrics, key, shares[i].value);
    }
}

static int write_metrics(struct trainer *t, const struct report *r, const struct tally *all,
                         struct err *err)
{
    metrics_begin(&t->metrics, r->step);
    for (uint32_t i = 0; i < r->sources.n; i++)
        put_source(t, r, i);
    metrics_put(&t->metrics, "val/pass@1", all->pass_1);
    metrics_put(&t->metrics, "val/pass@1_stderr", all->pass_1_stderr);
    metrics_put(&t->metrics, "val/cons@n", all->cons_n);
    metrics_put(&t->metrics, "val/response_length_mean", all->length_mean);
    metrics_put(&t->metrics, "val/reflective_words_mean", all->reflective_mean);
    metrics_put(&t->metrics, "val/truncated", all->truncated);
    return metrics_end(&t->metrics, err);
}

static int report(struct trainer *t, uint64_t step, uint32_t n_parts, const struct order_samples *s,
                  struct err *err)
{
    struct report r = {.step = step, .n = s->n};
    struct tally_sample *samples = evaluation_samples(s, n_parts, &r.sources);
    const struct tally all = tally_of(samples, s->n, TALLY_ALL);
    int status;

    r.samples = samples;
    status = write_file(t, &r, err);
    if (status == 0) status = write_metrics(t, &r, &all, err);
    log_line(LOG_INFO, "evaluation step=%" PRIu64 " pass@1=%.4f stderr=%.4f cons=%.4f length=%.1f",
             step, all.pass_1, all.pass_1_stderr, all.cons_n, all.length_mean);
    free(samples);
    return status;
}

// --- the order -------------------------------------------------------------------

// The largest number of samples that divides eval.n and fits one lease.
static uint32_t samples_of_lease(const struct options *o)
{
    uint64_t n = o->eval_samples_per_lease < o->eval_n ? o->eval_samples_per_lease : o->eval_n;

    while (o->eval_n % n != 0)
        n--;
    return (uint32_t)n;
}

// Every prompt of an order meets the same fate.
static int commit_all(struct trainer *t, const struct order *order, uint32_t reason,
                      struct err *err)
{
    struct order_fate *fates = calloc(order->n_prompts, sizeof *fates);
    int status;

    CHECK(fates != NULL);
    for (uint32_t i = 0; i < order->n_prompts; i++) {
        fates[i] = (struct order_fate){order->prompt_first + i, reason};
    }
    status = gate_commit(t->gate, order->number, t->state.step, fates, order->n_prompts, err);
    free(fates);
    return status;
}

// As many prompts as the first actor that is ready says there are.
static int order_all(struct trainer *t, struct order *order, struct err *err)
{
    uint64_t n;
    const int status = trainer_held_out(t, &n, err);

    if (status != 0) return status;
    if (n == 0 || n > ORDER_PROMPTS_MAX / order->n_parts) {
        return err_set(err, ERR_USAGE, "eval.n_prompts: say how many; the held-out prompts are %s",
                       n == 0 ? "without end" : "too many for one evaluation");
    }
    order->n_prompts = (uint32_t)n * order->n_parts;
    return 0;
}

static int run(struct trainer *t, uint64_t n_steps_done, uint64_t n_ahead, bool is_reported,
               struct err *err)
{
    const struct options *o = t->options;
    const uint32_t n_samples = samples_of_lease(o), n_parts = (uint32_t)o->eval_n / n_samples;
    struct order order = {
        .number = trainer_eval_number(n_steps_done, n_ahead),
        .kind = LEASE_EVAL,
        .n_prompts = (uint32_t)o->eval_n_prompts * n_parts,
        .n_samples = n_samples,
        .n_parts = n_parts,
        .weights_version = t->state.weights_version,
        .seed = o->seed ^ EVAL_SEED,
        .temperature = (float)o->eval_temperature,
        .top_p = (float)o->eval_top_p,
        .top_k = (uint32_t)o->eval_top_k,
        .max_new_tokens = (uint32_t)o->max_response_length,
    };
    struct order_samples samples;
    int status = 0;

    if (o->eval_n_prompts == 0) status = order_all(t, &order, err);
    if (status != 0) return status;
    if (gate_order(t->gate, &order, err) != 0) return -1;
    status = trainer_await(t, order.number, &samples, err);
    if (status != 0) return status;
    if (is_reported) status = report(t, n_steps_done, n_parts, &samples, err);
    order_samples_fini(&samples);
    if (status == 0) status = commit_all(t, &order, LEASE_END_EVALUATED, err);
    return status;
}

int evaluation_run(struct trainer *t, uint64_t n_steps_done, uint64_t n_ahead, struct err *err)
{
    return run(t, n_steps_done, n_ahead, true, err);
}

bool evaluation_is_due(const struct trainer *t)
{
    const struct options *o = t->options;

    return o->test_freq > 0 && t->state.step > 0 && t->state.step % o->test_freq == 0;
}

int evaluation_settle(struct trainer *t, uint64_t n_ahead, struct err *err)
{
    if (!t->is_resumed || !evaluation_is_due(t)) return 0;
    return run(t, t->state.step, n_ahead, false, err);
}

int evaluation_stage(struct trainer *t, struct err *err)
{
    if (trainer_publish(t, 1, err) != 0) return -1;
    return evaluation_run(t, 0, 0, err) < 0 ? -1 : 0;
}
