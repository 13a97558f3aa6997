#!/usr/bin/env bash
# Trainer and actor compute the same log-probabilities, bit for bit, on the first
# mini-batch of every synchronous rollout; an actor with one wrong bit is seen.
. "$(dirname "$0")/lib.sh"

# rollout_corr/max_abs_diff is of the first mini-batch, the only one whose
# samples were all drawn by the version that is being trained.
name=rollout_corr/max_abs_diff

make_base

stage "$work/right" rl 2 1 "$base"
expect "rollout_corr_max_abs_diff in result.json" 0.0 \
    "$(json "$work/right/result.json" 'float(d["rollout_corr_max_abs_diff"])')"
expect "$name of every step" "[0.0, 0.0, 0.0, 0.0, 0.0]" \
    "$(rows "$work/right/metrics.jsonl" "[float(r['$name']) for r in rows]")"
# Two zeros that nobody computed would be equal as well.
expect "steps whose update moved the weights" 5 \
    "$(rows "$work/right/metrics.jsonl" "sum(r['actor/grad_norm'] > 0 for r in rows)")"

# The control: bit 0 of one weight, of the 100th of the first matrix.
learner wrong-learner "$work/wrong" rl 1 "model.path=$base"
of_learner=$pid
actor wrong-actor "$work/wrong" --fault-flip-weight 2100
ended "$of_learner" 60 wrong-learner
expect "status with an actor of a flipped bit" 0 "$status"
expect "whether a flipped bit shows in result.json" true \
    "$(json "$work/wrong/result.json" 'd["rollout_corr_max_abs_diff"] > 0')"
expect "whether it shows in the first step" true \
    "$(rows "$work/wrong/metrics.jsonl" "rows[0]['$name'] > 0")"
expect_not "weights trained with a flipped bit" "$(weights_of "$work/right")" \
    "$(weights_of "$work/wrong")"
