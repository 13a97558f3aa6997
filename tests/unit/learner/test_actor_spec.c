#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "learner/actor_spec.h"

static char home[64];

static void write_file(const char *name, const char *bytes)
{
    char path[256];
    struct err err;
    snprintf(path, sizeof path, "%s/%s", home, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    if (file_make_folders(path, &err) != 0) fail_msg("%s", err.text);
    *slash = '/';
    if (file_write_atomic(path, bytes, strlen(bytes), &err) != 0) fail_msg("%s", err.text);
}

static int make_home(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "build/test-actor-spec-XXXXXX");
    if (mkdtemp(home) == NULL) return -1;
    write_file("m/config.json", "{}");
    write_file("m/tokenizer.json", "{}");
    write_file("gsm8k/train.jsonl", "{\"question\":\"q\",\"answer\":\"#### 1\"}\n");
    write_file("math/train.jsonl", "{\"problem\":\"q\",\"answer\":\"1\"}\n");
    write_file("x.parquet", "PAR1");
    write_file("x.json", "[{}]");
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(home, &err);
}

// The spec of a recipe whose "data" is `data`, with HOME for the folder.
static int make_spec(struct actor_spec *s, const char *kind, const char *data, struct err *err)
{
    char text[2048], with_home[1024], path[128];
    size_t at = 0;
    for (const char *p = data; *p != '\0' && at + sizeof home < sizeof with_home;) {
        const bool is_home = strncmp(p, "HOME", 4) == 0;
        at += (size_t)snprintf(with_home + at, sizeof with_home - at, "%.*s",
                               is_home ? (int)sizeof home : 1, is_home ? home : p);
        p += is_home ? 4 : 1;
    }
    snprintf(text, sizeof text, "kind: %s\nmodel: {path: %s/m}\ndata: %s\n", kind, home, with_home);
    snprintf(path, sizeof path, "%s/recipe.yaml", home);
    write_file("recipe.yaml", text);
    struct options o;
    struct recipe *recipe = recipe_open(path, 0, NULL, err);
    if (recipe == NULL) fail_msg("%s", err->text);
    int result = options_read(&o, recipe, 0, err);
    if (result == 0) result = actor_spec_make(s, &o, err);
    recipe_destroy(recipe);
    return result;
}

static void expect_in(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("want %s in %s", part, text);
}

static void files_of_one_name_are_told_apart_by_their_folders(void **state)
{
    (void)state;
    struct actor_spec s;
    struct err err;
    if (make_spec(&s, "grpo",
                  "{train_files: [HOME/gsm8k/train.jsonl, {path: HOME/math/train.jsonl, weight: 2, "
                  "source: math, grader: exact}], val_files: HOME/gsm8k/train.jsonl}",
                  &err) != 0)
        fail_msg("%s", err.text);
    expect_in(s.text, "\"train\":[{\"name\":\"data/train.jsonl\"},{\"name\":"
                      "\"data/math/train.jsonl\",");
    expect_in(s.text, "\"weight\":2");
    expect_in(s.text, "\"source\":\"math\"");
    expect_in(s.text, "\"grader\":\"exact\"");
    expect_in(s.text, "\"eval\":[{\"name\":\"data/train.jsonl\"}]");
    assert_int_equal(s.n_files, 4); // config, tokenizer, two of data: one serves twice
    actor_spec_fini(&s);
}

static void what_holds_for_all_files_is_passed_on(void **state)
{
    (void)state;
    struct actor_spec s;
    struct err err;
    if (make_spec(&s, "sft",
                  "{train_files: HOME/math/train.jsonl, on_bad_row: skip, prompt_key: problem, "
                  "completion_key: answer}",
                  &err) != 0)
        fail_msg("%s", err.text);
    expect_in(s.text, "\"data\":{\"on_bad_row\":\"skip\",\"prompt_key\":\"problem\","
                      "\"completion_key\":\"answer\"}");
    expect_in(s.text, "\"sft\":[{\"name\":\"data/train.jsonl\"}]");
    actor_spec_fini(&s);
}

static void what_cannot_be_served_is_refused_before_anything_runs(void **state)
{
    (void)state;
    static const struct {
        const char *data, *why;
    } cases[] = {
        {"{train_files: HOME/x.parquet}", "is Parquet, and JSONL is wanted: python3 -c"},
        {"{train_files: HOME/x.json}", "is one JSON array"},
        {"{train_files: HOME/none.jsonl}", "none.jsonl: No such file"},
        {"{train_files: {path: HOME/math/train.jsonl, wieght: 2}}", "unknown key 'wieght'"},
        {"{train_files: {weight: 2}}", "data.train_files: want a path"},
        {"{train_files: [7]}", "data.train_files: want a path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct actor_spec s;
        struct err err = {0};
        if (make_spec(&s, "grpo", cases[i].data, &err) == 0) fail_msg("taken: %s", cases[i].data);
        expect_in(err.text, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_one_name_are_told_apart_by_their_folders),
        cmocka_unit_test(what_holds_for_all_files_is_passed_on),
        cmocka_unit_test(what_cannot_be_served_is_refused_before_anything_runs),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
