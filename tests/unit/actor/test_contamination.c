#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "actor/data/contamination.h"
#include "actor/verbs.h"
#include "common/base/file.h"
#include "tests/support/golden.h"

static char *canonical(const char *text, bool any_number)
{
    struct canonical_words w;
    canonical_words_init(&w);
    canonical_words_read(&w, (struct view){text, strlen(text)}, any_number);
    const size_t n = w.text.size_bytes;
    for (size_t i = 0; i < w.n; i++)
        assert_true(w.words[i].start < w.words[i].end && w.words[i].end < n);
    char *out = text_copy(w.text.bytes == NULL ? "" : w.text.bytes, n > 0 ? n - 1 : 0);
    canonical_words_fini(&w);
    return out;
}

static void a_text_is_the_same_words_however_it_is_set(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"What is  2+3?", "what is 2 3"},
        {"WHAT\n\tis 2 + 3 ?", "what is 2 3"},
        {"1,000 and 1{,}000 and 1\\,000 and $1000$", "1000 and 1000 and 1000 and 1000"},
        {"12,345,678.50 1,0000 1,00 0012 0.0 27.0 0 .5", "12345678.5 1 0 1 0 12 0 27 0 5"},
        {"\\frac{1}{2} \\dfrac12 \\frac 1 2 1/2 \xc2\xbd", "1 2 1 2 1 2 1 2 1 2"},
        {"\\frac12345", "1 2 345"},
        {"3x+4y 3 x + 4 y", "3 x 4 y 3 x 4 y"},
        {"\\left( x^2, \\; y \\right) \\cdot 5\\text{ miles}", "x 2 y 5 miles"},
        {"\\sqrt{2}\\pi \xe2\x88\x9a"
         "2\xcf\x80",
         "sqrt 2 pi sqrt 2 pi"},
        {"don't don\xe2\x80\x99t 'quoted'", "dont dont quoted"},
        {"\xc3\x89t\xc3\x89", "\xc3\xa9t\xc3\xa9"},
        {"\xe6\xb1\x82x", "\xe6\xb1\x82 x"},
        {"\xe6\xb1\x82\xe5\x92\x8c", "\xe6\xb1\x82 \xe5\x92\x8c"},
        {"a [asy] draw((0,0)); [/asy] b", "a b"},
        {"a [asy] b", "a asy b"},
        {"\\", ""},
        {"\\frac", ""},
        {"\xff\xfe", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *words = canonical(cases[i].text, false);
        if (strcmp(words, cases[i].words) != 0)
            fail_msg("%s: want '%s', got '%s'", cases[i].text, cases[i].words, words);
        free(words);
    }
    char *a = canonical("She buys 12 pens for $3.50, 7 more", true);
    char *b = canonical("She buys 9 pens for 1,200/7, 1 more", true);
    assert_string_equal(a, "she buys # pens for # more");
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void a_megabyte_of_anything_is_read_in_linear_time(void **state)
{
    (void)state;
    static const char *const parts[] = {"[asy]", "\\frac1", "1,000,", "'a", "\\", "x"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct text_buffer text;
        struct canonical_words w;
        text_buffer_init(&text);
        while (text.size_bytes < 1000000)
            text_buffer_add_string(&text, parts[i]);
        canonical_words_init(&w);
        const clock_t start = clock();
        canonical_words_read(&w, text_buffer_view(&text), false);
        const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (seconds > 2) fail_msg("%s: %f s", parts[i], seconds);
        canonical_words_fini(&w);
        text_buffer_fini(&text);
    }
}

// --- matches -------------------------------------------------------------------------------------

#define QUESTION                                                                                   \
    "A train leaves the station with 1,250 passengers and \\\\frac12 of them get off at noon. "    \
    "How many are left?"

static const char benchmark_rows[] =
    "{\"question\":\"" QUESTION "\",\"answer\":\"Half of the one thousand two hundred and fifty "
    "people on it are gone by then.\\n#### 625\"}\n"
    "{\"question\":\"What is 6 times 7?\",\"answer\":\"#### 42\"}\r\n"
    "\n"
    "{\"question\":\"Name the tallest mountain on the continent where the oldest university of "
    "them all was founded\",\"answer\":\"7\"}\n";

struct fixture {
    struct benchmark benchmark;
    struct canonical_words words;
};

static void opened(struct fixture *f, bool any_number, double common_share, const char *rows)
{
    struct err err;
    const struct contamination_setting setting = {
        .n_words = 10, .common_share = common_share, .any_number = any_number};
    benchmark_init(&f->benchmark, &setting);
    canonical_words_init(&f->words);
    if (benchmark_add(&f->benchmark, "b.jsonl", (struct view){rows, strlen(rows)}, &err) != 0)
        fail_msg("%s", err.text);
}

static void closed(struct fixture *f)
{
    canonical_words_fini(&f->words);
    benchmark_fini(&f->benchmark);
}

// The line of the benchmark that a text matches; 0: none.
static uint64_t match(struct fixture *f, const char *text, struct contamination *out)
{
    canonical_words_read(&f->words, (struct view){text, strlen(text)},
                         f->benchmark.setting.any_number);
    return benchmark_find(&f->benchmark, &f->words, out) ? out->line : 0;
}

static void planted_rows_are_found_recased_respaced_and_renumbered(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t line;
        bool is_whole;
    } cases[] = {
        {"Solve: a train leaves the station with 1250 passengers and 1/2 of them get off.", 1,
         false},
        {"THE STATION\twith  $1{,}250$ passengers; and \\dfrac{1}{2}\nof them get", 1, false},
        {"...of the one thousand two hundred and fifty people on it: so 625", 1, false},
        {"what is 6 TIMES 7", 2, true},
        {"Tell me: what is 6 times 7?", 0, false}, // a short question only matches whole
        {"What is 6 times 8?", 0, false},
        {"a train leaves the station with 1250 passengers and 1/2", 1, false}, // 10 words + 1
        {"leaves the station with 1250 passengers and 1 2", 0, false},         // 9
        {"a train leaves the station with 1251 passengers and 1/2 of them", 0, false},
        {"42", 0, false}, // an answer is nobody's
        {"", 0, false},
        {"the continent where the oldest university of them all was lost", 4, false},
    };
    struct fixture f;
    opened(&f, false, 1, benchmark_rows);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct contamination out = {0};
        const uint64_t line = match(&f, cases[i].text, &out);
        if (line != cases[i].line) fail_msg("%s: line %d", cases[i].text, (int)line);
        if (line == 0) continue;
        assert_string_equal(out.file, "b.jsonl");
        assert_true(out.is_whole == cases[i].is_whole);
    }
    struct contamination out;
    assert_int_equal(match(&f, cases[0].text, &out), 1);
    const char *words = "a train leaves the station with 1250 passengers and 1";
    assert_int_equal(out.words.size_bytes, strlen(words));
    assert_memory_equal(out.words.bytes, words, strlen(words));
    closed(&f);
}

static void other_numbers_match_only_when_asked_for(void **state)
{
    (void)state;
    static const char text[] =
        "A train leaves the station with 80 passengers and 3/4 of them get off at noon.";
    struct fixture f;
    struct contamination out;
    opened(&f, false, 1, benchmark_rows);
    assert_int_equal(match(&f, text, &out), 0);
    closed(&f);
    opened(&f, true, 1, benchmark_rows);
    assert_int_equal(match(&f, text, &out), 1);
    assert_int_equal(match(&f, "1 2 3 4 5 6 7 8 9 10 11 12", &out), 0);
    assert_int_equal(match(&f, "What is 60 times 70?", &out), 2);
    closed(&f);
}

static void wording_that_a_benchmark_repeats_shows_nothing(void **state)
{
    (void)state;
    struct text_buffer rows;
    text_buffer_init(&rows);
    for (int i = 0; i < 20; i++)
        text_buffer_printf(&rows,
                           "{\"prompt\":\"Row number%d says its own thing about the number%d. "
                           "Please reason step by step and put your final answer within a box.\","
                           "\"answer\":1}\n",
                           i, i);
    static const char text[] =
        "Another. Please reason step by step and put your final answer within a box.";
    struct fixture f;
    struct contamination out;
    opened(&f, false, 0.1, rows.bytes);
    assert_int_equal(match(&f, text, &out), 0);
    assert_true(f.benchmark.n_common > 0);
    assert_int_equal(match(&f, "row number 7 says its own thing about the number 7", &out), 8);
    closed(&f);
    opened(&f, false, 1, rows.bytes);
    assert_int_equal(match(&f, text, &out), 1);
    closed(&f);
    text_buffer_fini(&rows);
}

static void a_bad_row_of_a_benchmark_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *why;
    } cases[] = {
        {"{\"question\":\"q\",\"answer\":1}\n{\"question\":\n", "b.jsonl:2: row"},
        {"{\"title\":\"q\"}\n", "b.jsonl:1: its columns"},
        {"\n", "no row"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct benchmark b;
        struct err err = {0};
        const struct contamination_setting setting = {.n_words = 10, .common_share = 1};
        benchmark_init(&b, &setting);
        const struct view bytes = {cases[i].rows, strlen(cases[i].rows)};
        assert_int_equal(benchmark_add(&b, "b.jsonl", bytes, &err), -1);
        if (strstr(err.text, cases[i].why) == NULL)
            fail_msg("want %s, got %s", cases[i].why, err.text);
        benchmark_fini(&b);
    }
}

// --- the verb ------------------------------------------------------------------------------------

static char folder[64];

static const char *path_of(const char *name)
{
    static char paths[6][128];
    static int at;
    char *path = paths[at++ % 6];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *bytes)
{
    struct err err;
    if (file_write_atomic(path_of(name), bytes, strlen(bytes), &err) != 0) fail_msg("%s", err.text);
}

static char *read_text(const char *name)
{
    struct err err;
    char *bytes;
    size_t size_bytes;
    if (file_read(path_of(name), 1 << 20, &bytes, &size_bytes, &err) != 0) fail_msg("%s", err.text);
    return bytes;
}

static int run_verb(const char *const *arguments)
{
    char *argv[16];
    int argc = 0;
    for (; arguments[argc] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)arguments[argc];
    argv[argc] = NULL;
    return decontaminate_verb(argc, argv);
}

#define KEPT_1 "{ \"q\" : \"A row of my own\",\"n\":1.50}\r\n"
#define KEPT_2 "\n{\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\"}]}"

static void rows_that_stay_are_written_byte_for_byte(void **state)
{
    (void)state;
    write_file("b.jsonl", benchmark_rows);
    write_file("t.jsonl", KEPT_1 "{\"x\":{\"y\":[\"what is 6 times 7\"]}}\n"
                                 "{\"text\":\"a train leaves the station with 1250 passengers and "
                                 "1/2 of them\"}\n" KEPT_2);
    const char *arguments[] = {"decontaminate",    "--train", path_of("t.jsonl"), "--against",
                               path_of("b.jsonl"), "--out",   path_of("o.jsonl"), "--report",
                               path_of("r.jsonl"), NULL};
    assert_int_equal(run_verb(arguments), 0);
    char *out = read_text("o.jsonl"), *report = read_text("r.jsonl");
    assert_string_equal(out, KEPT_1 KEPT_2);
    assert_non_null(strstr(report, "\"line\":2,\"reason\":\"whole\",\"column\":\"x\",\"words\":"
                                   "\"what is 6 times 7\""));
    assert_non_null(strstr(report, "b.jsonl:2\"}"));
    assert_non_null(strstr(report, "\"line\":3,\"reason\":\"words\",\"column\":\"text\",\"words\":"
                                   "\"a train leaves the station with 1250 passengers and 1\""));
    free(out);
    free(report);
}

static void a_row_that_cannot_be_read_stops_it_or_is_dropped(void **state)
{
    (void)state;
    write_file("b.jsonl", benchmark_rows);
    write_file("t.jsonl", KEPT_1 "{\"x\":\n" KEPT_1);
    const char *stop[] = {"decontaminate",    "--train", path_of("t.jsonl"),    "--against",
                          path_of("b.jsonl"), "--out",   path_of("none.jsonl"), NULL};
    assert_int_equal(run_verb(stop), 1);
    assert_false(file_exists(path_of("none.jsonl")));
    const char *drop[] = {
        "decontaminate", "--train",          path_of("t.jsonl"), "--against", path_of("b.jsonl"),
        "--out",         path_of("d.jsonl"), "--on-bad-row",     "drop",      NULL};
    assert_int_equal(run_verb(drop), 0);
    char *out = read_text("d.jsonl");
    assert_string_equal(out, KEPT_1 KEPT_1);
    free(out);
    const char *wrong[] = {"decontaminate", "--train", path_of("t.jsonl"), NULL};
    assert_int_equal(run_verb(wrong), 2);
}

static void a_benchmark_is_found_in_itself(void **state)
{
    (void)state;
    static const char *const files[] = {"math500/math500.jsonl", "gsm8k/test.jsonl",
                                        "aime2024/aime24.jsonl", "aime2025/aime25.jsonl",
                                        "amc23/amc23.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = outside_data(files[i]);
        if (path == NULL) continue;
        const char *arguments[] = {"decontaminate",       "--train", path,
                                   "--against",           path,      "--out",
                                   path_of("self.jsonl"), NULL};
        assert_int_equal(run_verb(arguments), 0);
        char *out = read_text("self.jsonl");
        assert_string_equal(out, "");
        free(out);
    }
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "build/test-contamination-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(folder, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_the_same_words_however_it_is_set),
        cmocka_unit_test(a_megabyte_of_anything_is_read_in_linear_time),
        cmocka_unit_test(planted_rows_are_found_recased_respaced_and_renumbered),
        cmocka_unit_test(other_numbers_match_only_when_asked_for),
        cmocka_unit_test(wording_that_a_benchmark_repeats_shows_nothing),
        cmocka_unit_test(a_bad_row_of_a_benchmark_is_named),
        cmocka_unit_test(rows_that_stay_are_written_byte_for_byte),
        cmocka_unit_test(a_row_that_cannot_be_read_stops_it_or_is_dropped),
        cmocka_unit_test(a_benchmark_is_found_in_itself),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
