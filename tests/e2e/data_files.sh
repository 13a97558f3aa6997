#!/usr/bin/env bash
# Data files as people have them: three benchmarks mixed by weight, metrics by
# source, rows that are bad, conversations to learn from, decontamination.
. "$(dirname "$0")/lib.sh"

data=${ARGOSY_DATA:-$here/../../../shared/data}
if [ ! -e "$data/gsm8k/train.jsonl" ] || [ ! -e "$data/tokenizers/qwen2/tokenizer.json" ]; then
    echo "SKIPPED: $data is not there (set ARGOSY_DATA)" >&2
    exit 77
fi
data=$(cd "$data" && pwd)
"$bin/argosy" init --preset mini-qwen2 --tokenizer "$data/tokenizers/qwen2" "$work/start" \
    2>"$work/init.log" || fail "argosy init: $(cat "$work/init.log")"

# What all stages here share.
recipe=$work/data.yaml
cat >"$recipe" <<END
model: {path: $work/start}
template: chatml
rewards: [{name: accuracy, weight: 1}]
data: {seed: 3, train_batch_size: 8, max_prompt_length: 700, max_response_length: 8}
rollout: {n: 2}
trainer: {total_training_steps: 3, lanes: 1, pack_tokens: 1024, rollout_timeout_s: 60}
actor: {optim: {lr: 1e-4}}
resources: {ranks: 1, actors: 1, threads: 1, actor_threads: 1}
stages:
  - name: mixed
    kind: grpo
    data:
      train_files:
        - {path: $data/gsm8k/train.jsonl, weight: 2, source: gsm8k}
        - {path: $data/math_train/math_train.jsonl, weight: 1, source: math}
        - {path: $data/countdown/countdown_3to4_train.jsonl, weight: 1}
      val_files: [$data/aime2024/aime24.jsonl, $data/amc23/amc23.jsonl]
    trainer: {test_freq: 3}
    eval: {n_prompts: 40, n: 1, samples_per_lease: 1}
  - name: bad
    kind: grpo
    data: {train_files: $work/bad.jsonl}
  - name: sft
    kind: sft
    data: {train_files: $work/chats.jsonl}
END

# --- a mixture ------------------------------------------------------------------------------------
run=$work/mixed
stage "$run" mixed 1 2 "$work/start"
m=$run/metrics.jsonl
for source in gsm8k math countdown; do
    expect "whether every step has a part for $source" true \
        "$(rows "$m" "all(f'train-core/$source/{k}' in r for r in rows for k in ['reward/mean', 'response_length/mean', 'acc/mean', 'samples'])")"
done
expect "whether 24 prompts were mixed about 2 to 1 to 1" true \
    "$(rows "$m" "(lambda n: sum(n) == 48 and 14 <= n[0] <= 34 and min(n) >= 4)([sum(r[f'train-core/{s}/samples'] for r in rows) for s in ['gsm8k', 'math', 'countdown']])")"
expect "sources of the evaluation" '["aime24.jsonl", "amc23.jsonl"]' \
    "$(rows "$m" 'sorted(k.split("/")[1] for k in evals[0] if k.startswith("val-core/") and k.endswith("mean@1"))')"
expect_text "what a file was taken for" "$work/mixed-actor0.log" 'file=data/train.jsonl' 'convention=gsm8k' 'grader=math'
expect_text "what a file was taken for" "$work/mixed-actor0.log" 'countdown' 'convention=reasoning_gym'
# One actor or two, the mixture and the weights are the same.
stage "$work/again" mixed 1 1 "$work/start"
expect "weights with one actor" "$(weights_of "$run")" "$(weights_of "$work/again")"

# --- bad rows -------------------------------------------------------------------------------------
{
    head -n 5 "$data/gsm8k/train.jsonl"
    printf '{"question": "cut off\n'
    printf '{"question": "no answer", "answer": ""}\n'
    printf '{"question": "no words", "answer": "%s"}\n' '#### '
    sed -n 6,12p "$data/gsm8k/train.jsonl"
} >"$work/bad.jsonl"
stage "$work/skips" bad 1 1 "$work/start" data.on_bad_row=skip
expect "samples of every step" '[16.0, 16.0, 16.0]' \
    "$(rows "$work/skips/metrics.jsonl" '[float(r["training/samples"]) for r in rows]')"
skipped=$(rows "$work/skips/metrics.jsonl" 'int(sum(r["data/skipped_rows"] for r in rows))')
{ [ "$skipped" -ge 3 ] && [ "$skipped" -le 12 ]; } || fail "rows skipped: $skipped"
expect_text "which row was skipped" "$work/skips-actor0.log" 'skipped row: .*bad.jsonl:6: '
stage "$work/skips2" bad 1 2 "$work/start" data.on_bad_row=skip
expect "weights with two actors that skip" "$(weights_of "$work/skips")" "$(weights_of "$work/skips2")"

learner stops "$work/stops" bad 1
of_learner=$pid
actor stopper "$work/stops"
of_actor=$pid
ended "$of_learner" 60 stops
expect "status of a learner that meets a bad row" 1 "$status"
expect_text "why it ended" "$work/stops.log" 'bad data' 'bad.jsonl:[678]: '
end "$of_actor"

# --- files that are no JSONL ----------------------------------------------------------------------
for kind in parquet:PAR1 gz:$'\x1f\x8b' csv:'question,answer'; do
    printf '%s\n' "${kind#*:}" >"$work/other.${kind%%:*}"
    start refused "$bin/argosy-learner" "$recipe" --stage bad --run "$work/refused" \
        "data.train_files=$work/other.${kind%%:*}"
    ended "$pid" 30 refused
    expect "status with a file of ${kind%%:*}" 2 "$status"
    expect_text "what is said of it" "$work/refused.log" "other.${kind%%:*}" 'JSONL is wanted' 'python3 -c|gunzip -k'
done

# --- conversations --------------------------------------------------------------------------------
for i in 1 2 3 4 5 6 7 8; do
    printf '{"messages":[{"role":"user","content":"Say %d."},{"role":"assistant","content":"%d it is."}]}\n' $i $i
done >"$work/chats.jsonl"
stage "$work/sft" sft 1 1 "$work/start" actor.optim.lr=1e-3 trainer.total_training_steps=12
expect "whether the loss falls" true \
    "$(rows "$work/sft/metrics.jsonl" 'rows[-1]["actor/nll"] < rows[0]["actor/nll"] * 0.8')"

# --- decontamination ------------------------------------------------------------------------------
# A problem of the benchmark, recased, among rows that have nothing to do with it.
{
    head -n 20 "$data/gsm8k/train.jsonl"
    sed -n 7p "$data/aime2024/aime24.jsonl" |
        python3 -c 'import json, sys; print(json.dumps({"text": json.loads(sys.stdin.read())["prompt"].upper()}))'
} >"$work/dirty.jsonl"
"$bin/argosy" decontaminate --train "$work/dirty.jsonl" --against "$data/aime2024/aime24.jsonl" \
    --out "$work/clean.jsonl" --report "$work/removed.jsonl" --json >"$work/counts.json" ||
    fail "argosy decontaminate ended with status $?"
expect "rows removed" 1 "$(json "$work/counts.json" 'd["train"][0]["removed_words"]')"
expect "what stays, by its hash" "$(head -n 20 "$data/gsm8k/train.jsonl" | sha256sum)" \
    "$(sha256sum <"$work/clean.jsonl")"
expect_text "what was removed and why" "$work/removed.jsonl" '"line":21' 'aime24.jsonl:7"'
