#!/usr/bin/env bash
# GRPO at the exact shape of Qwen2.5-0.5B, with random weights and Qwen2's
# tokenizer, on GSM8K's questions: learner and one actor on this machine.
#
#   LARGE=1 tests/bench/bench_qwen_loop.sh [PROMPTS [SAMPLES [TOKENS [STEPS]]]]
#
# Takes 14 GiB of memory, 30 GB of disk and some minutes, so only where LARGE is
# set.  A random model solves nothing; the reward that differs is the share of
# English words among what it writes.  Prints
#   - the memory --dry-run predicts beside the most each process held,
#   - tokens a second of generation and of training, from the metrics,
#   - whether a run whose learner is killed with -9 after its first checkpoint ends
#     with the weights of the run that went through,
#   - how far the logits of the exported folder are from transformers'.
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${LARGE:-}" ]; then
    echo "skipped: it takes 14 GiB; LARGE=1 runs it"
    exit 0
fi
build=${B:-build/release}
bin=$build/bin
tokenizer=${TOKENIZER:-../shared/data/tokenizers/qwen2}
data=${DATA:-../shared/data/gsm8k/train.jsonl}
for path in "$tokenizer/tokenizer.json" "$data"; do
    [ -e "$path" ] || { echo "skipped: no $path"; exit 0; }
done
prompts=${1:-4} samples=${2:-4} tokens=${3:-64} steps=${4:-2}
scratch=$(mktemp -d)
watcher=
finish() {
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

"$bin/argosy" init --preset qwen2.5-0.5b --tokenizer "$tokenizer" "$scratch/model" 2>/dev/null
cat >"$scratch/loop.yaml" <<END
kind: grpo
model: {path: $scratch/model}
task: {name: jsonl}
template: r1_zero
rewards: [{name: accuracy}, {name: language_consistency, language: en}]
data: {train_files: $(realpath "$data"), train_batch_size: $prompts, max_prompt_length: 320, max_response_length: $tokens}
rollout: {n: $samples}
trainer: {total_training_steps: $steps, save_freq: 1, max_actor_ckpt_to_keep: 1, lanes: 1, recompute: true, pack_tokens: 1024}
resources: {ranks: 1, actors: 1, actor_slots: $((prompts * samples))}
END

# --- predicted ------------------------------------------------------------------------------------
"$bin/argosy" run "$scratch/loop.yaml" --dry-run >"$scratch/dry"
predicted() { # THE_NTH "in all" line
    grep 'in all' "$scratch/dry" | sed -n "${1}p" | grep -o '[0-9.]* MiB' | cut -d. -f1
}
besides=$(awk '/rank 0 besides/{on=1} /each of . actors/{on=0} on && /MiB/{sum+=$(NF-1)} END{print int(sum)}' "$scratch/dry")

# --- run through, watched ----------------------------------------------------------------------------
# The kernel keeps each process' own peak: the last look before it ends is enough.
watch() {
    while sleep 0.5; do
        for name in argosy-learner argosy-actor; do
            for pid in $(pgrep -x "$name"); do
                grep -qz "$scratch" "/proc/$pid/cmdline" 2>/dev/null || continue
                awk -v n="$name" '/VmHWM/{print n, int($2 / 1024)}' "/proc/$pid/status" 2>/dev/null || true
            done
        done >>"$scratch/peaks"
    done
}
watch &
watcher=$!
"$bin/argosy" run "$scratch/loop.yaml" --run "$scratch/through" >"$scratch/through.log" 2>&1 || {
    tail "$scratch/through.log"
    exit 1
}
peak() { awk -v n="$1" '$1 == n && $2 > most {most = $2} END {print most}' "$scratch/peaks"; }
echo "learner: predicted $(($(predicted 1) + besides)) MiB, held $(peak argosy-learner) MiB at most"
echo "actor:   predicted $(predicted 2) MiB, held $(peak argosy-actor) MiB at most"
echo "both:    predicted $(predicted 3) MiB"
python3 - "$scratch/through/main/metrics.jsonl" <<'END'
import json, statistics, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
# What a step waits for its samples; a step whose samples came while the one before
# was saved waited for less than they took, so the slowest counts.
print("generation: %.0f tok/s; training: %.0f rows/s; publish %.1f s; largest |logprob difference| %g; steps %d" % (
    min(r["response_length/mean"] * r["training/samples"] / r["timing_s/gen"] for r in rows),
    statistics.median(r["training/rows"] / r["timing_s/update_actor"] for r in rows),
    statistics.median(r["timing_s/update_weights"] for r in rows),
    max(r["rollout_corr/max_abs_diff"] for r in rows), len(rows)))
END

# --- killed and taken up again --------------------------------------------------------------------------
"$bin/argosy" run "$scratch/loop.yaml" --run "$scratch/killed" >"$scratch/killed.log" 2>&1 &
front=$!
until [ -s "$scratch/killed/main/checkpoints/latest_checkpointed_iteration.txt" ]; do
    kill -0 $front 2>/dev/null || { tail "$scratch/killed.log"; exit 1; }
    sleep 0.2
done
for pid in $(pgrep -x argosy-learner); do
    if grep -qz "$scratch/killed" "/proc/$pid/cmdline"; then kill -KILL "$pid"; fi
done
wait $front && { echo "the run was over before its learner could be killed"; exit 1; }
"$bin/argosy" run "$scratch/loop.yaml" --run "$scratch/killed" >"$scratch/again.log" 2>&1 || {
    tail "$scratch/again.log"
    exit 1
}
grep -q 'resume step=' "$scratch/killed/main/learner.log" || { echo "it did not resume"; exit 1; }
weights() { grep -o '"weights_sha256": *"[0-9a-f]*"' "$1/main/result.json"; }
[ "$(weights "$scratch/through")" = "$(weights "$scratch/killed")" ] || { echo "other weights after a kill"; exit 1; }
echo "killed after a checkpoint and taken up again: the same weights, $(weights "$scratch/killed" | grep -o '[0-9a-f]\{16\}' | head -1)"
echo "resumed learner held $(peak argosy-learner) MiB at most"

# --- the exported folder -------------------------------------------------------------------------------
if ! python3 -c 'import torch, transformers' 2>/dev/null; then
    echo "*** SKIPPED: no transformers here to open the exported model with ***"
    exit 0
fi
ids=$(seq 100 977 20000)
# shellcheck disable=SC2086
"$build/tests/e2e/model_tool" logits "$scratch/through/main/model" $ids >"$scratch/logits"
# shellcheck disable=SC2086
TRANSFORMERS_OFFLINE=1 python3 - "$scratch/through/main/model" "$scratch/logits" $ids <<'END'
import sys
import numpy, torch, transformers

folder, path, ids = sys.argv[1], sys.argv[2], [int(i) for i in sys.argv[3:]]
model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
assert not info["missing_keys"] and not info["unexpected_keys"], info
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
assert tokenizer.decode(tokenizer.encode("What is 12 + 30?")) == "What is 12 + 30?"
with torch.no_grad():
    want = model(torch.tensor([ids])).logits[0].numpy()
distance = float(abs(numpy.fromfile(path, "<f4").reshape(want.shape) - want).max())
print(f"transformers {transformers.__version__}: logits differ by {distance:.1e} at most, of {abs(want).max():.2f}")
assert distance < 1e-4
END
