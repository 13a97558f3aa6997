/*
 * `argosy show`: the samples of a run, from its journal, as text.
 *
 * What is shown is what counted: samples of leases that were trained on or
 * evaluated (with --all also of those dropped or given back), each once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/option_number.h"
#include "actor/run_workload.h"
#include "actor/task/task.h"
#include "actor/verbs.h"
#include "common/base/log.h"
#include "proto/journal_format.h"

#define PATH_BYTES 4096

static const char usage[] =
    "usage: argosy show RUN [options]\n"
    "\n"
    "  RUN             a stage's run folder\n"
    "  --kind KIND     eval | generate (default both)\n"
    "  --step N        only samples trained on at this step, or of this evaluation's order\n"
    "  --limit N       at most so many samples\n"
    "  --all           also samples that counted for nothing, with their lease's fate\n"
    "  --jsonl         one JSON object a sample: prompt, response, ground_truth, score, ...;\n"
    "                  `argosy score` reads them again\n"
    "  --out FILE      write there, whole or not at all\n";

struct show_options {
    const char *run, *out;
    uint32_t kind; // enum lease_kind; 0: both
    uint64_t step, limit;
    bool has_step, is_all, is_jsonl;
};

struct lease_record { // by ascending id
    struct lease lease;
    uint32_t end;    // enum journal_type; 0: still out
    uint32_t reason; // enum lease_end
    uint64_t step;
};

struct show {
    const struct show_options *options;
    struct run_workload run;
    struct lease_record *leases; // malloc'ed
    size_t n_leases, room;
    uint64_t n_shown;
    FILE *out;
};

// --- what became of the leases -------------------------------------------------------------------

static struct lease_record *find_lease(const struct show *s, uint64_t id)
{
    size_t low = 0, high = s->n_leases;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->leases[middle].lease.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n_leases && s->leases[low].lease.id == id ? &s->leases[low] : NULL;
}

static int add_lease(struct show *s, const struct lease *lease, struct err *err)
{
    if (s->n_leases > 0 && s->leases[s->n_leases - 1].lease.id >= lease->id)
        return err_set(err, ERR_FORMAT, "journal: lease %" PRIu64 " was issued out of order",
                       lease->id);
    if (lease->n_parts == 0 || lease->n_samples == 0)
        return err_set(err, ERR_FORMAT, "journal: lease %" PRIu64 " has no samples", lease->id);
    if (s->n_leases == s->room) {
        s->room = s->room == 0 ? 1024 : 2 * s->room;
        s->leases = realloc(s->leases, s->room * sizeof *s->leases);
        CHECK(s->leases != NULL);
    }
    s->leases[s->n_leases++] = (struct lease_record){.lease = *lease};
    return 0;
}

static int take_record(struct show *s, const struct journal_record *record, struct err *err)
{
    struct journal_issued issued;
    struct journal_end end;
    if (record->type == JOURNAL_ISSUED)
        return journal_decode_issued(record, &issued, err) == 0 ? add_lease(s, &issued.lease, err)
                                                                : -1;
    if (record->type != JOURNAL_RETURNED && record->type != JOURNAL_TRAINED &&
        record->type != JOURNAL_DROPPED)
        return 0;
    if (journal_decode_end(record, &end, err) != 0) return -1;
    struct lease_record *l = find_lease(s, end.lease);
    if (l == NULL)
        return err_set(err, ERR_FORMAT, "journal: lease %" PRIu64 " ended and was never issued",
                       end.lease);
    l->end = record->type;
    l->reason = end.reason;
    l->step = end.step;
    return 0;
}

// Calls take() for each record of the run's journal; 1 from it ends the walk.
static int walk(struct show *s,
                int (*take)(struct show *, const struct journal_record *, struct err *),
                struct err *err)
{
    char folder[PATH_BYTES];
    if (file_join(folder, sizeof folder, s->options->run, "journal", err) != 0) return -1;
    struct journal_reader *reader = journal_open(folder, err);
    if (reader == NULL) return -1;
    struct journal_record record;
    int result;
    while ((result = journal_next(reader, &record, err)) == 1) {
        result = take(s, &record, err);
        if (result != 0) break;
    }
    journal_close(reader);
    return result < 0 ? -1 : 0;
}

// --- one sample
// ------------------------------------------------------------------------------------

static const char *fate_name(const struct lease_record *l)
{
    switch (l->end) {
    case JOURNAL_TRAINED:
        return "trained";
    case JOURNAL_DROPPED:
    case JOURNAL_RETURNED:
        return lease_end_name((enum lease_end)l->reason);
    default:
        return "in flight";
    }
}

static bool is_wanted(const struct show_options *o, const struct lease_record *l)
{
    const bool counted = l->end == JOURNAL_TRAINED ||
                         (l->end == JOURNAL_DROPPED && l->reason == LEASE_END_EVALUATED);
    const uint32_t kind = l->lease.kind;
    if (kind != LEASE_GENERATE && kind != LEASE_EVAL) return false;
    if (o->kind != 0 && kind != o->kind) return false;
    if (o->has_step && (kind == LEASE_EVAL ? l->lease.step : l->step) != o->step) return false;
    return counted || o->is_all;
}

struct shown { // a sample with its texts
    const struct result *result;
    const struct lease_record *lease;
    uint64_t prompt_index;
    uint32_t sample;
    const struct problem *problem;
    char *prompt, *response; // malloc'ed
};

static void put_numbers(struct json_writer *w, const char *key, const struct named_number *numbers,
                        uint32_t n)
{
    json_open(w, key, '{');
    for (uint32_t i = 0; i < n; i++) {
        char name[NAME_BYTES_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)numbers[i].name.size_bytes, numbers[i].name.bytes);
        json_put_double(w, name, numbers[i].value);
    }
    json_close(w, '}');
}

static void put_reference(struct json_writer *w, const struct problem *p)
{
    struct err ignored;
    json_put_string(w, "ground_truth", p->answer);
    if (p->grader != NULL) json_put_string(w, "grader", p->grader->name);
    if (p->metadata == NULL) return;
    struct json_document *metadata =
        json_parse(p->metadata, strlen(p->metadata), "metadata", &ignored);
    if (metadata != NULL) json_put_value(w, "metadata", json_root(metadata));
    json_destroy(metadata);
}

static void print_json(const struct shown *s, FILE *out)
{
    const struct result *r = s->result;
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_string(&w, "kind", r->kind == LEASE_EVAL ? "eval" : "generate");
    json_put_u64(&w, "order", s->lease->lease.step);
    json_put_string(&w, "fate", fate_name(s->lease));
    if (s->lease->end == JOURNAL_TRAINED) json_put_u64(&w, "step", s->lease->step);
    json_put_u64(&w, "prompt_index", s->prompt_index);
    json_put_u64(&w, "sample", s->sample);
    json_put_text(&w, "data_source", r->source.bytes, r->source.size_bytes);
    json_put_string(&w, "prompt", s->prompt);
    json_put_string(&w, "response", s->response);
    put_reference(&w, s->problem);
    json_put_double(&w, "score", r->reward);
    put_numbers(&w, "rewards", r->rewards, r->n_rewards);
    json_put_bool(&w, "correct", r->is_correct);
    put_numbers(&w, "metrics", r->metrics, r->n_metrics);
    json_put_string(&w, "finish_reason", r->finish_reason == FINISH_STOP ? "stop" : "length");
    json_put_u64(&w, "n_prompt_tokens", r->n_prompt_tokens);
    json_put_u64(&w, "n_response_tokens", r->n_tokens - r->n_prompt_tokens);
    json_put_u64(&w, "weight_version", s->lease->lease.weights_version);
    json_close(&w, '}');
    fwrite(w.bytes, 1, w.size_bytes, out);
    fputc('\n', out);
    free(w.bytes);
}

static void print_text(const struct shown *s, FILE *out)
{
    const struct result *r = s->result;
    fprintf(out,
            "=== %s of order %" PRIu64 ", prompt %" PRIu64 ", sample %u: %s, reward %g, %u tokens"
            "%s, %s\n%s\n--- response\n%s\n",
            r->kind == LEASE_EVAL ? "evaluation" : "rollout", s->lease->lease.step, s->prompt_index,
            s->sample, r->is_correct ? "right" : "wrong", r->reward,
            r->n_tokens - r->n_prompt_tokens, r->finish_reason == FINISH_LENGTH ? ", cut off" : "",
            fate_name(s->lease), s->prompt, s->response);
}

static int print_sample(struct show *s, const struct lease_record *l, const struct result *r,
                        struct err *err)
{
    const struct lease *lease = &l->lease;
    struct shown shown = {
        .result = r,
        .lease = l,
        .prompt_index = r->prompt_index / lease->n_parts,
        .sample = (uint32_t)(r->prompt_index % lease->n_parts) * lease->n_samples + r->sample};
    struct prompt prompt;
    if (workload_prompt(s->run.workload, (enum lease_kind)lease->kind, shown.prompt_index, &prompt,
                        err) != 0)
        return err_prefix(err, "prompt %" PRIu64, shown.prompt_index);
    shown.problem = prompt.problem;
    shown.prompt = workload_text(s->run.workload, r->tokens, r->n_prompt_tokens);
    shown.response = workload_response(s->run.workload, r->tokens + r->n_prompt_tokens,
                                       r->n_tokens - r->n_prompt_tokens);
    (s->options->is_jsonl ? print_json : print_text)(&shown, s->out);
    free(shown.prompt);
    free(shown.response);
    prompt_fini(&prompt);
    s->n_shown++;
    return ferror(s->out) ? err_set(err, ERR_IO, "write: %s", strerror(errno)) : 0;
}

static int show_record(struct show *s, const struct journal_record *record, struct err *err)
{
    struct message m;
    if (record->type != JOURNAL_RESULT) return 0;
    if (journal_decode_result(record, &m, err) != 0) return -1;
    const struct result *r = &m.result;
    const struct lease_record *l = find_lease(s, r->lease);
    if (l == NULL || r->outcome != OUTCOME_OK || r->n_tokens < r->n_prompt_tokens) return 0;
    if (!is_wanted(s->options, l)) return 0;
    if (s->options->limit > 0 && s->n_shown == s->options->limit) return 1;
    return print_sample(s, l, r, err);
}

// --- the verb
// --------------------------------------------------------------------------------------

static int parse_kind(const char *text, uint32_t *out, struct err *err)
{
    if (strcmp(text, "eval") == 0) {
        *out = LEASE_EVAL;
    } else if (strcmp(text, "generate") == 0) {
        *out = LEASE_GENERATE;
    } else {
        return err_set(err, ERR_USAGE, "--kind: want eval or generate, got \"%s\"", text);
    }
    return 0;
}

static int parse(int argc, char **argv, struct show_options *o, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        int status = 0;
        if (strcmp(argv[i], "--jsonl") == 0) {
            o->is_jsonl = true;
        } else if (strcmp(argv[i], "--all") == 0) {
            o->is_all = true;
        } else if (strcmp(argv[i], "--kind") == 0 && value != NULL) {
            status = parse_kind(argv[++i], &o->kind, err);
        } else if (strcmp(argv[i], "--step") == 0 && value != NULL) {
            status = option_whole("--step", argv[++i], 0, UINT64_MAX, &o->step, err);
            o->has_step = true;
        } else if (strcmp(argv[i], "--limit") == 0 && value != NULL) {
            status = option_whole("--limit", argv[++i], 0, UINT64_MAX, &o->limit, err);
        } else if (strcmp(argv[i], "--out") == 0 && value != NULL) {
            o->out = argv[++i];
        } else if (argv[i][0] != '-' && o->run == NULL) {
            o->run = argv[i];
        } else {
            return err_set(err, ERR_USAGE, "unknown option %s, or its value is missing", argv[i]);
        }
        if (status != 0) return -1;
    }
    return o->run != NULL ? 0 : err_set(err, ERR_USAGE, "no run folder given; see --help");
}

// To a file beside the wanted one, which takes its place when all is written.
static int show_to_file(struct show *s, struct err *err)
{
    char path[PATH_BYTES];
    const char *out = s->options->out;
    if (snprintf(path, sizeof path, "%s.part", out) >= (int)sizeof path)
        return err_set(err, ERR_USAGE, "--out: the path is too long");
    s->out = fopen(path, "w");
    if (s->out == NULL) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));
    int result = walk(s, show_record, err);
    if (fclose(s->out) != 0 && result == 0)
        result = err_set(err, ERR_IO, "write %s: %s", path, strerror(errno));
    if (result == 0 && rename(path, out) != 0)
        result = err_set(err, ERR_IO, "rename %s: %s", path, strerror(errno));
    if (result != 0) remove(path);
    return result;
}

static int show(struct show *s, struct err *err)
{
    if (run_workload_open(&s->run, s->options->run, err) != 0 || walk(s, take_record, err) != 0)
        return -1;
    if (s->options->out != NULL) return show_to_file(s, err);
    s->out = stdout;
    if (walk(s, show_record, err) != 0) return -1;
    return fflush(stdout) == 0 ? 0 : err_set(err, ERR_IO, "standard output: %s", strerror(errno));
}

int show_verb(int argc, char **argv)
{
    struct show_options options = {0};
    struct show s = {.options = &options};
    struct err err;
    log_init("show", LOG_WARN);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    int status = parse(argc, argv, &options, &err);
    if (status == 0) status = show(&s, &err);
    run_workload_close(&s.run);
    free(s.leases);
    if (status == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
