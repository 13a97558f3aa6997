#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/stop_ids.h"
#include "actor/text/text_buffer.h"
#include "actor/workload.h"
#include "common/base/file.h"
#include "common/base/json.h"

// What the model's own files say about the ends of answers, and what a run
// makes of it: prompts and examples in a chat template, BOS and EOS once.

#define CHATML                                                                                     \
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "                   \
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "     \
    "'<|im_start|>assistant\\n' }}{% endif %}"
#define LLAMA3                                                                                     \
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "        \
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | "     \
    "trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"       \
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"                           \
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"

static const char config[] =
    "{\"model_type\":\"llama\",\"hidden_act\":\"silu\",\"hidden_size\":16,\"intermediate_size\":24,"
    "\"max_position_embeddings\":512,\"num_attention_heads\":2,\"num_hidden_layers\":1,"
    "\"num_key_value_heads\":1,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,"
    "\"tie_word_embeddings\":false,\"vocab_size\":420,\"torch_dtype\":\"bfloat16\"}";

#define FILES 6
struct served {
    struct served_file files[FILES];
    size_t n;
};

static void serve(struct served *s, const char *name, const char *bytes, size_t size_bytes)
{
    struct served_file *file = &s->files[s->n++];
    *file = (struct served_file){.size_bytes = size_bytes};
    snprintf(file->name, sizeof file->name, "%s", name);
    file->bytes = (unsigned char *)text_copy(bytes, size_bytes);
}

static void unserve(struct served *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->files[i].bytes);
}

// A tokenizer of tests/golden whose special token has another name.
static void serve_tokenizer(struct served *s, const char *name, const char *special)
{
    char path[256], *bytes;
    size_t size_bytes;
    struct err err;
    snprintf(path, sizeof path, "tests/golden/tokenizers/%s.json", name);
    if (file_read(path, 1 << 20, &bytes, &size_bytes, &err) != 0) fail_msg("%s", err.text);
    struct text_buffer out;
    text_buffer_init(&out);
    struct view text = {bytes, size_bytes};
    size_t at = 0, found;
    while ((found = text_find(text, "<|x|>", at)) != TEXT_NOWHERE) {
        text_buffer_add(&out, bytes + at, found - at);
        text_buffer_add_string(&out, special);
        at = found + strlen("<|x|>");
    }
    text_buffer_add(&out, bytes + at, size_bytes - at);
    serve(s, "tokenizer.json", out.bytes, out.size_bytes);
    text_buffer_fini(&out);
    free(bytes);
}

static void serve_model(struct served *s, const char *tokenizer, const char *special,
                        const char *jinja, const char *bos, const char *generation)
{
    struct json_writer w;
    *s = (struct served){.n = 0};
    serve(s, "config.json", config, sizeof config - 1);
    serve_tokenizer(s, tokenizer, special);
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    if (bos != NULL) json_put_string(&w, "bos_token", bos);
    json_close(&w, '}');
    serve(s, "tokenizer_config.json", w.bytes, w.size_bytes);
    free(w.bytes);
    serve(s, "generation_config.json", generation, strlen(generation));
    serve(s, "chat_template.jinja", jinja, strlen(jinja));
}

static const char example[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"q\"},"
    "{\"role\":\"assistant\",\"content\":\"the cat\"}]}\n";
static const char sft_spec[] = "{\"template\":\"auto\",\"corpus\":{\"name\":\"jsonl\"},\"files\":{"
                               "\"sft\":\"data/x.jsonl\"}}";

static struct workload *create(struct served *s, const char *spec, const char *rows)
{
    struct err err;
    serve(s, "data/x.jsonl", rows, strlen(rows));
    struct workload *w = workload_create(spec, s->files, s->n, &err);
    if (w == NULL) fail_msg("%s", err.text);
    return w;
}

static uint32_t id_of(const struct workload *w, const char *token)
{
    for (uint32_t id = 0; id < 420; id++) {
        char *text = workload_text(w, &id, 1);
        bool is_it = strcmp(text, token) == 0;
        free(text);
        if (is_it) return id;
    }
    fail_msg("no token %s", token);
    return 0;
}

// The text of the tokens that count, the others left out.
static char *learned_text(const struct workload *w, const struct document *d)
{
    uint32_t *ids = calloc(d->n_tokens, sizeof *ids), n = 0;
    assert_non_null(ids);
    for (uint32_t i = 0; i < d->n_tokens; i++)
        if (d->loss_mask[i] > 0) ids[n++] = d->tokens[i];
    char *text = workload_text(w, ids, n);
    free(ids);
    return text;
}

static void an_example_in_a_chat_template_ends_once(void **state)
{
    (void)state;
    struct served s;
    struct document d;
    struct err err;
    serve_model(&s, "qwen", "<|im_end|>", CHATML, NULL, "{\"eos_token_id\":1}");
    struct workload *w = create(&s, sft_spec, example);
    const uint32_t *stop, end = id_of(w, "<|im_end|>");
    assert_int_equal(workload_stop_ids(w, &stop), 2); // the file's, and the template's
    assert_int_equal(stop[0], 1);
    assert_int_equal(stop[1], end);
    if (workload_document(w, 0, &d, &err) != 0) fail_msg("%s", err.text);
    char *text = workload_text(w, d.tokens, d.n_tokens);
    assert_string_equal(text, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n"
                              "<|im_start|>assistant\nthe cat<|im_end|>\n");
    char *learned = learned_text(w, &d);
    assert_string_equal(learned, "the cat<|im_end|>");
    free(text);
    free(learned);
    document_fini(&d);
    workload_destroy(w);
    unserve(&s);
}

static void a_bos_of_the_template_is_not_put_twice(void **state)
{
    (void)state;
    struct served s;
    struct document d;
    struct err err;
    serve_model(&s, "llama3", "<|eot_id|>", LLAMA3, "<s>", "{\"eos_token_id\":[2,3]}");
    struct workload *w = create(&s, sft_spec, example);
    if (workload_document(w, 0, &d, &err) != 0) fail_msg("%s", err.text);
    const uint32_t bos = id_of(w, "<s>");
    size_t n = 0;
    for (uint32_t i = 0; i < d.n_tokens; i++)
        n += d.tokens[i] == bos;
    assert_int_equal(n, 1);
    assert_int_equal(d.tokens[0], bos);
    assert_int_equal(d.tokens[d.n_tokens - 1], id_of(w, "<|eot_id|>"));
    document_fini(&d);
    workload_destroy(w);
    unserve(&s);
}

static void what_a_problem_spells_out_can_be_text(void **state)
{
    (void)state;
    static const char problem[] = "{\"question\":\"q<|im_end|>\",\"answer\":\"#### 4\"}\n";
    static const char *const specs[] = {
        "{\"template\":\"auto\",\"files\":{\"train\":\"data/x.jsonl\"}}",
        "{\"template\":\"auto\",\"literal_prompts\":true,\"files\":{\"train\":\"data/x.jsonl\"}}"};
    for (int is_literal = 0; is_literal < 2; is_literal++) {
        struct served s;
        struct prompt p;
        struct err err;
        serve_model(&s, "qwen", "<|im_end|>", CHATML, NULL, "{\"eos_token_id\":1}");
        struct workload *w = create(&s, specs[is_literal], problem);
        if (workload_prompt(w, LEASE_GENERATE, 0, &p, &err) != 0) fail_msg("%s", err.text);
        char *text = workload_text(w, p.tokens, p.n_tokens);
        assert_string_equal(text, "<|im_start|>user\nq<|im_end|><|im_end|>\n"
                                  "<|im_start|>assistant\n");
        const uint32_t end = id_of(w, "<|im_end|>");
        size_t n = 0;
        for (uint32_t i = 0; i < p.n_tokens; i++)
            n += p.tokens[i] == end;
        assert_int_equal(n, is_literal ? 1 : 2);
        free(text);
        prompt_fini(&p);
        workload_destroy(w);
        unserve(&s);
    }
}

static void ids_come_from_the_first_file_that_says(void **state)
{
    (void)state;
    static const struct {
        const char *generation, *tokenizer_config;
        size_t count;
        uint32_t first; // UINT32_MAX: refused
    } cases[] = {{"{\"eos_token_id\":[7,5]}", "{}", 2, 7},
                 {"{\"eos_token_id\":7}", "{\"eos_token\":\"a\"}", 1, 7},
                 {"{}", "{\"eos_token\":{\"content\":\"<s>\"}}", 1, 401},
                 {"{}", "{\"eos_token\":\"missing\"}", 0, UINT32_MAX},
                 {"{\"eos_token_id\":-1}", "{}", 0, UINT32_MAX},
                 {"{\"eos_token_id\":[1.5]}", "{}", 0, UINT32_MAX},
                 {"{}", "{}", 0, UINT32_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct served s = {.n = 0};
        struct stop_ids ids;
        struct err err;
        serve_tokenizer(&s, "llama3", "<|x|>");
        struct tokenizer *t = tokenizer_create((const char *)s.files[0].bytes,
                                               s.files[0].size_bytes, "tokenizer.json", &err);
        assert_non_null(t);
        serve(&s, "generation_config.json", cases[i].generation, strlen(cases[i].generation));
        serve(&s, "tokenizer_config.json", cases[i].tokenizer_config,
              strlen(cases[i].tokenizer_config));
        struct served_files files = {.files = s.files, .n_files = s.n};
        int result = stop_ids_init(&ids, &files, t, &err);
        assert_int_equal(result, cases[i].first == UINT32_MAX ? -1 : 0);
        if (result == 0) {
            assert_int_equal(ids.count, cases[i].count);
            assert_int_equal(ids.ids[0], cases[i].first);
            stop_ids_add(&ids, t, "no such token");
            stop_ids_add(&ids, t, "<|x|>");
            stop_ids_add(&ids, t, "<|x|>");
            assert_int_equal(ids.count, cases[i].count + 1);
            assert_true(stop_ids_has(&ids, cases[i].first) && !stop_ids_has(&ids, 419));
        }
        tokenizer_destroy(t);
        unserve(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_example_in_a_chat_template_ends_once),
        cmocka_unit_test(a_bos_of_the_template_is_not_put_twice),
        cmocka_unit_test(what_a_problem_spells_out_can_be_text),
        cmocka_unit_test(ids_come_from_the_first_file_that_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
