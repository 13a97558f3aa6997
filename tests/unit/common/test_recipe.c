#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/recipe.h"

struct settings {
    uint64_t steps;
    double lr;
    bool shuffle;
    const char *model;
    int schedule;
    const char *task;
};

static const struct recipe_key keys[] = {
    {.name = "trainer.steps",
     .type = RECIPE_U64,
     .offset = offsetof(struct settings, steps),
     .min = 1,
     .max = 1000,
     .help = "steps to train"},
    {.name = "actor.optim.lr",
     .type = RECIPE_DOUBLE,
     .offset = offsetof(struct settings, lr),
     .fallback = "1e-6",
     .min = 0,
     .max = 1,
     .help = "learning rate"},
    {.name = "data.shuffle",
     .type = RECIPE_BOOL,
     .offset = offsetof(struct settings, shuffle),
     .fallback = "true"},
    {.name = "model",
     .type = RECIPE_STRING,
     .offset = offsetof(struct settings, model),
     .fallback = ""},
    {.name = "actor.optim.schedule",
     .type = RECIPE_CHOICE,
     .offset = offsetof(struct settings, schedule),
     .fallback = "cosine",
     .choices = "constant|cosine|linear"},
    {.name = "task",
     .type = RECIPE_SPEC,
     .offset = offsetof(struct settings, task),
     .fallback = "{kind: sums, levels: [1, 2]}"},
};
enum { N_KEYS = sizeof keys / sizeof keys[0], OVERRIDES_MAX = 8 };

static char path[64];

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "build/test-recipe-%ld.yaml", (long)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

// Overrides are one a line.
static struct recipe *open_text(const char *text, const char *overrides, struct err *err)
{
    char words[1000] = "";
    char *list[OVERRIDES_MAX];
    size_t n = 0;
    if (overrides != NULL) {
        snprintf(words, sizeof words, "%s", overrides);
        for (char *word = words; word != NULL; n++) {
            assert_true(n < OVERRIDES_MAX);
            list[n] = word;
            word = strchr(word, '\n');
            if (word != NULL) *word++ = '\0';
        }
    }
    assert_int_equal(file_write_atomic(path, text, strlen(text), err), 0);
    return recipe_open(path, n, list, err);
}

static struct recipe *open_good(const char *text, const char *overrides)
{
    struct err err;
    struct recipe *recipe = open_text(text, overrides, &err);
    if (recipe == NULL) fail_msg("%s", err.text);
    return recipe;
}

static struct settings bind(struct recipe *recipe, size_t stage)
{
    struct err err;
    struct settings s;
    if (recipe_bind(recipe, stage, keys, N_KEYS, &s, &err) != 0) fail_msg("%s", err.text);
    return s;
}

static bool is(double a, double b)
{
    return !(a < b) && !(a > b);
}

// Opens, binds every stage and looks for unknown keys: one of them must refuse
// with this text after the file's name.
static void expect_refused(const char *text, const char *overrides, const char *want)
{
    struct err err = {0};
    struct settings s;
    struct recipe *recipe = open_text(text, overrides, &err);
    int status = recipe == NULL ? -1 : 0;
    for (size_t i = 0; status == 0 && i < recipe_stage_count(recipe); i++) {
        status = recipe_bind(recipe, i, keys, N_KEYS, &s, &err);
    }
    if (status == 0) status = recipe_check_unused(recipe, &err);
    recipe_destroy(recipe);
    if (status == 0) fail_msg("taken: %s", text);
    assert_int_equal(err.code, ERR_USAGE);
    const char *said =
        strncmp(err.text, path, strlen(path)) == 0 ? err.text + strlen(path) : err.text;
    assert_string_equal(said, want);
}

static void test_every_type_is_bound_from_nested_or_dotted_keys(void **state)
{
    (void)state;
    struct err err;
    struct recipe *recipe = open_good("# a comment\n"
                                      "trainer: {steps: 12}\n"
                                      "actor:\n"
                                      "  optim:\n"
                                      "    lr: 3.5e-4\n"
                                      "    schedule: linear\n"
                                      "data.shuffle: false\n"
                                      "model: \"a b: c\"\n"
                                      "task:\n"
                                      "  kind: 'sums'\n"
                                      "  levels: [3, 4.50, x, ~, true, '5', .5, -7, +8]\n"
                                      "  a.file.name: {z: 1, b: 2}\n",
                                      NULL);
    struct settings s = bind(recipe, 0);
    assert_int_equal(s.steps, 12);
    assert_true(is(s.lr, 3.5e-4));
    assert_false(s.shuffle);
    assert_string_equal(s.model, "a b: c");
    assert_int_equal(s.schedule, 2);
    assert_string_equal(s.task, "{\"a.file.name\":{\"b\":2,\"z\":1},\"kind\":\"sums\","
                                "\"levels\":[3,4.5,\"x\",null,true,\"5\",0.5,-7,8]}");
    assert_int_equal(recipe_check_unused(recipe, &err), 0);
    assert_int_equal(recipe_stage_count(recipe), 1);
    assert_string_equal(recipe_stage_name(recipe, 0), "main");
    assert_string_equal(recipe_path(recipe), path);
    recipe_destroy(recipe);
}

static void test_what_is_not_said_has_its_default(void **state)
{
    (void)state;
    struct recipe *recipe = open_good("trainer: {steps: 1}\nmodel: ~\n", NULL);
    struct settings s = bind(recipe, 0);
    assert_true(is(s.lr, 1e-6));
    assert_true(s.shuffle);
    assert_string_equal(s.model, "");
    assert_int_equal(s.schedule, 1);
    assert_string_equal(s.task, "{\"kind\":\"sums\",\"levels\":[1,2]}");
    recipe_destroy(recipe);
}

static void test_stages_override_the_recipe_and_the_command_line_both(void **state)
{
    (void)state;
    struct err err;
    const char *overrides = "actor.optim.lr=0.25\n"
                            "stages.rl.trainer.steps=7\n"
                            "task.levels=[9]\n"
                            "model=first\n"
                            "stages.rl.task={extra: 1}\n"
                            "model=second\n"
                            "actor={optim: {schedule: linear}}";
    struct recipe *recipe = open_good("trainer: {steps: 1}\n"
                                      "actor: {optim: {lr: 0.5}}\n"
                                      "task: {kind: a, levels: [1]}\n"
                                      "stages:\n"
                                      "- name: base\n"
                                      "  trainer: {steps: 100}\n"
                                      "- name: rl\n"
                                      "  actor: {optim: {lr: 0.75}}\n"
                                      "  task: {kind: b}\n",
                                      overrides);
    assert_int_equal(recipe_stage_count(recipe), 2);
    assert_int_equal(recipe_find_stage(recipe, "rl"), 1);
    assert_int_equal(recipe_find_stage(recipe, "r"), -1);
    struct settings base = bind(recipe, 0);
    struct settings rl = bind(recipe, 1);
    assert_int_equal(base.steps, 100);
    assert_int_equal(rl.steps, 7);
    assert_true(is(base.lr, 0.25) && is(rl.lr, 0.25));
    assert_string_equal(base.model, "second");
    assert_int_equal(rl.schedule, 2);
    assert_string_equal(base.task, "{\"kind\":\"a\",\"levels\":[9]}");
    assert_string_equal(rl.task, "{\"extra\":1,\"kind\":\"b\",\"levels\":[9]}");
    assert_int_equal(recipe_check_unused(recipe, &err), 0);
    recipe_destroy(recipe);
}

static void test_a_wrong_value_names_line_key_and_what_was_wanted_and_found(void **state)
{
    (void)state;
    expect_refused("# x\ntrainer: {steps: abc}\n", NULL,
                   ":2: trainer.steps: want a whole number from 1 to 1000, found abc");
    expect_refused("trainer:\n  steps: 1001\n", NULL,
                   ":2: trainer.steps: want a whole number from 1 to 1000, found 1001");
    expect_refused("trainer:\n  steps: '12'\n", NULL,
                   ":2: trainer.steps: want a whole number from 1 to 1000, found '12'");
    expect_refused("trainer: {steps: -1}\n", NULL,
                   ":1: trainer.steps: want a whole number from 1 to 1000, found -1");
    expect_refused("trainer: {steps: 1.0}\n", NULL,
                   ":1: trainer.steps: want a whole number from 1 to 1000, found 1.0");
    expect_refused("trainer: {steps: 99999999999999999999}\n", NULL,
                   ":1: trainer.steps: want a whole number from 1 to 1000, "
                   "found 99999999999999999999");
    expect_refused("trainer: {steps: }\n", NULL,
                   ":1: trainer.steps: want a whole number from 1 to 1000, found nothing");
    expect_refused("trainer: {steps: [1]}\n", NULL,
                   ":1: trainer.steps: want a whole number from 1 to 1000, found a list");
    expect_refused("trainer: {steps: 1}\nactor: {optim: {lr: nan}}\n", NULL,
                   ":2: actor.optim.lr: want a number from 0 to 1, found nan");
    expect_refused("trainer: {steps: 1}\nactor: {optim: {lr: 0x1p-3}}\n", NULL,
                   ":2: actor.optim.lr: want a number from 0 to 1, found 0x1p-3");
    expect_refused("trainer: {steps: 1}\nactor: {optim: {lr: 1.5}}\n", NULL,
                   ":2: actor.optim.lr: want a number from 0 to 1, found 1.5");
    expect_refused("trainer: {steps: 1}\ndata: {shuffle: yes}\n", NULL,
                   ":2: data.shuffle: want true or false, found yes");
    expect_refused("trainer: {steps: 1}\nactor.optim.schedule: cos\n", NULL,
                   ":2: actor.optim.schedule: want one of constant|cosine|linear, found cos");
    expect_refused("trainer: {steps: 1}\nmodel: {a: 1}\n", NULL,
                   ":2: model: want text, found a map");
    expect_refused("model: x\n", NULL,
                   ": stage main: trainer.steps is missing: want a whole number from 1 to 1000 "
                   "(steps to train)");
}

static void test_a_wrong_override_is_named_as_it_was_typed(void **state)
{
    (void)state;
    const char *text = "trainer: {steps: 1}\nstages: [{name: a}, {name: b}]\n";
    expect_refused(text, "trainer.steps=x",
                   "override 'trainer.steps=x': trainer.steps: want a whole number from 1 to 1000, "
                   "found x");
    expect_refused(text, "trainer.steps", "override 'trainer.steps': want key=value");
    expect_refused(text, "=3", "override '=3': want key=value");
    expect_refused(text, "trainer.step=3",
                   "override 'trainer.step=3': unknown key 'trainer.step'; did you mean "
                   "'trainer.steps'?");
    expect_refused(text, "stages.c.trainer.steps=3",
                   "override 'stages.c.trainer.steps=3': want stages.NAME.key=value, NAME one of: "
                   "a, b");
    expect_refused(text, "task=[1",
                   "override 'task=[1': not YAML: did not find expected ',' or ']' (while parsing "
                   "a flow sequence)");
}

static void test_an_unknown_key_names_its_line_and_the_nearest_known_one(void **state)
{
    (void)state;
    expect_refused("trainer:\n  steps: 1\n  setps: 2\n", NULL,
                   ":3: unknown key 'trainer.setps'; did you mean 'trainer.steps'?");
    expect_refused("trainer: {steps: 1}\nlr: 2\n", NULL,
                   ":2: unknown key 'lr'; did you mean 'actor.optim.lr'?");
    expect_refused("trainer: {steps: 1}\nzebra_crossing: 2\n", NULL,
                   ":2: unknown key 'zebra_crossing'");
    expect_refused("trainer: {steps: 1}\nactor: 2\n", NULL, ":2: unknown key 'actor'");
    expect_refused("trainer: {steps: 1}\nactor: {optim.lr: 0.5}\n", NULL,
                   ":2: write 'actor.optim.lr' at the left margin or as nested maps");
    char want[200];
    snprintf(want, sizeof want, "stage a: %s:4: unknown key 'modle'; did you mean 'model'?", path);
    expect_refused("trainer: {steps: 1}\nstages:\n- name: a\n  modle: x\n- name: b\n", NULL, want);
}

static void test_a_key_given_twice_is_refused(void **state)
{
    (void)state;
    expect_refused("trainer: {steps: 1}\nmodel: a\nmodel: b\n", NULL,
                   ":3: the key 'model' is given twice, first in line 2");
    expect_refused("trainer: {steps: 1}\ntrainer.steps: 2\n", NULL,
                   ":2: given twice, plain and dotted: trainer.steps");
    expect_refused("trainer.steps: 1\ntrainer: {steps: 2}\n", NULL,
                   ":2: given twice, plain and dotted: steps");
}

static void test_what_recipes_do_not_use_of_yaml_is_refused(void **state)
{
    (void)state;
    expect_refused("a: &x 1\n", NULL, ":1: anchors (&name) are not used in recipes");
    expect_refused("a: 1\nb: *x\n", NULL, ":2: aliases (*name) are not used in recipes");
    expect_refused("a: !!str 1\n", NULL, ":1: tags (!name) are not used in recipes");
    expect_refused("a: 1\n---\nb: 2\n", NULL, ":2: a second document begins here; a recipe is one");
    expect_refused("- a\n", NULL, ":1: a recipe must be a map of keys");
    expect_refused("? [a]\n: 1\n", NULL, ":1: a key must be a word");
    expect_refused("'': 1\n", NULL, ":1: a key must have 1 to 200 bytes");
    expect_refused("a: 1\nb: [1,\n", NULL,
                   ":3: not YAML: did not find expected node content (while parsing a flow node)");
}

static char *repeated(const char *first, const char *again, size_t n, const char *last)
{
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *out = open_memstream(&text, &size_bytes);
    fputs(first, out);
    for (size_t i = 0; i < n; i++) {
        fputs(again, out);
    }
    fputs(last, out);
    fclose(out);
    return text;
}

static void test_depth_keys_and_values_are_bounded(void **state)
{
    (void)state;
    char *text = repeated("a: ", "[", 900, "");
    expect_refused(text, NULL, ":1: nested too deeply (limit 32)");
    free(text);
    text = repeated("a: [", "1,", 100001, "1]\n");
    expect_refused(text, NULL, ":1: too many values (limit 100000)");
    free(text);
    size_t size_bytes = 0;
    FILE *out = open_memstream(&text, &size_bytes);
    for (int i = 0; i < 1001; i++) {
        fprintf(out, "k%d: 1\n", i);
    }
    fclose(out);
    expect_refused(text, NULL, ":1001: over 1000 keys in a map");
    free(text);
}

static void test_a_file_over_a_megabyte_is_refused(void **state)
{
    (void)state;
    struct err err;
    char *text = repeated("#", "##########", 110000, "\n");
    assert_null(open_text(text, NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(text);
}

static void test_stages_must_be_maps_with_names_of_their_own(void **state)
{
    (void)state;
    expect_refused("stages: 3\n", NULL, ":1: stages: want a list of 1 to 64 maps");
    expect_refused("stages: []\n", NULL, ":1: stages: want a list of 1 to 64 maps");
    expect_refused("stages:\n- 3\n", NULL, ":2: a stage must be a map with a name and keys");
    expect_refused("stages:\n- {a: 3}\n", NULL, ":2: a stage must have a name");
    expect_refused("stages:\n- name: a.b\n", NULL,
                   ":2: a stage's name must be 1 to 64 letters, digits, - or _");
    expect_refused("stages:\n- name: a\n- name: a\n", NULL, ":3: two stages have the name a");
}

static void test_a_missing_recipe_is_an_error_of_its_file(void **state)
{
    (void)state;
    struct err err;
    assert_null(recipe_open("build/no-such-recipe.yaml", 0, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "build/no-such-recipe.yaml"));
}

static void test_bound_values_are_written_as_nested_json(void **state)
{
    (void)state;
    struct recipe *recipe = open_good("trainer: {steps: 12}\nmodel: x\n", NULL);
    struct settings s = bind(recipe, 0);
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    recipe_write_json(keys, N_KEYS, &s, &w);
    json_close(&w, '}');
    assert_string_equal(w.bytes,
                        "{\"trainer\":{\"steps\":12},\"actor\":{\"optim\":{\"lr\":1e-06,"
                        "\"schedule\":\"cosine\"}},\"data\":{\"shuffle\":true},\"model\":\"x\","
                        "\"task\":{\"kind\":\"sums\",\"levels\":[1,2]}}");
    // It is a recipe again, with the same values.
    struct recipe *again = open_good(w.bytes, NULL);
    struct settings t = bind(again, 0);
    assert_int_equal(t.steps, s.steps);
    assert_true(is(t.lr, s.lr));
    assert_string_equal(t.task, s.task);
    recipe_destroy(again);
    free(w.bytes);
    recipe_destroy(recipe);
}

static void test_the_help_has_a_line_for_every_key(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *out = open_memstream(&text, &size_bytes);
    recipe_print_keys(keys, N_KEYS, out);
    fclose(out);
    for (size_t i = 0; i < N_KEYS; i++) {
        assert_non_null(strstr(text, keys[i].name));
    }
    assert_non_null(strstr(text, "(required)"));
    assert_non_null(strstr(text, "constant|cosine|linear"));
    assert_non_null(strstr(text, "learning rate"));
    free(text);
}

#define WITH_PATH(test) cmocka_unit_test_setup_teardown(test, make_path, remove_path)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PATH(test_every_type_is_bound_from_nested_or_dotted_keys),
        WITH_PATH(test_what_is_not_said_has_its_default),
        WITH_PATH(test_stages_override_the_recipe_and_the_command_line_both),
        WITH_PATH(test_a_wrong_value_names_line_key_and_what_was_wanted_and_found),
        WITH_PATH(test_a_wrong_override_is_named_as_it_was_typed),
        WITH_PATH(test_an_unknown_key_names_its_line_and_the_nearest_known_one),
        WITH_PATH(test_a_key_given_twice_is_refused),
        WITH_PATH(test_what_recipes_do_not_use_of_yaml_is_refused),
        WITH_PATH(test_depth_keys_and_values_are_bounded),
        WITH_PATH(test_a_file_over_a_megabyte_is_refused),
        WITH_PATH(test_stages_must_be_maps_with_names_of_their_own),
        WITH_PATH(test_a_missing_recipe_is_an_error_of_its_file),
        WITH_PATH(test_bound_values_are_written_as_nested_json),
        WITH_PATH(test_the_help_has_a_line_for_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
