#!/usr/bin/env bash
# What `argosy run` does about deaths: an actor's is made good, the learner's ends
# the run with its reason, and its own leaves nobody behind.
. "$(dirname "$0")/lib.sh"

of_front() { # NAME PROGRAM: the ids of that program's processes under it
    local id
    for id in $(pids_of_test "E2E_NAME=$1"); do
        [ "$(cat "/proc/$id/comm" 2>/dev/null)" = "$2" ] && echo "$id"
    done
}
has_actors() { [ "$(of_front "$1" argosy-actor | wc -l)" -ge "$2" ]; } # NAME N

long=(stages.rl.trainer.total_training_steps=60 stages.rl.trainer.test_freq=0)
run=$work/actors
start front "$bin/argosy" run "$recipe" --run "$run" "${long[@]}" resources.actors=2
front=$pid
wait_for 60 "a step of stage rl" has_steps "$run/rl" 1
victims=$(of_front front argosy-actor)
# shellcheck disable=SC2086
kill -KILL $victims
ended "$front" 60 front
expect "status of argosy run after its actors were killed ($(tail -n 2 "$work/front.log"))" 0 "$status"
expect_text "the first actor's end" "$work/front.log" 'actor 0 ended status=137'
expect_text "the second actor's end" "$work/front.log" 'actor 1 ended status=137'
stage "$work/plain" rl 1 1 "$run/base/model" "${long[@]}"
expect "weights after all actors were killed" "$(weights_of "$work/plain")" "$(weights_of "$run/rl")"
expect "whether the ledger of argosy run balances" true "$(json "$run/summary.json" 'd["ledger"]["balanced"]')"

# The learner's death is the run's, with a reason and without a result.
run=$work/learner
start front2 "$bin/argosy" run "$recipe" --run "$run" "${long[@]}"
front=$pid
wait_for 60 "a step of stage rl" has_steps "$run/rl" 1
kill -KILL $(of_front front2 argosy-learner)
ended "$front" 30 front2
expect "status of argosy run after its learner was killed" 1 "$status"
expect_text "what argosy run says of its learner's death" "$work/front2.log" 'stage rl' 'learner ended'
[ ! -e "$run/rl/result.json" ] || fail "the run was over before its learner could be killed"
expect "processes left behind" "" "$(pids_of_test E2E_NAME=front2)"
# And it can be gone on with.
start front3 "$bin/argosy" run "$recipe" --run "$run" "${long[@]}"
ended "$pid" 60 front3
expect "status of argosy run that goes on after that" 0 "$status"
expect "weights after the learner was killed" "$(weights_of "$work/plain")" "$(weights_of "$run/rl")"

# The front end's own death takes everybody along.
run=$work/front
start front4 "$bin/argosy" run "$recipe" --run "$run" "${long[@]}"
front=$pid
wait_for 60 "a step of stage base" has_steps "$run/base" 1
kill -KILL "$front"
wait "$front" 2>/dev/null
nobody() { [ -z "$(pids_of_test E2E_NAME=front4)" ]; }
wait_for 20 "nobody is left behind" nobody
