/*
 * `argosy chat`: talk to a model, line by line.
 *
 * A line of standard input is what the user says; the answer goes to standard
 * output as it is drawn.  The conversation is kept, so a template with turns
 * sees all of it.  Into a pipe goes nothing but the answers, a line end after
 * each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/option_number.h"
#include "actor/talker.h"
#include "actor/text/line_reader.h"
#include "actor/verbs.h"
#include "common/base/log.h"
#include "proto/messages.h"

#define LINE_BYTES_MAX ((size_t)1 << 20)

static const char usage[] =
    "usage: argosy chat --model DIR [options]\n"
    "\n"
    "  Each line of standard input is a turn of the user; the answer is written as it is\n"
    "  drawn and the conversation kept.  Empty lines are passed over.\n"
    "  --system TEXT     what is said to the model before all else\n"
    "  --template NAME   auto: the model's own chat template (default); for a model without\n"
    "                    one: plain, r1_zero, chatml, ... or a text with {prompt}; these see\n"
    "                    the last line alone, but for those with turns\n"
    "  --temperature T, --top-p P, --top-k K\n"
    "                    (default: what generation_config.json says, else 1, 1, 0; T 0 takes\n"
    "                    the most probable token)\n"
    "  --max-tokens N    of an answer (default 1024)\n"
    "  --seed N          (default 1): the same lines and seed give the same answers\n"
    "  --literal         special tokens spelled out in a line are text, not tokens\n"
    "  --threads N       (default: what the machine allows), --cache-mib N (default 2048)\n";

struct chat_options {
    struct talker_options talker;
    const char *system;
    double temperature, top_p; // below 0: not said
    uint64_t top_k, max_tokens, seed, threads, cache_mib;
    bool is_literal;
};
#define NOT_SAID UINT64_MAX

static int parse_one(struct chat_options *o, const char *name, const char *text, struct err *err)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
        uint64_t min, max;
        double *real;
        double real_max;
    } known[] = {
        {.name = "--model", .text = &o->talker.model},
        {.name = "--template", .text = &o->talker.template},
        {.name = "--system", .text = &o->system},
        {.name = "--top-k", .number = &o->top_k, .max = 1000000},
        {.name = "--max-tokens", .number = &o->max_tokens, .min = 1, .max = SAMPLE_TOKENS_MAX},
        {.name = "--seed", .number = &o->seed, .max = INT64_MAX},
        {.name = "--threads", .number = &o->threads, .max = 1024},
        {.name = "--cache-mib", .number = &o->cache_mib, .min = 1, .max = 1u << 22},
        {.name = "--temperature", .real = &o->temperature, .real_max = 10.0},
        {.name = "--top-p", .real = &o->top_p, .real_max = 1.0}};
    size_t k = 0;
    while (k < sizeof known / sizeof *known && strcmp(name, known[k].name) != 0)
        k++;
    if (k == sizeof known / sizeof *known)
        return err_set(err, ERR_USAGE, "unknown option %.60s; see --help", name);
    if (text == NULL) return err_set(err, ERR_USAGE, "%s: a value is missing", name);
    if (known[k].number != NULL)
        return option_whole(name, text, known[k].min, known[k].max, known[k].number, err);
    if (known[k].real != NULL)
        return option_real(name, text, 0.0, known[k].real_max, known[k].real, err);
    *known[k].text = text;
    return 0;
}

static int parse(int argc, char **argv, struct chat_options *o, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--literal") == 0) {
            o->is_literal = true;
            continue;
        }
        if (parse_one(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err) != 0) return -1;
        i++;
    }
    if (o->talker.model == NULL) return err_set(err, ERR_USAGE, "--model is needed; see --help");
    if (o->top_p == 0.0) return err_set(err, ERR_USAGE, "--top-p: must be above 0");
    o->talker.n_threads = (unsigned)o->threads;
    o->talker.cache_bytes_max = o->cache_mib << 20;
    return 0;
}

static void write_text(void *context, struct view text)
{
    (void)context;
    fwrite(text.bytes, 1, text.size_bytes, stdout);
    fflush(stdout);
}

// 1 with a line without its end, 0 at the end of the input, -1.
static int read_line(char **line, size_t *room, struct err *err)
{
    size_t n;
    const int got = line_read(stdin, LINE_BYTES_MAX, line, room, &n, err);
    if (got < 0) return err_prefix(err, "standard input");
    if (got == 0) return 0;
    if (n > LINE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "standard input: a line over %zu bytes", LINE_BYTES_MAX);
    if (memchr(*line, '\0', n) != NULL)
        return err_set(err, ERR_FORMAT, "standard input: a 0 byte in a line");
    while (n > 0 && (*line)[n - 1] == '\r')
        (*line)[--n] = '\0';
    return 1;
}

static int answer(struct talker *talker, struct conversation *c, const struct talker_turn *turn,
                  struct err *err)
{
    char *text = talker_answer(talker, c, turn, write_text, NULL, err);
    if (text == NULL) return -1;
    conversation_add(c, "assistant", (struct view){text, strlen(text)});
    free(text);
    putchar('\n');
    if (fflush(stdout) == 0) return 0;
    return err_set(err, ERR_IO, "standard output: %s", strerror(errno));
}

static int talk(const struct chat_options *o, struct talker *talker, struct err *err)
{
    struct talker_turn turn = {.sampling = talker_sampling(talker),
                               .seed = o->seed,
                               .max_new_tokens = (uint32_t)o->max_tokens,
                               .is_literal = o->is_literal};
    if (o->temperature >= 0) turn.sampling.temperature = (float)o->temperature;
    if (o->top_p >= 0) turn.sampling.top_p = (float)o->top_p;
    if (o->top_k != NOT_SAID) turn.sampling.top_k = (uint32_t)o->top_k;
    struct conversation c = {0};
    if (o->system != NULL)
        conversation_add(&c, "system", (struct view){o->system, strlen(o->system)});
    const bool is_terminal = isatty(STDIN_FILENO) != 0;
    char *line = NULL;
    size_t room = 0;
    int result;
    for (;;) {
        if (is_terminal) fputs("> ", stderr);
        result = read_line(&line, &room, err);
        if (result <= 0) break;
        if (line[0] == '\0') continue;
        conversation_add(&c, "user", (struct view){line, strlen(line)});
        turn.number++;
        result = answer(talker, &c, &turn, err);
        if (result != 0) break;
    }
    if (is_terminal && result == 0) fputs("\n", stderr);
    free(line);
    conversation_fini(&c);
    return result;
}

int chat_verb(int argc, char **argv)
{
    struct chat_options options = {.talker = {.template = "auto"},
                                   .temperature = -1,
                                   .top_p = -1,
                                   .top_k = NOT_SAID,
                                   .max_tokens = 1024,
                                   .seed = 1,
                                   .cache_mib = 2048};
    struct err err;
    log_init("chat", LOG_INFO);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    struct talker *talker = NULL;
    int result = parse(argc, argv, &options, &err);
    if (result == 0) result = (talker = talker_open(&options.talker, &err)) == NULL ? -1 : 0;
    if (result == 0) result = talk(&options, talker, &err);
    talker_close(talker);
    if (result == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
