#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/template/chat_style.h"
#include "actor/template/jinja_canon.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "tests/support/golden.h"

static struct json_document *read_golden(void)
{
    struct err err;
    struct json_document *d =
        json_read_file("tests/golden/templates/renderings.json", 1 << 22, &err);
    if (d == NULL) fail_msg("%s", err.text);
    return d;
}

static struct conversation read_conversation(struct json turns)
{
    struct conversation c = {0};
    for (size_t i = 0; i < json_count(turns); i++) {
        struct json turn = json_item(turns, i);
        struct view content;
        content.bytes = json_to_string(json_item(turn, 1), &content.size_bytes);
        conversation_add(&c, json_to_string(json_item(turn, 0), NULL), content);
    }
    return c;
}

static void make_style(struct template *t, const char *name, const char *system)
{
    const struct chat_style *style = chat_style_find(name);
    assert_non_null(style);
    *t = (struct template){.chat = style};
    if (style->bos != NULL) t->bos = text_copy(style->bos, strlen(style->bos));
    if (system == NULL) system = style->system;
    if (system != NULL) t->system = text_copy(system, strlen(system));
}

static struct template_files files_of(const char *jinja, const char *config)
{
    struct template_files files = {0};
    if (jinja != NULL) files.jinja = (struct view){jinja, strlen(jinja)};
    if (config != NULL) files.tokenizer_config = (struct view){config, strlen(config)};
    return files;
}

static void check_parts(const struct rendering *r)
{
    size_t sum = 0;
    for (size_t i = 0; i < r->n_parts; i++) {
        assert_true(r->parts[i].size_bytes > 0);
        if (i > 0) assert_int_not_equal(r->parts[i].kind, r->parts[i - 1].kind);
        sum += r->parts[i].size_bytes;
    }
    assert_int_equal(sum, r->text.size_bytes);
}

// --- the published texts -------------------------------------------------------------------------

static size_t check_renderings(const struct template *t, const char *name, struct json list,
                               struct json conversations)
{
    size_t n = json_count(list);
    assert_int_equal(n, 2 * json_count(conversations));
    for (size_t i = 0; i < n; i++) {
        struct conversation c = read_conversation(json_item(conversations, i / 2));
        const char *want = json_to_string(json_item(list, i), NULL);
        struct rendering r;
        struct err err;
        rendering_init(&r);
        if (template_render(t, &c, i % 2 != 0, &r, &err) != 0) fail_msg("%s", err.text);
        const char *got = r.text.bytes == NULL ? "" : r.text.bytes;
        if (strcmp(got, want) != 0)
            fail_msg("%s, conversation %zu, opens %zu:\n%s\n--- want ---\n%s", name, i / 2, i % 2,
                     got, want);
        check_parts(&r);
        rendering_fini(&r);
        conversation_fini(&c);
    }
    return n;
}

static struct json renderings_of(struct json rows, struct json row)
{
    const char *same = json_to_string(json_member(row, "as"), NULL);
    for (size_t i = 0; same != NULL && i < json_count(rows); i++) {
        struct json other = json_item(rows, i);
        if (strcmp(json_to_string(json_member(other, "name"), NULL), same) == 0) row = other;
    }
    return json_member(row, "renderings");
}

// By the style; and where the golden keeps the Jinja text, as that is recognised.
static size_t check_row(struct json rows, struct json row, struct json conversations)
{
    const char *name = json_to_string(json_member(row, "name"), NULL);
    const char *jinja = json_to_string(json_member(row, "jinja"), NULL);
    struct json want = renderings_of(rows, row);
    struct template t;
    struct err err;
    size_t n = 0;
    if (jinja == NULL) {
        make_style(&t, json_to_string(json_member(row, "style"), NULL),
                   json_to_string(json_member(row, "system"), NULL));
    } else {
        struct template_files files = files_of(jinja, NULL);
        if (template_init_for_model(&t, "auto", &files, &err) != 0)
            fail_msg("%s: %s", name, err.text);
        assert_string_equal(t.chat->name, json_to_string(json_member(row, "style"), NULL));
    }
    n = check_renderings(&t, name, want, conversations);
    template_fini(&t);
    return n;
}

static void conversations_are_rendered_as_the_published_templates_do(void **state)
{
    (void)state;
    struct json_document *d = read_golden();
    struct json conversations = json_member(json_root(d), "conversations");
    struct json rows = json_member(json_root(d), "templates");
    size_t n = 0, n_styles = 0;
    for (size_t i = 0; i < json_count(rows); i++)
        n += check_row(rows, json_item(rows, i), conversations);
    assert_true(n > 500);
    for (size_t k = 0; k < n_chat_styles; k++)
        for (size_t i = 0; i < json_count(rows); i++)
            if (strcmp(json_to_string(json_member(json_item(rows, i), "style"), NULL),
                       chat_styles[k].name) == 0) {
                n_styles++;
                break;
            }
    assert_int_equal(n_styles, n_chat_styles);
    json_destroy(d);
}

// Where the published texts are at hand: every one is known, and prints the same.
static void the_published_texts_are_recognised(void **state)
{
    (void)state;
    const char *folder = outside_data("templates");
    if (folder == NULL) skip();
    struct json_document *d = read_golden();
    struct json rows = json_member(json_root(d), "templates");
    for (size_t i = 0; i < json_count(rows); i++) {
        struct json row = json_item(rows, i);
        const char *name = json_to_string(json_member(row, "name"), NULL);
        char path[1200], *jinja;
        size_t size_bytes;
        struct err err;
        struct template t;
        snprintf(path, sizeof path, "%s/%s.jinja", folder, name);
        if (strcmp(name, "qwen3-nothink") == 0) continue; // the same text, another argument
        if (file_read(path, 1 << 20, &jinja, &size_bytes, &err) != 0) fail_msg("%s", err.text);
        struct template_files files = files_of(jinja, NULL);
        if (template_init_for_model(&t, "auto", &files, &err) != 0)
            fail_msg("%s: %s", name, err.text);
        check_renderings(&t, name, renderings_of(rows, row),
                         json_member(json_root(d), "conversations"));
        template_fini(&t);
        free(jinja);
    }
    json_destroy(d);
}

static void the_template_of_the_shared_qwen2_tokenizer_is_recognised(void **state)
{
    (void)state;
    const char *folder = outside_data("tokenizers");
    if (folder == NULL) skip();
    char path[1200], *config;
    size_t size_bytes;
    struct err err;
    struct template t;
    snprintf(path, sizeof path, "%s/qwen2/tokenizer_config.json", folder);
    if (file_read(path, 1 << 20, &config, &size_bytes, &err) != 0) fail_msg("%s", err.text);
    struct template_files files = files_of(NULL, config);
    if (template_init_for_model(&t, "auto", &files, &err) != 0) fail_msg("%s", err.text);
    assert_string_equal(t.chat->name, "qwen2-factory");
    assert_string_equal(t.system, "You are a helpful assistant.");
    template_fini(&t);
    free(config);
}

// --- canonical form ------------------------------------------------------------------------------

static char *form_of(const char *jinja, char **system)
{
    struct jinja_canon j;
    struct err err;
    if (jinja_canon_init(&j, (struct view){jinja, strlen(jinja)}, &err) != 0)
        fail_msg("%s: %s", jinja, err.text);
    char *form = text_copy(j.form.bytes, j.form.size_bytes);
    for (size_t i = 0; i < j.form.size_bytes; i++)
        if (form[i] == '\0') form[i] = ' ';
    if (system != NULL) *system = j.system == NULL ? NULL : text_copy(j.system, strlen(j.system));
    jinja_canon_fini(&j);
    return form;
}

static void spellings_of_one_template_have_one_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{{ a['role']+'x\\n' }}", "{{a.role + \"x\n\"}}"},
        {"  {% if a %}\n  {{ b }}\n  {% endif %}\n", "{%if a%}  {{b}}\n{% endif %}"},
        {"{%- if a -%}  \n b \n {%- endif %}", "{% if a %}b{% endif %}"},
        {"x{# gone #}\n{{ a }}\r\n", "x{{ a }}"},
        {"{{ m[0][ \"role\" ] }}", "{{m[0].role}}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char *a = form_of(pairs[i][0], NULL), *b = form_of(pairs[i][1], NULL);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
}

static void what_prints_something_else_has_another_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{{ 'a b' }}", "{{ 'a  b' }}"},  {"{{ a }} {{ b }}", "{{ a }}{{ b }}"},
        {"{{ ab }}", "{{ a b }}"},        {"{{ 'a' }}", "{{ a }}"},
        {"{{ a }}", "{% a %}"},           {"{{ ['a'] }}", "{{ .a }}"},
        {"a\n{{ b }}", "a{{ b }}"},       {"a\n{%+ if b %}", "a\n{%- if b %}"},
        {"{{ '\\\\n' }}", "{{ '\\n' }}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char *a = form_of(pairs[i][0], NULL), *b = form_of(pairs[i][1], NULL);
        if (strcmp(a, b) == 0) fail_msg("%s and %s have one form", pairs[i][0], pairs[i][1]);
        free(a);
        free(b);
    }
}

static void the_system_prompt_is_taken_out_of_the_form(void **state)
{
    (void)state;
    char *one, *two, *odd;
    char *a = form_of(
        "{{ 'Be \\'kind\\'.' }}{{ '<|im_start|>system\\nBe \\'kind\\'.<|im_end|>\\n' }}", &one);
    char *b = form_of("{{ 'No.' }}{{ \"<|im_start|>system\nNo.<|im_end|>\n\" }}", &two);
    char *c = form_of("{{ 'No.' }}{{ '<|im_start|>system\\nN\\x6f.<|im_end|>\\n' }}", &odd);
    assert_string_equal(a, b);
    assert_string_equal(one, "Be 'kind'.");
    assert_string_equal(two, "No.");
    assert_null(odd); // an escape of more than one character is not undone
    free(a), free(b), free(c), free(one), free(two);
}

static void text_that_is_no_jinja_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{{ a",    "{% if 'x %}", "{# never",
                                        "{{ 'a\\", "{{ a }",      "{%"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct jinja_canon j;
        struct err err = {0};
        assert_int_equal(jinja_canon_init(&j, (struct view){texts[i], strlen(texts[i])}, &err), -1);
        assert_non_null(strstr(err.text, "chat template"));
    }
}

// --- choosing ------------------------------------------------------------------------------------

static void an_unknown_template_is_refused_with_what_could_be_chosen(void **state)
{
    (void)state;
    struct template t;
    struct err err;
    struct template_files files = files_of("{{ messages }}", NULL);
    assert_int_equal(template_init_for_model(&t, "auto", &files, &err), -1);
    static const char *const names[] = {"qwen2.5", "qwen3",   "llama3", "llama3.1", "deepseek-r1",
                                        "chatml",  "r1_zero", "plain",  "short",    "{prompt}"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(err.text, names[i]));
    assert_int_equal(template_init(&t, "lama3", &err), -1);
    assert_non_null(strstr(err.text, "'lama3'"));
    assert_non_null(strstr(err.text, "llama3.1"));
    assert_int_equal(template_init(&t, "auto", &err), -1);
    assert_int_equal(template_init(&t, "deepseek-r1-0528", &err), -1); // not offered by name
    files = files_of(NULL, "{\"chat_template\": 3}");
    assert_int_equal(template_init_for_model(&t, "auto", &files, &err), -1);
    assert_non_null(strstr(err.text, "tokenizer_config.json: chat_template"));
    files = files_of(NULL, "{}");
    assert_int_equal(template_init_for_model(&t, "auto", &files, &err), -1);
    assert_non_null(strstr(err.text, "no chat template"));
}

#define CHATML                                                                                     \
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "                   \
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "     \
    "'<|im_start|>assistant\\n' }}{% endif %}"

static void the_template_is_found_in_each_of_the_files(void **state)
{
    (void)state;
    struct json_writer w;
    struct template t;
    struct err err;
    for (int form = 0; form < 3; form++) {
        struct template_files files = {0};
        json_writer_init(&w);
        json_open(&w, NULL, '{');
        if (form == 1) {
            json_open(&w, "chat_template", '[');
            json_open(&w, NULL, '{');
            json_put_string(&w, "name", "default");
            json_put_string(&w, "template", CHATML);
            json_close(&w, '}');
            json_close(&w, ']');
        } else {
            json_put_string(&w, "chat_template", CHATML);
        }
        json_close(&w, '}');
        struct view file = {w.bytes, w.size_bytes};
        if (form == 2)
            files.json = file;
        else
            files.tokenizer_config = file;
        if (template_init_for_model(&t, "auto", &files, &err) != 0) fail_msg("%s", err.text);
        assert_string_equal(t.chat->name, "chatml");
        assert_true(template_is_whole(&t) && template_ends_answers(&t));
        template_fini(&t);
        files.jinja = (struct view){"{{ x }}", 7}; // wins over the others
        assert_int_equal(template_init_for_model(&t, "auto", &files, &err), -1);
        free(w.bytes);
    }
}

static void the_bos_is_that_of_the_model(void **state)
{
    (void)state;
    struct template t;
    struct err err;
    struct template_files files = files_of(NULL, "{\"bos_token\": {\"content\": \"<B>\"}}");
    assert_int_equal(template_init_for_model(&t, "llama3", &files, &err), 0);
    assert_string_equal(t.bos, "<B>");
    template_fini(&t);
    assert_int_equal(template_init(&t, "llama3", &err), 0);
    assert_string_equal(t.bos, "<|begin_of_text|>");
    template_fini(&t);
}

// --- parts ---------------------------------------------------------------------------------------

// "frame[content](answer)/end/", the template's own words as they are.
static char *marked(const struct rendering *r)
{
    static const char *const open[] = {"", "[", "(", "/"}, *const close[] = {"", "]", ")", "/"};
    struct text_buffer out;
    text_buffer_init(&out);
    for (size_t i = 0, at = 0; i < r->n_parts; at += r->parts[i++].size_bytes) {
        text_buffer_add_string(&out, open[r->parts[i].kind]);
        text_buffer_add(&out, r->text.bytes + at, r->parts[i].size_bytes);
        text_buffer_add_string(&out, close[r->parts[i].kind]);
    }
    return text_buffer_take(&out);
}

static const struct {
    const char *name, *answer, *as_it_is, *example;
} parts[] = {
    {"plain", "A", "[Q](A)", "[Q](A)"},
    {"short", "A", "User:[Q]Assistant:(A)", "User:[Q]Assistant:(A)"},
    {"chatml", "A", "<|im_start|>user\n[Q]<|im_end|>\n<|im_start|>assistant\n(A)/<|im_end|>/\n",
     "<|im_start|>user\n[Q]<|im_end|>\n<|im_start|>assistant\n(A)/<|im_end|>/\n"},
    {"qwen3", "<think>\nT\n</think>\n\nA",
     "<|im_start|>user\n[Q]<|im_end|>\n<|im_start|>assistant\n(<think>\nT\n</think>\n\nA)"
     "/<|im_end|>/\n",
     "<|im_start|>user\n[Q]<|im_end|>\n<|im_start|>assistant\n(<think>\nT\n</think>\n\nA)"
     "/<|im_end|>/\n"},
    {"qwen3-thinking", "<think>\nT\n</think>\n\nA",
     "<|im_start|>user\n[Q]<|im_end|>\n<|im_start|>assistant\n<think>\n(T\n</think>\n\nA)"
     "/<|im_end|>/\n",
     "<|im_start|>user\n[Q]<|im_end|>\n<|im_start|>assistant\n<think>\n(T\n</think>\n\nA)"
     "/<|im_end|>/\n"},
    {"llama3", " A ",
     "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n[Q]<|eot_id|>"
     "<|start_header_id|>assistant<|end_header_id|>\n\n(A)/<|eot_id|>/",
     "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n[Q]<|eot_id|>"
     "<|start_header_id|>assistant<|end_header_id|>\n\n( A )/<|eot_id|>/"},
    {"deepseek-r1", "<think>\nT</think>A",
     "<｜begin▁of▁sentence｜><｜User｜>[Q]<｜Assistant｜>(A)/<｜end▁of▁sentence｜>/",
     "<｜begin▁of▁sentence｜><｜User｜>[Q]<｜Assistant｜><think>\n(T</think>A)"
     "/<｜end▁of▁sentence｜>/"},
};

static void parts_say_whose_words_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct template t;
        struct err err;
        struct conversation c = {0};
        conversation_add(&c, "user", (struct view){"Q", 1});
        conversation_add(&c, "assistant", (struct view){parts[i].answer, strlen(parts[i].answer)});
        assert_int_equal(template_init(&t, parts[i].name, &err), 0);
        for (int example = 0; example < 2; example++) {
            struct rendering r;
            rendering_init(&r);
            int result = example ? template_render_example(&t, &c, &r, &err)
                                 : template_render(&t, &c, false, &r, &err);
            assert_int_equal(result, 0);
            check_parts(&r);
            char *got = marked(&r);
            assert_string_equal(got, example ? parts[i].example : parts[i].as_it_is);
            free(got);
            rendering_fini(&r);
        }
        template_fini(&t);
        conversation_fini(&c);
    }
}

static void a_role_that_is_not_known_is_named(void **state)
{
    (void)state;
    struct template t;
    struct err err;
    struct conversation c = {0};
    struct rendering r;
    rendering_init(&r);
    assert_int_equal(template_init(&t, "chatml", &err), 0);
    assert_int_equal(template_render(&t, &c, true, &r, &err), -1);
    conversation_add(&c, "user", (struct view){"Q", 1});
    conversation_add(&c, "tool", (struct view){"4", 1});
    assert_int_equal(template_render(&t, &c, true, &r, &err), -1);
    assert_non_null(strstr(err.text, "turn 1: role 'tool'"));
    assert_int_equal(r.text.size_bytes, 0);
    conversation_fini(&c);
    template_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations_are_rendered_as_the_published_templates_do),
        cmocka_unit_test(the_published_texts_are_recognised),
        cmocka_unit_test(the_template_of_the_shared_qwen2_tokenizer_is_recognised),
        cmocka_unit_test(spellings_of_one_template_have_one_form),
        cmocka_unit_test(what_prints_something_else_has_another_form),
        cmocka_unit_test(the_system_prompt_is_taken_out_of_the_form),
        cmocka_unit_test(text_that_is_no_jinja_is_refused),
        cmocka_unit_test(an_unknown_template_is_refused_with_what_could_be_chosen),
        cmocka_unit_test(the_template_is_found_in_each_of_the_files),
        cmocka_unit_test(the_bos_is_that_of_the_model),
        cmocka_unit_test(parts_say_whose_words_they_are),
        cmocka_unit_test(a_role_that_is_not_known_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
