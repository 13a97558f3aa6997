#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/corpus/corpus.h"

struct fixture {
    struct served_file file;
    struct json_document *spec, *roles;
    struct served_files files;
    struct template template;
    struct corpus corpus;
};

static int open_corpus(struct fixture *f, const char *template, const char *spec, const char *rows,
                       struct err *err)
{
    static const char roles[] = "{\"sft\":\"data/rows.jsonl\"}";
    *f = (struct fixture){.file = {.name = "data/rows.jsonl"}};
    f->file.bytes = (unsigned char *)(uintptr_t)rows;
    f->file.size_bytes = strlen(rows);
    f->spec = json_parse(spec, strlen(spec), "spec", err);
    f->roles = json_parse(roles, strlen(roles), "roles", err);
    assert_non_null(f->spec);
    assert_non_null(f->roles);
    assert_int_equal(template_init(&f->template, template, err), 0);
    assert_int_equal(
        served_files_init(&f->files, json_root(f->roles), (struct json){0}, &f->file, 1, err), 0);
    const struct corpus_setting setting = {.template = &f->template, .files = &f->files, .seed = 5};
    return corpus_init(&f->corpus, json_root(f->spec), &setting, err);
}

static void close_corpus(struct fixture *f)
{
    corpus_fini(&f->corpus);
    template_fini(&f->template);
    json_destroy(f->spec);
    json_destroy(f->roles);
}

// A document with what is learned in brackets: "User:q Assistant:[r]".
static char *marked(const struct fixture *f, uint64_t n)
{
    struct corpus_text text;
    struct text_buffer out;
    struct err err;
    corpus_text_init(&text);
    text_buffer_init(&out);
    if (f->corpus.kind->write(f->corpus.state, n, &text, &err) != 0) fail_msg("%s", err.text);
    size_t at = 0;
    for (uint32_t i = 0; i < text.n_segments; i++) {
        const bool is_learned = text.segments[i].weight == 1;
        assert_true(is_learned || text.segments[i].weight == 0);
        if (is_learned) text_buffer_add_string(&out, "[");
        text_buffer_add(&out, text.text.bytes + at, text.segments[i].size_bytes);
        if (is_learned) text_buffer_add_string(&out, "]");
        at += text.segments[i].size_bytes;
    }
    assert_int_equal(at, text.text.size_bytes);
    corpus_text_fini(&text);
    return text_buffer_take(&out);
}

#define JSONL "{\"name\":\"jsonl\"}"

static void only_what_the_assistant_says_is_learned(void **state)
{
    (void)state;
    static const struct {
        const char *template, *spec, *row, *want;
    } cases[] = {
        {"chatml", JSONL,
         "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
         "\"q\"},{\"role\":\"assistant\",\"content\":\"r\"},{\"role\":\"user\",\"content\":\"q2\"},"
         "{\"role\":\"assistant\",\"content\":\"r2\"}]}",
         "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
         "[r<|im_end|>]\n<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n[r2<|im_end|>]"},
        {"chatml", JSONL, "{\"prompt\":\"q\",\"completion\":\"r\"}",
         "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[r<|im_end|>]"},
        {"chatml", JSONL,
         "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"completion\":[{\"role\":"
         "\"assistant\",\"content\":\"r\"}]}",
         "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[r<|im_end|>]"},
        {"chatml", JSONL,
         "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":"
         "\"r\"}]}",
         "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[r<|im_end|>]"},
        {"short", JSONL, "{\"question\":\"q\",\"answer\":\"so\\n#### 1\"}",
         "User:qAssistant:[so\n#### 1]"},
        {"short", JSONL, "{\"problem\":\"q\",\"answer\":\"1\",\"solution\":\"so 1\"}",
         "User:qAssistant:[so 1]"},
        {"short", "{\"name\":\"jsonl\",\"prompt_key\":\"i\",\"completion_key\":\"o\"}",
         "{\"i\":\"q\",\"o\":\"r\"}", "User:qAssistant:[r]"},
        {"short", JSONL, "{\"text\":\"all of it\"}", "[all of it]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        struct err err;
        if (open_corpus(&f, cases[i].template, cases[i].spec, cases[i].row, &err) != 0)
            fail_msg("%s: %s", cases[i].row, err.text);
        char *text = marked(&f, 0);
        size_t n = strlen(cases[i].want); // a template may put a newline after the end
        if (strncmp(text, cases[i].want, n) != 0 ||
            strcmp(text + n + strspn(text + n, "\n"), "") != 0)
            fail_msg("%s: got %s", cases[i].row, text);
        free(text);
        close_corpus(&f);
    }
}

static void rows_with_nothing_to_learn_are_bad(void **state)
{
    (void)state;
    static const struct {
        const char *row, *why;
    } cases[] = {
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}", "nothing to learn"},
        {"{\"problem\":\"q\",\"answer\":\"1\"}", "nothing to learn"},
        {"{\"messages\":[{\"role\":\"tool\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":"
         "\"r\"}]}",
         "tool"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        struct err err = {0};
        struct corpus_text text;
        corpus_text_init(&text);
        if (open_corpus(&f, "chatml", JSONL, cases[i].row, &err) != 0) fail_msg("%s", err.text);
        assert_int_equal(f.corpus.kind->write(f.corpus.state, 0, &text, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        if (strstr(err.text, cases[i].why) == NULL || strstr(err.text, "rows.jsonl") == NULL)
            fail_msg("%s: %s", cases[i].row, err.text);
        corpus_text_fini(&text);
        close_corpus(&f);
    }
}

static void a_long_conversation_is_one_document(void **state)
{
    (void)state;
    struct text_buffer row;
    text_buffer_init(&row);
    text_buffer_add_string(&row, "{\"messages\":[");
    for (int i = 0; i < CONVENTION_TURNS_MAX; i++)
        text_buffer_printf(&row, "%s{\"role\":\"%s\",\"content\":\"%d\"}", i == 0 ? "" : ",",
                           i % 2 == 0 ? "user" : "assistant", i);
    text_buffer_add_string(&row, "]}");
    struct fixture f;
    struct err err;
    if (open_corpus(&f, "chatml", JSONL, row.bytes, &err) != 0) fail_msg("%s", err.text);
    char *text = marked(&f, 0);
    size_t n_learned = 0;
    for (const char *at = strchr(text, '['); at != NULL; at = strchr(at + 1, '['))
        n_learned++;
    assert_int_equal(n_learned, CONVENTION_TURNS_MAX / 2);
    free(text);
    close_corpus(&f);
    text_buffer_fini(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_the_assistant_says_is_learned),
        cmocka_unit_test(rows_with_nothing_to_learn_are_bad),
        cmocka_unit_test(a_long_conversation_is_one_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
