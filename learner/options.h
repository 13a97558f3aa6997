/*
 * options.h - what a recipe can say, as one table and the struct it fills.
 *
 * The names are the field's.  Keys that only the front end acts on (resources,
 * model.preset) and those that only actors read (task, template, rewards,
 * corpus) are known here too, so that every key of a recipe is checked in one
 * place.
 */
#ifndef ARGOSY_LEARNER_OPTIONS_H
#define ARGOSY_LEARNER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/recipe.h"
#include "learner/adamw.h"
#include "learner/gradient.h"
#include "learner/schedule.h"

enum stage_kind { STAGE_PRETRAIN, STAGE_SFT, STAGE_GRPO, STAGE_EVAL };
enum stage_mode { MODE_SYNC, MODE_ONE_STEP_OFF };
enum zero_variance { ZERO_VARIANCE_KEEP, ZERO_VARIANCE_DROP };
enum bad_row { BAD_ROW_STOP, BAD_ROW_SKIP };
enum resume_mode { RESUME_AUTO, RESUME_DISABLE };
enum numerics { NUMERICS_PORTABLE, NUMERICS_NATIVE };

struct options {
    int kind; // enum stage_kind

    const char *model_path, *model_preset, *model_tokenizer;

    // Specs: JSON text.
    const char *task, *template, *rewards, *corpus;
    const char *train_files, *val_files, *files;
    const char *data_convention, *data_grader;
    const char *prompt_key, *answer_key, *completion_key, *level_key, *source_key;
    int on_bad_row; // enum bad_row

    uint64_t seed, train_batch_size, max_prompt_length, max_response_length, prefetch_steps;
    uint64_t rollout_n, rollout_top_k;
    double rollout_temperature, rollout_top_p;

    int adv_estimator, zero_variance, loss_agg_mode;
    bool norm_adv_by_std, overlong_filtering, use_kl_loss;
    double clip_ratio, clip_ratio_low, clip_ratio_high, clip_ratio_c, kl_loss_coef, grad_clip;
    int kl_loss_type; // enum kl_kind
    uint64_t ref_refresh_steps, ppo_mini_batch_size, ppo_epochs;

    double lr, min_lr_ratio, decay_start;
    uint64_t lr_warmup_steps;
    int lr_scheduler; // enum schedule_kind
    struct adamw_config adamw;

    uint64_t total_training_steps, save_freq, test_freq, max_ckpt_to_keep, rollout_timeout_s;
    bool val_before_train, recompute, void_on_fault;
    int resume_mode, mode;
    uint64_t lanes, pack_tokens, fault_retries;

    uint64_t eval_n_prompts, eval_n, eval_samples_per_lease, eval_top_k;
    double eval_temperature, eval_top_p;

    uint64_t ranks, threads, actors, actor_threads, actor_slots;
    uint64_t actor_cache_mib, memory_limit_mib;
    bool restart_actors, check_memory, share_weights, literal_prompts;

    const char *net_bind, *net_advertise, *prompt_suffix;
    uint64_t net_port;
    bool net_curve;
    uint64_t lease_timeout_s, prompts_per_lease;

    int numerics, kv;
};

// Fills *o for one stage; strings belong to the recipe.  ERR_USAGE names the
// key and what would be right, also for keys that contradict each other.
int options_read(struct options *o, struct recipe *recipe, size_t stage, struct err *err);

void options_write_json(const struct options *o, struct json_writer *out);
void options_print_keys(FILE *out);

bool options_is_data_key(const char *key);     // of one file of data.*_files, besides path
bool options_is_feed(const struct options *o); // pretrain, sft
bool options_wants_reference(const struct options *o);
bool options_wants_eval(const struct options *o);
uint32_t options_sequence_max(const struct options *o); // tokens of a prompt and its response
uint32_t options_document_max(const struct options *o); // tokens that one pack can hold
struct loss_config options_loss(const struct options *o);
struct schedule options_schedule(const struct options *o);

#endif
