#!/usr/bin/env bash
# Who generates, and on how many ranks and threads it is trained, does not show in
# the weights: not how many actors, not one's death with work in hand, not a late
# one.  The seed does.
. "$(dirname "$0")/lib.sh"

make_base
# Long enough for a signal to come before the end.
long=(stages.rl.trainer.total_training_steps=60 stages.rl.trainer.test_freq=30)
stage "$work/one" rl 1 1 "$base" "${long[@]}"
want=$(weights_of "$work/one")
expect_not "weights after the stage" "$(weights_of "$work/base")" "$want"

# --- three actors, each with too few slots for the whole rollout ----------------------------------
learner three-learner "$work/three" rl 1 "model.path=$base" "${long[@]}"
of_learner=$pid
pids=()
for i in 1 2 3; do
    actor "three-$i" "$work/three" --slots 8
    pids+=("$pid")
done
ended "$of_learner" 60 three-learner
expect "status with three actors" 0 "$status"
expect "weights with three actors" "$want" "$(weights_of "$work/three")"
balanced "$work/three"
for i in 1 2 3; do
    ended "${pids[$((i - 1))]}" 10 "three-$i"
    expect "status of actor $i of three" 0 "$status"
    expect_text "the work of actor $i of three" "$work/three-$i.log" 'over results=[1-9]'
done

# --- one killed with a lease in hand, another joins ---------------------------------------------------
learner killed-learner "$work/killed" rl 1 "model.path=$base" "${long[@]}"
of_learner=$pid
actor victim "$work/killed" --slots 8
victim=$pid
wait_for 30 "the first actor's first step" has_steps "$work/killed" 1
# Stopped, it is the only actor there is: once nothing of it is under way any more,
# a lease in flight is one that it holds.
flight() { "$bin/argosy" ledger "$work/killed" --json 2>/dev/null; }
is_at_rest() { # four looks in a row see the same
    local now
    now=$(flight)
    [ -n "$now" ] && [ "$now" = "$before" ] && rest=$((rest + 1)) || rest=0
    before=$now
    [ "$rest" -ge 3 ]
}
stop_with_lease() {
    local before="" rest=0
    kill -STOP "$victim"
    wait_for 10 "nothing changes while the only actor is stopped" is_at_rest
    echo "$before" >"$work/flight.json"
    [ "$(json "$work/flight.json" 'd["in_flight"]')" -gt 0 ] && return
    kill -CONT "$victim"
    return 1
}
wait_for 30 "the actor is stopped with a lease in hand" stop_with_lease
[ -e "$work/killed/result.json" ] && fail "the stage was over before its actor could be killed"
end "$victim"
actor heir "$work/killed"
ended "$of_learner" 60 killed-learner
expect "status after an actor was killed" 0 "$status"
expect "weights after an actor was killed and another joined" "$want" "$(weights_of "$work/killed")"
balanced "$work/killed"
expect "whether leases came back from the dead" true \
    "$(json "$work/ledger.json" 'd["returned_by"].get("peer_lost", 0) > 0')"
expect "leases in flight at the end" 0 "$(json "$work/ledger.json" 'd["in_flight"]')"

# --- ranks and threads -----------------------------------------------------------------------------
stage "$work/ranks2" rl 2 1 "$base" "${long[@]}" resources.ranks=2
expect "weights on 2 ranks" "$want" "$(weights_of "$work/ranks2")"
stage "$work/ranks4" rl 4 1 "$base" "${long[@]}" resources.ranks=4
expect "weights on 4 ranks" "$want" "$(weights_of "$work/ranks4")"
expect "whether all four lanes were used in every step" true \
    "$(rows "$work/ranks4/metrics.jsonl" 'all(r["training/lanes_used"] == 4 for r in rows)')"
stage "$work/threads2" rl 1 1 "$base" "${long[@]}" resources.threads=2
expect "weights with 2 threads" "$want" "$(weights_of "$work/threads2")"

# --- pre-training, likewise ----------------------------------------------------------------------
want=$(weights_of "$work/base")
stage "$work/base3" base 2 3 "$work/start" resources.threads=2 resources.ranks=2
expect "pre-trained weights with 3 actors, 2 ranks, 2 threads" "$want" "$(weights_of "$work/base3")"

# --- the control -------------------------------------------------------------------------------------
stage "$work/seed2" rl 1 1 "$base" "${long[@]}" data.seed=2
expect_not "weights of another seed" "$(weights_of "$work/one")" "$(weights_of "$work/seed2")"
