/*
 * external: what a command of the recipe's says, in lines of JSON.
 *   command     a list of words, or a text for `sh -c`; {file:NAME} is a served file
 *   files       further served files it needs, written beside
 *   workers     processes (default 2)
 *   batch_size  requests one is sent before it has answered (default 8)
 *   timeout_s   between two answers (default 30); startup_s more for the first (60)
 *   retries     of a request after a worker failed with it (default 1)
 *
 * A request: {"id", "prompt", "response", "ground_truth", "data_source",
 * "metadata", "level", "n_tokens", "finish_reason"}; ground_truth and metadata
 * may be null.  An answer: {"id", "score": a number} and, if it likes,
 * "correct": true or false, "components": {"name": number, ...} for metrics; or
 * {"id", "error": "why it cannot be scored"}, which is not asked again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/reward/reward_kind.h"
#include "actor/reward/scorer_command.h"
#include "actor/reward/worker_pool.h"

struct external {
    uint32_t n_workers, batch_size, retries;
    double timeout_s, startup_s;
    char label[SPEC_STRING_BYTES];
    const struct served_file *files;
    size_t n_files;
    struct scorer_command command;
    struct worker_pool *pool;
    uint64_t last_id;
    char names[REWARDS_MAX][NAME_BYTES_MAX]; // of parts seen so far
    uint32_t n_names;
};

static const struct external defaults = {
    .n_workers = 2, .batch_size = 8, .retries = 1, .timeout_s = 30, .startup_s = 60};

static const struct spec_field fields[] = {
    {"command", SPEC_OTHER, 0, 0, 0},
    {"files", SPEC_OTHER, 0, 0, 0},
    {"workers", SPEC_U32, offsetof(struct external, n_workers), 1, WORKERS_MAX},
    {"batch_size", SPEC_U32, offsetof(struct external, batch_size), 1, WORKER_BATCH_MAX},
    {"retries", SPEC_U32, offsetof(struct external, retries), 0, 10},
    {"timeout_s", SPEC_DOUBLE, offsetof(struct external, timeout_s), 0.001, 1e6},
    {"startup_s", SPEC_DOUBLE, offsetof(struct external, startup_s), 0, 1e6},
};

// --- answers -------------------------------------------------------------------------------------

// The metric's name "label/part", kept for as long as the component.
static int part_name(struct external *s, const char *part, struct text *out, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-.@";
    char full[NAME_BYTES_MAX];
    const int n = snprintf(full, sizeof full, "%s/%s", s->label, part);
    if (part[0] == '\0' || part[strspn(part, allowed)] != '\0' || n < 0 || (size_t)n >= sizeof full)
        return err_set(err, ERR_FORMAT, "components: '%.60s' is no name for a metric", part);
    uint32_t i = 0;
    while (i < s->n_names && strcmp(s->names[i], full) != 0)
        i++;
    if (i == REWARDS_MAX)
        return err_set(err, ERR_FORMAT, "components: more than %d different names", REWARDS_MAX);
    if (i == s->n_names) memcpy(s->names[s->n_names++], full, sizeof full);
    *out = (struct text){s->names[i], (uint32_t)n};
    return 0;
}

static int read_parts(struct external *s, struct json parts, struct reward_answer *out,
                      struct err *err)
{
    if (!json_is_present(parts)) return 0;
    if (!json_is_object(parts) || json_count(parts) > REWARDS_MAX)
        return err_set(err, ERR_FORMAT, "components: want a map of at most %d numbers",
                       REWARDS_MAX);
    for (void *it = json_first(parts); it != NULL; it = json_next(parts, it)) {
        struct named_number *part = &out->parts[out->n_parts++];
        const struct json value = json_value(parts, it);
        part->value = json_to_double(value);
        if (!json_is_number(value) || !isfinite(part->value))
            return err_set(err, ERR_FORMAT, "components: %.60s: want a number", json_key(it));
        if (part_name(s, json_key(it), &part->name, err) != 0) return -1;
    }
    return 0;
}

static int read_members(struct external *s, struct json root, uint64_t *id,
                        struct reward_answer *out, struct err *err)
{
    if (json_get_u64(root, "id", INT64_MAX, id, err) != 0) return -1;
    const struct json error = json_member(root, "error"), correct = json_member(root, "correct");
    if (json_is_present(error)) {
        const char *why = json_to_string(error, NULL);
        out->outcome = OUTCOME_SCORER_ERROR;
        snprintf(out->outcome_text, sizeof out->outcome_text, "the scorer says: %s",
                 why == NULL ? "an error that is no text" : why);
        return 0;
    }
    if (json_get_double(root, "score", &out->value, err) != 0) return -1;
    if (!isfinite(out->value)) return err_set(err, ERR_FORMAT, "the score is not finite");
    if (json_is_present(correct) && !json_is_bool(correct))
        return err_set(err, ERR_FORMAT, "correct: want true or false");
    out->has_verdict = json_is_present(correct);
    out->is_correct = json_to_bool(correct);
    return read_parts(s, json_member(root, "components"), out, err);
}

static int read_answer(void *context, struct view line, uint64_t *id, struct reward_answer *out,
                       struct err *err)
{
    *out = (struct reward_answer){.outcome = OUTCOME_OK};
    struct json_document *document =
        json_parse(line.bytes, line.size_bytes, "an answer that is none", err);
    if (document == NULL) return -1;
    const int result = read_members(context, json_root(document), id, out, err);
    json_destroy(document);
    return result;
}

// --- requests ------------------------------------------------------------------------------------

// JSON text of several lines says the same on one: a line break between values
// is white space, and in a string there is none.
static void flatten(char *json)
{
    for (; *json != '\0'; json++)
        if (*json == '\n' || *json == '\r') *json = ' ';
}

static void put_metadata(struct json_writer *w, const char *metadata)
{
    if (metadata == NULL) {
        json_put_string(w, "metadata", NULL);
        return;
    }
    char *one_line = text_copy(metadata, strlen(metadata));
    flatten(one_line);
    json_put_json(w, "metadata", one_line);
    free(one_line);
}

static char *write_request(uint64_t id, const struct reward_case *c, size_t *size_bytes)
{
    const struct problem *problem = c->problem;
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_u64(&w, "id", id);
    json_put_string(&w, "prompt", conversation_last(&problem->conversation, "user"));
    json_put_text(&w, "response", c->response.bytes, c->response.size_bytes);
    json_put_string(&w, "ground_truth", problem->answer);
    json_put_string(&w, "data_source", problem->source);
    put_metadata(&w, problem->metadata);
    json_put_u64(&w, "level", problem->level);
    if (c->n_tokens != REWARD_TOKENS_UNKNOWN) json_put_u64(&w, "n_tokens", c->n_tokens);
    json_put_string(&w, "finish_reason", c->is_stopped ? "stop" : "length");
    json_close(&w, '}');
    struct text_buffer line;
    text_buffer_init(&line);
    text_buffer_add(&line, w.bytes, w.size_bytes);
    text_buffer_add(&line, "\n", 1);
    free(w.bytes);
    *size_bytes = line.size_bytes;
    return text_buffer_take(&line);
}

static int start(void *state, struct err *err)
{
    struct external *s = state;
    return scorer_command_prepare(&s->command, s->files, s->n_files, err);
}

static int submit(void *state, uint64_t ticket, const struct reward_case *c, uint64_t now_ms,
                  struct err *err)
{
    struct external *s = state;
    size_t size_bytes;
    (void)now_ms;
    char *line = write_request(++s->last_id, c, &size_bytes);
    if (worker_pool_submit(s->pool, s->last_id, ticket, line, size_bytes, err) == 0) return 0;
    free(line);
    return -1;
}

static bool poll_answer(void *state, uint64_t now_ms, struct reward_answer *out)
{
    struct external *s = state;
    return worker_pool_poll(s->pool, now_ms, out);
}

static void cancel(void *state, uint64_t ticket)
{
    struct external *s = state;
    worker_pool_cancel(s->pool, ticket);
}

static int wake_fd(const void *state)
{
    const struct external *s = state;
    return worker_pool_fd(s->pool);
}

// --- the row -------------------------------------------------------------------------------------

static int prepare(void *state, struct json spec, const struct reward_setting *setting,
                   const char *what, struct err *err)
{
    struct external *s = state;
    const char *label = json_to_string(json_member(spec, "label"), NULL);
    snprintf(s->label, sizeof s->label, "%s", label == NULL ? "external" : label);
    s->files = setting->files;
    s->n_files = setting->n_files;
    if (scorer_command_init(&s->command, json_member(spec, "command"), json_member(spec, "files"),
                            s->files, s->n_files, what, err) != 0)
        return -1;
    const struct worker_pool_config config = {.name = s->label,
                                              .argv = s->command.ready, // filled when needed
                                              .environment = s->command.environment,
                                              .n_workers = s->n_workers,
                                              .batch_size = s->batch_size,
                                              .retries = s->retries,
                                              .timeout_ms = (uint64_t)ceil(s->timeout_s * 1000),
                                              .startup_ms = (uint64_t)ceil(s->startup_s * 1000),
                                              .read = read_answer,
                                              .context = s};
    s->pool = worker_pool_create(&config);
    return 0;
}

static void release(void *state)
{
    struct external *s = state;
    worker_pool_destroy(s->pool);
    scorer_command_fini(&s->command);
}

static const struct scorer scorer = {.start = start,
                                     .submit = submit,
                                     .poll = poll_answer,
                                     .cancel = cancel,
                                     .fd = wake_fd,
                                     .runs_commands = true};

const struct reward_kind reward_external = {
    .name = "external",
    .help = "what a command says, in lines of JSON (command, workers, batch_size, timeout_s, ...)",
    .state_bytes = sizeof(struct external),
    .defaults = &defaults,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .prepare = prepare,
    .release = release,
    .scorer = &scorer,
};
