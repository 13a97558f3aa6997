#!/usr/bin/env bash
# Evaluations on the way change nothing, are accounted for once each, also when a
# learner goes on from the checkpoint that follows one, and are to be had while
# pre-training too.
. "$(dirname "$0")/lib.sh"

make_base
n_evaluated() { json "$work/ledger.json" 'd["dropped_by"]["evaluated"]'; }
n_reports() { rows "$1/metrics.jsonl" 'len(evals)'; }

# --- while pre-training -----------------------------------------------------------------------------
evals=(stages.base.trainer.test_freq=10 eval.n_prompts=8 eval.n=4)
run=$work/feed
stage "$run" base 1 1 "$work/start" "${evals[@]}" stages.base.trainer.val_before_train=true
expect "weights of pre-training with evaluations" "$(weights_of "$work/base")" "$(weights_of "$run")"
expect "evaluations reported: before, after 10, 20 and 30 steps" 4 "$(n_reports "$run")"
expect "prompts evaluated" 32 "$(n_evaluated)"
expect "what is still in flight" 0 "$(json "$work/ledger.json" 'd["in_flight"]')"

# --- a learner that dies soon after an evaluation and a checkpoint -----------------------------------------
# A stage so small is over within the time it takes to look for its processes: they are
# looked for before its actor comes and it begins.
dies_after() { # RUN STAGE STEPS MODEL [key=value ...]
    local run=$1 name=$2 n=$3 model=$4 of_learner of_actor doomed
    shift 4
    learner dying "$run" "$name" 1 "model.path=$model" "$@"
    of_learner=$pid
    wait_for 60 "a learner for $run" test -e "$run/endpoint"
    doomed=$(pids_of_test E2E_NAME=dying)
    actor mourner "$run" --slots 16
    of_actor=$pid
    until [ "$(steps_of "$run")" -ge "$n" ]; do
        has_ended "$of_learner" && fail "the learner of $run ended before $n steps"
    done
    # shellcheck disable=SC2086
    kill -KILL $doomed
    end "$of_actor"
    ended "$of_learner" 30 dying
    [ ! -e "$run/result.json" ] || fail "$run was over before its learner could be killed"
}

run=$work/feed2
dies_after "$run" base 12 "$work/start" "${evals[@]}" trainer.save_freq=10
stage "$run" base 1 1 "$work/start" "${evals[@]}" trainer.save_freq=10
expect_text "pre-training went on" "$work/feed2-learner.log" 'resume step='
expect "weights of pre-training that went on" "$(weights_of "$work/base")" "$(weights_of "$run")"
expect "evaluations reported" 3 "$(n_reports "$run")"
expect "prompts evaluated" 24 "$(n_evaluated)"

run=$work/rl
evals=(stages.rl.trainer.total_training_steps=20 stages.rl.trainer.test_freq=4)
evals+=(stages.rl.trainer.val_before_train=false trainer.save_freq=4)
dies_after "$run" rl 5 "$base" "${evals[@]}"
stage "$run" rl 1 1 "$base" "${evals[@]}"
expect_text "training went on" "$work/rl-learner.log" 'resume step='
expect "evaluations reported" 5 "$(n_reports "$run")"
expect "prompts evaluated" 80 "$(n_evaluated)"
expect "what is still in flight" 0 "$(json "$work/ledger.json" 'd["in_flight"]')"
