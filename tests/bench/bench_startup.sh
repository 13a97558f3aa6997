#!/usr/bin/env bash
# From `argosy run` of a prepared model to its first training step.
#
# Timed: from starting the front end to the first line of metrics.jsonl, which is
# written after step 1: resolving the recipe, mpirun, MPI_Init, reading the
# model, the gate, an actor that connects, fetches and generates, one update.
# Not timed: making the model.  Five runs; the median and the extremes.
set -eu
cd "$(dirname "$0")/../.."
bin=${B:-build/release}/bin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
recipe=tests/e2e/tiny.yaml

"$bin/argosy" run "$recipe" --run "$scratch/run" --stage base >/dev/null 2>&1
times=()
for _ in 1 2 3 4 5; do
    rm -rf "$scratch/run/rl"
    started=$(date +%s%N)
    "$bin/argosy" run "$recipe" --run "$scratch/run" --stage rl \
        stages.rl.trainer.val_before_train=false >"$scratch/log" 2>&1 &
    pid=$!
    until [ -s "$scratch/run/rl/metrics.jsonl" ]; do
        kill -0 $pid 2>/dev/null || { cat "$scratch/log"; exit 1; }
        [ $(($(date +%s%N) - started)) -lt 60000000000 ] || { echo "no step in 60 s"; exit 1; }
    done
    times+=($((($(date +%s%N) - started) / 1000000)))
    wait $pid
done
mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
echo "start to first step: ${sorted[2]} ms [${sorted[0]}-${sorted[4]}]"
