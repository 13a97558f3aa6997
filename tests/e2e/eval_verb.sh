#!/usr/bin/env bash
# `argosy eval`: the same report and samples from any fleet, also after everything was
# killed half way; what was done is not done again; another evaluation is not mixed in.
. "$(dirname "$0")/lib.sh"

model=$work/model
"$bin/argosy" init --preset quickstart "$model" 2>"$work/init.log" || fail "argosy init: $(cat "$work/init.log")"
task='{"name": "dials", "levels": [1, 2], "eval_per_level": 40}'
n_wanted=$((80 * 20))

evaluation() { # RUN [option ...]: to its end
    local run=$1
    shift
    "$bin/argosy" eval --model "$model" --task "$task" --template short --n 20 --max-tokens 24 \
        --temperature 1 --top-p 1 --threads 1 --run "$run" "$@"
}
sorted() { # SAMPLES: what was sampled and said of it, in the order of the prompts
    python3 - "$1" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
for r in sorted(rows, key=lambda r: (r["prompt_index"], r["sample"])):
    print(r["prompt_index"], r["sample"], r["correct"], r["finish_reason"], r["ground_truth"], r["response"])
PY
}
n_results() { "$bin/argosy" ledger "$1" --json 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["results"])' 2>/dev/null; }

evaluation "$work/one" --json >"$work/one.json" 2>"$work/one.err" || fail "one actor: $(cat "$work/one.err")"
json "$work/one.json" 'd["pass@1"]' >/dev/null || fail "--json printed something besides: $(head -c 300 "$work/one.json")"
expect "prompts" 80 "$(json "$work/one/eval-0.json" 'd["n_prompts"]')"
expect "samples" $n_wanted "$(json "$work/one/eval-0.json" 'd["n_samples"]')"
expect "sample rows" $n_wanted "$(wc -l <"$work/one/samples.jsonl")"
for key in pass@2 pass@16 pass@20 cons@4 cons@20 ties truncated by_level by_source; do
    json "$work/one/eval-0.json" "d['$key']" >/dev/null || fail "the report has no $key"
done

evaluation "$work/three" --actors 3 >"$work/three.out" 2>&1 || fail "three actors: $(tail -n 3 "$work/three.out")"
expect "report of three actors" "$(cat "$work/one/eval-0.json")" "$(cat "$work/three/eval-0.json")"
expect "samples of three actors" "$(sorted "$work/one/samples.jsonl")" "$(sorted "$work/three/samples.jsonl")"
expect_text "the table" "$work/three.out" 'all +80'

# --- everything killed half way ----------------------------------------------------------------------
start cut evaluation "$work/cut" --slots 2
has_results() { [ "$(n_results "$work/cut")" -ge "$1" ] 2>/dev/null; }
wait_for 60 "a quarter of the samples" has_results $((n_wanted / 4))
signal_all KILL cut
wait_for 20 "the killed evaluation to be gone" eval '! is_running cut'
[ ! -e "$work/cut/result.json" ] || fail "the evaluation was over before it could be killed"
n_before=$(n_results "$work/cut")
evaluation "$work/cut" >"$work/cut2.out" 2>&1 || fail "going on: $(tail -n 3 "$work/cut2.out")"
expect "report after going on" "$(cat "$work/one/eval-0.json")" "$(cat "$work/cut/eval-0.json")"
expect "samples after going on" "$(sorted "$work/one/samples.jsonl")" "$(sorted "$work/cut/samples.jsonl")"
n_after=$(n_results "$work/cut")
# What was under way in the leases of one actor is lost, and no more.
[ $((n_after - n_wanted)) -le 32 ] || fail "$n_after samples were made for $n_wanted ($n_before before the kill)"

# --- a finished one, and another one -----------------------------------------------------------------------
evaluation "$work/one" >"$work/again.out" 2>&1 || fail "a finished evaluation: $(cat "$work/again.out")"
expect_text "the table of a finished evaluation" "$work/again.out" 'all +80'
evaluation "$work/one" --seed 2 >"$work/other.out" 2>&1 && fail "another seed went into the same folder"
expect_text "another evaluation" "$work/other.out" 'another evaluation'
"$bin/argosy" eval --model "$model" --data "$work/nowhere.jsonl" --run "$work/none" >"$work/none.out" 2>&1 &&
    fail "a missing data file passed"
expect_text "a missing data file" "$work/none.out" 'nowhere.jsonl'

# --- samples as people read them -------------------------------------------------------------------------------
"$bin/argosy" show "$work/one" --limit 2 >"$work/show.out" 2>&1 || fail "argosy show: $(cat "$work/show.out")"
expect "samples shown" 2 "$(grep -c '^=== evaluation' "$work/show.out")"
"$bin/argosy" show "$work/nowhere" >"$work/show.err" 2>&1 && fail "argosy show of no run passed"
expect_text "argosy show of no run" "$work/show.err" 'nowhere'
