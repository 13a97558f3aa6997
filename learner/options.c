#include "learner/options.h"

#include <stddef.h>
#include <string.h>

#include "common/base/json.h"
#include "learner/lanes.h"

#define AT(field) offsetof(struct options, field)
#define BILLION 1e9

static const struct recipe_key keys[] = {
    {"kind", RECIPE_CHOICE, AT(kind), "grpo", 0, 0, "pretrain|sft|grpo|eval", "what a stage does"},

    {"model.path", RECIPE_STRING, AT(model_path), "", 0, 0, NULL,
     "Hugging Face folder the stage starts from"},
    {"model.preset", RECIPE_STRING, AT(model_preset), "", 0, 0, NULL,
     "make model.path first, as `argosy init` would"},
    {"model.tokenizer", RECIPE_STRING, AT(model_tokenizer), "", 0, 0, NULL,
     "folder of the tokenizer of a preset that has none of its own"},

    {"task", RECIPE_SPEC, AT(task), "null", 0, 0, NULL, "where prompts and answers come from"},
    {"template", RECIPE_SPEC, AT(template), "null", 0, 0, NULL,
     "how a problem becomes a prompt: auto, a name or text with {prompt}"},
    {"rewards", RECIPE_SPEC, AT(rewards), "null", 0, 0, NULL, "reward components and weights"},
    {"corpus", RECIPE_SPEC, AT(corpus), "null", 0, 0, NULL, "documents of pretrain and sft"},
    {"files", RECIPE_SPEC, AT(files), "null", 0, 0, NULL,
     "name: path of further files that actors fetch from the learner"},

    {"data.train_files", RECIPE_SPEC, AT(train_files), "null", 0, 0, NULL,
     "JSONL of the training set: a path, {path, weight, source, ...}, or a list of these"},
    {"data.val_files", RECIPE_SPEC, AT(val_files), "null", 0, 0, NULL,
     "JSONL of the held-out set, likewise"},
    {"data.convention", RECIPE_STRING, AT(data_convention), "", 0, 0, NULL,
     "what rows look like; empty: as the first ones of each file show"},
    {"data.grader", RECIPE_STRING, AT(data_grader), "", 0, 0, NULL,
     "of answers; empty: as the convention says"},
    {"data.prompt_key", RECIPE_STRING, AT(prompt_key), "", 0, 0, NULL, "column of the prompt"},
    {"data.answer_key", RECIPE_STRING, AT(answer_key), "", 0, 0, NULL, "of the reference answer"},
    {"data.completion_key", RECIPE_STRING, AT(completion_key), "", 0, 0, NULL,
     "of what a corpus learns"},
    {"data.level_key", RECIPE_STRING, AT(level_key), "", 0, 0, NULL, "of the difficulty"},
    {"data.source_key", RECIPE_STRING, AT(source_key), "", 0, 0, NULL,
     "of where a row is from, for metrics"},
    {"data.on_bad_row", RECIPE_CHOICE, AT(on_bad_row), "stop", 0, 0, "stop|skip",
     "a row that cannot be used ends the run, or is passed over and counted"},
    {"data.seed", RECIPE_U64, AT(seed), "1", 0, 9007199254740991.0, NULL,
     "of prompts, documents and sampling"},
    {"data.train_batch_size", RECIPE_U64, AT(train_batch_size), "32", 1, 1e6, NULL,
     "prompts of a rollout; documents of a step when pre-training"},
    {"data.max_prompt_length", RECIPE_U64, AT(max_prompt_length), "512", 1, 131072, NULL, "tokens"},
    {"data.max_response_length", RECIPE_U64, AT(max_response_length), "512", 1, 131072, NULL,
     "tokens sampled at most"},
    {"data.prompt_suffix", RECIPE_STRING, AT(prompt_suffix), "", 0, 0, NULL,
     "text put after each problem, before the template"},
    {"data.literal_prompts", RECIPE_BOOL, AT(literal_prompts), "false", 0, 0, NULL,
     "special tokens spelled out in a problem are text, not tokens"},
    {"data.prefetch_steps", RECIPE_U64, AT(prefetch_steps), "2", 0, 64, NULL,
     "steps of documents asked for ahead"},

    {"rollout.n", RECIPE_U64, AT(rollout_n), "16", 1, 4096, NULL, "samples of a prompt (group)"},
    {"rollout.temperature", RECIPE_DOUBLE, AT(rollout_temperature), "1.0", 0, 10, NULL, ""},
    {"rollout.top_p", RECIPE_DOUBLE, AT(rollout_top_p), "1.0", 0, 1, NULL, ""},
    {"rollout.top_k", RECIPE_U64, AT(rollout_top_k), "0", 0, 1e6, NULL, "0: off"},

    {"algorithm.adv_estimator", RECIPE_CHOICE, AT(adv_estimator), "grpo", 0, 0, "grpo", ""},
    {"algorithm.norm_adv_by_std_in_grpo", RECIPE_BOOL, AT(norm_adv_by_std), "true", 0, 0, NULL,
     "divide advantages by the group's standard deviation"},
    {"algorithm.zero_variance", RECIPE_CHOICE, AT(zero_variance), "keep", 0, 0, "keep|drop",
     "groups whose rewards are all equal: in the loss or left out"},
    {"algorithm.overlong_filtering", RECIPE_BOOL, AT(overlong_filtering), "false", 0, 0, NULL,
     "samples cut at their length count for their group and are left out of the loss"},

    {"actor.clip_ratio", RECIPE_DOUBLE, AT(clip_ratio), "0.2", 0, 1e6, NULL,
     "low and high at once"},
    {"actor.clip_ratio_low", RECIPE_DOUBLE, AT(clip_ratio_low), "-1", -1, 1e6, NULL,
     "-1: actor.clip_ratio"},
    {"actor.clip_ratio_high", RECIPE_DOUBLE, AT(clip_ratio_high), "-1", -1, 1e6, NULL,
     "-1: actor.clip_ratio"},
    {"actor.clip_ratio_c", RECIPE_DOUBLE, AT(clip_ratio_c), "0", 0, 1e6, NULL,
     "above 1: bound of the ratio where the advantage is negative; 0: none"},
    {"actor.use_kl_loss", RECIPE_BOOL, AT(use_kl_loss), "false", 0, 0, NULL,
     "divergence from the reference, in the loss"},
    {"actor.kl_loss_type", RECIPE_CHOICE, AT(kl_loss_type), "k3", 0, 0, "k3|k1|k2|abs|k3+",
     "how the divergence is estimated"},
    {"actor.kl_loss_coef", RECIPE_DOUBLE, AT(kl_loss_coef), "0.001", 0, 1e3, NULL, ""},
    {"actor.ref_refresh_steps", RECIPE_U64, AT(ref_refresh_steps), "0", 0, BILLION, NULL,
     "the reference becomes the newest policy every so many steps; 0: never"},
    {"actor.loss_agg_mode", RECIPE_CHOICE, AT(loss_agg_mode), "seq-mean-token-mean", 0, 0,
     "token-mean|seq-mean-token-sum|seq-mean-token-mean|seq-mean-token-sum-norm",
     "how the losses of tokens become one number"},
    {"actor.ppo_mini_batch_size", RECIPE_U64, AT(ppo_mini_batch_size), "0", 0, 1e6, NULL,
     "prompts of an optimiser step; 0: the whole rollout"},
    {"actor.ppo_epochs", RECIPE_U64, AT(ppo_epochs), "1", 1, 1e3, NULL,
     "only 1: a rollout is trained on once"},
    {"actor.grad_clip", RECIPE_DOUBLE, AT(grad_clip), "1.0", 0, 1e9, NULL,
     "global norm; 0: no clipping"},

    {"actor.optim.lr", RECIPE_DOUBLE, AT(lr), "1e-6", 0, 10, NULL, ""},
    {"actor.optim.beta1", RECIPE_DOUBLE, AT(adamw.beta1), "0.9", 0, 0.999999, NULL, ""},
    {"actor.optim.beta2", RECIPE_DOUBLE, AT(adamw.beta2), "0.95", 0, 0.9999999, NULL, ""},
    {"actor.optim.eps", RECIPE_DOUBLE, AT(adamw.eps), "1e-8", 1e-20, 1, NULL, ""},
    {"actor.optim.weight_decay", RECIPE_DOUBLE, AT(adamw.weight_decay), "0.0", 0, 10, NULL,
     "decoupled, matrices only"},
    {"actor.optim.lr_warmup_steps", RECIPE_U64, AT(lr_warmup_steps), "0", 0, BILLION, NULL, ""},
    {"actor.optim.lr_scheduler", RECIPE_CHOICE, AT(lr_scheduler), "constant", 0, 0,
     "constant|cosine|wsd", "wsd: constant, then linear from decay_start on"},
    {"actor.optim.min_lr_ratio", RECIPE_DOUBLE, AT(min_lr_ratio), "0.0", 0, 1, NULL,
     "of lr, at the end of the decay"},
    {"actor.optim.decay_start", RECIPE_DOUBLE, AT(decay_start), "0.8", 0, 1, NULL,
     "fraction of the run"},

    {"trainer.total_training_steps", RECIPE_U64, AT(total_training_steps), "1", 1, BILLION, NULL,
     "rollouts, or batches of documents"},
    {"trainer.save_freq", RECIPE_U64, AT(save_freq), "0", 0, BILLION, NULL,
     "steps between checkpoints; 0: only when stopped"},
    {"trainer.test_freq", RECIPE_U64, AT(test_freq), "0", 0, BILLION, NULL,
     "steps between evaluations; 0: none"},
    {"trainer.val_before_train", RECIPE_BOOL, AT(val_before_train), "false", 0, 0, NULL, ""},
    {"trainer.resume_mode", RECIPE_CHOICE, AT(resume_mode), "auto", 0, 0, "auto|disable",
     "go on from the newest checkpoint of the run folder"},
    {"trainer.max_actor_ckpt_to_keep", RECIPE_U64, AT(max_ckpt_to_keep), "2", 1, 1e6, NULL, ""},
    {"trainer.mode", RECIPE_CHOICE, AT(mode), "sync", 0, 0, "sync|one_step_off",
     "one_step_off: the next batch is generated while this one trains"},
    {"trainer.lanes", RECIPE_U64, AT(lanes), "4", 1, 1024, NULL,
     "parallel sums of a step, a power of two; the result depends on it, not on the ranks"},
    {"trainer.pack_tokens", RECIPE_U64, AT(pack_tokens), "2048", 16, 1e7, NULL,
     "tokens computed at once"},
    {"trainer.recompute", RECIPE_BOOL, AT(recompute), "false", 0, 0, NULL,
     "keep layer inputs only: less memory, same bits"},
    {"trainer.rollout_timeout_s", RECIPE_U64, AT(rollout_timeout_s), "600", 1, 1e7, NULL,
     "without any new result"},
    {"trainer.void_on_fault", RECIPE_BOOL, AT(void_on_fault), "false", 0, 0, NULL,
     "a group whose scorer fails is dropped instead of ending the run"},
    {"trainer.fault_retries", RECIPE_U64, AT(fault_retries), "2", 0, 100, NULL,
     "of a group whose scorer failed"},

    {"eval.n_prompts", RECIPE_U64, AT(eval_n_prompts), "0", 0, 1e6, NULL,
     "held-out prompts; 0: all, of a stage of kind eval, else no evaluation"},
    {"eval.n", RECIPE_U64, AT(eval_n), "16", 1, 4096, NULL, "samples of each"},
    {"eval.samples_per_lease", RECIPE_U64, AT(eval_samples_per_lease), "16", 1, 4096, NULL,
     "at most; fewer spread a prompt over more actors and lose less when one dies"},
    {"eval.temperature", RECIPE_DOUBLE, AT(eval_temperature), "1.0", 0, 10, NULL, ""},
    {"eval.top_p", RECIPE_DOUBLE, AT(eval_top_p), "1.0", 0, 1, NULL, ""},
    {"eval.top_k", RECIPE_U64, AT(eval_top_k), "0", 0, 1e6, NULL, "0: off"},

    {"resources.ranks", RECIPE_U64, AT(ranks), "1", 1, 1024, NULL, "learner ranks"},
    {"resources.threads", RECIPE_U64, AT(threads), "0", 0, 1024, NULL,
     "of a rank; 0: as the machine allows"},
    {"resources.actors", RECIPE_U64, AT(actors), "1", 0, 1024, NULL, "started on this machine"},
    {"resources.actor_threads", RECIPE_U64, AT(actor_threads), "0", 0, 1024, NULL,
     "of an actor; 0: as the machine allows"},
    {"resources.actor_slots", RECIPE_U64, AT(actor_slots), "64", 1, 65536, NULL,
     "samples an actor generates at once"},
    {"resources.actor_cache_mib", RECIPE_U64, AT(actor_cache_mib), "2048", 1, 4194304, NULL,
     "of an actor, for keys and values at most"},
    {"resources.share_weights", RECIPE_BOOL, AT(share_weights), "true", 0, 0, NULL,
     "the actors started here hold one copy of the weights"},
    {"resources.check_memory", RECIPE_BOOL, AT(check_memory), "true", 0, 0, NULL,
     "refuse to start what cannot fit the memory"},
    {"resources.memory_limit_mib", RECIPE_U64, AT(memory_limit_mib), "0", 0, 1e9, NULL,
     "of this machine, for ranks and actors together; 0: what is free"},
    {"resources.restart_actors", RECIPE_BOOL, AT(restart_actors), "true", 0, 0, NULL,
     "replace an actor that died"},

    {"net.bind", RECIPE_STRING, AT(net_bind), "127.0.0.1", 0, 0, NULL, "address to listen on"},
    {"net.advertise", RECIPE_STRING, AT(net_advertise), "", 0, 0, NULL,
     "address that actors dial; empty: net.bind"},
    {"net.port", RECIPE_U64, AT(net_port), "0", 0, 65535, NULL, "0: any free one"},
    {"net.curve", RECIPE_BOOL, AT(net_curve), "true", 0, 0, NULL,
     "encrypt and authenticate; false only on loopback"},
    {"net.lease_timeout_s", RECIPE_U64, AT(lease_timeout_s), "30", 1, 1e6, NULL,
     "without progress, then another actor gets the work"},
    {"net.prompts_per_lease", RECIPE_U64, AT(prompts_per_lease), "16", 1, 4096, NULL,
     "documents of one lease"},

    {"numerics", RECIPE_CHOICE, AT(numerics), "portable", 0, 0, "portable|native",
     "portable: the same bits on any machine"},
    {"kv", RECIPE_CHOICE, AT(kv), "float32", 0, 0, "float32", "type of keys and values"},
};
#define N_KEYS (sizeof keys / sizeof *keys)

static int refuse(struct err *err, const struct recipe *recipe, size_t stage, const char *text)
{
    return err_set(err, ERR_USAGE, "%s: stage %s: %s", recipe_path(recipe),
                   recipe_stage_name(recipe, stage), text);
}

// Only tasks that are generated do without files.
static bool lacks_data(const struct options *o)
{
    struct err ignored;
    struct json_document *task = json_parse(o->task, strlen(o->task), "task", &ignored);
    const char *name =
        task == NULL ? NULL : json_to_string(json_member(json_root(task), "name"), NULL);
    const bool is_of_files = name != NULL && strcmp(name, "jsonl") == 0;

    json_destroy(task);
    return o->kind == STAGE_GRPO && is_of_files && strcmp(o->train_files, "null") == 0;
}

// What each key allows by itself and all of them together do not.
static const char *contradiction(const struct options *o)
{
    if (!lanes_are_valid((uint32_t)o->lanes, 1)) return "trainer.lanes is not a power of two";
    if (!lanes_are_valid((uint32_t)o->lanes, (int)o->ranks)) {
        return "resources.ranks does not divide trainer.lanes";
    }
    if (o->rollout_top_p <= 0) return "rollout.top_p must be above 0";
    if (o->eval_top_p <= 0) return "eval.top_p must be above 0";
    if (o->ppo_mini_batch_size > o->train_batch_size) {
        return "actor.ppo_mini_batch_size is larger than data.train_batch_size";
    }
    if (o->ppo_epochs != 1) return "actor.ppo_epochs can only be 1";
    if ((o->test_freq > 0 || o->val_before_train) && o->eval_n_prompts == 0) {
        return "trainer.test_freq and val_before_train need eval.n_prompts above 0";
    }
    if (o->model_path[0] == '\0' && o->model_preset[0] == '\0') {
        return "model.path is missing: the folder of a model, in the recipe or as model.path=DIR "
               "after it";
    }
    if (lacks_data(o)) {
        return "data.train_files is missing: JSONL with problems and answers, in the recipe or as "
               "data.train_files=FILE after it";
    }
    if (o->clip_ratio_c != 0 && o->clip_ratio_c <= 1) {
        return "actor.clip_ratio_c must be 0 or above 1";
    }
    if (o->mode == MODE_ONE_STEP_OFF && o->kind != STAGE_GRPO) {
        return "trainer.mode one_step_off is for kind grpo";
    }
    return NULL;
}

int options_read(struct options *o, struct recipe *recipe, size_t stage, struct err *err)
{
    const char *text;

    memset(o, 0, sizeof *o);
    if (recipe_bind(recipe, stage, keys, N_KEYS, o, err) != 0) return -1;
    if (o->clip_ratio_low < 0) o->clip_ratio_low = o->clip_ratio;
    if (o->clip_ratio_high < 0) o->clip_ratio_high = o->clip_ratio;
    if (o->ppo_mini_batch_size == 0) o->ppo_mini_batch_size = o->train_batch_size;
    text = contradiction(o);
    return text ? refuse(err, recipe, stage, text) : 0;
}

void options_write_json(const struct options *o, struct json_writer *out)
{
    recipe_write_json(keys, N_KEYS, o, out);
}

void options_print_keys(FILE *out)
{
    recipe_print_keys(keys, N_KEYS, out);
}

bool options_is_data_key(const char *key)
{
    static const char *const known[] = {"weight",         "source",     "convention",
                                        "grader",         "prompt_key", "answer_key",
                                        "completion_key", "level_key",  "source_key"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i], key) == 0) return true;
    }
    return false;
}

bool options_is_feed(const struct options *o)
{
    return o->kind == STAGE_PRETRAIN || o->kind == STAGE_SFT;
}

bool options_wants_reference(const struct options *o)
{
    return o->kind == STAGE_GRPO && o->use_kl_loss && o->kl_loss_coef > 0;
}

bool options_wants_eval(const struct options *o)
{
    return o->kind == STAGE_EVAL || o->test_freq > 0 || o->val_before_train;
}

uint32_t options_sequence_max(const struct options *o)
{
    return (uint32_t)(o->max_prompt_length + o->max_response_length);
}

uint32_t options_document_max(const struct options *o)
{
    const uint32_t n = options_sequence_max(o);

    return o->pack_tokens > n ? (uint32_t)o->pack_tokens : n;
}

struct loss_config options_loss(const struct options *o)
{
    return (struct loss_config){
        .kind = o->kind == STAGE_GRPO ? LOSS_GRPO : LOSS_CROSS_ENTROPY,
        .clip_ratio_low = (float)o->clip_ratio_low,
        .clip_ratio_high = (float)o->clip_ratio_high,
        .clip_ratio_c = (float)o->clip_ratio_c,
        .kl_loss_coef = options_wants_reference(o) ? (float)o->kl_loss_coef : 0.0f,
        .kl_kind = (enum kl_kind)o->kl_loss_type,
    };
}

struct schedule options_schedule(const struct options *o)
{
    return (struct schedule){
        .kind = (enum schedule_kind)o->lr_scheduler,
        .lr = o->lr,
        .min_lr_ratio = o->min_lr_ratio,
        .decay_start = o->decay_start,
        .warmup_steps = o->lr_warmup_steps,
        .total_steps = o->total_training_steps,
    };
}
