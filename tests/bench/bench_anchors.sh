#!/usr/bin/env bash
# argosy beside the programs it is measured by, in turns on this machine.
#
# Training: bench_train (forward, loss, backward, AdamW of 8 x 256 tokens, the
# rounding and packing of weights included) and a plain PyTorch model's step
# (torch_bench.py: forward, cross entropy, backward, AdamW), three turns each.
# Every Python given in TORCH_PYTHONS that imports torch is tried; the best of
# them counts.
#
# Rollouts: llama.cpp's published decode rates (tokens/s at batch 16, 32, 64,
# prompt 128 shared or not, 128 new, f16, the better of the two; it samples
# nothing and computes no log-probabilities), scaled by the ratio of this
# machine's sgemm to the 184 GFLOP/s of theirs, beside bench_rollout.
#
# ANCHORS names the folder of torch_bench.py (default ../shared/anchors).
set -eu
cd "$(dirname "$0")/../.."
build=${B:-build/release}
anchors=${ANCHORS:-../shared/anchors}
pythons=${TORCH_PYTHONS:-python3 /usr/bin/python3}
openmp=/usr/lib/x86_64-linux-gnu/openblas-openmp
turns=${TURNS:-3}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

argosy_rate() { "$build/tests/bench/bench_train" "$1" "$2" | sed -n 's/.*: \([0-9.]*\) tok\/s.*/\1/p'; }
torch_rate() { # python shape repeats
    OMP_NUM_THREADS=2 LD_LIBRARY_PATH=$openmp "$1" "$anchors/torch_bench.py" "$2" train "$3" |
        sed -n 's/.*train_step.*median=\([0-9.]*\) .*/\1/p'
}

train() { # shape repeats
    local ours=() found=() python best=0 name=none rate
    for python in $pythons; do
        "$python" -c 'import torch' 2>/dev/null && found+=("$python")
    done
    if [ ${#found[@]} -eq 0 ] || [ ! -f "$anchors/torch_bench.py" ]; then
        echo "SKIPPED training beside PyTorch: no torch, or no $anchors/torch_bench.py"
        return
    fi
    declare -A theirs
    for _ in $(seq "$turns"); do
        ours+=("$(argosy_rate "$1" "$2")")
        for python in "${found[@]}"; do
            theirs[$python]+="$(torch_rate "$python" "$1" "$2") "
        done
    done
    for python in "${found[@]}"; do
        rate=$(tr ' ' '\n' <<<"${theirs[$python]}" | grep . | median)
        version=$("$python" -c 'import torch; print(torch.__version__)')
        echo "$1 training, PyTorch $version: $rate tok/s (${theirs[$python]})"
        awk "BEGIN { exit !($rate > $best) }" && { best=$rate; name=$version; }
    done
    rate=$(printf '%s\n' "${ours[@]}" | median)
    echo "$1 training, argosy: $rate tok/s (${ours[*]})" \
        "= $(awk "BEGIN { printf \"%.2f\", $rate / $best }") x PyTorch $name"
}

rollouts() {
    local ratio line batch theirs rate
    ratio=$("$build/tests/bench/bench_sgemm" 184 | tee /dev/stderr | sed -n 's/^ratio //p')
    "$build/tests/bench/bench_rollout" s15 2 "${PANELS:-f32}" 5 | while read -r line; do
        echo "$line"
        batch=$(awk '/samples/ { print $1 }' <<<"$line")
        case $batch in
        16) theirs=1566 ;;
        32) theirs=1630 ;;
        64) theirs=1677 ;;
        *) continue ;;
        esac
        rate=$(awk '{ print $4 }' <<<"$line")
        echo "  batch $batch: $(awk "BEGIN { printf \"%.2f\", $rate / ($theirs * $ratio) }") x" \
            "llama.cpp's $theirs tok/s scaled by $ratio"
    done
}

rollouts
train s15 5
train m110 1
