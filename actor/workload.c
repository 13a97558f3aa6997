#include "actor/workload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/corpus/corpus.h"
#include "actor/engine/sampler.h"
#include "actor/rendered_ids.h"
#include "actor/reward/reward.h"
#include "actor/stop_ids.h"
#include "actor/task/task.h"
#include "actor/template/template.h"
#include "actor/tokenizer/tokenizer.h"
#include "common/base/clock.h"
#include "common/base/log.h"

struct workload {
    struct hash spec_hash, tokenizer_hash;
    struct shape shape;
    struct tokenizer *tokenizer;
    struct stop_ids stop_ids;
    struct served_files files;
    uint64_t seed;
    uint32_t prompt_max, response_max, document_max; // tokens
    struct template template;
    bool is_literal;     // special tokens spelled out in a problem are text
    char *prompt_suffix; // malloc'ed; NULL: nothing follows a problem
    struct task task;    // kind NULL: the spec has none
    struct rewards rewards;
    struct corpus corpus;
};

// --- creation ------------------------------------------------------------------------------------

static const struct served_file *need_file(const struct workload *w, const char *name,
                                           struct err *err)
{
    const struct served_file *file = served_files_find(&w->files, name);
    if (file == NULL) err_set(err, ERR_USAGE, "the learner serves no %s", name);
    return file;
}

static int read_model_files(struct workload *w, struct err *err)
{
    const struct served_file *config = need_file(w, "config.json", err);
    if (config == NULL) return -1;
    struct view bytes = served_file_bytes(config);
    if (shape_parse(&w->shape, bytes.bytes, bytes.size_bytes, "config.json", err) != 0) return -1;
    const struct served_file *tokenizer = need_file(w, "tokenizer.json", err);
    if (tokenizer == NULL) return -1;
    bytes = served_file_bytes(tokenizer);
    w->tokenizer_hash = hash_of(bytes.bytes, bytes.size_bytes);
    w->tokenizer = tokenizer_create(bytes.bytes, bytes.size_bytes, "tokenizer.json", err);
    if (w->tokenizer == NULL) return -1;
    if (tokenizer_id_limit(w->tokenizer) > w->shape.vocab_size)
        return err_set(err, ERR_MISMATCH,
                       "tokenizer.json has ids up to %" PRIu32
                       ", config.json a vocab_size of %" PRIu32,
                       tokenizer_id_limit(w->tokenizer) - 1, w->shape.vocab_size);
    if (stop_ids_init(&w->stop_ids, &w->files, w->tokenizer, err) != 0) return -1;
    if (template_end(&w->template) != NULL)
        stop_ids_add(&w->stop_ids, w->tokenizer, template_end(&w->template));
    for (size_t i = 0; i < w->stop_ids.count; i++)
        if (w->stop_ids.ids[i] >= w->shape.vocab_size)
            return err_set(err, ERR_MISMATCH, "stop id %" PRIu32 " is outside the vocabulary",
                           w->stop_ids.ids[i]);
    return 0;
}

static struct view served_view(const struct workload *w, const char *name)
{
    const struct served_file *file = served_files_find(&w->files, name);
    return file == NULL ? (struct view){0} : served_file_bytes(file);
}

static int init_template(struct workload *w, const char *text, struct err *err)
{
    const struct template_files files = {served_view(w, "tokenizer_config.json"),
                                         served_view(w, "chat_template.jinja"),
                                         served_view(w, "chat_template.json")};
    return template_init_for_model(&w->template, text, &files, err);
}

struct spec_head {
    uint64_t seed;
    uint32_t prompt_max, response_max, document_max;
    bool is_literal;
};

static int read_suffix(struct workload *w, struct json suffix, struct err *err)
{
    size_t size_bytes;
    if (!json_is_present(suffix)) return 0;
    const char *text = json_to_string(suffix, &size_bytes);
    if (text == NULL) return err_set(err, ERR_USAGE, "spec.prompt_suffix: want text");
    w->prompt_suffix = text_copy(text, size_bytes);
    return 0;
}

static int init_rewards(struct workload *w, struct json spec, const struct served_file *files,
                        size_t n_files, struct err *err)
{
    const struct reward_setting setting = {w->response_max, files, n_files};
    if (rewards_init(&w->rewards, spec, &setting, err) == 0) return 0;
    return err_prefix(err, "spec");
}

// Data files without a word about them are read by their own conventions.
static int read_purpose(struct workload *w, struct json task, struct json corpus, struct err *err)
{
    static const char by_files[] = "{\"name\":\"jsonl\"}";
    const size_t n_problems = w->files.roles[FILES_TRAIN].count + w->files.roles[FILES_EVAL].count;
    const bool is_said = json_is_present(task) || json_is_present(corpus);
    struct corpus_setting setting = {&w->task, &w->template, &w->files, w->seed};
    struct json_document *usual = json_parse(by_files, sizeof by_files - 1, "spec", err);
    CHECK(usual != NULL);
    if (!json_is_present(task) && (is_said ? w->files.roles[FILES_EVAL].count : n_problems) > 0)
        task = json_root(usual);
    if (!json_is_present(corpus) && w->files.roles[FILES_SFT].count > 0) corpus = json_root(usual);
    int result = 0;
    if (json_is_present(task)) result = task_init(&w->task, task, &w->files, w->seed, err);
    if (result == 0) result = corpus_init(&w->corpus, corpus, &setting, err);
    json_destroy(usual);
    return result;
}

static int read_spec(struct workload *w, struct json root, const struct served_file *files,
                     size_t n_files, struct err *err)
{
    static const struct spec_field fields[] = {
        {"seed", SPEC_U64, offsetof(struct spec_head, seed), 0, 0},
        {"max_prompt_length", SPEC_U32, offsetof(struct spec_head, prompt_max), 1, UINT32_MAX},
        {"max_response_length", SPEC_U32, offsetof(struct spec_head, response_max), 1, UINT32_MAX},
        {"max_document_length", SPEC_U32, offsetof(struct spec_head, document_max), 1, UINT32_MAX},
        {"literal_prompts", SPEC_BOOL, offsetof(struct spec_head, is_literal), 0, 0},
        {"template", SPEC_OTHER, 0, 0, 0},
        {"prompt_suffix", SPEC_OTHER, 0, 0, 0},
        {"task", SPEC_OTHER, 0, 0, 0},
        {"rewards", SPEC_OTHER, 0, 0, 0},
        {"corpus", SPEC_OTHER, 0, 0, 0},
        {"files", SPEC_OTHER, 0, 0, 0},
        {"data", SPEC_OTHER, 0, 0, 0},
    };
    struct spec_head head = {
        .prompt_max = UINT32_MAX, .response_max = UINT32_MAX, .document_max = SAMPLE_TOKENS_MAX};
    if (spec_read(root, "spec", fields, sizeof fields / sizeof fields[0], &head, err) != 0)
        return -1;
    w->seed = head.seed;
    w->is_literal = head.is_literal;
    w->prompt_max = head.prompt_max;
    w->response_max = head.response_max;
    w->document_max = head.document_max;
    struct json template = json_member(root, "template"), task = json_member(root, "task");
    const char *text = "r1_zero";
    if (json_is_present(template)) text = json_to_string(template, NULL);
    if (text == NULL) return err_set(err, ERR_USAGE, "spec.template: want text");
    if (read_suffix(w, json_member(root, "prompt_suffix"), err) != 0 ||
        served_files_init(&w->files, json_member(root, "files"), json_member(root, "data"), files,
                          n_files, err) != 0 ||
        init_template(w, text, err) != 0 ||
        init_rewards(w, json_member(root, "rewards"), files, n_files, err) != 0 ||
        read_purpose(w, task, json_member(root, "corpus"), err) != 0)
        return -1;
    if (w->task.kind == NULL && w->corpus.kind == NULL)
        return err_set(err, ERR_USAGE, "spec: there is neither a task nor a corpus");
    return 0;
}

struct workload *workload_create(const char *spec, const struct served_file *files, size_t n_files,
                                 struct err *err)
{
    struct json_document *document = json_parse(spec, strlen(spec), "spec", err);
    if (document == NULL) return NULL;
    struct workload *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    w->spec_hash = hash_of(spec, strlen(spec));
    if (read_spec(w, json_root(document), files, n_files, err) != 0 ||
        read_model_files(w, err) != 0) {
        workload_destroy(w);
        w = NULL;
    }
    json_destroy(document);
    return w;
}

void workload_destroy(struct workload *w)
{
    if (w == NULL) return;
    corpus_fini(&w->corpus);
    task_fini(&w->task);
    template_fini(&w->template);
    free(w->prompt_suffix);
    tokenizer_destroy(w->tokenizer);
    rewards_fini(&w->rewards);
    free(w);
}

const struct shape *workload_shape(const struct workload *w)
{
    return &w->shape;
}

uint32_t workload_sequence_max(const struct workload *w)
{
    const uint64_t n = (uint64_t)w->prompt_max + w->response_max;
    return n < w->shape.context_length ? (uint32_t)n : w->shape.context_length;
}

void workload_hashes(const struct workload *w, struct ready *out)
{
    out->shape = shape_hash(&w->shape);
    out->tokenizer = w->tokenizer_hash;
    out->sampler = sampler_hash();
    out->spec = w->spec_hash;
    out->n_held_out = workload_prompt_count(w, LEASE_EVAL);
}

size_t workload_stop_ids(const struct workload *w, const uint32_t **ids)
{
    *ids = w->stop_ids.ids;
    return w->stop_ids.count;
}

// --- prompts and documents -----------------------------------------------------------------------

static enum task_split split_of(enum lease_kind kind)
{
    return kind == LEASE_EVAL ? TASK_HELD_OUT : TASK_TRAIN;
}

uint64_t workload_prompt_count(const struct workload *w, enum lease_kind kind)
{
    return w->task.kind == NULL ? 0 : w->task.kind->count(w->task.state, split_of(kind));
}

static int encode_prompt(const struct workload *w, const struct problem *problem,
                         struct token_ids *ids, struct err *err)
{
    struct rendering r;
    rendering_init(&r);
    int result = template_render(&w->template, &problem->conversation, true, &r, err);
    if (result == 0) result = rendered_ids(w->tokenizer, &w->template, &r, w->is_literal, ids, err);
    rendering_fini(&r);
    if (result != 0) return -1;
    if (ids->count == 0) return err_set(err, ERR_FORMAT, "the prompt is empty");
    if (ids->count >= w->shape.context_length)
        return err_set(err, ERR_LIMIT,
                       "a prompt of %zu tokens leaves no room in a context of %" PRIu32, ids->count,
                       w->shape.context_length);
    if (ids->count > w->prompt_max)
        return err_set(err, ERR_LIMIT, "%zu tokens, data.max_prompt_length is %" PRIu32, ids->count,
                       w->prompt_max);
    return 0;
}

// One problem, or the attempt-th substitute for it, as a prompt.
static int make_prompt(const struct workload *w, enum lease_kind kind, uint64_t index,
                       uint32_t attempt, struct prompt *out, struct err *err)
{
    const struct task_kind *task = w->task.kind;
    struct problem problem;
    const int status = attempt == 0
                           ? task->problem(w->task.state, split_of(kind), index, &problem, err)
                           : task->substitute(w->task.state, index, attempt, &problem, err);
    if (status != 0) return -1;
    if (w->prompt_suffix != NULL) conversation_extend(&problem.conversation, w->prompt_suffix);
    struct token_ids ids;
    token_ids_init(&ids);
    if (encode_prompt(w, &problem, &ids, err) != 0) {
        token_ids_fini(&ids);
        err_prefix(err, "%s: prompt %" PRIu64, problem.source, index);
        problem_fini(&problem);
        return -1;
    }
    out->tokens = ids.items;
    out->n_tokens = (uint32_t)ids.count;
    out->n_skipped = attempt;
    out->problem = malloc(sizeof *out->problem);
    CHECK(out->problem != NULL);
    *out->problem = problem;
    return 0;
}

// Whether another row is to stand in for one that failed like this.
static bool is_skipped(const struct workload *w, uint32_t attempt, const struct err *err)
{
    if (!w->files.skips_bad_rows || (err->code != ERR_FORMAT && err->code != ERR_LIMIT))
        return false;
    log_line(LOG_WARN, "skipped row: %s", err->text);
    return attempt < DATASET_ATTEMPTS_MAX;
}

int workload_prompt(const struct workload *w, enum lease_kind kind, uint64_t index,
                    struct prompt *out, struct err *err)
{
    *out = (struct prompt){0};
    if (w->task.kind == NULL) return err_set(err, ERR_USAGE, "spec: there is no task");
    const bool has_others = w->task.kind->substitute != NULL && split_of(kind) == TASK_TRAIN;
    for (uint32_t attempt = 0;; attempt++) {
        if (make_prompt(w, kind, index, attempt, out, err) == 0) return 0;
        if (!has_others || !is_skipped(w, attempt, err)) return -1;
    }
}

void prompt_fini(struct prompt *p)
{
    free(p->tokens);
    if (p->problem != NULL) problem_fini(p->problem);
    free(p->problem);
    *p = (struct prompt){0};
}

// The weights of the tokens up to `count` that have none yet.
static void fill_weights(struct document *d, size_t count, float weight)
{
    d->loss_mask = realloc(d->loss_mask, (count + 1) * sizeof *d->loss_mask);
    CHECK(d->loss_mask != NULL);
    for (size_t i = d->n_tokens; i < count; i++)
        d->loss_mask[i] = weight;
    d->n_tokens = (uint32_t)count;
}

// Whether a conversation ends in the token that ends an answer, and at most a
// newline after it.
static bool is_ended(const struct workload *w, const struct token_ids *ids)
{
    for (size_t i = ids->count; i > 0 && i + 2 > ids->count; i--)
        if (stop_ids_has(&w->stop_ids, ids->items[i - 1])) return true;
    return false;
}

static int encode_document(const struct workload *w, const struct corpus_text *text,
                           struct token_ids *ids, struct document *out, struct err *err)
{
    if (!text->is_whole) tokenizer_add_prefix(w->tokenizer, ids);
    fill_weights(out, ids->count, 0);
    size_t at = 0;
    for (uint32_t i = 0; i < text->n_segments; i++) {
        size_t size_bytes = text->segments[i].size_bytes;
        if (size_bytes == 0) continue;
        if (tokenizer_encode(w->tokenizer, text->text.bytes + at, size_bytes, ids, err) != 0)
            return -1;
        fill_weights(out, ids->count, text->segments[i].weight);
        at += size_bytes;
    }
    if (!text->is_whole || !is_ended(w, ids)) token_ids_add(ids, w->stop_ids.ids[0]);
    fill_weights(out, ids->count, 1);
    uint32_t room = w->shape.context_length;
    if (room > w->document_max) room = w->document_max;
    if (ids->count > room)
        return err_set(err, ERR_LIMIT,
                       "%zu tokens, at most %" PRIu32 " (the model's context and "
                       "trainer.pack_tokens)",
                       ids->count, room);
    return 0;
}

static int make_document(const struct workload *w, uint64_t index, uint32_t attempt,
                         struct document *out, struct err *err)
{
    const struct corpus_kind *corpus = w->corpus.kind;
    struct corpus_text text;
    corpus_text_init(&text);
    struct token_ids ids;
    token_ids_init(&ids);
    int result = attempt == 0 ? corpus->write(w->corpus.state, index, &text, err)
                              : corpus->substitute(w->corpus.state, index, attempt, &text, err);
    if (result == 0) {
        result = encode_document(w, &text, &ids, out, err);
        out->tokens = ids.items;
        out->n_skipped = attempt;
        if (result != 0)
            err_prefix(err, "corpus %s: document %" PRIu64, w->corpus.kind->name, index);
    }
    corpus_text_fini(&text);
    if (result != 0) document_fini(out);
    return result;
}

int workload_document(const struct workload *w, uint64_t index, struct document *out,
                      struct err *err)
{
    *out = (struct document){0};
    if (w->corpus.kind == NULL) return err_set(err, ERR_USAGE, "spec: there is no corpus");
    for (uint32_t attempt = 0;; attempt++) {
        if (make_document(w, index, attempt, out, err) == 0) return 0;
        if (w->corpus.kind->substitute == NULL || !is_skipped(w, attempt, err)) return -1;
    }
}

void document_fini(struct document *d)
{
    free(d->tokens);
    free(d->loss_mask);
    *d = (struct document){0};
}

// --- scores --------------------------------------------------------------------------------------

bool workload_has_commands(const struct workload *w)
{
    return rewards_have_commands(&w->rewards);
}

int workload_start_scorers(struct workload *w, struct err *err)
{
    return rewards_start(&w->rewards, err);
}

int workload_score(struct workload *w, uint64_t ticket, const struct prompt *prompt,
                   const uint32_t *response, uint32_t n_tokens, enum finish_reason finish,
                   struct err *err)
{
    if (w->task.kind == NULL) return err_set(err, ERR_USAGE, "spec: there is no task");
    struct reward_case c = {
        .problem = prompt->problem, .is_stopped = finish == FINISH_STOP, .n_tokens = n_tokens};
    if (n_tokens > 0 && stop_ids_has(&w->stop_ids, response[n_tokens - 1])) n_tokens--;
    char *bytes = tokenizer_decode(w->tokenizer, response, n_tokens, false, &c.response.size_bytes);
    c.response.bytes = bytes;
    const int result = rewards_submit(&w->rewards, ticket, &c, clock_now_ms(), err);
    free(bytes);
    return result;
}

bool workload_poll(struct workload *w, uint64_t *ticket, struct score *out)
{
    return rewards_poll(&w->rewards, clock_now_ms(), ticket, out);
}

void workload_cancel(struct workload *w, uint64_t ticket)
{
    rewards_cancel(&w->rewards, ticket);
}

size_t workload_scoring(const struct workload *w)
{
    return rewards_waiting(&w->rewards);
}

int workload_scorer_fd(const struct workload *w)
{
    return rewards_fd(&w->rewards);
}

char *workload_text(const struct workload *w, const uint32_t *tokens, uint32_t n_tokens)
{
    size_t size_bytes;
    return tokenizer_decode(w->tokenizer, tokens, n_tokens, false, &size_bytes);
}

char *workload_response(const struct workload *w, const uint32_t *tokens, uint32_t n_tokens)
{
    if (n_tokens > 0 && stop_ids_has(&w->stop_ids, tokens[n_tokens - 1])) n_tokens--;
    return workload_text(w, tokens, n_tokens);
}
