#!/usr/bin/env bash
# `argosy run` from a recipe to its summary, and what every tool around a run
# says: names of metrics, evaluations, plot, dry run, init, eval.
. "$(dirname "$0")/lib.sh"

run=$work/run
start front "$bin/argosy" run "$recipe" --run "$run"
ended "$pid" 120 front
expect "status of argosy run (log: $(tail -n 3 "$work/front.log"))" 0 "$status"
has() { # FILE WHAT PYTHON-LIST...: that d, or every row, has these members
    local missing
    missing=$(json "$1" "[k for k in $3 if k not in d]")
    expect "$2 that $1 lacks" "[]" "$missing"
}

# --- metrics.jsonl -------------------------------------------------------------------------------
names='["training/global_step", "reward/mean", "reward/std", "reward/max", "reward/min",
 "reward/frac_zero_std", "response_length/mean", "response_length/max", "response_length/min",
 "response_length/clip_ratio", "prompt_length/mean", "actor/pg_loss", "actor/kl_loss",
 "actor/ppo_kl", "actor/pg_clipfrac", "actor/pg_clipfrac_lower", "actor/entropy",
 "actor/grad_norm", "actor/lr", "rollout_corr/kl", "rollout_corr/max_abs_diff",
 "off_policy/mean", "off_policy/max", "timing_s/gen", "timing_s/update_actor",
 "timing_s/update_weights", "timing_s/wait", "timing_s/step", "perf/throughput",
 "perf/total_num_tokens", "training/lanes_used", "train/pass@1", "train/cons@n"]'
expect "names that a step of RL lacks" "[]" \
    "$(rows "$run/rl/metrics.jsonl" "[n for n in $names if any(n not in r for r in rows)]")"
expect "whether all of it are numbers" true \
    "$(rows "$run/rl/metrics.jsonl" 'all(isinstance(v, (int, float)) for r in rows for v in r.values())')"
expect "steps of RL" "[1, 2, 3, 4, 5]" \
    "$(rows "$run/rl/metrics.jsonl" '[r["training/global_step"] for r in rows]')"
expect "whether rewards are within what two rewards of 1 can be" true \
    "$(rows "$run/rl/metrics.jsonl" 'all(0 <= r["reward/min"] <= r["reward/mean"] <= r["reward/max"] <= 2 for r in rows)')"
expect "whether responses keep the limit" true \
    "$(rows "$run/rl/metrics.jsonl" 'all(1 <= r["response_length/min"] <= r["response_length/max"] <= 48 for r in rows)')"
expect "names that an evaluation lacks" "[]" \
    "$(rows "$run/rl/metrics.jsonl" '[n for n in ["val-core/dials/acc/mean@4", "val-core/dials/acc/maj@4", "val-core/dials/acc/best@4", "val/pass@1"] if any(n not in r for r in evals) or not evals]')"
expect "steps of pre-training" 30 "$(rows "$run/base/metrics.jsonl" 'len(rows)')"
expect "whether pre-training lowers the loss by a third" true \
    "$(rows "$run/base/metrics.jsonl" 'rows[-1]["actor/nll"] < rows[0]["actor/nll"] * 2 / 3')"

# --- evaluations and the summary -----------------------------------------------------------------------
for eval in "$run/rl/eval-0.json" "$run/rl/eval-5.json"; do
    has "$eval" "members" '["pass@1", "pass@1_stderr", "cons@4", "pass@4", "response_length_mean", "by_level", "by_style"]'
    expect "levels of $eval" '["1", "2"]' "$(json "$eval" 'sorted(d["by_level"])')"
    expect "samples of $eval" 64 "$(json "$eval" 'd["n_samples"]')"
done
s=$run/summary.json
has "$s" "members" '["base", "final", "steps", "seconds", "rollout_corr_max_abs_diff", "ledger", "weights_sha256", "model"]'
for part in base final; do
    expect "members that $part of summary.json lacks" "[]" \
        "$(json "$s" "[k for k in ['pass@1', 'pass@1_stderr', 'cons@4', 'pass@4', 'response_length_mean', 'by_level', 'by_style'] if k not in d['$part']]")"
done
expect "members that the ledger of summary.json lacks" "[]" \
    "$(json "$s" '[k for k in ["issued", "trained", "dropped", "in_flight", "returned", "balanced"] if k not in d["ledger"]]')"
expect "whether the summary's ledger adds up" true \
    "$(json "$s" 'd["ledger"]["balanced"] and d["ledger"]["issued"] == sum(d["ledger"][k] for k in ["trained", "dropped", "in_flight", "returned"]) > 0')"
expect "base and final of the summary against the evaluations" true \
    "$(json "$s" "d['base']['pass@1'] == $(json "$run/rl/eval-0.json" 'd["pass@1"]') and d['final']['pass@1'] == $(json "$run/rl/eval-5.json" 'd["pass@1"]')")"
expect "steps in the summary" 5 "$(json "$s" 'd["steps"]')"
expect "whether the seconds are sane" true "$(json "$s" '0.5 < d["seconds"] < 120')"
expect "mismatch in the summary" 0.0 "$(json "$s" 'float(d["rollout_corr_max_abs_diff"])')"
expect "weights in the summary" "$(weights_of "$run/rl")" "$(json "$s" 'd["weights_sha256"]')"
expect "whether that is a SHA-256" true "$(json "$s" 'len(d["weights_sha256"]) == 64')"
model=$(json "$s" 'd["model"]')
[ -s "$model/model.safetensors" ] || fail "summary.json names the model $model, which is not there"
expect_text "the table at the end" "$work/front.out" 'pass@1' '%'
expect_text "a plain line a step" "$work/front.out" 'rl.* 3.*5' 'reward'
# Once more: everything is done already, and nothing is done again.
start again "$bin/argosy" run "$recipe" --run "$run"
ended "$pid" 30 again
expect "status of argosy run on a finished run" 0 "$status"
expect_text "argosy run on a finished run" "$work/again.out" 'rl is done already'

# --- the tools ----------------------------------------------------------------------------------------------
is_png() { # FILE: magic, and not just that
    [ "$(od -An -tx1 -N 8 "$1" 2>/dev/null | tr -d ' \n')" = 89504e470d0a1a0a ] &&
        [ "$(stat -c %s "$1")" -gt 5000 ]
}
expect_true "argosy run left no curves.png" is_png "$run/curves.png"
"$bin/argosy" plot "$run/rl" "$work/rl.png" >"$work/plot.out" 2>&1 || fail "argosy plot: $(cat "$work/plot.out")"
expect_true "argosy plot made no PNG" is_png "$work/rl.png"

"$bin/argosy" run "$recipe" --run "$work/dry" --dry-run actor.optim.lr=0.125 >"$work/dry.out" 2>"$work/dry.err" ||
    fail "--dry-run ended with status $?: $(cat "$work/dry.err")"
expect_text "an override in the resolved recipe" "$work/dry.out" '0.125'
expect_text "a default in the resolved recipe" "$work/dry.out" 'max_actor_ckpt_to_keep'
expect "stages whose memory --dry-run prints" 2 "$(grep -A 99 '^memory of stage' "$work/dry.out" | grep -A 1 'all of them on one machine' | grep -cE 'in all +[0-9.]+ MiB')"
[ ! -e "$work/dry" ] || fail "--dry-run made $work/dry"

"$bin/argosy" init --preset tiny --seed 3 "$work/three" 2>/dev/null || fail "argosy init ended with status $?"
"$bin/argosy" init --preset tiny --seed 3 "$work/three" 2>"$work/init.err" &&
    fail "argosy init wrote into a folder that is not empty"
expect_text "argosy init on a folder in use" "$work/init.err" 'not empty' 'force'
"$bin/argosy" eval --model "$work/three" --task '{"name":"dials","levels":[1,2],"eval_per_level":8}' \
    --template short --run "$work/eval-three" --n 4 --n-prompts 16 --max-tokens 16 --json \
    >"$work/eval.json" || fail "argosy eval ended with status $?"
has "$work/eval.json" "members" '["pass@1", "pass@1_stderr", "cons@4", "pass@4", "response_length_mean", "by_level", "by_style"]'
"$bin/argosy" eval --model "$model" --task '{"name":"dials","levels":[1,2],"eval_per_level":8}' \
    --template short --run "$work/eval-trained" --n 4 --n-prompts 16 --max-tokens 48 \
    >"$work/eval.out" || fail "argosy eval of the trained model: status $?"
expect_text "the table of argosy eval" "$work/eval.out" 'pass@1'
"$bin/argosy" keys | grep -q 'actor.optim.lr' || fail "argosy keys does not list actor.optim.lr"

# Problems as rows.
"$bin/argosy" generate --task '{"name":"gcd","max_value":60}' --count 6 --split eval --seed 9 >"$work/gcd.jsonl" ||
    fail "argosy generate ended with status $?"
expect "whether six rows were generated, each with its answer" true \
    "$(rows "$work/gcd.jsonl" 'len(evals) == 6 and all(__import__("math").gcd(*r["metadata"]["numbers"]) == int(r["answer"]) for r in evals)')"
"$bin/argosy" generate --task gdc >"$work/gdc.jsonl" 2>"$work/gdc.err"
expect "status of argosy generate with a task that is not there" 2 $?
expect_text "argosy generate with a task that is not there" "$work/gdc.err" "'gdc'" 'knights_knaves'
