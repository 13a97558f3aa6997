#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/corpus/corpus.h"
#include "actor/grading/response.h"
#include "actor/task/worked_sum.h"

static const struct served_files no_files;

struct fixture {
    struct json_document *task_spec, *corpus_spec;
    struct task task;
    struct template template;
    struct corpus corpus;
};

static int open_corpus(struct fixture *f, const char *task, const char *template,
                       const char *corpus, struct err *err)
{
    *f = (struct fixture){.task_spec = json_parse(task, strlen(task), "task", err),
                          .corpus_spec = json_parse(corpus, strlen(corpus), "corpus", err)};
    assert_non_null(f->task_spec);
    assert_non_null(f->corpus_spec);
    if (template_init(&f->template, template, err) != 0 ||
        task_init(&f->task, json_root(f->task_spec), &no_files, 7, err) != 0)
        fail_msg("%s", err->text);
    const struct corpus_setting setting = {&f->task, &f->template, &no_files, 3};
    return corpus_init(&f->corpus, json_root(f->corpus_spec), &setting, err);
}

static void opened(struct fixture *f, const char *task, const char *template, const char *corpus)
{
    struct err err;
    if (open_corpus(f, task, template, corpus, &err) != 0) fail_msg("%s", err.text);
}

static void closed(struct fixture *f)
{
    corpus_fini(&f->corpus);
    task_fini(&f->task);
    template_fini(&f->template);
    json_destroy(f->task_spec);
    json_destroy(f->corpus_spec);
}

static void write_document(const struct fixture *f, uint64_t n, struct corpus_text *out)
{
    struct err err;
    corpus_text_init(out);
    if (f->corpus.kind->write(f->corpus.state, n, out, &err) != 0) fail_msg("%s", err.text);
}

static struct problem problem_of(const struct fixture *f, uint64_t n)
{
    struct problem p;
    struct err err;
    if (f->task.kind->problem(f->task.state, TASK_TRAIN, n, &p, &err) != 0)
        fail_msg("%s", err.text);
    return p;
}

static void a_document_is_a_prompt_its_working_and_a_right_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_generators; i++) {
        char spec[64];
        struct fixture f;
        snprintf(spec, sizeof spec, "{\"name\":\"%s\"}", generators[i]->name);
        opened(&f, spec, "Q {prompt} A:", "{\"name\":\"worked\",\"digits\":true}");
        for (uint64_t n = 0; n < 50; n++) {
            struct corpus_text text;
            write_document(&f, n, &text);
            struct problem p = problem_of(&f, ((uint64_t)1 << 40) + n);
            char prompt[4096];
            int prompt_bytes = snprintf(prompt, sizeof prompt,
                                        "Q %s A:", conversation_last(&p.conversation, "user"));
            assert_in_range(prompt_bytes, 1, sizeof prompt - 1);
            assert_int_equal(text.n_segments, 2);
            assert_int_equal(text.segments[0].size_bytes, prompt_bytes);
            assert_memory_equal(text.text.bytes, prompt, (size_t)prompt_bytes);
            assert_true(text.segments[0].weight == 0 && text.segments[1].weight == 1);
            assert_int_equal(text.segments[1].size_bytes + (size_t)prompt_bytes,
                             text.text.size_bytes);
            struct response r;
            struct grade grade;
            struct err err;
            const char *said = text.text.bytes + prompt_bytes;
            response_read(&r, (struct view){said, strlen(said)}, true, 1);
            assert_true(r.is_formatted);
            assert_true(strstr(said, "<think>\n\n") == NULL); // something is worked out
            const struct grading g = {.response = r.text,
                                      .answer = r.answer,
                                      .gold = {p.answer, strlen(p.answer)},
                                      .metadata = {p.metadata, strlen(p.metadata)}};
            assert_int_equal(grader_judge(p.grader, &g, &grade, &err), 0);
            assert_true(grade.is_correct);
            problem_fini(&p);
            corpus_text_fini(&text);
        }
        closed(&f);
    }
}

static void columns_are_written_out_when_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *a, *op, *b, *want;
    } cases[] = {
        {"47", "+", "85", "47 + 85 : 7 + 5 = 12 , 4 + 8 + 1 = 13 ; 47 + 85 = 132"},
        {"99", "+", "1", "99 + 1 : 9 + 1 = 10 , 9 + 0 + 1 = 10 ; 99 + 1 = 100"},
        {"132", "-", "85", "132 - 85 : 12 - 5 = 7 , 12 - 8 = 4 , 0 - 0 = 0 ; 132 - 85 = 47"},
        {"100", "-", "1", "100 - 1 : 10 - 1 = 9 , 9 - 0 = 9 , 0 - 0 = 0 ; 100 - 1 = 99"},
        {"5", "-", "47", "5 - 47 = -(47 - 5) : 7 - 5 = 2 , 4 - 0 = 4 ; 5 - 47 = -42"},
        {"-5", "-", "47", "-5 - 47 = -(5 + 47) : 5 + 7 = 12 , 0 + 4 + 1 = 5 ; -5 - 47 = -52"},
        {"-5", "+", "47", "-5 + 47 = 47 - 5 : 7 - 5 = 2 , 4 - 0 = 4 ; -5 + 47 = 42"},
        {"-50", "-", "-47", "-50 - -47 = -(50 - 47) : 10 - 7 = 3 , 4 - 4 = 0 ; -50 - -47 = -3"},
        {"47", "*", "85",
         "47 * 85 : 47 * 5 = 235 , 47 * 80 = 3760 , 235 + 3760 = 3995 ; 47 * 85 = 3995"},
        {"-47", "*", "20", "-47 * 20 = -(47 * 20) : 47 * 20 = 940 ; -47 * 20 = -940"},
        {"4", "+", "5", "4 + 5 = 9"},
        {"40", "/", "8", "40 / 8 = 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text_buffer text;
        text_buffer_init(&text);
        const struct working w = {&text, true}, plain = {&text, false};
        int64_t a = strtoll(cases[i].a, NULL, 10), b = strtoll(cases[i].b, NULL, 10);
        working_step(&w, cases[i].op[0], a, b);
        assert_string_equal(text.bytes, cases[i].want);
        text_buffer_clear(&text);
        working_step(&plain, cases[i].op[0], a, b);
        assert_string_equal(text.bytes, strrchr(cases[i].want, ';') == NULL
                                            ? cases[i].want
                                            : strrchr(cases[i].want, ';') + 2);
        text_buffer_fini(&text);
    }
}

static void some_documents_only_say_the_answer(void **state)
{
    (void)state;
    enum { N = 2000 };
    struct fixture f;
    opened(&f, "{\"name\":\"chain_sum\"}", "short",
           "{\"name\":\"worked\",\"direct\":0.3,\"prompt_weight\":0.25}");
    int n_direct = 0;
    for (uint64_t n = 0; n < N; n++) {
        struct corpus_text text, again;
        write_document(&f, n, &text);
        write_document(&f, n, &again);
        assert_string_equal(text.text.bytes, again.text.bytes);
        assert_true(text.segments[0].weight == 0.25f);
        n_direct += strstr(text.text.bytes, "<think>\n\n</think>") != NULL;
        corpus_text_fini(&text);
        corpus_text_fini(&again);
    }
    assert_in_range(n_direct, 0.26 * N, 0.34 * N);
    closed(&f);
}

static void a_prompt_that_opens_the_reasoning_is_not_opened_again(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"gcd\"}", "{prompt} Assistant: <think>\n", "{\"name\":\"worked\"}");
    struct corpus_text text;
    write_document(&f, 0, &text);
    const char *open = strstr(text.text.bytes, "<think>");
    assert_non_null(open);
    assert_null(strstr(open + 1, "<think>"));
    assert_non_null(strstr(open, "</think>\n<answer>"));
    corpus_text_fini(&text);
    closed(&f);
}

// The token that ends an answer is the model's own, and is learned.
static void a_chat_template_ends_the_answer_its_own_way(void **state)
{
    (void)state;
    struct fixture f;
    opened(&f, "{\"name\":\"gcd\"}", "qwen2.5", "{\"name\":\"worked\"}");
    struct corpus_text text;
    write_document(&f, 0, &text);
    assert_non_null(strstr(text.text.bytes, "<|im_start|>assistant\n<think>\n"));
    const char *end = "</answer><|im_end|>";
    assert_memory_equal(text.text.bytes + text.text.size_bytes - strlen(end), end, strlen(end));
    assert_true(text.segments[text.n_segments - 1].weight == 1);
    corpus_text_fini(&text);
    closed(&f);
}

static void tasks_that_are_not_generated_have_no_working(void **state)
{
    (void)state;
    static const struct {
        const char *task, *corpus, *why;
    } cases[] = {
        {"{\"name\":\"dials\"}", "{\"name\":\"worked\"}", "needs a task that is generated"},
        {"{\"name\":\"gcd\"}", "{\"name\":\"worked\",\"direct\":2}", "spec.corpus.direct"},
        {"{\"name\":\"gcd\"}", "{\"name\":\"worked\",\"digit\":true}", "unknown key 'digit'"},
        {"{\"name\":\"gcd\"}", "{\"name\":\"works\"}", "got 'works'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        struct err err = {0};
        assert_int_equal(open_corpus(&f, cases[i].task, "plain", cases[i].corpus, &err), -1);
        if (strstr(err.text, cases[i].why) == NULL) fail_msg("%s", err.text);
        closed(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_a_prompt_its_working_and_a_right_answer),
        cmocka_unit_test(columns_are_written_out_when_asked_for),
        cmocka_unit_test(some_documents_only_say_the_answer),
        cmocka_unit_test(a_prompt_that_opens_the_reasoning_is_not_opened_again),
        cmocka_unit_test(a_chat_template_ends_the_answer_its_own_way),
        cmocka_unit_test(tasks_that_are_not_generated_have_no_working),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
