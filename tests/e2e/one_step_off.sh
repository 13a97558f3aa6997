#!/usr/bin/env bash
# trainer.mode=one_step_off: the next batch is generated while this one trains, so
# samples are one version old and never older.
. "$(dirname "$0")/lib.sh"

make_base
stage "$work/off" rl 2 2 "$base" trainer.mode=one_step_off resources.ranks=2 \
    trainer.total_training_steps=6 trainer.test_freq=3
metrics=$work/off/metrics.jsonl
expect "steps" "[1, 2, 3, 4, 5, 6]" "$(rows "$metrics" '[r["training/global_step"] for r in rows]')"
expect "off_policy/max of every step" "[0.0, 1.0, 1.0, 1.0, 1.0, 1.0]" \
    "$(rows "$metrics" '[float(r["off_policy/max"]) for r in rows]')"
expect "whether off_policy/mean is at most 1" true \
    "$(rows "$metrics" 'all(0 <= r["off_policy/mean"] <= 1 for r in rows)')"
# Stale samples are the one thing that makes trainer and rollout differ.
expect "rollout_corr/max_abs_diff of the first step" 0.0 \
    "$(rows "$metrics" 'float(rows[0]["rollout_corr/max_abs_diff"])')"
expect "whether later steps see the difference of a version" true \
    "$(rows "$metrics" 'any(r["rollout_corr/max_abs_diff"] > 0 for r in rows[1:])')"
expect "samples trained" $((6 * 8 * 8)) "$(json "$work/ledger.json" 'd["samples"]["trained"]')"

# Stopped and gone on: the same sum holds, and no step is done twice.
run=$work/stopped
learner stopped-learner "$run" rl 1 "model.path=$base" trainer.mode=one_step_off \
    trainer.total_training_steps=8 trainer.test_freq=0
of_learner=$pid
actor stopped-actor "$run"
of_actor=$pid
wait_for 60 "two steps" has_steps "$run" 2
kill -STOP "$of_actor"
kill -USR1 "$of_learner"
ended "$of_learner" 30 stopped-learner
kill -KILL "$of_actor"
wait "$of_actor" 2>/dev/null
[ ! -e "$run/result.json" ] || fail "the run was over before it could be stopped"
stage "$run" rl 1 1 "$base" trainer.mode=one_step_off trainer.total_training_steps=8 \
    trainer.test_freq=0
expect "steps of a run that was stopped" "[1, 2, 3, 4, 5, 6, 7, 8]" \
    "$(rows "$run/metrics.jsonl" '[r["training/global_step"] for r in rows]')"
