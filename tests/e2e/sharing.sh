#!/usr/bin/env bash
# The actors of a host hold one copy of each version of the weights; a killed one
# leaves nothing behind, and the weights that are trained do not know of it.
. "$(dirname "$0")/lib.sh"

make_base
mkdir -m 700 "$work/share"
long=(stages.rl.trainer.total_training_steps=12 stages.rl.trainer.test_freq=12)

learner alone-learner "$work/alone" rl 1 "model.path=$base" "${long[@]}"
of_learner=$pid
actor alone "$work/alone" --share-weights off
ended "$of_learner" 60 alone-learner
expect "status of the run that shares nothing" 0 "$status"
expect_text "that an actor has weights of its own" "$work/alone.log" 'weights version=1 memory=own'

learner learner "$work/run" rl 1 "model.path=$base" "${long[@]}"
of_learner=$pid
pids=()
for i in 1 2 3; do
    actor "actor-$i" "$work/run" --slots 8 --share-weights "$work/share"
    pids+=("$pid")
done
wait_for 30 "the second step" has_steps "$work/run" 2
end "${pids[1]}"
ended "$of_learner" 60 learner
expect "status of the run that shares" 0 "$status"
expect "weights of the run that shares" "$(weights_of "$work/alone")" "$(weights_of "$work/run")"
for i in 1 3; do
    ended "${pids[$((i - 1))]}" 10 "actor-$i"
    expect "status of actor $i" 0 "$status"
done

# Each version was packed by one of them: whoever came while another held it found it.
packed() { cat "$work"/actor-[123].log | grep -c "memory=$1"; }
expect "versions that an actor had of its own" 0 "$(packed own)"
[ "$(packed found)" -gt 0 ] || fail "no actor ever found a version that another had packed"
expect "what is left in the folder where they met" "" "$(ls "$work/share")"
