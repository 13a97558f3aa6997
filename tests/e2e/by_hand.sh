#!/usr/bin/env bash
# As on a cluster: each program in a shell of its own, in any order.
. "$(dirname "$0")/lib.sh"

start_model "$work/start"

# An actor that is there before its learner waits for it.
actor early "$work/run" --slots 16
early=$pid
wait_for 10 "the early actor runs" is_running early
learner learner "$work/run" base 2 "model.path=$work/start" resources.ranks=2
of_learner=$pid
wait_for 30 "the learner's endpoint" test -s "$work/run/endpoint"
has_ended "$early" && fail "the actor that came before its learner has ended: $(cat "$work/early.log")"

# Another one by address and key, as from another machine.
address=$(json "$work/run/endpoint" 'd["endpoint"]')
expect "whether the endpoint is a TCP address" true \
    "$([[ $address =~ ^tcp://127\.0\.0\.1:[0-9]+$ ]] && echo true || echo "$address")"
expect "mode of actor.key" 600 "$(stat -c %a "$work/run/actor.key")"
cp -p "$work/run/actor.key" "$work/copied.key"
start late "$bin/argosy-actor" --connect "$address" --key "$work/copied.key" --name late --slots 16
late=$pid

ended "$of_learner" 60 learner
expect "status of the learner" 0 "$status"
ended "$early" 10 early
expect "status of the actor that came first" 0 "$status"
ended "$late" 10 late
expect "status of the actor that came by address" 0 "$status"
for name in early late; do
    expect_text "$name was told that the run is over" "$work/$name.log" 'over .*reason="the stage is done"'
done
balanced "$work/run"
for file in model/config.json model/model.safetensors model/tokenizer.json result.json metrics.jsonl recipe.json; do
    [ -s "$work/run/$file" ] || fail "the run has no $file"
done

# SIGTERM: an actor gives back what it holds, and says so by its status.
learner learner2 "$work/run2" base 1 "model.path=$work/start" trainer.total_training_steps=400
of_learner=$pid
actor leaver "$work/run2"
leaver=$pid
wait_for 30 "the first step" has_steps "$work/run2" 1
kill -TERM "$leaver"
ended "$leaver" 10 leaver
expect "status of an actor that was asked to stop" 0 "$status"
kill -USR1 "$of_learner"
ended "$of_learner" 30 learner2
balanced "$work/run2"
