/*
 * `argosy score`: any reward on rows of responses, offline.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/option_number.h"
#include "actor/score_rows.h"
#include "actor/text/line_reader.h"
#include "actor/verbs.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/pool.h"
#include "common/base/recipe.h"

#define CHUNK_ROWS 1024u
#define LINE_BYTES_MAX JSONL_LINE_BYTES_MAX
#define REWARD_FILE_BYTES_MAX ((size_t)64 << 20)
#define WAIT_MS 20
#define STATUS_INCOMPLETE 3

static const char usage[] =
    "usage: argosy score --reward SPEC [options] < cases.jsonl > verdicts.jsonl\n"
    "\n"
    "  --reward SPEC       a grader or a component by name, a list of components as\n"
    "                      JSON, or a recipe (its rewards, data.max_response_length\n"
    "                      and files)\n"
    "  --threads N         (default: what the machine allows)\n"
    "  --on-bad-row WHAT   stop (default) or skip: written with an error, and counted\n"
    "  --commands 0|1      run commands that SPEC names (default 1)\n"
    "  --max-response-length N   tokens, for components that need it\n"
    "\n"
    "A row has response (or pred, a bare answer) and ground_truth (or gold, answer),\n"
    "and may have prompt, data_source, metadata, n_tokens, finish_reason and id.  A\n"
    "verdict has id or index, score, components, correct, answer, outcome and error.\n"
    "Exit status: 0, every row has a score; 3, some have none; 1, stopped.\n";

struct score_options {
    const char *reward;
    uint64_t threads, commands, max_response_length;
    bool skips_bad;
};

struct scorer_run {
    const struct score_options *options;
    struct rewards rewards;
    struct recipe *recipe;
    struct served_file files[FILES_MAX];
    size_t n_files;
    struct pool *pool;
    struct score_row *rows; // (CHUNK_ROWS)
    size_t n_rows;          // in this chunk
    uint64_t line, n_read, n_scored, n_correct;
    double reward_sum;
    bool is_stopped; // at a bad row
};

// --- what SPEC is --------------------------------------------------------------------------------

struct reward_recipe {
    const char *rewards, *files;
    uint64_t max_response_length;
};

static int read_served(struct scorer_run *r, const char *text, struct err *err)
{
    struct json_document *document = json_parse(text, strlen(text), "files", err);
    if (document == NULL) return -1;
    const struct json root = json_root(document);
    int result = 0;
    for (void *it = json_first(root); it != NULL && result == 0; it = json_next(root, it)) {
        struct served_file *file = &r->files[r->n_files];
        const char *path = json_to_string(json_value(root, it), NULL);
        char *bytes;
        size_t size_bytes;
        if (path == NULL || r->n_files == FILES_MAX || strlen(json_key(it)) >= sizeof file->name)
            result = err_set(err, ERR_USAGE, "files: %.100s: want a path; at most %d files",
                             json_key(it), FILES_MAX);
        else
            result = file_read(path, REWARD_FILE_BYTES_MAX, &bytes, &size_bytes, err);
        if (result != 0) break;
        snprintf(file->name, sizeof file->name, "%s", json_key(it));
        file->bytes = (unsigned char *)bytes;
        file->size_bytes = size_bytes;
        r->n_files++;
    }
    json_destroy(document);
    return result;
}

static int read_recipe(struct scorer_run *r, const char *path, struct reward_recipe *out,
                       struct err *err)
{
    static const struct recipe_key keys[] = {
        {"rewards", RECIPE_SPEC, offsetof(struct reward_recipe, rewards), "null", 0, 0, NULL, ""},
        {"files", RECIPE_SPEC, offsetof(struct reward_recipe, files), "null", 0, 0, NULL, ""},
        {"data.max_response_length", RECIPE_U64,
         offsetof(struct reward_recipe, max_response_length), "0", 0, 1u << 30, NULL, ""},
    };
    r->recipe = recipe_open(path, 0, NULL, err);
    if (r->recipe == NULL) return -1;
    if (recipe_bind(r->recipe, 0, keys, sizeof keys / sizeof *keys, out, err) != 0) return -1;
    return read_served(r, out->files, err);
}

static bool is_name(const char *name)
{
    for (size_t i = 0; reward_kind_name(i) != NULL; i++)
        if (strcmp(reward_kind_name(i), name) == 0) return true;
    return false;
}

static int refuse_spec(const char *spec, struct err *err)
{
    char known[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < n_graders && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s, ", graders[i]->name);
    for (size_t i = 0; reward_kind_name(i) != NULL && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ",
                                 reward_kind_name(i));
    return err_set(err, ERR_USAGE, "--reward %.60s: no such file, and none of %s", spec, known);
}

static int open_rewards(struct scorer_run *r, struct err *err)
{
    const char *spec = r->options->reward;
    struct reward_recipe recipe = {.rewards = NULL};
    char made[200];
    if (spec[0] == '[') {
        recipe.rewards = spec;
    } else if (strlen(spec) < 100 && (grader_find(spec) != NULL || is_name(spec))) {
        snprintf(made, sizeof made, "[{\"name\":\"%s\"%s%s%s}]",
                 grader_find(spec) != NULL ? "accuracy" : spec,
                 grader_find(spec) != NULL ? ",\"grader\":\"" : "",
                 grader_find(spec) != NULL ? spec : "", grader_find(spec) != NULL ? "\"" : "");
        recipe.rewards = made;
    } else if (!file_exists(spec)) {
        return refuse_spec(spec, err);
    } else if (read_recipe(r, spec, &recipe, err) != 0) {
        return -1;
    }
    uint64_t length = r->options->max_response_length;
    if (length == 0) length = recipe.max_response_length;
    const struct reward_setting setting = {length == 0 ? UINT32_MAX : (uint32_t)length, r->files,
                                           r->n_files};
    struct json_document *document =
        json_parse(recipe.rewards, strlen(recipe.rewards), "--reward", err);
    if (document == NULL) return -1;
    int result = rewards_init(&r->rewards, json_root(document), &setting, err);
    json_destroy(document);
    if (result == 0 && r->options->commands == 0 && rewards_have_commands(&r->rewards))
        return err_set(err, ERR_USAGE, "--commands 0: a component is a command");
    return result == 0 ? rewards_start(&r->rewards, err) : -1;
}

// --- a chunk of rows -----------------------------------------------------------------------------

static bool is_blank(const char *line, size_t n)
{
    return text_is_blank((struct view){line, n});
}

static int read_chunk(struct scorer_run *r, struct err *err)
{
    for (r->n_rows = 0; r->n_rows < CHUNK_ROWS;) {
        struct score_row *row = &r->rows[r->n_rows];
        score_row_clear(row);
        const int got = line_read(stdin, LINE_BYTES_MAX, &row->line, &row->capacity_bytes,
                                  &row->size_bytes, err);
        if (got <= 0) return got;
        row->number = ++r->line;
        if (is_blank(row->line, row->size_bytes)) continue;
        if (row->size_bytes > LINE_BYTES_MAX) {
            row->is_bad = true;
            err_set(&row->err, ERR_LIMIT, "more than %zu bytes", LINE_BYTES_MAX);
        }
        r->n_rows++;
    }
    return 0;
}

static void judge_row(void *context, size_t task, unsigned thread)
{
    struct scorer_run *r = context;
    struct score_row *row = &r->rows[task];
    (void)thread;
    if (!row->is_bad) row->is_bad = score_row_read(row) != 0;
    if (r->rewards.n_scorers > 0) return;
    if (!row->is_bad) {
        const struct reward_case c = score_row_case(row);
        rewards_judge(&r->rewards, &c, &row->score);
    }
    score_row_write(row);
}

// Scorers are asked by this thread and answer in any order; they have deadlines
// of their own, so this ends.
static void ask_scorers(struct scorer_run *r)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        struct score_row *row = &r->rows[i];
        struct err err;
        const struct reward_case c = score_row_case(row);
        if (row->is_bad || rewards_submit(&r->rewards, i, &c, clock_now_ms(), &err) == 0) continue;
        row->score = (struct score){.outcome = OUTCOME_SCORER_ERROR};
        snprintf(row->score.outcome_text, sizeof row->score.outcome_text, "%s", err.text);
    }
    while (rewards_waiting(&r->rewards) > 0) {
        uint64_t ticket;
        struct score score;
        while (rewards_poll(&r->rewards, clock_now_ms(), &ticket, &score))
            r->rows[ticket].score = score;
        struct pollfd ready = {.fd = rewards_fd(&r->rewards), .events = POLLIN};
        if (rewards_waiting(&r->rewards) > 0) (void)poll(&ready, 1, WAIT_MS);
    }
    for (size_t i = 0; i < r->n_rows; i++)
        score_row_write(&r->rows[i]);
}

static int print_chunk(struct scorer_run *r, struct err *err)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct score_row *row = &r->rows[i];
        const bool is_bad = row->is_bad || row->score.outcome == OUTCOME_BAD_DATA;
        if (is_bad && !r->options->skips_bad) {
            (void)fflush(stdout);
            return err_set(err, ERR_FORMAT, "line %" PRIu64 ": %s", row->number,
                           row->is_bad ? row->err.text : row->score.outcome_text);
        }
        r->n_read++;
        r->n_scored += row->is_scored;
        if (row->is_scored) {
            r->n_correct += row->score.is_correct;
            r->reward_sum += row->score.reward;
        }
        if (fwrite(row->verdict.bytes, 1, row->verdict.size_bytes, stdout) !=
                row->verdict.size_bytes ||
            putchar('\n') == EOF)
            return err_set(err, ERR_IO, "write: %s", strerror(errno));
    }
    return 0;
}

static int score_all(struct scorer_run *r, struct err *err)
{
    do {
        if (read_chunk(r, err) != 0) return -1;
        pool_for(r->pool, r->n_rows, judge_row, r);
        if (r->rewards.n_scorers > 0) ask_scorers(r);
        if (print_chunk(r, err) != 0) return -1;
    } while (r->n_rows == CHUNK_ROWS);
    if (fflush(stdout) != 0) return err_set(err, ERR_IO, "write: %s", strerror(errno));
    return 0;
}

// --- the verb ------------------------------------------------------------------------------------

static int parse(int argc, char **argv, struct score_options *o, struct err *err)
{
    const struct {
        const char *name;
        uint64_t max, *value;
    } numbers[] = {{"--threads", 1024, &o->threads},
                   {"--commands", 1, &o->commands},
                   {"--max-response-length", 1u << 30, &o->max_response_length}};
    for (int i = 1; i < argc; i += 2) {
        bool is_known = false;
        if (i + 1 >= argc) return err_set(err, ERR_USAGE, "%s: a value is missing", argv[i]);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            if (strcmp(argv[i], numbers[k].name) != 0) continue;
            is_known = true;
            if (option_whole(argv[i], argv[i + 1], 0, numbers[k].max, numbers[k].value, err) != 0)
                return -1;
        }
        if (is_known) continue;
        if (strcmp(argv[i], "--reward") == 0)
            o->reward = argv[i + 1];
        else if (strcmp(argv[i], "--on-bad-row") == 0 && strcmp(argv[i + 1], "skip") == 0)
            o->skips_bad = true;
        else if (strcmp(argv[i], "--on-bad-row") != 0 || strcmp(argv[i + 1], "stop") != 0)
            return err_set(err, ERR_USAGE, "unknown option %s %s", argv[i], argv[i + 1]);
    }
    return o->reward != NULL ? 0 : err_set(err, ERR_USAGE, "--reward is missing; see --help");
}

static void say_summary(const struct scorer_run *r, double seconds)
{
    const double n = r->n_scored > 0 ? (double)r->n_scored : 1;
    log_line(LOG_INFO,
             "scored rows=%" PRIu64 " without_score=%" PRIu64 " correct=%.4f mean=%.4f "
             "rows_per_s=%.0f",
             r->n_read, r->n_read - r->n_scored, (double)r->n_correct / n, r->reward_sum / n,
             seconds > 0 ? (double)r->n_read / seconds : 0.0);
}

static void close_run(struct scorer_run *r)
{
    rewards_fini(&r->rewards);
    for (size_t i = 0; r->rows != NULL && i < CHUNK_ROWS; i++)
        score_row_fini(&r->rows[i]);
    free(r->rows);
    for (size_t i = 0; i < r->n_files; i++)
        free(r->files[i].bytes);
    recipe_destroy(r->recipe);
    pool_destroy(r->pool);
}

int score_verb(int argc, char **argv)
{
    struct score_options options = {.commands = 1};
    struct scorer_run run = {.options = &options};
    struct err err;
    log_init("score", LOG_INFO);
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    int result = parse(argc, argv, &options, &err);
    if (result == 0) result = open_rewards(&run, &err);
    if (result == 0) {
        const double start_s = clock_now_s();
        run.pool = pool_create((unsigned)options.threads);
        run.rows = calloc(CHUNK_ROWS, sizeof *run.rows);
        CHECK(run.rows != NULL);
        result = score_all(&run, &err);
        say_summary(&run, clock_now_s() - start_s);
    }
    if (result != 0) log_line(LOG_ERROR, "%s", err.text);
    const bool is_whole = run.n_scored == run.n_read;
    close_run(&run);
    return result != 0 ? err_exit_status(&err) : is_whole ? 0 : STATUS_INCOMPLETE;
}
