#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/data/dataset.h"
#include "common/base/file.h"
#include "tests/support/golden.h"

// --- files in memory -----------------------------------------------------------------------------

#define FILES 4

struct fixture {
    struct served_file served[FILES];
    size_t n;
    struct json_document *roles, *data;
    struct served_files files;
    struct dataset dataset;
};

static int accept_all(struct row_content *content, struct err *err)
{
    (void)content;
    (void)err;
    return 0;
}

static int accept_answers(struct row_content *content, struct err *err)
{
    if (content->answer != NULL && content->answer[0] != '\0') return 0;
    return err_set(err, ERR_FORMAT, "no answer");
}

static void serve(struct fixture *f, const char *name, const char *bytes, size_t size_bytes)
{
    struct served_file *file = &f->served[f->n++];
    snprintf(file->name, sizeof file->name, "%s", name);
    file->bytes = (unsigned char *)(uintptr_t)bytes;
    file->size_bytes = size_bytes;
}

static int open_dataset(struct fixture *f, const char *roles, const char *data, bool is_shuffled,
                        struct err *err)
{
    f->roles = json_parse(roles, strlen(roles), "roles", err);
    f->data = json_parse(data, strlen(data), "data", err);
    assert_non_null(f->roles);
    assert_non_null(f->data);
    if (served_files_init(&f->files, json_root(f->roles), json_root(f->data), f->served, f->n,
                          err) != 0)
        return -1;
    const bool skips = f->files.skips_bad_rows;
    const struct dataset_setting setting = {.files = &f->files,
                                            .role = is_shuffled ? FILES_TRAIN : FILES_EVAL,
                                            .part = JSONL_ALL,
                                            .is_shuffled = is_shuffled,
                                            .seed = 11,
                                            .accept = skips ? accept_answers : accept_all};
    return dataset_open(&f->dataset, &setting, err);
}

static void close_dataset(struct fixture *f)
{
    dataset_close(&f->dataset);
    json_destroy(f->roles);
    json_destroy(f->data);
    *f = (struct fixture){0};
}

static void opened(struct fixture *f, const char *roles, const char *data, bool is_shuffled)
{
    struct err err;
    if (open_dataset(f, roles, data, is_shuffled, &err) != 0) fail_msg("%s", err.text);
}

static struct row_content row_of(const struct fixture *f, uint64_t n)
{
    struct row_content c;
    struct err err;
    if (dataset_read(&f->dataset, n, 0, &c, &err) != 0) fail_msg("%s", err.text);
    return c;
}

static void expect_bad(const struct fixture *f, uint64_t n, const char *where, const char *why)
{
    struct row_content c;
    struct err err = {0};
    if (dataset_read(&f->dataset, n, 0, &c, &err) == 0) fail_msg("row %d was read", (int)n);
    assert_int_equal(err.code, ERR_FORMAT);
    if (strncmp(err.text, where, strlen(where)) != 0 || strstr(err.text, why) == NULL)
        fail_msg("want %s...%s, got: %s", where, why, err.text);
}

// --- lines ---------------------------------------------------------------------------------------

static void lines_end_in_any_way_and_keep_their_numbers(void **state)
{
    (void)state;
    static const char rows[] = "\xef\xbb\xbf{\"prompt\":\"a\",\"answer\":1}\r\n"
                               "\r\n"
                               "{\"prompt\":\"b\",\"answer\":2}\n"
                               "  \n\n"
                               "{\"prompt\":\"c\",\"answer\":3}\n"
                               "{\"prompt\":\"d\"\n"
                               "{\"prompt\":\"e\",\"answer\":5}";
    struct fixture f = {0};
    serve(&f, "data/x.jsonl", rows, sizeof rows - 1);
    opened(&f, "{\"eval\":\"data/x.jsonl\"}", "{}", false);
    assert_int_equal(dataset_count(&f.dataset), 5);
    static const char *const prompts[] = {"a", "b", "c", NULL, "e"};
    for (uint64_t n = 0; n < 5; n++) {
        if (prompts[n] == NULL) continue;
        struct row_content c = row_of(&f, n);
        assert_string_equal(conversation_last(&c.conversation, "user"), prompts[n]);
        assert_int_equal(strtol(c.answer, NULL, 10), (long)n + 1);
        assert_string_equal(c.source, "x.jsonl");
        row_content_fini(&c);
    }
    expect_bad(&f, 3, "data/x.jsonl:7: ", "row");
    struct row_content again = row_of(&f, 5); // around
    assert_string_equal(again.answer, "1");
    row_content_fini(&again);
    close_dataset(&f);
}

static void bytes_that_are_no_json_text_are_refused_by_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        size_t size_bytes;
        const char *why;
    } cases[] = {
#define LINE(text, why) {text, sizeof text - 1, why}
        LINE("{\"prompt\":\"a\0b\",\"answer\":1}", "row"),
        LINE("{\"prompt\":\"a\\u0000b\",\"answer\":1}", "character 0"),
        LINE("{\"prompt\":\"\xff\",\"answer\":1}", "unable to decode"),
        LINE("{\"prompt\":\"\xed\xa0\x80\",\"answer\":1}", "unable to decode"),
        LINE("{\"prompt\":\"x\",\"prompt\":\"y\",\"answer\":1}", "duplicate"),
        LINE("{\"prompt\":\"x\",\"answer\":1} {}", "row"),
        LINE("[1]", "want an object"),
        LINE("7", "want an object"),
#undef LINE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rows[256];
        static const char good[] = "{\"prompt\":\"q\",\"answer\":\"1\"}\n";
        memcpy(rows, good, sizeof good - 1);
        memcpy(rows + sizeof good - 1, cases[i].line, cases[i].size_bytes);
        struct fixture f = {0};
        serve(&f, "data/x.jsonl", rows, sizeof good - 1 + cases[i].size_bytes);
        opened(&f, "{\"eval\":\"data/x.jsonl\"}", "{}", false);
        expect_bad(&f, 1, "data/x.jsonl:2: ", cases[i].why);
        close_dataset(&f);
    }
}

static void a_line_that_is_too_long_is_refused_before_it_is_parsed(void **state)
{
    (void)state;
    const size_t size = JSONL_LINE_BYTES_MAX + 64;
    char *rows = malloc(size);
    int head = snprintf(rows, size, "{\"prompt\":\"q\",\"answer\":1}\n{\"prompt\":\"");
    memset(rows + head, 'x', size - (size_t)head);
    struct fixture f = {0};
    serve(&f, "data/x.jsonl", rows, size);
    opened(&f, "{\"eval\":\"data/x.jsonl\"}", "{}", false);
    expect_bad(&f, 1, "data/x.jsonl:2: ", "a line of ");
    close_dataset(&f);
    free(rows);
}

static char *made_rows(int first, int n, size_t *size_bytes)
{
    char *rows = calloc((size_t)n, 64);
    size_t at = 0;
    for (int i = first; i < first + n; i++)
        at += (size_t)snprintf(rows + at, 64, "%s{\"prompt\":\"q\",\"answer\":%d}\n",
                               i % 7 == 3 ? "\n" : "", i);
    *size_bytes = at;
    return rows;
}

static void every_row_of_a_long_file_is_found_and_so_are_those_of_the_next(void **state)
{
    (void)state;
    size_t sizes[2];
    char *rows[2] = {made_rows(0, 1000, &sizes[0]), made_rows(1000, 77, &sizes[1])};
    struct fixture f = {0};
    serve(&f, "data/a.jsonl", rows[0], sizes[0]);
    serve(&f, "data/none.jsonl", "\n\n", 2);
    serve(&f, "data/b.jsonl", rows[1], sizes[1]);
    opened(&f, "{\"eval\":[\"data/a.jsonl\",\"data/none.jsonl\",\"data/b.jsonl\"]}", "{}", false);
    assert_int_equal(dataset_count(&f.dataset), 1077);
    for (uint64_t n = 0; n < 1077; n++) {
        struct row_content c = row_of(&f, n);
        assert_int_equal(strtol(c.answer, NULL, 10), (long)n);
        assert_string_equal(c.source, n < 1000 ? "a.jsonl" : "b.jsonl");
        row_content_fini(&c);
    }
    // one mark for JSONL_STRIDE rows
    assert_true(f.dataset.rows.n_marks <= 1077 / JSONL_STRIDE + 2);
    close_dataset(&f);
    free(rows[0]);
    free(rows[1]);
}

// --- order ---------------------------------------------------------------------------------------

static void a_mixture_keeps_its_weights_and_every_file_its_rows(void **state)
{
    (void)state;
    static const double weights[] = {0.7, 0.2, 0.0999, 0.0001};
    struct mixture m;
    mixture_init(&m, weights, 4);
    enum { N = 5 * MIXTURE_BLOCK };
    uint64_t counts[4] = {0};
    bool *seen = calloc((size_t)4 * N, sizeof *seen);
    int n_equal = 0;
    for (uint64_t n = 0; n < N; n++) {
        const struct mixture_place p = mixture_at(&m, 5, n), q = mixture_at(&m, 6, n);
        assert_true(p.draw < N && !seen[p.file * N + p.draw]);
        seen[p.file * N + p.draw] = true;
        counts[p.file]++;
        n_equal += p.file == q.file && p.draw == q.draw;
    }
    for (size_t i = 0; i < 4; i++) {
        const double share = (double)counts[i] / N;
        if (share < weights[i] - 0.001 || share > weights[i] + 0.001)
            fail_msg("file %zu has a share of %f", i, share);
        for (uint64_t draw = 0; draw < counts[i]; draw++)
            assert_true(seen[i * N + draw]); // without a gap
    }
    assert_true(n_equal < N / 100);
    free(seen);
    // not all of one file, then all of another
    struct mixture halves;
    mixture_init(&halves, (const double[]){1, 1}, 2);
    int n_changes = 0;
    for (uint64_t n = 1; n < 1000; n++)
        n_changes += mixture_at(&halves, 1, n).file != mixture_at(&halves, 1, n - 1).file;
    assert_in_range(n_changes, 400, 600);
}

static void files_are_mixed_by_weight_and_name_their_rows(void **state)
{
    (void)state;
    size_t sizes[2];
    char *rows[2] = {made_rows(0, 50, &sizes[0]), made_rows(1000, 10, &sizes[1])};
    struct fixture f = {0};
    serve(&f, "data/a.jsonl", rows[0], sizes[0]);
    serve(&f, "data/b.jsonl", rows[1], sizes[1]);
    opened(&f,
           "{\"train\":[{\"name\":\"data/a.jsonl\",\"weight\":1},"
           "{\"name\":\"data/b.jsonl\",\"weight\":3,\"source\":\"bees\"}]}",
           "{}", true);
    int n_b = 0, counts[10] = {0};
    for (uint64_t n = 0; n < MIXTURE_BLOCK; n++) {
        struct row_content c = row_of(&f, n), same = row_of(&f, n);
        const long answer = strtol(c.answer, NULL, 10);
        assert_string_equal(c.answer, same.answer);
        assert_string_equal(c.source, answer >= 1000 ? "bees" : "a.jsonl");
        if (answer >= 1000) {
            n_b++;
            counts[answer - 1000]++;
        }
        row_content_fini(&c);
        row_content_fini(&same);
    }
    for (int i = 0; i < 10; i++) // that file goes round and round
        assert_in_range(counts[i], n_b / 10, n_b / 10 + 1);
    assert_in_range(n_b, MIXTURE_BLOCK * 3 / 4 - 2, MIXTURE_BLOCK * 3 / 4 + 2);
    close_dataset(&f);
    free(rows[0]);
    free(rows[1]);
}

// --- bad rows ------------------------------------------------------------------------------------

#define BAD_ROWS                                                                                   \
    "{\"prompt\":\"a\",\"answer\":\"1\"}\n"                                                        \
    "{\"prompt\":\"b\"\n"                                                                          \
    "{\"prompt\":\"c\",\"answer\":\"3\"}\n"                                                        \
    "{\"prompt\":\"d\",\"answer\":\"\"}\n"                                                         \
    "{\"prompt\":\"e\",\"answer\":\"5\"}\n"

static void bad_rows_of_a_list_in_order_are_left_out_when_they_may_be(void **state)
{
    (void)state;
    struct fixture f = {0};
    serve(&f, "data/x.jsonl", BAD_ROWS, sizeof BAD_ROWS - 1);
    opened(&f, "{\"eval\":\"data/x.jsonl\"}", "{\"on_bad_row\":\"skip\"}", false);
    assert_int_equal(dataset_count(&f.dataset), 3);
    for (uint64_t n = 0; n < 6; n++) {
        struct row_content c = row_of(&f, n);
        assert_int_equal(strtol(c.answer, NULL, 10), (long)(n % 3) * 2 + 1);
        row_content_fini(&c);
    }
    close_dataset(&f);
}

static void a_substitute_is_another_row_and_always_the_same(void **state)
{
    (void)state;
    size_t size;
    char *rows = made_rows(0, 100, &size);
    struct fixture f = {0};
    serve(&f, "data/x.jsonl", rows, size);
    opened(&f, "{\"train\":\"data/x.jsonl\"}", "{\"on_bad_row\":\"skip\"}", true);
    int n_same = 0;
    for (uint64_t n = 0; n < 100; n++) {
        struct row_content c[3];
        struct err err;
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(dataset_read(&f.dataset, n, i < 2 ? i : 1, &c[i], &err), 0);
        n_same += strcmp(c[0].answer, c[1].answer) == 0;
        assert_string_equal(c[1].answer, c[2].answer);
        for (uint32_t i = 0; i < 3; i++)
            row_content_fini(&c[i]);
    }
    assert_true(n_same < 10);
    close_dataset(&f);
    free(rows);
}

static void files_without_a_good_row_are_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *data, *why;
    } cases[] = {
        {"\n \r\n", "{}", "no row to use"},
        {"{\"a\":\n{\"b\":\n", "{}", "data/x.jsonl:2: "},
        {"{\"prompt\":\"a\",\"answer\":\"\"}\n", "{\"on_bad_row\":\"skip\"}", "every row is bad"},
        {"{\"prompt\":\"a\",\"answer\":\"\"}\n", "{\"on_bad_row\":\"ignore\"}", "stop or skip"},
        {"{\"prompt\":\"a\",\"answer\":\"1\"}\n", "{\"convention\":\"verb\"}", "got 'verb'"},
        {"{\"prompt\":\"a\",\"answer\":\"1\"}\n{\"question\":\"a\",\"answer\":\"1\"}\n", "{}",
         "data/x.jsonl:2: a row like question, after one like answer"},
        {"{\"instruction\":\"a\",\"response\":\"b\"}\n", "{}",
         "the columns instruction, response is of no convention"},
        {"PAR1\1\2\3", "{}", "is Parquet"},
        {"\x1f\x8b\x08", "{}", "gunzip -k"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f = {0};
        struct err err = {0};
        serve(&f, "data/x.jsonl", cases[i].rows, strlen(cases[i].rows));
        if (open_dataset(&f, "{\"eval\":\"data/x.jsonl\"}", cases[i].data, false, &err) == 0)
            fail_msg("opened: %s", cases[i].rows);
        if (strstr(err.text, cases[i].why) == NULL)
            fail_msg("want '%s', got: %s", cases[i].why, err.text);
        close_dataset(&f);
    }
}

// --- conventions ---------------------------------------------------------------------------------

static const struct convention_case {
    const char *convention, *row;
    const char *prompt, *answer, *completion, *source, *grader, *metadata;
    uint32_t level;
} convention_cases[] = {
    {"verl",
     "{\"data_source\":\"openai/gsm8k\",\"prompt\":[{\"role\":\"system\",\"content\":\"s\"},"
     "{\"role\":\"user\",\"content\":\"q\"}],\"ability\":\"math\",\"reward_model\":{\"style\":"
     "\"rule\",\"ground_truth\":\"72\"},\"extra_info\":{\"index\":3}}",
     "q", "72", NULL, "openai/gsm8k", "math", "\"extra_info\":{\"index\":3}", 0},
    {"verl",
     "{\"data_source\":\"countdown\",\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],"
     "\"reward_model\":{\"ground_truth\":{\"target\":9,\"numbers\":[4,5]}}}",
     "q", NULL, NULL, "countdown", "countdown", "{\"target\":9,\"numbers\":[4,5]}", 0},
    {"rlvr",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}],\"ground_truth\":\"5\","
     "\"dataset\":\"math\"}",
     "q", "5", NULL, "math", "math", NULL, 0},
    {"messages",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
     "\"content\":\"r\"}]}",
     "q", NULL, NULL, NULL, NULL, NULL, 0},
    {"sharegpt",
     "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\","
     "\"value\":\"r\"}]}",
     "q", NULL, NULL, NULL, NULL, NULL, 0},
    {"completion", "{\"prompt\":\"q\",\"completion\":\"r\"}", "q", NULL, "r", NULL, NULL, NULL, 0},
    {"label", "{\"prompt\":\"q\",\"label\":3.0,\"metadata\":{\"level\":2}}", "q", "3", NULL, NULL,
     "math", "{\"level\":2}", 0},
    {"problem", "{\"problem\":\"q\",\"solution\":\"so $\\\\boxed{4}$\",\"level\":\"Level 5\"}", "q",
     "so $\\boxed{4}$", "so $\\boxed{4}$", NULL, "math", "solution", 5},
    {"problem", "{\"problem\":\"q\",\"question\":\"q\",\"answer\":27.0,\"difficulty\":4.0}", "q",
     "27", NULL, NULL, "math", NULL, 4},
    {"gsm8k", "{\"question\":\"q\",\"answer\":\"6*3\\n#### 18\"}", "q", "6*3\n#### 18",
     "6*3\n#### 18", NULL, "math", NULL, 0},
    {"question", "{\"question\":\"q\",\"answer\":0.1}", "q", "0.1", "0.1", NULL, "math", NULL, 0},
    {"answer", "{\"prompt\":\"q\",\"answer\":204}", "q", "204", NULL, NULL, "math", NULL, 0},
    {"output", "{\"input\":\"q\",\"output\":\"a\"}", "q", "a", "a", NULL, "math", NULL, 0},
    {"countdown", "{\"nums\":[1,2,3,4],\"target\":10}",
     "Use the numbers 1, 2, 3, 4, each of them exactly once, with + - * / and brackets, to "
     "write an expression whose value is 10.",
     NULL, NULL, NULL, "countdown", "{\"numbers\": [1, 2, 3, 4], \"target\": 10}", 2},
    {"reasoning_gym",
     "{\"question\":\"q\",\"answer\":\"7\",\"metadata\":{\"source_dataset\":\"chain_sum\"}}", "q",
     "7", NULL, "chain_sum", NULL, "{\"source_dataset\":\"chain_sum\"}", 0},
    {"knights_knaves",
     "{\"quiz\":\"q\",\"names\":[\"A\",\"B\"],\"solution\":[true,false],"
     "\"solution_text_format\":\"(1) A is a knight\"}",
     "q", "(1) A is a knight", "(1) A is a knight", NULL, "knights_knaves",
     "\"solution\":[true,false]", 2},
    {"choices", "{\"question\":\"q\",\"choices\":[\"x\",\"y\"],\"answer\":1}", "q\nA. x\nB. y", "B",
     NULL, NULL, "choice", NULL, 0},
    {"choices", "{\"question\":\"q\",\"options\":[\"x\",\"y\"],\"answer\":\"x\"}", "q\nA. x\nB. y",
     "A", NULL, NULL, "choice", NULL, 0},
    {"humaneval",
     "{\"prompt\":\"def f():\",\"test\":\"t\",\"entry_point\":\"f\","
     "\"canonical_solution\":\"pass\"}",
     "def f():", NULL, "pass", NULL, "code", "\"entry_point\":\"f\"", 0},
    {"mbpp", "{\"text\":\"q\",\"code\":\"c\",\"test_list\":[\"assert\"]}", "q", NULL, "c", NULL,
     "code", "test_list", 0},
};

static void check_case(const struct convention_case *k, const struct row_content *c)
{
    const struct {
        const char *got, *want;
    } pairs[] = {{conversation_last(&c->conversation, "user"), k->prompt},
                 {c->answer, k->answer},
                 {c->completion, k->completion},
                 {c->source, k->source},
                 {c->grader, k->grader}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *want = pairs[i].want == NULL ? "(none)" : pairs[i].want;
        const char *got = pairs[i].got == NULL ? "(none)" : pairs[i].got;
        if (strcmp(got, want) != 0)
            fail_msg("%s %s: part %zu: got %s, want %s", k->convention, k->row, i, got, want);
    }
    if (k->metadata != NULL && strstr(c->metadata, k->metadata) == NULL)
        fail_msg("%s: metadata %s", k->convention, c->metadata);
    assert_int_equal(c->level, k->level);
}

static void every_convention_is_recognised_and_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof convention_cases / sizeof *convention_cases; i++) {
        const struct convention_case *k = &convention_cases[i];
        struct err err;
        struct json_document *d = json_parse(k->row, strlen(k->row), "row", &err);
        if (d == NULL) fail_msg("%s: %s", k->convention, err.text);
        const struct convention *found = convention_of_row(json_root(d));
        assert_non_null(found);
        assert_string_equal(found->name, k->convention);
        const struct data_options none = {0};
        struct row_content c;
        if (convention_read(found, &none, json_root(d), &c, &err) != 0)
            fail_msg("%s: %s", k->convention, err.text);
        check_case(k, &c);
        row_content_fini(&c);
        json_destroy(d);
    }
}

static void columns_can_be_named_one_by_one(void **state)
{
    (void)state;
    static const char rows[] =
        "{\"instruction\":[{\"role\":\"user\",\"content\":\"q\"}],\"gold\":\"7\",\"how\":\"3\","
        "\"from\":\"somewhere\",\"question\":\"x\",\"answer\":\"y\"}\n";
    struct fixture f = {0};
    serve(&f, "data/x.jsonl", rows, sizeof rows - 1);
    opened(&f,
           "{\"eval\":{\"name\":\"data/x.jsonl\",\"prompt_key\":\"instruction\",\"grader\":\"g\"}}",
           "{\"answer_key\":\"gold\",\"level_key\":\"how\",\"source_key\":\"from\"}", false);
    struct row_content c = row_of(&f, 0);
    assert_string_equal(conversation_last(&c.conversation, "user"), "q");
    assert_int_equal(c.conversation.n_turns, 1);
    assert_string_equal(c.answer, "7");
    assert_string_equal(c.grader, "g");
    assert_string_equal(c.source, "somewhere");
    assert_int_equal(c.level, 3);
    row_content_fini(&c);
    close_dataset(&f);
    // only one of them: the rest is as the convention has it
    serve(&f, "data/x.jsonl", rows, sizeof rows - 1);
    opened(&f, "{\"eval\":\"data/x.jsonl\"}", "{\"answer_key\":\"gold\"}", false);
    c = row_of(&f, 0);
    assert_string_equal(conversation_last(&c.conversation, "user"), "x");
    assert_string_equal(c.answer, "7");
    assert_string_equal(c.grader, "math");
    row_content_fini(&c);
    close_dataset(&f);
    // one that a row lacks
    serve(&f, "data/x.jsonl", rows, sizeof rows - 1);
    opened(&f, "{\"eval\":\"data/x.jsonl\"}", "{\"answer_key\":\"golden\"}", false);
    expect_bad(&f, 0, "data/x.jsonl:1: ", "column 'golden'");
    close_dataset(&f);
}

static void rows_of_the_wrong_types_are_refused_by_column(void **state)
{
    (void)state;
    static const struct {
        const char *convention, *row, *why;
    } cases[] = {
        {"verl", "{\"prompt\":[],\"reward_model\":{}}", "prompt: want 1 to"},
        {"verl", "{\"prompt\":[{\"content\":\"q\"}],\"reward_model\":{}}", "turn 1: role"},
        {"verl", "{\"prompt\":[{\"role\":\"user\",\"content\":1}],\"reward_model\":{}}",
         "turn 1: content"},
        {"verl", "{\"prompt\":\"q\",\"reward_model\":{}}", "ground_truth"},
        {"messages", "{\"messages\":7}", "messages"},
        {"countdown", "{\"nums\":[1,\"x\"],\"target\":3}", "whole numbers"},
        {"countdown", "{\"nums\":[1],\"target\":\"3\"}", "target"},
        {"choices", "{\"question\":\"q\",\"choices\":[\"x\",\"y\"],\"answer\":2}", "one of the 2"},
        {"choices", "{\"question\":\"q\",\"choices\":[\"x\"],\"answer\":0}", "2 to 26"},
        {"gsm8k", "{\"question\":[1],\"answer\":\"#### 1\"}", "question: turn 1"},
        {"problem", "{\"problem\":\"q\",\"answer\":true}", "answer: want text or a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct json_document *d = json_parse(cases[i].row, strlen(cases[i].row), "row", &err);
        assert_non_null(d);
        const struct data_options none = {0};
        struct row_content c;
        if (convention_read(convention_find(cases[i].convention), &none, json_root(d), &c, &err) ==
            0)
            fail_msg("%s was read", cases[i].row);
        if (strstr(err.text, cases[i].why) == NULL)
            fail_msg("%s: want '%s', got: %s", cases[i].row, cases[i].why, err.text);
        json_destroy(d);
    }
}

static void the_fields_own_files_are_read_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *path, *convention, *grader;
        uint64_t n_rows;
        const char *first_answer; // ends in
        uint64_t n_bad;           // without an answer
    } cases[] = {
        {"aime2024/aime24.jsonl", "answer", "math", 30, "204", 0},
        {"aime2024/aime24_with_solutions.jsonl", "problem", "math", 30, "204", 0},
        {"aime2025/aime25.jsonl", "answer", "math", 30, "70", 0},
        {"aime_train/aime_1983_2023.jsonl", "problem", "math", 975, "60", 0},
        {"amc23/amc23.jsonl", "problem", "math", 40, "27", 0},
        {"countdown/countdown_3to4_train.jsonl", "reasoning_gym", NULL, 2000, "18 + 95 - 14", 0},
        {"gsm8k/train.jsonl", "gsm8k", "math", 7473, "#### 72", 0},
        {"gsm8k/test.jsonl", "gsm8k", "math", 1319, "#### 18", 0},
        {"kk/kk_3ppl_train.jsonl", "knights_knaves", "knights_knaves", 900, "Ethan is a knight", 0},
        {"kk/kk_7ppl_test.jsonl", "knights_knaves", "knights_knaves", 100, "", 0},
        {"math500/math500.jsonl", "problem", "math", 500, "\\left( 3, \\frac{\\pi}{2} \\right)", 0},
        {"math_train/math_train.jsonl", "problem", "math", 7474, "0", 2},
        {"mbpp/mbpp.jsonl", "mbpp", "code", 974, NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = outside_data(cases[i].path);
        if (path == NULL) continue;
        struct file_map map;
        struct err err;
        if (file_map(&map, path, &err) != 0) fail_msg("%s", err.text);
        struct fixture f = {0};
        serve(&f, "data/x.jsonl", (const char *)map.bytes, map.size_bytes);
        opened(&f, "{\"eval\":\"data/x.jsonl\"}", "{}", false);
        assert_int_equal(dataset_count(&f.dataset), cases[i].n_rows);
        assert_string_equal(f.dataset.conventions[0]->name, cases[i].convention);
        uint64_t n_bad = 0;
        for (uint64_t n = 0; n < cases[i].n_rows; n++) {
            struct row_content c;
            if (dataset_read(&f.dataset, n, 0, &c, &err) != 0) {
                assert_non_null(strstr(err.text, "answer: want text or a number, it is absent"));
                n_bad++;
                continue;
            }
            const char *want = cases[i].first_answer;
            assert_true(conversation_last(&c.conversation, "user")[0] != '\0');
            assert_true((c.answer != NULL) == (want != NULL));
            if (n == 0 && want != NULL)
                assert_string_equal(c.answer + strlen(c.answer) - strlen(want), want);
            if (cases[i].grader != NULL) assert_string_equal(c.grader, cases[i].grader);
            row_content_fini(&c);
        }
        assert_int_equal(n_bad, cases[i].n_bad);
        close_dataset(&f);
        file_unmap(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_any_way_and_keep_their_numbers),
        cmocka_unit_test(bytes_that_are_no_json_text_are_refused_by_file_and_line),
        cmocka_unit_test(a_line_that_is_too_long_is_refused_before_it_is_parsed),
        cmocka_unit_test(every_row_of_a_long_file_is_found_and_so_are_those_of_the_next),
        cmocka_unit_test(a_mixture_keeps_its_weights_and_every_file_its_rows),
        cmocka_unit_test(files_are_mixed_by_weight_and_name_their_rows),
        cmocka_unit_test(bad_rows_of_a_list_in_order_are_left_out_when_they_may_be),
        cmocka_unit_test(a_substitute_is_another_row_and_always_the_same),
        cmocka_unit_test(files_without_a_good_row_are_an_error),
        cmocka_unit_test(every_convention_is_recognised_and_read),
        cmocka_unit_test(columns_can_be_named_one_by_one),
        cmocka_unit_test(rows_of_the_wrong_types_are_refused_by_column),
        cmocka_unit_test(the_fields_own_files_are_read_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
