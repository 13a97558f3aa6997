#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "learner/memory_plan.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define QWEN_ELEMENTS UINT64_C(494032768)

static const char qwen[] =
    "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": "
    "\"silu\", \"hidden_size\": 896, \"intermediate_size\": 4864, \"num_hidden_layers\": 24, "
    "\"num_attention_heads\": 14, \"num_key_value_heads\": 2, \"vocab_size\": 151936, "
    "\"max_position_embeddings\": 32768, \"rms_norm_eps\": 1e-06, \"rope_theta\": 1000000.0, "
    "\"tie_word_embeddings\": true}";

static char folder[] = "build/test-plan-XXXXXX";

static int make_folder(void **state)
{
    struct err err;
    char path[128];
    (void)state;
    if (mkdtemp(folder) == NULL || file_join(path, sizeof path, folder, "config.json", &err) != 0)
        return -1;
    return file_write_atomic(path, qwen, sizeof qwen - 1, &err);
}

static int remove_folder(void **state)
{
    struct err err;
    (void)state;
    return file_remove_tree(folder, &err);
}

// What fits 20 GiB.
static struct options small_options(void)
{
    return (struct options){.kind = STAGE_GRPO,
                            .model_path = folder,
                            .template = "null",
                            .task = "null",
                            .rewards = "null",
                            .corpus = "null",
                            .files = "null",
                            .train_files = "null",
                            .val_files = "null",
                            .train_batch_size = 8,
                            .rollout_n = 4,
                            .max_prompt_length = 320,
                            .max_response_length = 128,
                            .lanes = 1,
                            .pack_tokens = 1024,
                            .recompute = true,
                            .ranks = 1,
                            .actors = 1,
                            .actor_threads = 2,
                            .actor_slots = 64,
                            .actor_cache_mib = 2048,
                            .check_memory = true};
}

static struct memory_plan plan_of(const struct options *o)
{
    struct memory_plan p;
    struct err err;
    assert_int_equal(memory_plan_make(&p, o, &err), 0);
    return p;
}

static void each_byte_of_a_parameter_is_there_once(void **state)
{
    (void)state;
    const struct options o = small_options();
    const struct memory_plan p = plan_of(&o);
    assert_int_equal(p.n_parameters, QWEN_ELEMENTS);
    assert_int_equal(p.rank.optimizer, 12 * QWEN_ELEMENTS);
    assert_int_equal(p.rank.gradients, 4 * QWEN_ELEMENTS);
    assert_int_equal(p.rank.serving, 2 * QWEN_ELEMENTS);
    assert_int_equal(p.rank.reference, 0);
    // The flat block and the panels, tied embeddings in neither twice.
    assert_true(p.rank.weights > 4 * QWEN_ELEMENTS && 100 * p.rank.weights < 405 * QWEN_ELEMENTS);
    assert_true(p.actor.weights > 2 * QWEN_ELEMENTS && 100 * p.actor.weights < 205 * QWEN_ELEMENTS);
    assert_int_equal(p.actor.incoming, 2 * QWEN_ELEMENTS);
    assert_int_equal(p.host_bytes, p.rank_bytes + p.first_bytes + p.actor_bytes);
    assert_true(p.host_bytes < 14 * GIB);
}

static void what_a_recipe_asks_for_is_added(void **state)
{
    (void)state;
    struct options o = small_options();
    const struct memory_plan small = plan_of(&o);

    o.use_kl_loss = true;
    o.kl_loss_coef = 0.001;
    assert_int_equal(plan_of(&o).rank.reference, small.rank.weights);
    o = small_options();
    o.mode = MODE_ONE_STEP_OFF; // the version before, served and at hand
    assert_int_equal(plan_of(&o).first_bytes, small.first_bytes + 4 * QWEN_ELEMENTS);
    o = small_options();
    o.lanes = 4; // a gradient for each level of the tree of lanes
    assert_int_equal(plan_of(&o).rank.gradients, 3 * small.rank.gradients);
    o = small_options();
    o.recompute = false;
    assert_true(plan_of(&o).rank.activations > 3 * small.rank.activations);
    o = small_options();
    o.ranks = o.lanes = 4;
    o.actors = 3;
    const struct memory_plan four = plan_of(&o);
    assert_int_equal(four.rank.optimizer, small.rank.optimizer / 4);
    assert_int_equal(four.host_bytes,
                     4 * four.rank_bytes + four.first_bytes + 3 * four.actor_bytes);
}

static void an_actor_needs_cache_for_what_it_generates(void **state)
{
    (void)state;
    struct options o = small_options();
    const struct memory_plan small = plan_of(&o);
    o.train_batch_size = 16; // all 64 slots are filled
    const struct memory_plan full = plan_of(&o);
    assert_true(full.actor.cache > small.actor.cache);
    o.actor_slots = 32;
    assert_int_equal(plan_of(&o).actor.cache, small.actor.cache);
    o.max_response_length = 4096;
    assert_true(plan_of(&o).actor.cache > 4 * small.actor.cache);
    o.actor_cache_mib = 64;
    assert_int_equal(plan_of(&o).actor.cache, 64 * MIB);
    // Documents are all it sends: no weights come.
    o = small_options();
    o.kind = STAGE_PRETRAIN;
    const struct memory_plan feed = plan_of(&o);
    assert_int_equal(feed.actor.weights + feed.actor.incoming + feed.actor.cache, 0);
    assert_int_equal(feed.rank.serving, 0);
    o.test_freq = 10;
    o.eval_n_prompts = 8;
    o.eval_n = 4;
    assert_int_equal(plan_of(&o).actor.cache, small.actor.cache);
}

static void what_cannot_fit_is_refused_with_the_numbers(void **state)
{
    (void)state;
    struct options o = small_options();
    const struct memory_plan p = plan_of(&o);
    struct memory_room room = {.machine_bytes = 32 * GIB,
                               .available_bytes = 16 * GIB,
                               .group_bytes = MEMORY_UNLIMITED,
                               .group_available_bytes = MEMORY_UNLIMITED};
    struct err err;

    assert_int_equal(memory_plan_check(&p, p.host_bytes, "stage rl", &o, &room, &err), 0);
    room.available_bytes = 9 * GIB;
    assert_int_equal(memory_plan_check(&p, p.host_bytes, "stage rl", &o, &room, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "stage rl would take 13."));
    assert_non_null(strstr(err.text, "9.00 GiB of this machine's 32.00 GiB are free"));
    assert_non_null(strstr(err.text, "resources.check_memory: false"));
    room.available_bytes = 16 * GIB;
    room.group_bytes = 12 * GIB;
    room.group_available_bytes = 10 * GIB;
    assert_int_equal(memory_plan_check(&p, p.host_bytes, "stage rl", &o, &room, &err), -1);
    assert_non_null(strstr(err.text, "10.00 GiB are left of this group's 12.00 GiB"));

    o.memory_limit_mib = 20 * 1024; // what is said counts, not what is there
    assert_int_equal(memory_plan_check(&p, p.host_bytes, "stage rl", &o, &room, &err), 0);
    o.memory_limit_mib = 8 * 1024;
    assert_int_equal(memory_plan_check(&p, p.host_bytes, "stage rl", &o, &room, &err), -1);
    assert_non_null(strstr(err.text, "memory_limit_mib allows 8.00 GiB"));
    o.check_memory = false;
    assert_int_equal(memory_plan_check(&p, p.host_bytes, "stage rl", &o, &room, &err), 0);
}

static void a_model_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct options o = small_options();
    struct memory_plan p;
    struct err err;
    o.model_path = "build/no-such-model";
    assert_int_equal(memory_plan_make(&p, &o, &err), -1);
    assert_non_null(strstr(err.text, "build/no-such-model"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_a_parameter_is_there_once),
        cmocka_unit_test(what_a_recipe_asks_for_is_added),
        cmocka_unit_test(an_actor_needs_cache_for_what_it_generates),
        cmocka_unit_test(what_cannot_fit_is_refused_with_the_numbers),
        cmocka_unit_test(a_model_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
