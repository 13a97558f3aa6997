#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "actor/reward/reward.h"
#include "common/base/clock.h"
#include "common/base/file.h"

#define PATIENCE_MS 20000
#define SCORES_KEPT 64

static char home[200]; // a folder for this run, removed at its end

static int make_home(void **state)
{
    (void)state;
    const char *where = getenv("TMPDIR");
    snprintf(home, sizeof home, "%s/argosy-test-XXXXXX", where == NULL ? "." : where);
    if (mkdtemp(home) == NULL) return -1;
    return setenv("TMPDIR", home, 1); // private folders are made in it
}

static int remove_home(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(home, &err);
}

// A scorer in sh: for each line the request's id in $id, then `body`.
#define SCORER(body)                                                                               \
    "while read -r line; do id=${line#*\\\\\\\"id\\\\\\\":}; id=${id%%,*}; " body "; done"
#define ANSWER(value) "echo \\\"{\\\\\\\"id\\\\\\\":$id,\\\\\\\"score\\\\\\\":" value "}\\\""

struct bench {
    struct rewards rewards;
    struct problem problem;
    struct score scores[SCORES_KEPT]; // by ticket
    bool is_here[SCORES_KEPT];
};

__attribute__((format(printf, 5, 0))) static int init(struct bench *b,
                                                      const struct served_file *files,
                                                      size_t n_files, struct err *err,
                                                      const char *format, va_list more)
{
    char spec[8192];
    vsnprintf(spec, sizeof spec, format, more);
    struct json_document *document = json_parse(spec, strlen(spec), "spec", err);
    if (document == NULL) fail_msg("%s: %s", spec, err->text);
    const struct reward_setting setting = {UINT32_MAX, files, n_files};
    *b = (struct bench){.problem = {.grader = &grader_exact, .source = "here"}};
    const int result = rewards_init(&b->rewards, json_root(document), &setting, err);
    json_destroy(document);
    return result;
}

__attribute__((format(printf, 2, 3))) static void opened(struct bench *b, const char *format, ...)
{
    struct err err;
    va_list more;
    va_start(more, format);
    int result = init(b, NULL, 0, &err, format, more);
    va_end(more);
    if (result == 0) result = rewards_start(&b->rewards, &err);
    if (result != 0) fail_msg("%s", err.text);
}

static void ask(struct bench *b, uint64_t ticket, const char *response)
{
    struct err err;
    const struct reward_case c = {&b->problem, {response, strlen(response)}, true, 7};
    if (rewards_submit(&b->rewards, ticket, &c, clock_now_ms(), &err) != 0)
        fail_msg("%s", err.text);
}

// Until all that were asked for are here.
static void collect(struct bench *b)
{
    const uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (rewards_waiting(&b->rewards) > 0) {
        uint64_t ticket;
        struct score score;
        while (rewards_poll(&b->rewards, clock_now_ms(), &ticket, &score)) {
            assert_true(ticket < SCORES_KEPT && !b->is_here[ticket]);
            b->scores[ticket] = score;
            b->is_here[ticket] = true;
        }
        if (clock_now_ms() > deadline_ms) fail_msg("scores are missing");
        struct pollfd ready = {.fd = rewards_fd(&b->rewards), .events = POLLIN};
        if (rewards_waiting(&b->rewards) > 0) (void)poll(&ready, 1, 10);
    }
}

static const struct score *score_of(struct bench *b, uint64_t ticket)
{
    if (!b->is_here[ticket]) fail_msg("no score %d", (int)ticket);
    return &b->scores[ticket];
}

static void wants_value(struct bench *b, uint64_t ticket, double value)
{
    const struct score *s = score_of(b, ticket);
    if (s->outcome != OUTCOME_OK) fail_msg("score %d: %s", (int)ticket, s->outcome_text);
    if (s->reward < value || s->reward > value) fail_msg("%g, want %g", s->reward, value);
}

static void wants_fault(struct bench *b, uint64_t ticket, enum outcome outcome, const char *want)
{
    const struct score *s = score_of(b, ticket);
    assert_int_equal(s->outcome, outcome);
    assert_int_equal(s->n_rewards, 0);
    assert_true(s->reward == 0 && !s->is_correct);
    if (strstr(s->outcome_text, want) == NULL)
        fail_msg("'%s' does not say '%s'", s->outcome_text, want);
}

// Whether the process is there and no corpse.
static bool is_alive(long pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL) return false;
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *state = strrchr(text, ')');
    return state != NULL && state[2] != 'Z' && state[2] != 'X';
}

static void closed(struct bench *b)
{
    rewards_fini(&b->rewards);
    conversation_fini(&b->problem.conversation);
    // no child is left, dead or alive
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

// --- what works ----------------------------------------------------------------------------------

static void a_score_its_verdict_and_its_components_come_back(void **state)
{
    (void)state;
    struct bench b;
    opened(&b,
           "[{\"name\":\"format\",\"weight\":10,\"variant\":\"boxed\"},"
           "{\"name\":\"external\",\"label\":\"mine\",\"weight\":2,\"command\":\"%s\"}]",
           SCORER("echo \\\"{\\\\\\\"id\\\\\\\":$id,\\\\\\\"score\\\\\\\":0.25,"
                  "\\\\\\\"correct\\\\\\\":true,"
                  "\\\\\\\"components\\\\\\\":{\\\\\\\"style\\\\\\\":3}}\\\""));
    ask(&b, 5, "\\boxed{4}");
    collect(&b);
    wants_value(&b, 5, 10.5);
    const struct score *s = score_of(&b, 5);
    assert_true(s->is_correct);
    assert_int_equal(s->n_rewards, 3);
    static const char *const names[] = {"format", "mine", "mine/style"};
    static const double values[] = {1, 0.25, 3};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s->rewards[i].name.size_bytes, strlen(names[i]));
        assert_memory_equal(s->rewards[i].name.bytes, names[i], strlen(names[i]));
        assert_true(s->rewards[i].value == values[i]);
    }
    closed(&b);
}

static void a_request_says_what_there_is_to_know(void **state)
{
    (void)state;
    struct bench b;
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"command\":\"%s\"}]",
           SCORER("printf '%s\\\\n' \\\"$line\\\" > $TMPDIR/request; " ANSWER("1")));
    char answer[] = "4", metadata[] = "{\"a\":\n[1]}";
    b.problem.answer = answer;
    b.problem.metadata = metadata;
    b.problem.level = 3;
    conversation_add(&b.problem.conversation, "user", (struct view){"2+2?", 4});
    ask(&b, 0, "a \"q\"\n\xff");
    collect(&b);
    wants_value(&b, 0, 1);
    char path[300], *bytes;
    size_t size_bytes;
    struct err err;
    snprintf(path, sizeof path, "%s/request", home);
    assert_int_equal(file_read(path, 1 << 16, &bytes, &size_bytes, &err), 0);
    assert_string_equal(bytes,
                        "{\"id\":1,\"prompt\":\"2+2?\",\"response\":\"a \\\"q\\\"\\n\xef\xbf\xbd\","
                        "\"ground_truth\":\"4\",\"data_source\":\"here\",\"metadata\":{\"a\": [1]},"
                        "\"level\":3,\"n_tokens\":7,\"finish_reason\":\"stop\"}\n");
    free(bytes);
    closed(&b);
}

static void answers_may_come_in_any_order(void **state)
{
    (void)state;
    struct bench b;
    // four requests, then their answers from the last to the first
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"batch_size\":4,\"command\":\"%s\"}]",
           "i=0; all=; " SCORER(
               "i=$((i+1)); all=\\\"$id $all\\\"; if [ $i = 4 ]; then for id in $all; do " ANSWER(
                   "$id") "; done; i=0; all=; fi"));
    for (uint64_t i = 0; i < 8; i++)
        ask(&b, i, "x");
    collect(&b);
    for (uint64_t i = 0; i < 8; i++)
        wants_value(&b, i, (double)i + 1);
    closed(&b);
}

static void the_descriptor_wakes_whoever_waits(void **state)
{
    (void)state;
    struct bench b;
    opened(&b, "[{\"name\":\"external\",\"command\":\"%s\"}]", SCORER(ANSWER("1")));
    assert_true(rewards_fd(&b.rewards) >= 0);
    ask(&b, 0, "x");
    uint64_t ticket;
    struct score score;
    const uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (!rewards_poll(&b.rewards, clock_now_ms(), &ticket, &score)) {
        struct pollfd ready = {.fd = rewards_fd(&b.rewards), .events = POLLIN};
        // no deadline of a scorer is near: only its bytes can end this wait
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
        assert_true(clock_now_ms() < deadline_ms);
    }
    assert_int_equal(score.outcome, OUTCOME_OK);
    closed(&b);
}

static void a_cancelled_score_never_comes(void **state)
{
    (void)state;
    struct bench b;
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"batch_size\":2,\"command\":\"%s\"}]",
           SCORER(ANSWER("1")));
    for (uint64_t i = 0; i < 6; i++)
        ask(&b, i, "x");
    rewards_cancel(&b.rewards, 0);
    rewards_cancel(&b.rewards, 4);
    collect(&b);
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(b.is_here[i], i != 0 && i != 4);
    ask(&b, 10, "x");
    uint64_t ticket;
    struct score score;
    (void)rewards_poll(&b.rewards, clock_now_ms(), &ticket, &score); // it is sent
    rewards_cancel(&b.rewards, 10);
    ask(&b, 11, "x");
    collect(&b);
    assert_true(b.is_here[11] && !b.is_here[10]);
    closed(&b);
}

// --- faults --------------------------------------------------------------------------------------

static void a_crash_is_an_outcome_and_takes_nobody_along(void **state)
{
    (void)state;
    struct bench b;
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"batch_size\":8,\"command\":\"%s\"}]",
           SCORER("case \\\"$line\\\" in *crash*) exit 9;; esac; " ANSWER("1")));
    for (uint64_t i = 0; i < 8; i++)
        ask(&b, i, i == 3 ? "crash" : "x");
    collect(&b);
    for (uint64_t i = 0; i < 8; i++)
        if (i != 3) wants_value(&b, i, 1);
    wants_fault(&b, 3, OUTCOME_SCORER_ERROR, "external: it ended with status 9 (tried 2 times)");
    closed(&b);
}

static void a_hang_is_a_timeout_and_takes_nobody_along(void **state)
{
    (void)state;
    struct bench b;
    opened(&b,
           "[{\"name\":\"external\",\"workers\":2,\"batch_size\":4,\"timeout_s\":0.3,"
           "\"startup_s\":0.8,\"command\":\"%s\"}]",
           SCORER("case \\\"$line\\\" in *hang*) exec sleep 1000;; esac; " ANSWER("1")));
    for (uint64_t i = 0; i < 6; i++)
        ask(&b, i, i == 2 ? "hang" : "x");
    collect(&b);
    for (uint64_t i = 0; i < 6; i++)
        if (i != 2) wants_value(&b, i, 1);
    wants_fault(&b, 2, OUTCOME_SCORER_TIMEOUT, "no answer within");
    closed(&b);
}

static void what_is_no_answer_is_an_outcome(void **state)
{
    (void)state;
    static const struct {
        const char *says, *want;
    } cases[] = {
        {"echo hello", "an answer that is none"},
        {"echo", "an answer that is none"},
        {"echo []", "want an object"},
        {"echo '{}'", "field 'id' is missing"},
        {"echo \\\"{\\\\\\\"id\\\\\\\":$id}\\\"", "field 'score' is missing"},
        {ANSWER("NaN"), "an answer that is none"},
        {ANSWER("1e999"), "an answer that is none"},
        {ANSWER("true"), "field 'score'"},
        {ANSWER("null"), "field 'score'"},
        {ANSWER("1,\\\\\\\"correct\\\\\\\":1"), "correct: want true or false"},
        {ANSWER("1,\\\\\\\"components\\\\\\\":[1]"), "components: want a map"},
        {ANSWER("1,\\\\\\\"components\\\\\\\":{\\\\\\\"a b\\\\\\\":1}"), "'a b' is no name"},
        {"id=$((id+1000)); " ANSWER("1"), "an answer to id 100"},
        {"head -c 3000000 /dev/zero | tr '\\\\0' x", "a line of more than"},
        {"printf '{\\\"id\\\"'; exit", "it ended with status 0"},
        {"kill -9 $$", "it was killed by signal 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        opened(&b, "[{\"name\":\"external\",\"workers\":1,\"retries\":0,\"command\":\"%s%s%s\"}]",
               "while read -r line; do id=${line#*\\\\\\\"id\\\\\\\":}; id=${id%%,*}; "
               "case \\\"$line\\\" in *evil*) ",
               cases[i].says, ";; *) " ANSWER("1") ";; esac; done");
        ask(&b, 0, "evil");
        collect(&b);
        wants_fault(&b, 0, OUTCOME_SCORER_ERROR, cases[i].want);
        ask(&b, 1, "x"); // a fresh worker does its work
        collect(&b);
        wants_value(&b, 1, 1);
        closed(&b);
    }
}

static void what_nobody_asked_for_is_a_fault_too(void **state)
{
    (void)state;
    struct bench b;
    // every answer twice
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"batch_size\":1,\"command\":\"%s\"}]",
           SCORER(ANSWER("1") "; " ANSWER("2")));
    for (uint64_t i = 0; i < 3; i++)
        ask(&b, i, "x");
    collect(&b);
    for (uint64_t i = 0; i < 3; i++)
        wants_value(&b, i, 1);
    closed(&b);
}

static void a_scorer_may_say_that_it_cannot_score(void **state)
{
    (void)state;
    struct bench b;
    opened(&b, "[{\"name\":\"external\",\"command\":\"%s\"}]",
           SCORER("echo $id >> $TMPDIR/asked; "
                  "echo \\\"{\\\\\\\"id\\\\\\\":$id,\\\\\\\"error\\\\\\\":\\\\\\\"no "
                  "rubric\\\\\\\"}\\\""));
    ask(&b, 0, "x");
    collect(&b);
    wants_fault(&b, 0, OUTCOME_SCORER_ERROR, "the scorer says: no rubric");
    char path[300], *bytes;
    size_t size_bytes;
    struct err err;
    snprintf(path, sizeof path, "%s/asked", home);
    assert_int_equal(file_read(path, 1 << 16, &bytes, &size_bytes, &err), 0);
    assert_string_equal(bytes, "1\n"); // it is not asked again
    free(bytes);
    closed(&b);
}

static void a_flood_of_complaints_does_not_stop_a_scorer(void **state)
{
    (void)state;
    struct bench b;
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"command\":\"%s\"}]",
           SCORER("head -c 500000 /dev/zero | tr '\\\\0' '\\\\n' >&2; " ANSWER("1")));
    ask(&b, 0, "x");
    collect(&b);
    wants_value(&b, 0, 1);
    closed(&b);
}

static void one_fault_fails_the_whole_score_whatever_the_others_say(void **state)
{
    (void)state;
    struct bench b;
    opened(&b,
           "[{\"name\":\"external\",\"label\":\"good\",\"command\":\"%s\"},"
           "{\"name\":\"external\",\"label\":\"bad\",\"retries\":0,\"command\":\"exit 3\"}]",
           SCORER(ANSWER("1")));
    ask(&b, 0, "x");
    collect(&b);
    wants_fault(&b, 0, OUTCOME_SCORER_ERROR, "bad: ");
    closed(&b);
}

static void nothing_is_run_before_the_start(void **state)
{
    (void)state;
    struct bench b;
    struct err err;
    struct json_document *document;
    char spec[400];
    snprintf(spec, sizeof spec, "[{\"name\":\"external\",\"command\":\"touch %s/ran; cat\"}]",
             home);
    document = json_parse(spec, strlen(spec), "spec", &err);
    const struct reward_setting setting = {UINT32_MAX, NULL, 0};
    b = (struct bench){.problem = {.grader = &grader_exact, .source = "here"}};
    assert_int_equal(rewards_init(&b.rewards, json_root(document), &setting, &err), 0);
    json_destroy(document);
    assert_true(rewards_have_commands(&b.rewards));
    ask(&b, 0, "x");
    collect(&b);
    wants_fault(&b, 0, OUTCOME_SCORER_ERROR, "nothing is run here");
    closed(&b);
    snprintf(spec, sizeof spec, "%s/ran", home);
    assert_false(file_exists(spec));
}

// --- the process ---------------------------------------------------------------------------------

static void the_whole_group_is_killed_at_the_end(void **state)
{
    (void)state;
    struct bench b;
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"command\":\"%s%s\"}]",
           "sleep 1000 & echo $$ $! > $TMPDIR/pids; ", SCORER(ANSWER("1")));
    ask(&b, 0, "x");
    collect(&b);
    wants_value(&b, 0, 1);
    char path[300];
    long child = 0, grandchild = 0;
    snprintf(path, sizeof path, "%s/pids", home);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &child, &grandchild), 2);
    fclose(f);
    assert_true(is_alive(child) && is_alive(grandchild));
    closed(&b);
    const uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (is_alive(grandchild) && clock_now_ms() < deadline_ms)
        (void)poll(NULL, 0, 1);
    assert_false(is_alive(child) || is_alive(grandchild));
}

static void nothing_of_ours_is_open_in_a_scorer(void **state)
{
    (void)state;
    struct bench b;
    const int fd = open("/dev/null", O_RDONLY); // without CLOEXEC
    assert_true(fd > 2);
    opened(&b, "[{\"name\":\"external\",\"workers\":1,\"command\":\"fd=%d; %s\"}]", fd,
           SCORER("n=0; if [ -e /proc/$$/fd/$fd ]; then n=1; fi; " ANSWER("$n")));
    ask(&b, 0, "x");
    collect(&b);
    wants_value(&b, 0, 0);
    close(fd);
    closed(&b);
}

static void served_files_are_written_for_it_and_removed(void **state)
{
    (void)state;
    struct served_file files[2] = {{.name = "scorers/mine.sh"}, {.name = "scorers/words.txt"}};
    static char script[] = "#!/bin/sh\n"
                           "while read -r line; do id=${line#*\\\"id\\\":}; id=${id%%,*}\n"
                           "n=$(wc -l < \"${0%/*}/words.txt\")\n"
                           "echo \"{\\\"id\\\":1,\\\"score\\\":$((n))}\"\n"
                           "echo \"$0\" > \"$TMPDIR/path\"\ndone\n";
    static char words[] = "a\nb\nc\n";
    files[0].bytes = (unsigned char *)script;
    files[0].size_bytes = sizeof script - 1;
    files[1].bytes = (unsigned char *)words;
    files[1].size_bytes = sizeof words - 1;
    static const char spec[] = "[{\"name\":\"external\",\"command\":[\"{file:scorers/mine.sh}\"],"
                               "\"files\":[\"scorers/words.txt\"],\"workers\":1}]";
    struct err err;
    struct json_document *document = json_parse(spec, strlen(spec), "spec", &err);
    const struct reward_setting setting = {UINT32_MAX, files, 2};
    struct bench b = {.problem = {.grader = &grader_exact, .source = "here"}};
    if (rewards_init(&b.rewards, json_root(document), &setting, &err) != 0 ||
        rewards_start(&b.rewards, &err) != 0)
        fail_msg("%s", err.text);
    json_destroy(document);
    ask(&b, 0, "x");
    collect(&b);
    wants_value(&b, 0, 3);
    char path[300], *bytes;
    size_t size_bytes;
    snprintf(path, sizeof path, "%s/path", home);
    const uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (file_read(path, 4096, &bytes, &size_bytes, &err) != 0 || size_bytes == 0)
        if (clock_now_ms() > deadline_ms) fail_msg("%s", err.text);
    bytes[size_bytes - 1] = '\0';
    struct stat info;
    assert_int_equal(stat(bytes, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    *strstr(bytes, "/scorers") = '\0';
    assert_int_equal(stat(bytes, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    closed(&b);
    assert_int_equal(stat(bytes, &info), -1);
    free(bytes);
}

static void wrong_settings_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *more, *want;
    } cases[] = {
        {"", "rewards: external.command: want a text, or a list"},
        {",\"command\":[]", "list of 1 to"},
        {",\"command\":[1]", "want text"},
        {",\"command\":[\"\"]", "name is empty"},
        {",\"command\":[\"no-such-program-here\"]", "no program no-such-program-here in PATH"},
        {",\"command\":[\"/no/such\"]", "no program /no/such"},
        {",\"command\":\"cat {file:a.py}\"", "'a.py' is not among the served files"},
        {",\"command\":\"cat {file:../x}\"", "'../x' is no name"},
        {",\"command\":\"cat {file:a\"", "want {file:NAME}"},
        {",\"command\":\"cat\",\"files\":\"x\"", "files: want a list"},
        {",\"command\":\"cat\",\"files\":[\"b.py\"]", "files: 'b.py' is not among"},
        {",\"command\":\"cat\",\"workers\":0", "external.workers"},
        {",\"command\":\"cat\",\"workers\":65", "external.workers"},
        {",\"command\":\"cat\",\"batch_size\":0", "external.batch_size"},
        {",\"command\":\"cat\",\"timeout_s\":0", "external.timeout_s"},
        {",\"command\":\"cat\",\"timeout\":1", "unknown key 'timeout'"},
    };
    struct served_file file = {.name = "../x"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char spec[300];
        struct err err;
        struct rewards r;
        snprintf(spec, sizeof spec, "[{\"name\":\"external\"%s}]", cases[i].more);
        struct json_document *document = json_parse(spec, strlen(spec), "spec", &err);
        const struct reward_setting setting = {UINT32_MAX, &file, 1};
        if (rewards_init(&r, json_root(document), &setting, &err) == 0) fail_msg("%s", spec);
        json_destroy(document);
        if (strstr(err.text, cases[i].want) == NULL) fail_msg("%s gave: %s", spec, err.text);
    }
}

static void many_requests_over_few_workers_all_come_back(void **state)
{
    (void)state;
    struct bench b;
    // every eleventh line ends the worker
    opened(&b,
           "[{\"name\":\"external\",\"workers\":3,\"batch_size\":5,\"retries\":3,"
           "\"command\":\"%s\"}]",
           "i=0; " SCORER("i=$((i+1)); if [ $i = 11 ]; then exit; fi; " ANSWER("1")));
    for (uint64_t i = 0; i < SCORES_KEPT; i++)
        ask(&b, i, "x");
    collect(&b);
    for (uint64_t i = 0; i < SCORES_KEPT; i++)
        wants_value(&b, i, 1);
    closed(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_its_verdict_and_its_components_come_back),
        cmocka_unit_test(a_request_says_what_there_is_to_know),
        cmocka_unit_test(answers_may_come_in_any_order),
        cmocka_unit_test(the_descriptor_wakes_whoever_waits),
        cmocka_unit_test(a_cancelled_score_never_comes),
        cmocka_unit_test(a_crash_is_an_outcome_and_takes_nobody_along),
        cmocka_unit_test(a_hang_is_a_timeout_and_takes_nobody_along),
        cmocka_unit_test(what_is_no_answer_is_an_outcome),
        cmocka_unit_test(what_nobody_asked_for_is_a_fault_too),
        cmocka_unit_test(a_scorer_may_say_that_it_cannot_score),
        cmocka_unit_test(a_flood_of_complaints_does_not_stop_a_scorer),
        cmocka_unit_test(one_fault_fails_the_whole_score_whatever_the_others_say),
        cmocka_unit_test(nothing_is_run_before_the_start),
        cmocka_unit_test(the_whole_group_is_killed_at_the_end),
        cmocka_unit_test(nothing_of_ours_is_open_in_a_scorer),
        cmocka_unit_test(served_files_are_written_for_it_and_removed),
        cmocka_unit_test(wrong_settings_are_refused_by_name),
        cmocka_unit_test(many_requests_over_few_workers_all_come_back),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
