# What the end-to-end tests share: programs, processes, waiting, claims.
#
# Source it first.  A test gets a folder of its own, $work, which goes when it
# passes and stays, its path printed, when it fails (or KEEP=1); every process that it
# started is ended.  Nothing here pauses for a fixed time: wait_for looks every
# 50 ms whether something has come true, until a deadline.
# shellcheck shell=bash
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${B:-build/release}
build=$(cd "$build" && pwd) || exit 1
bin=$build/bin
tools=$build/tests/e2e
recipe=$here/tiny.yaml
work=$(mktemp -d "${TMPDIR:-/tmp}/argosy-e2e.XXXXXX") || exit 1

# By this every process of this test is found, whoever its parent is by then.
export ARGOSY_E2E=$work
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_vader_single_copy_mechanism=none
# After a rank that ended with another status than 0, mpirun sleeps twice this long.
export OMPI_MCA_odls_base_sigkill_timeout=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-}
patience=1 # times every deadline
case $build in
*address* | *thread* | *debug*)
    patience=5
    # Open MPI never frees some of what it takes.
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
    ;;
esac

# --- processes -----------------------------------------------------------------------------------

pids_of_test() { # [more environment]: the processes of this test, its shells left out
    local marks=("ARGOSY_E2E=$work" "$@") file pid mark
    for file in /proc/[0-9]*/environ; do
        pid=${file#/proc/}
        pid=${pid%/environ}
        for mark in "${marks[@]}"; do
            grep -qzxF -- "$mark" "$file" 2>/dev/null || continue 2
        done
        echo "$pid"
    done
}

end_processes() {
    local pids tries
    for tries in 1 2 3 4 5; do
        pids=$(pids_of_test)
        [ -z "$pids" ] && return
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null
    done
}

mounts=()
finish() {
    local status=$?
    trap - EXIT
    end_processes
    for m in ${mounts[@]+"${mounts[@]}"}; do umount "$m"; done
    if [ -z "${KEEP:-}" ] && { [ "$status" -eq 0 ] || [ "$status" -eq 77 ]; }; then
        rm -rf "$work"
    else
        echo "kept: $work" >&2
    fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Each of these starts something in the background and leaves its id in $pid.
# What it says is in $work/NAME.log, and NAME is in its environment.
start() { # NAME command...
    local name=$1
    shift
    E2E_NAME=$name "$@" >"$work/$name.out" 2>"$work/$name.log" </dev/null &
    pid=$!
}

learner() { # NAME RUN STAGE RANKS [key=value ...]
    local name=$1 run=$2 stage=$3 ranks=$4
    shift 4
    start "$name" mpirun -n "$ranks" --bind-to none --oversubscribe \
        "$bin/argosy-learner" "$recipe" --stage "$stage" --run "$run" "$@"
}

actor() { # NAME RUN [option ...]
    local name=$1 run=$2
    shift 2
    # No Open MPI in it: what it does not free is its own fault.
    ASAN_OPTIONS=${ASAN_OPTIONS//detect_leaks=0/detect_leaks=1} start "$name" "$bin/argosy-actor" --run "$run" --name "$name" --threads 1 "$@"
}

signal_all() { # SIGNAL NAME: to every process started under that name
    local pids
    pids=$(pids_of_test "E2E_NAME=$2")
    [ -n "$pids" ] || fail "nothing called $2 is running, so it cannot get SIG$1"
    # shellcheck disable=SC2086
    kill "-$1" $pids
}

# --- waiting -------------------------------------------------------------------------------------

wait_for() { # SECONDS WHAT command...: until the command succeeds
    local limit=$(($1 * patience)) what=$2 end
    shift 2
    end=$((SECONDS + limit))
    until "$@"; do
        [ "$SECONDS" -le "$end" ] || fail "after $limit s still not: $what"
        sleep 0.05
    done
}

is_running() { [ -n "$(pids_of_test "E2E_NAME=$1")" ]; } # NAME

has_ended() { ! kill -0 "$1" 2>/dev/null; }

ended() { # PID SECONDS NAME: its status in $status
    local limit=$2
    wait_for "$limit" "$3 has ended (log: $work/$3.log)" has_ended "$1"
    wait "$1" 2>/dev/null
    status=$?
}

end() { # PID: at once, whatever it is at
    kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

has_text() { grep -qE -- "$2" "$1" 2>/dev/null; } # FILE REGEX

steps_of() { # RUN: training steps done, by its metrics
    local n
    n=$(grep -c '"actor/grad_norm"' "$1/metrics.jsonl" 2>/dev/null)
    echo "${n:-0}"
}

has_steps() { [ "$(steps_of "$1")" -ge "$2" ]; } # RUN N

# --- claims --------------------------------------------------------------------------------------

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

expect() { # WHAT WANT GOT
    [ "$2" = "$3" ] || fail "$1: want $2, got $3"
}

expect_not() { # WHAT UNWANTED GOT
    [ "$2" != "$3" ] || fail "$1: got $3, which it must not be"
}

expect_true() { # WHAT command...
    local what=$1
    shift
    "$@" || fail "$what"
}

expect_text() { # WHAT FILE REGEX...: all of them on one line
    local what=$1 file=$2 regex found
    shift 2
    found=$(cat "$file" 2>/dev/null)
    for regex in "$@"; do
        found=$(grep -E -- "$regex" <<<"$found") ||
            fail "$what: want a line of $file with '$*', got: $(tail -n 5 "$file" 2>&1)"
    done
}

json() { # FILE EXPRESSION of d, the parsed file
    python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
v = eval(sys.argv[2])
print(json.dumps(v) if isinstance(v, (bool, dict, list)) or v is None else v)' "$1" "$2" ||
        echo "unreadable: $1"
}

rows() { # FILE EXPRESSION of rows, the lines of training steps, and evals, the others
    python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
rows = [l for l in lines if "actor/grad_norm" in l]
evals = [l for l in lines if "actor/grad_norm" not in l]
v = eval(sys.argv[2])
print(json.dumps(v) if isinstance(v, (bool, dict, list)) or v is None else v)' "$1" "$2" ||
        echo "unreadable: $1"
}

# --- whole stages --------------------------------------------------------------------------------

weights_of() { json "$1/result.json" 'd["weights_sha256"]'; }

balanced() { # RUN: the ledger's own word, its JSON in $work/ledger.json
    "$bin/argosy" ledger "$1" --json >"$work/ledger.json" ||
        fail "argosy ledger $1 ended with status $?: $(cat "$work/ledger.json")"
    expect "ledger of $1" true "$(json "$work/ledger.json" 'd["balanced"]')"
}

start_model() { # DIR: what stage base starts from
    "$bin/argosy" init --preset tiny "$1" 2>"$work/init.log" ||
        fail "argosy init: $(cat "$work/init.log")"
}

# A stage from its first step to its end, in RUN.
stage() { # RUN STAGE RANKS ACTORS MODEL [key=value ...]
    local run=$1 name=$2 ranks=$3 n_actors=$4 model=$5 i pids=() of_learner
    shift 5
    learner "$(basename "$run")-learner" "$run" "$name" "$ranks" "model.path=$model" "$@"
    of_learner=$pid
    for ((i = 0; i < n_actors; i++)); do
        actor "$(basename "$run")-actor$i" "$run" --slots 16
        pids+=("$pid")
    done
    ended "$of_learner" 60 "$(basename "$run")-learner"
    expect "status of the learner of $run (log: $(tail -n 3 "$work/$(basename "$run")-learner.log"))" \
        0 "$status"
    for ((i = 0; i < n_actors; i++)); do
        ended "${pids[$i]}" 10 "$(basename "$run")-actor$i"
        expect "status of actor $i of $run" 0 "$status"
    done
    balanced "$run"
}

# The model that the RL stages start from, in $base: one that answers in the
# wanted format now and then, so that groups have rewards that differ.
make_base() {
    base=$work/base/model
    start_model "$work/start"
    stage "$work/base" base 1 1 "$work/start"
}
