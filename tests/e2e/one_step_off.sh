#!/usr/bin/env bash
# trainer.mode=one_step_off: the next batch is generated while this one trains, so
# samples are one version old and never older.  Which version draws what is fixed
# all the same: the fleet, a stop and going on do not show in the weights.
. "$(dirname "$0")/lib.sh"

make_base
off=(stages.rl.trainer.mode=one_step_off stages.rl.trainer.total_training_steps=40
    stages.rl.trainer.test_freq=20)
stage "$work/off" rl 2 2 "$base" "${off[@]}" resources.ranks=2
metrics=$work/off/metrics.jsonl
expect "steps" "$(python3 -c 'print(list(range(1, 41)))')" \
    "$(rows "$metrics" '[r["training/global_step"] for r in rows]')"
expect "off_policy/max of every step" "[0.0, 1.0]" \
    "$(rows "$metrics" 'sorted({float(r["off_policy/max"]) for r in rows})')"
expect "whether only the first step's samples are fresh" true \
    "$(rows "$metrics" '[r["off_policy/max"] for r in rows].index(1.0) == 1 and all(0 <= r["off_policy/mean"] <= 1 for r in rows)')"
# Stale samples are the one thing that makes trainer and rollout differ.
expect "rollout_corr/max_abs_diff of the first step" 0.0 \
    "$(rows "$metrics" 'float(rows[0]["rollout_corr/max_abs_diff"])')"
expect "whether later steps see the difference of a version" true \
    "$(rows "$metrics" 'any(r["rollout_corr/max_abs_diff"] > 0 for r in rows[1:])')"
expect "samples trained" $((40 * 8 * 8)) "$(json "$work/ledger.json" 'd["samples"]["trained"]')"

# Stopped while it waits for samples, which the weights before the newest draw: the
# actor, with one group in hand at a time, goes first.
run=$work/stopped
for wanted in 2 10 18; do
    learner stopped-learner "$run" rl 1 "model.path=$base" "${off[@]}"
    of_learner=$pid
    actor stopped-actor "$run" --slots 8
    of_actor=$pid
    wait_for 60 "$wanted steps" has_steps "$run" "$wanted"
    end "$of_actor"
    kill -USR1 "$of_learner"
    ended "$of_learner" 30 stopped-learner
    expect "status of a learner that was stopped" 75 "$status"
done
stage "$run" rl 1 1 "$base" "${off[@]}"
expect "weights of a run that was stopped" "$(weights_of "$work/off")" "$(weights_of "$run")"
expect "steps of a run that was stopped" 40 "$(rows "$run/metrics.jsonl" 'len(rows)')"
