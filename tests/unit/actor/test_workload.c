#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/preset.h"
#include "actor/tokenizer/tokenizer.h"
#include "actor/verbs.h"
#include "actor/workload.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/safetensors.h"

static char home[256]; // a folder for this run, removed at its end

static int make_home(void **state)
{
    (void)state;
    const char *where = getenv("TMPDIR");
    snprintf(home, sizeof home, "%s/argosy-test-XXXXXX", where == NULL ? "." : where);
    return mkdtemp(home) == NULL ? -1 : 0;
}

static int remove_home(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(home, &err);
}

static const char *inside(const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", home, name);
    return path;
}

static int init(const char *preset, const char *folder, const char *seed, const char *more)
{
    const char *words[] = {"init", "--preset", preset, "--seed", seed, folder, more};
    char copies[7][300], *argv[8] = {NULL};
    int argc = more == NULL ? 6 : 7;
    for (int i = 0; i < argc; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", words[i]);
        argv[i] = copies[i];
    }
    return init_verb(argc, argv);
}

static uint16_t *read_flat(const char *folder, struct params *params)
{
    struct shape shape;
    struct err err;
    if (shape_read(&shape, folder, &err) != 0 || params_init(params, &shape, &err) != 0)
        fail_msg("%s", err.text);
    uint16_t *flat = malloc(params->n_elements * sizeof *flat);
    if (safetensors_read_model(folder, params, flat, &err) != 0) fail_msg("%s", err.text);
    return flat;
}

static double deviation(const uint16_t *flat, const struct params *params, enum param_role role)
{
    const struct param *param =
        params_find(params, role, role == PARAM_EMBEDDING ? PARAM_NO_LAYER : 0);
    assert_non_null(param);
    size_t n = (size_t)param->rows * param->cols;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)flat[param->offset + i] << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        sum += (double)value;
        squares += (double)value * (double)value;
    }
    return squares / (double)n - sum / (double)n * sum / (double)n;
}

static void expect_near(double value, double wanted, double tolerance)
{
    if (!(value > wanted * (1 - tolerance) && value < wanted * (1 + tolerance)))
        fail_msg("%g is not near %g", value, wanted);
}

// --- presets -------------------------------------------------------------------------------------

static void a_preset_makes_a_folder_that_reads_back(void **state)
{
    (void)state;
    assert_int_equal(init("quickstart", inside("base"), "1", NULL), 0);
    struct params params;
    uint16_t *flat = read_flat(inside("base"), &params);
    assert_int_equal(params.n_elements, 755840);
    expect_near(deviation(flat, &params, PARAM_EMBEDDING), 0.25, 0.05);
    expect_near(deviation(flat, &params, PARAM_Q), 1.0 / 128, 0.05);
    expect_near(deviation(flat, &params, PARAM_DOWN), 1.0 / 352 / 8, 0.05);
    const struct param *gain = params_find(&params, PARAM_Q_NORM, 3);
    assert_int_equal(flat[gain->offset], 0x4020); // 2.5
    free(flat);
    params_fini(&params);
    struct err err;
    struct tokenizer *t = tokenizer_read(inside("base"), &err);
    if (t == NULL) fail_msg("%s", err.text);
    assert_int_equal(tokenizer_id_limit(t), 67);
    tokenizer_destroy(t);
}

static void a_seed_decides_every_weight(void **state)
{
    (void)state;
    assert_int_equal(init("tiny", inside("a"), "5", NULL), 0);
    assert_int_equal(init("tiny", inside("b"), "5", NULL), 0);
    assert_int_equal(init("tiny", inside("c"), "6", NULL), 0);
    struct params params[3];
    uint16_t *flats[3];
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        flats[i] = read_flat(inside(names[i]), &params[i]);
    size_t size_bytes = params[0].n_elements * sizeof *flats[0];
    assert_memory_equal(flats[0], flats[1], size_bytes);
    assert_memory_not_equal(flats[0], flats[2], size_bytes);
    for (int i = 0; i < 3; i++) {
        free(flats[i]);
        params_fini(&params[i]);
    }
}

static void a_used_folder_is_kept_unless_forced(void **state)
{
    (void)state;
    struct err err;
    const char *folder = inside("used");
    assert_int_equal(file_make_folders(folder, &err), 0);
    assert_int_equal(init("tiny", folder, "1", NULL), 0); // empty: fine
    assert_int_equal(file_write_atomic(inside("used/mine"), "x", 1, &err), 0);
    assert_int_equal(init("tiny", inside("used"), "1", NULL), 2);
    assert_true(file_exists(inside("used/mine")));
    assert_int_equal(init("tiny", inside("used"), "1", "--force"), 0);
    assert_false(file_exists(inside("used/mine")));
    assert_true(file_exists(inside("used/model.safetensors")));
    assert_int_equal(init("enormous", inside("none"), "1", NULL), 2);
    assert_int_equal(init("tiny", inside("none"), "x", NULL), 2);
    assert_false(file_exists(inside("none")));
    // a path that cannot be: nothing is left behind
    assert_int_equal(init("tiny", inside("used/config.json/x"), "1", NULL), 1);
}

// --- the workload --------------------------------------------------------------------------------

#define FILES 4
struct served {
    struct served_file files[FILES];
    size_t n;
};

static void serve(struct served *s, const char *name, const char *bytes, size_t size_bytes)
{
    struct served_file *file = &s->files[s->n++];
    snprintf(file->name, sizeof file->name, "%s", name);
    file->bytes = malloc(size_bytes + 1);
    memcpy(file->bytes, bytes, size_bytes);
    file->size_bytes = size_bytes;
}

static void serve_tiny(struct served *s)
{
    static const char *const names[] = {"config.json", "tokenizer.json", "generation_config.json"};
    *s = (struct served){.n = 0};
    if (!file_exists(inside("a"))) assert_int_equal(init("tiny", inside("a"), "5", NULL), 0);
    for (int i = 0; i < 3; i++) {
        char path[600], *bytes;
        size_t size_bytes;
        struct err err;
        snprintf(path, sizeof path, "%s/%s", inside("a"), names[i]);
        assert_int_equal(file_read(path, 1 << 20, &bytes, &size_bytes, &err), 0);
        serve(s, names[i], bytes, size_bytes);
        free(bytes);
    }
}

static void unserve(struct served *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->files[i].bytes);
}

static struct workload *create(struct served *s, const char *spec)
{
    struct err err;
    struct workload *w = workload_create(spec, s->files, s->n, &err);
    if (w == NULL) fail_msg("%s: %s", spec, err.text);
    return w;
}

static const char dials_spec[] =
    "{\"seed\":3,\"template\":\"short\",\"task\":{\"name\":\"dials\"},\"rewards\":[{\"name\":"
    "\"accuracy\",\"weight\":2,\"strict\":true},{\"name\":\"format\",\"weight\":0.5}],"
    "\"corpus\":{\"name\":\"dials\"}}";

static void prompts_are_ids_of_the_templated_problem(void **state)
{
    (void)state;
    struct served s;
    serve_tiny(&s);
    struct workload *w = create(&s, dials_spec);
    assert_int_equal(workload_shape(w)->width, 32);
    const uint32_t *stop;
    assert_int_equal(workload_stop_ids(w, &stop), 1);
    assert_int_equal(stop[0], 1);
    assert_int_equal(workload_prompt_count(w, LEASE_EVAL), 250);
    assert_int_equal(workload_prompt_count(w, LEASE_GENERATE), 0);
    struct err err;
    for (uint64_t n = 0; n < 100; n++) {
        struct prompt a, b;
        assert_int_equal(workload_prompt(w, LEASE_GENERATE, n, &a, &err), 0);
        assert_int_equal(workload_prompt(w, LEASE_EVAL, n, &b, &err), 0);
        char *text = workload_text(w, a.tokens, a.n_tokens);
        assert_memory_equal(text, "User:", 5);
        assert_string_equal(text + strlen(text) - 12, "? Assistant:");
        char *other = workload_text(w, b.tokens, b.n_tokens);
        assert_string_not_equal(text, other);
        free(text);
        free(other);
        prompt_fini(&a);
        prompt_fini(&b);
    }
    workload_destroy(w);
    unserve(&s);
}

static struct score score_of(struct workload *w, const struct prompt *p, const char *text,
                             enum finish_reason finish)
{
    struct err err;
    struct token_ids ids;
    struct tokenizer *t = tokenizer_read(inside("a"), &err);
    assert_non_null(t);
    token_ids_init(&ids);
    assert_int_equal(tokenizer_encode(t, text, strlen(text), &ids, &err), 0);
    assert_int_equal(workload_score(w, 77, p, ids.items, (uint32_t)ids.count, finish, &err), 0);
    uint64_t ticket;
    struct score score;
    assert_true(workload_poll(w, &ticket, &score));
    assert_int_equal(ticket, 77);
    assert_false(workload_poll(w, &ticket, &score));
    token_ids_fini(&ids);
    tokenizer_destroy(t);
    return score;
}

static double metric(const struct score *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_metrics; i++)
        if (s->metrics[i].name.size_bytes == strlen(name) &&
            memcmp(s->metrics[i].name.bytes, name, strlen(name)) == 0)
            return s->metrics[i].value;
    fail_msg("no metric %s", name);
    return 0;
}

static void responses_are_scored_by_the_spec(void **state)
{
    (void)state;
    struct served s;
    serve_tiny(&s);
    struct workload *w = create(&s, dials_spec);
    struct err err;
    struct prompt p;
    assert_int_equal(workload_prompt(w, LEASE_EVAL, 0, &p, &err), 0);
    int n_right = 0;
    for (int guess = 0; guess < 100; guess++) {
        char text[64];
        snprintf(text, sizeof text, "<think> </think> <answer> %d %d </answer> <eos>", guess / 10,
                 guess % 10);
        struct score score = score_of(w, &p, text, FINISH_STOP);
        assert_int_equal(score.outcome, OUTCOME_OK);
        assert_true(score.reward == (score.is_correct ? 2.5 : 0.5));
        assert_int_equal(score.n_rewards, 2);
        assert_int_not_equal(score.answer, 0);
        assert_true(metric(&score, "level") == 1 && metric(&score, "style") == 0);
        n_right += score.is_correct;
        if (!score.is_correct) continue;
        // the same answer without the format: strict accuracy does not count it
        snprintf(text, sizeof text, "<answer> %d %d </answer> <eos>", guess / 10, guess % 10);
        struct score bare = score_of(w, &p, text, FINISH_STOP);
        assert_true(bare.reward == 0 && !bare.is_correct && bare.answer == score.answer);
        snprintf(text, sizeof text, "<think> </think> <answer> %d %d </answer>", guess / 10,
                 guess % 10);
        assert_true(score_of(w, &p, text, FINISH_LENGTH).reward == 0);
    }
    assert_int_equal(n_right, 1);
    struct score none = score_of(w, &p, "", FINISH_LENGTH);
    assert_true(none.reward == 0 && none.answer == 0 && none.outcome == OUTCOME_OK);
    struct score checked = score_of(
        w, &p,
        "<think> a = 1 1 ; b L+1 = 2 1 ; c X = 1 2 ; wait ok </think> <answer> 1 2 </answer> <eos>",
        FINISH_STOP);
    assert_true(metric(&checked, "style") == 2 && metric(&checked, "steps") == 3 &&
                metric(&checked, "reflective_words") == 1);
    prompt_fini(&p);
    workload_destroy(w);
    unserve(&s);
}

static void scores_come_back_in_the_order_they_were_asked_for(void **state)
{
    (void)state;
    struct served s;
    serve_tiny(&s);
    struct workload *w = create(&s, dials_spec);
    struct err err;
    struct prompt p;
    assert_int_equal(workload_prompt(w, LEASE_EVAL, 0, &p, &err), 0);
    uint64_t asked = 0, collected = 0, ticket;
    struct score score;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 7; i++)
            assert_int_equal(workload_score(w, asked++, &p, p.tokens, 1, FINISH_STOP, &err), 0);
        for (int i = 0; i < 5; i++) {
            assert_true(workload_poll(w, &ticket, &score));
            assert_int_equal(ticket, collected++);
        }
    }
    while (workload_poll(w, &ticket, &score))
        assert_int_equal(ticket, collected++);
    assert_int_equal(asked, collected);
    prompt_fini(&p);
    workload_destroy(w);
    unserve(&s);
}

// --- documents -----------------------------------------------------------------------------------

static char *document_text(const struct workload *w, uint64_t n, struct document *d)
{
    struct err err;
    if (workload_document(w, n, d, &err) != 0) fail_msg("%s", err.text);
    return workload_text(w, d->tokens, d->n_tokens);
}

static void the_corpus_has_the_shares_that_its_spec_states(void **state)
{
    (void)state;
    enum { N = 6000 };
    struct served s;
    serve_tiny(&s);
    struct workload *w = create(&s, dials_spec);
    int pages = 0, drills = 0, formatted = 0, silent = 0, checked = 0;
    for (uint64_t n = 0; n < N; n++) {
        struct document d;
        char *text = document_text(w, n, &d);
        const char *end = text + strlen(text) - 5;
        assert_string_equal(end, "<eos>");
        assert_true(d.loss_mask[d.n_tokens - 1] == 1);
        bool is_page = strncmp(text, "User:", 5) == 0;
        pages += is_page;
        drills += strchr(text, '?') == NULL;
        formatted +=
            is_page && strstr(text, "</think> <answer>") != NULL && strstr(text, "<think>") != NULL;
        silent += strstr(text, "<think> </think>") != NULL;
        checked += is_page && strstr(text, "check ") != NULL;
        free(text);
        document_fini(&d);
    }
    assert_in_range(drills, 0.085 * N, 0.115 * N);
    assert_in_range(pages, 0.33 * N, 0.39 * N); // the rest are textbook pages
    assert_in_range(formatted, 0.76 * pages, 0.84 * pages);
    assert_in_range(silent, 0.64 * pages, 0.76 * pages);
    assert_in_range(checked, 0.02 * pages, 0.06 * pages);
    workload_destroy(w);
    unserve(&s);
}

static void problems_weigh_less_than_what_follows_from_them(void **state)
{
    (void)state;
    struct served s;
    serve_tiny(&s);
    struct workload *w = create(&s, dials_spec);
    for (uint64_t n = 0; n < 200; n++) {
        struct document d;
        char *text = document_text(w, n, &d);
        bool is_page = strncmp(text, "User:", 5) == 0;
        bool after = false;
        for (uint32_t i = 0; i < d.n_tokens && strchr(text, '?') != NULL; i++) { // no drill
            assert_true(d.loss_mask[i] == (after ? 1.0f : 0.1f));
            // "?" is token 13, "Assistant:" token 3
            if (d.tokens[i] == (is_page ? 3u : 13u)) after = true;
        }
        assert_int_equal(after, strchr(text, '?') != NULL);
        free(text);
        document_fini(&d);
    }
    workload_destroy(w);
    unserve(&s);
}

static void supervised_rows_learn_the_completion_alone(void **state)
{
    (void)state;
    struct served s;
    serve_tiny(&s);
    const char row[] =
        "{\"prompt\":\"a = 1 2 a ?\",\"completion\":\"<think> </think> <answer> 1 2 </answer>\"}\n";
    serve(&s, "data/sft.jsonl", row, strlen(row));
    struct workload *w = create(&s, "{\"template\":\"short\",\"corpus\":{\"name\":\"jsonl\"},"
                                    "\"files\":{\"sft\":\"data/sft.jsonl\"}}");
    struct document d;
    char *text = document_text(w, 4, &d);
    assert_string_equal(
        text, "User: a = 1 2 a ? Assistant: <think> </think> <answer> 1 2 </answer> <eos>");
    for (uint32_t i = 0; i < d.n_tokens; i++)
        assert_true(d.loss_mask[i] == (i < 8 ? 0.0f : 1.0f));
    assert_int_equal(d.n_tokens, 15);
    free(text);
    document_fini(&d);
    struct err err;
    struct prompt p;
    assert_int_equal(workload_prompt(w, LEASE_GENERATE, 0, &p, &err), -1);
    workload_destroy(w);
    unserve(&s);
}

static void a_document_or_prompt_longer_than_the_context_is_refused(void **state)
{
    (void)state;
    struct served s;
    serve_tiny(&s);
    char row[1200] = "{\"prompt\":\"a", *at = row + strlen(row);
    for (int i = 0; i < 249; i++, at += 2)
        memcpy(at, " a", 2);
    snprintf(at, 64, "\",\"answer\":\"a b c d e f g h i j\"}\n");
    serve(&s, "data/x.jsonl", row, strlen(row));
    struct workload *w = create(
        &s, "{\"template\":\"plain\",\"task\":{\"name\":\"jsonl\"},\"corpus\":{\"name\":"
            "\"jsonl\",\"completion_key\":\"answer\"},\"files\":{\"train\":\"data/x.jsonl\"}}");
    struct err err;
    struct prompt p;
    struct document d;
    assert_int_equal(workload_prompt(w, LEASE_GENERATE, 0, &p, &err), 0); // 250 of 256
    prompt_fini(&p);
    assert_int_equal(workload_document(w, 0, &d, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "261 tokens, at most 256"));
    workload_destroy(w);
    w = create(&s, "{\"template\":\"a b c d e f {prompt}\",\"task\":{\"name\":\"jsonl\"},"
                   "\"files\":{\"train\":\"data/x.jsonl\"}}");
    assert_int_equal(workload_prompt(w, LEASE_GENERATE, 0, &p, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    workload_destroy(w);
    unserve(&s);
}

// --- refusals ------------------------------------------------------------------------------------

static void wrong_specs_are_refused_by_key(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *why;
    } cases[] = {
        {"{", "spec"},
        {"[]", "spec"},
        {"{}", "neither a task nor a corpus"},
        {"{\"tasks\":{}}", "unknown key 'tasks'"},
        {"{\"seed\":-1,\"task\":{\"name\":\"dials\"}}", "spec.seed"},
        {"{\"template\":\"x\",\"task\":{\"name\":\"dials\"}}", "template 'x'"},
        {"{\"task\":{\"name\":\"dials\"},\"rewards\":[]}", "rewards"},
        {"{\"task\":{\"name\":\"dials\"},\"rewards\":[{\"name\":\"length\"}]}", "got 'length'"},
        {"{\"task\":{\"name\":\"dials\"},\"rewards\":[{\"name\":\"format\"},{\"name\":\"format\"}]"
         "}",
         "twice"},
        {"{\"task\":{\"name\":\"dials\"},\"rewards\":[{\"name\":\"format\",\"strict\":true}]}",
         "strict"},
        {"{\"corpus\":{\"name\":\"dials\"}}", "needs the dials task"},
        {"{\"task\":{\"name\":\"dials\"},\"corpus\":{\"name\":\"dials\",\"long\":1.5}}",
         "spec.corpus.long"},
        {"{\"task\":{\"name\":\"dials\"},\"corpus\":{\"name\":\"dials\",\"long\":0.9,"
         "\"partial\":0.2}}",
         "over 1"},
    };
    struct served s;
    serve_tiny(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        if (workload_create(cases[i].spec, s.files, s.n, &err) != NULL)
            fail_msg("not refused: %s", cases[i].spec);
        if (strstr(err.text, cases[i].why) == NULL)
            fail_msg("%s gave: %s", cases[i].spec, err.text);
    }
    struct err err = {0};
    assert_null(workload_create(dials_spec, s.files, 1, &err));
    assert_non_null(strstr(err.text, "tokenizer.json"));
    unserve(&s);
}

static void a_tokenizer_larger_than_the_model_is_refused(void **state)
{
    (void)state;
    struct served s;
    serve_tiny(&s);
    char *size = strstr((char *)s.files[0].bytes, "\"vocab_size\":67");
    assert_non_null(size);
    memcpy(size, "\"vocab_size\":66", 15);
    struct err err = {0};
    assert_null(workload_create(dials_spec, s.files, s.n, &err));
    assert_int_equal(err.code, ERR_MISMATCH);
    assert_non_null(strstr(err.text, "ids up to 66"));
    unserve(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_preset_makes_a_folder_that_reads_back),
        cmocka_unit_test(a_seed_decides_every_weight),
        cmocka_unit_test(a_used_folder_is_kept_unless_forced),
        cmocka_unit_test(prompts_are_ids_of_the_templated_problem),
        cmocka_unit_test(responses_are_scored_by_the_spec),
        cmocka_unit_test(scores_come_back_in_the_order_they_were_asked_for),
        cmocka_unit_test(the_corpus_has_the_shares_that_its_spec_states),
        cmocka_unit_test(problems_weigh_less_than_what_follows_from_them),
        cmocka_unit_test(supervised_rows_learn_the_completion_alone),
        cmocka_unit_test(a_document_or_prompt_longer_than_the_context_is_refused),
        cmocka_unit_test(wrong_specs_are_refused_by_key),
        cmocka_unit_test(a_tokenizer_larger_than_the_model_is_refused),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
