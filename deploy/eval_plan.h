/*
 * eval_plan.h - what is to be evaluated: the options of `argosy eval`, the
 * recipe they make, and whether a run folder already holds that evaluation.
 */
#ifndef ARGOSY_DEPLOY_EVAL_PLAN_H
#define ARGOSY_DEPLOY_EVAL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define EVAL_DATA_MAX 32
#define EVAL_OVERRIDES_MAX 64
#define EVAL_PATH_BYTES 4096

struct eval_plan {
    const char *model, *task, *template, *grader, *suffix, *run;
    const char *data[EVAL_DATA_MAX];
    size_t n_data;
    double temperature, top_p;
    uint64_t n, n_prompts, top_k, max_tokens, max_prompt_tokens, seed;
    uint64_t actors, threads, slots;
    bool is_fresh, is_json;
    const char *overrides[EVAL_OVERRIDES_MAX]; // key=value of the recipe, as given
    size_t n_overrides;
    char folder[EVAL_PATH_BYTES]; // of the run: --run, or runs/eval-MODEL-DATA
};

extern const char eval_usage[];

int eval_plan_parse(struct eval_plan *p, int argc, char **argv, struct err *err);

// FOLDER/eval.yaml, the recipe, made anew unless the folder holds an
// evaluation: that has to be of the same recipe, data and weights.
int eval_plan_place(const struct eval_plan *p, char recipe_path[EVAL_PATH_BYTES], struct err *err);

#endif
