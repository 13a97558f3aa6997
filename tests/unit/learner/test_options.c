// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learner/advantage.h"
#include "learner/options.h"

static char path[64];

static void write_recipe(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static const char smallest[] = "model: {path: m}\n";

// The first stage of a recipe with overrides; the recipe is the caller's.
static int read_options(struct options *o, struct recipe **recipe, const char *text,
                        char *const *overrides, size_t n, struct err *err)
{
    int status;

    write_recipe(text);
    *recipe = recipe_open(path, n, overrides, err);
    if (*recipe == NULL) return -1;
    status = options_read(o, *recipe, 0, err);
    if (status == 0) status = recipe_check_unused(*recipe, err);
    return status;
}

static void refused(const char *text, const char *override, const char *why)
{
    char copy[128];
    char *overrides[] = {copy};
    struct options o;
    struct recipe *recipe;
    struct err err = {0};

    snprintf(copy, sizeof copy, "%s", override ? override : "");
    assert_int_equal(read_options(&o, &recipe, text, overrides, override ? 1 : 0, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    if (strstr(err.text, why) == NULL) fail_msg("want \"%s\" in \"%s\"", why, err.text);
    recipe_destroy(recipe);
}

static void a_recipe_needs_only_a_model(void **state)
{
    struct options o;
    struct recipe *recipe;
    struct err err;

    (void)state;
    assert_int_equal(read_options(&o, &recipe, smallest, NULL, 0, &err), 0);
    assert_int_equal(o.kind, STAGE_GRPO);
    assert_string_equal(o.model_path, "m");
    assert_int_equal(o.rollout_n, 16);
    assert_true(o.clip_ratio_low == 0.2 && o.clip_ratio_high == 0.2);
    assert_int_equal(o.ppo_mini_batch_size, o.train_batch_size);
    assert_true(o.norm_adv_by_std);
    assert_false(options_wants_reference(&o));
    assert_false(options_wants_eval(&o));
    assert_string_equal(o.task, "null");
    recipe_destroy(recipe);
}

static void clip_ratio_sets_both_sides_and_each_can_be_its_own(void **state)
{
    char high[] = "actor.clip_ratio_high=0.28", both[] = "actor.clip_ratio=10";
    char *overrides[] = {high, both};
    struct options o;
    struct recipe *recipe;
    struct err err;

    (void)state;
    assert_int_equal(read_options(&o, &recipe, smallest, overrides, 2, &err), 0);
    assert_true(o.clip_ratio_low == 10.0 && o.clip_ratio_high == 0.28);
    const struct loss_config loss = options_loss(&o);
    assert_true(loss.clip_ratio_low == 10.0f && loss.clip_ratio_high == 0.28f);
    recipe_destroy(recipe);
}

static void a_reference_is_kept_only_when_its_term_counts(void **state)
{
    static const struct {
        const char *text;
        bool is_wanted;
    } cases[] = {
        {"model: {path: m}\nactor: {use_kl_loss: true, kl_loss_coef: 0.1}\n", true},
        {"model: {path: m}\nactor: {use_kl_loss: true, kl_loss_coef: 0}\n", false},
        {"model: {path: m}\nactor: {use_kl_loss: false, kl_loss_coef: 0.1}\n", false},
        {"model: {path: m}\nkind: sft\nactor: {use_kl_loss: true, kl_loss_coef: 0.1}\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct recipe *recipe;
        struct err err;

        assert_int_equal(read_options(&o, &recipe, cases[i].text, NULL, 0, &err), 0);
        assert_int_equal(options_wants_reference(&o), cases[i].is_wanted);
        assert_true((options_loss(&o).kl_loss_coef > 0) == cases[i].is_wanted);
        recipe_destroy(recipe);
    }
}

static void the_names_of_choices_are_those_of_the_enums(void **state)
{
    static const char text[] = "model: {path: m}\n"
                               "kind: sft\n"
                               "actor: {loss_agg_mode: seq-mean-token-sum-norm, kl_loss_type: k2,"
                               " optim: {lr_scheduler: wsd}}\n"
                               "algorithm: {zero_variance: drop}\n"
                               "trainer: {resume_mode: disable}\n"
                               "numerics: native\n";
    struct options o;
    struct recipe *recipe;
    struct err err;

    (void)state;
    assert_int_equal(read_options(&o, &recipe, text, NULL, 0, &err), 0);
    assert_int_equal(o.kind, STAGE_SFT);
    assert_int_equal(options_loss(&o).kl_kind, KL_K2);
    assert_int_equal(options_schedule(&o).kind, SCHEDULE_WSD);
    assert_int_equal(o.loss_agg_mode, LOSS_AGG_SEQ_MEAN_TOKEN_SUM_NORM);
    assert_int_equal(o.zero_variance, ZERO_VARIANCE_DROP);
    assert_int_equal(o.resume_mode, RESUME_DISABLE);
    assert_int_equal(o.numerics, NUMERICS_NATIVE);
    recipe_destroy(recipe);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    refused("seed: 1\n", NULL, "model.path is missing");
    refused(smallest, "actor.optim.learning_rate=1", "actor.optim.learning_rate");
    refused(smallest, "rollout.n=0", "rollout.n");
    refused(smallest, "rollout.n=4097", "rollout.n");
    refused(smallest, "actor.ppo_epochs=2", "actor.ppo_epochs");
    refused(smallest, "algorithm.adv_estimator=gae", "algorithm.adv_estimator");
    refused(smallest, "trainer.lanes=6", "trainer.lanes");
    refused(smallest, "resources.ranks=3", "resources.ranks does not divide trainer.lanes");
    refused(smallest, "actor.ppo_mini_batch_size=33", "actor.ppo_mini_batch_size");
    refused(smallest, "rollout.top_p=0", "rollout.top_p");
    refused(smallest, "actor.clip_ratio_c=0.5", "actor.clip_ratio_c");
    refused(smallest, "trainer.test_freq=5", "eval.n_prompts");
    refused("model: {path: m}\nkind: pretrain\n", "trainer.mode=one_step_off", "one_step_off");
    refused(smallest, "net.port=65536", "net.port");
}

// The resolved recipe can be read again and means the same.
static void what_is_written_reads_back_the_same(void **state)
{
    static const char text[] = "model: {path: m}\n"
                               "task: {name: dials, levels: [1, 2]}\n"
                               "actor: {clip_ratio: 0.3, optim: {lr: 4.0e-4}}\n"
                               "trainer: {lanes: 8}\n";
    struct options o, again;
    struct recipe *recipe, *other;
    struct json_writer first, second;
    struct err err;

    (void)state;
    assert_int_equal(read_options(&o, &recipe, text, NULL, 0, &err), 0);
    json_writer_init(&first);
    json_open(&first, NULL, '{');
    options_write_json(&o, &first);
    json_close(&first, '}');
    assert_int_equal(read_options(&again, &other, first.bytes, NULL, 0, &err), 0);
    json_writer_init(&second);
    json_open(&second, NULL, '{');
    options_write_json(&again, &second);
    json_close(&second, '}');
    assert_string_equal(first.bytes, second.bytes);
    assert_true(again.lr == 4.0e-4);
    assert_non_null(strstr(first.bytes, "\"levels\":[1,2]"));
    free(first.bytes);
    free(second.bytes);
    recipe_destroy(recipe);
    recipe_destroy(other);
}

// As the learner reads a recipe: every stage, then what nobody asked for.
static struct recipe *read_text(const char *text, struct options *o, struct err *err)
{
    write_recipe(text);
    struct recipe *recipe = recipe_open(path, 0, NULL, err);
    int status = recipe != NULL ? 0 : -1;

    for (size_t i = 0; status == 0 && i < recipe_stage_count(recipe); i++)
        status = options_read(o, recipe, i, err);
    if (status == 0) status = recipe_check_unused(recipe, err);
    if (status == 0) return recipe;
    recipe_destroy(recipe);
    return NULL;
}

static void expect_refused(const char *text, const char *where, const char *what)
{
    struct options o;
    struct err err = {0};

    if (read_text(text, &o, &err) != NULL) fail_msg("taken: %s", text);
    assert_int_equal(err.code, ERR_USAGE);
    if (strstr(err.text, path) == NULL) fail_msg("no file in: %s", err.text);
    if (strstr(err.text, where) == NULL) fail_msg("no \"%s\" in: %s", where, err.text);
    if (strstr(err.text, what) == NULL) fail_msg("no \"%s\" in: %s", what, err.text);
}

static void an_unknown_key_is_refused_by_file_line_and_name(void **state)
{
    (void)state;
    expect_refused("model: {path: m}\nactor:\n  optim: {learning_rate: 1}\n", ":3",
                   "learning_rate");
    expect_refused("model: {path: m}\nrolout: {n: 4}\n", ":2", "rolout");
    expect_refused("stages:\n"
                   "  - {name: one, model: {path: m}}\n"
                   "  - {name: two, model: {path: m}, trainer: {lane: 2}}\n",
                   ":3", "lane");
}

static void a_value_out_of_range_is_refused_by_file_and_line(void **state)
{
    (void)state;
    expect_refused("model: {path: m}\nrollout:\n  n: 0\n", ":3", "rollout.n");
    expect_refused("model: {path: m}\nactor: {optim: {lr: -1}}\n", ":2", "actor.optim.lr");
    expect_refused("model: {path: m}\nkind: dpo\n", ":2", "pretrain");
    expect_refused("model: {path: m}\nnet: {port: 70000}\n", ":2", "net.port");
}

static void keys_that_contradict_each_other_are_refused_by_file_and_stage(void **state)
{
    static const struct {
        const char *keys, *what;
    } cases[] = {
        {"trainer: {lanes: 6}", "trainer.lanes"},
        {"trainer: {lanes: 4}, resources: {ranks: 3}", "resources.ranks"},
        {"trainer: {lanes: 4}, resources: {ranks: 8}", "resources.ranks"},
        {"rollout: {top_p: 0}", "rollout.top_p"},
        {"eval: {top_p: 0}", "eval.top_p"},
        {"data: {train_batch_size: 8}, actor: {ppo_mini_batch_size: 9}", "ppo_mini_batch_size"},
        {"trainer: {test_freq: 5}", "eval.n_prompts"},
        {"trainer: {val_before_train: true}", "eval.n_prompts"},
        {"model: {path: ''}", "model.path"},
        {"actor: {clip_ratio_c: 0.5}", "actor.clip_ratio_c"},
        {"kind: sft, trainer: {mode: one_step_off}", "one_step_off"},
        {"actor: {ppo_epochs: 2}", "actor.ppo_epochs"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];

        snprintf(text, sizeof text,
                 "model: {path: m}\nstages:\n  - {name: good}\n  - {name: bad, %s}\n",
                 cases[i].keys);
        expect_refused(text, "stage bad", cases[i].what);
    }
}

static struct options read_numbers(const char *text)
{
    struct options o;
    struct err err;
    struct recipe *recipe = read_text(text, &o, &err);

    if (recipe == NULL) fail_msg("%s", err.text);
    recipe_destroy(recipe); // strings of *o are gone, numbers stay
    return o;
}

static void a_schedule_and_a_loss_follow_from_the_keys(void **state)
{
    const struct options o =
        read_numbers("kind: grpo\n"
                     "model: {path: m}\n"
                     "data: {max_prompt_length: 100, max_response_length: 50}\n"
                     "actor:\n"
                     "  clip_ratio: 0.1\n"
                     "  clip_ratio_high: 0.28\n"
                     "  clip_ratio_c: 3\n"
                     "  use_kl_loss: true\n"
                     "  kl_loss_coef: 0.04\n"
                     "  kl_loss_type: k2\n"
                     "  optim: {lr: 0.5, lr_scheduler: wsd, decay_start: 0.6,\n"
                     "          min_lr_ratio: 0.1, lr_warmup_steps: 7}\n"
                     "trainer: {total_training_steps: 90, test_freq: 3,\n"
                     "          pack_tokens: 64}\n"
                     "eval: {n_prompts: 5}\n");
    const struct loss_config loss = options_loss(&o);
    const struct schedule schedule = options_schedule(&o);

    (void)state;
    assert_int_equal(loss.kind, LOSS_GRPO);
    assert_true(loss.clip_ratio_low == 0.1f && loss.clip_ratio_high == 0.28f);
    assert_true(loss.clip_ratio_c == 3.0f && loss.kl_loss_coef == 0.04f);
    assert_int_equal(loss.kl_kind, KL_K2);
    assert_int_equal(schedule.kind, SCHEDULE_WSD);
    assert_true(schedule.decay_start == 0.6);
    assert_true(schedule.min_lr_ratio == 0.1);
    assert_int_equal(schedule.warmup_steps, 7);
    assert_int_equal(schedule.total_steps, 90);
    assert_true(options_wants_reference(&o) && options_wants_eval(&o));
    assert_int_equal(options_sequence_max(&o), 150);
    assert_int_equal(options_document_max(&o), 150); // a pack holds any one sequence
}

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "build/test-options-%ld.yaml", (long)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recipe_needs_only_a_model),
        cmocka_unit_test(clip_ratio_sets_both_sides_and_each_can_be_its_own),
        cmocka_unit_test(a_reference_is_kept_only_when_its_term_counts),
        cmocka_unit_test(the_names_of_choices_are_those_of_the_enums),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(an_unknown_key_is_refused_by_file_line_and_name),
        cmocka_unit_test(a_value_out_of_range_is_refused_by_file_and_line),
        cmocka_unit_test(keys_that_contradict_each_other_are_refused_by_file_and_stage),
        cmocka_unit_test(a_schedule_and_a_loss_follow_from_the_keys),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
