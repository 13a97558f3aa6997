#!/usr/bin/env bash
# A stage that is stopped and goes on, after any step, or whose learner is killed
# with -9, ends with the weights of one that ran through.
. "$(dirname "$0")/lib.sh"

make_base
steps=(stages.rl.trainer.total_training_steps=60 stages.rl.trainer.test_freq=4)
stage "$work/through" rl 1 1 "$base" "${steps[@]}"
want=$(weights_of "$work/through")

# Runs a stage in RUN until WANTED steps are done, then sends SIGNAL; the actor goes
# first, so that the stage cannot end before the signal is seen.
run_and_signal() { # RUN STAGE WANTED SIGNAL MODEL [key=value ...]
    local run=$1 name=$2 wanted=$3 signal=$4 model=$5 of_learner of_actor
    shift 5
    learner stopped-learner "$run" "$name" "${ranks:-1}" "model.path=$model" "$@"
    of_learner=$pid
    actor stopped-actor "$run" --slots 16
    of_actor=$pid
    wait_for 60 "$wanted steps in $run" has_steps "$run" "$wanted"
    end "$of_actor"
    if [ "$signal" = KILL ]; then
        signal_all KILL stopped-learner
    else
        kill "-$signal" "$of_learner"
    fi
    ended "$of_learner" 30 stopped-learner
    [ ! -e "$run/result.json" ] || fail "$run was over before the signal at step $wanted came"
    [ ! -e "$run/model" ] || fail "$run was stopped at step $wanted and has a model"
}

go_on() { # RUN STAGE MODEL [key=value ...]
    stage "$@"
    expect_text "$1 went on from a checkpoint" "$work/$(basename "$1")-learner.log" 'resume step='
}

# --- stopped after one step after another, in one run -----------------------------------------------
run=$work/stops
stopped_at=()
for wanted in 1 8 16 24 32 40; do
    [ "$(steps_of "$run")" -lt "$wanted" ] || continue
    run_and_signal "$run" rl "$wanted" USR1 "$base" "${steps[@]}"
    # 75: not a failure, start it again.  mpirun passes it on.
    expect "status of a learner that was stopped" 75 "$status"
    at=$(steps_of "$run")
    stopped_at+=("$at")
    # After every fourth step it may have been at an evaluation, which is then done again.
    [ $((at % 4)) -eq 0 ] || [ -s "$run/checkpoints/global_step_$at/MANIFEST.json" ] ||
        fail "stopped after step $at there is no checkpoint of it, only $(ls "$run/checkpoints")"
done
[ ${#stopped_at[@]} -ge 3 ] || fail "want at least 3 stops of one run, got ${stopped_at[*]}"
[ -n "$(ls "$run/checkpoints")" ] || fail "no stop of $run left a checkpoint"
go_on "$run" rl 1 1 "$base" "${steps[@]}"
expect "weights after stops at steps ${stopped_at[*]}" "$want" "$(weights_of "$run")"

# --- killed, with checkpoints on the way --------------------------------------------------------------
run=$work/kills
for wanted in 3 20; do
    run_and_signal "$run" rl "$wanted" KILL "$base" "${steps[@]}" trainer.save_freq=2
done
go_on "$run" rl 1 1 "$base" "${steps[@]}" trainer.save_freq=2
expect "weights after kills" "$want" "$(weights_of "$run")"
expect "whether the resumes are in the ledger" true \
    "$(json "$work/ledger.json" 'd["epochs"] >= 3')"

# --- killed before there is a checkpoint: from the journal alone ---------------------------------------
run=$work/early
run_and_signal "$run" rl 2 KILL "$base" "${steps[@]}"
stage "$run" rl 1 1 "$base" "${steps[@]}"
expect "weights after a kill before the first checkpoint" "$want" "$(weights_of "$run")"
expect "whether metrics have each step and each evaluation once" true \
    "$(rows "$run/metrics.jsonl" '[[l["training/global_step"] for l in x] for x in (rows, evals)] == [list(range(1, 61)), list(range(0, 61, 4))]')"

# --- an actor that outlives its learner: it finds the next one by itself ----------------------------------
run=$work/outlived
learner first-learner "$run" rl 1 "model.path=$base" "${steps[@]}" trainer.save_freq=2
first=$pid
actor survivor "$run"
survivor=$pid
wait_for 60 "three steps in $run" has_steps "$run" 3
signal_all KILL first-learner
ended "$first" 30 first-learner
[ ! -e "$run/result.json" ] || fail "$run was over before its learner could be killed"
learner second-learner "$run" rl 1 "model.path=$base" "${steps[@]}" trainer.save_freq=2
ended "$pid" 60 second-learner
expect "status of the second learner" 0 "$status"
ended "$survivor" 10 survivor
expect "status of the actor that outlived a learner" 0 "$status"
balanced "$run"
expect "weights after an actor outlived its learner" "$want" "$(weights_of "$run")"

# --- pre-training, and on another number of ranks -------------------------------------------------------
run=$work/base2
run_and_signal "$run" base 9 USR1 "$work/start"
go_on "$run" base 2 1 "$work/start" resources.ranks=2
expect "pre-trained weights after a stop and going on with 2 ranks" "$(weights_of "$work/base")" \
    "$(weights_of "$run")"

# More ranks than there are blocks to own, so that some shards are empty; then fewer.
run=$work/ranks
ranks=4 run_and_signal "$run" rl 3 KILL "$base" "${steps[@]}" trainer.save_freq=1
ranks=2 run_and_signal "$run" rl 8 KILL "$base" "${steps[@]}" trainer.save_freq=1
go_on "$run" rl 1 1 "$base" "${steps[@]}"
expect "weights of 4 ranks, then 2, then 1" "$want" "$(weights_of "$run")"

# --- the front end: Ctrl-C, and the same command again -------------------------------------------------
front() { # NAME
    start "$1" "$bin/argosy" run "$recipe" --run "$work/front" trainer.save_freq=0
}
front front1
of_front=$pid
wait_for 60 "a step of stage rl under argosy run" has_steps "$work/front/rl" 1
kill -INT "$of_front"
ended "$of_front" 60 front1
if [ ! -e "$work/front/rl/result.json" ]; then
    expect_not "status of argosy run after SIGINT" 0 "$status"
    expect_text "what argosy run said" "$work/front1.log" 'stopped'
fi
front front2
ended "$pid" 60 front2
expect "status of argosy run that goes on" 0 "$status"
expect_text "the stage that was done" "$work/front2.out" 'base is done already'
stage "$work/plain" rl 1 1 "$work/front/base/model"
expect "weights of argosy run after a stop" "$(weights_of "$work/plain")" \
    "$(weights_of "$work/front/rl")"
