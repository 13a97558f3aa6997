#!/usr/bin/env bash
# Rewards: `argosy score` on rows, and a run whose reward is a script served with the
# recipe.  How the script behaves, dying or slow, does not show in the weights.
. "$(dirname "$0")/lib.sh"
export TMPDIR=$work # served scripts are written out under it

# --- offline -------------------------------------------------------------------------------------

score() { # NAME ROWS SPEC [option ...]: verdicts in $work/NAME.jsonl
    local name=$1 rows=$2
    shift 2
    "$bin/argosy" score --reward "$@" <"$rows" >"$work/$name.jsonl" 2>"$work/$name.log"
    status=$?
}
verdicts() { # NAME EXPRESSION of v, the verdicts
    python3 -c '
import json, sys
v = [json.loads(line) for line in open(sys.argv[1])]
print(json.dumps(eval(sys.argv[2])))' "$work/$1.jsonl" "$2"
}

cat >"$work/rows" <<'END'
{"id": "a", "response": "<think>so 2</think><answer>\\boxed{4}</answer>", "ground_truth": "4"}
{"pred": "0.5", "gold": "1/2"}

{"response": "it is 5", "answer": "2+2\n#### 4"}
END
score rules "$work/rows" '[{"name": "accuracy", "grader": "math"}, {"name": "format", "weight": 0.5}]'
expect "status of rows that all have a score" 0 "$status"
expect "scores" "[1.5, 1.0, 0.0]" "$(verdicts rules '[r["score"] for r in v]')"
expect "ids" '[["id", "a"], ["index", 1], ["index", 3]]' "$(verdicts rules '[list(r.items())[0] for r in v]')"
expect "answers" '["4", "0.5", null]' "$(verdicts rules '[r["answer"] for r in v]')"
expect "components" '{"accuracy": 1.0, "format": 1.0}' "$(verdicts rules 'v[0]["components"]')"
score named "$work/rows" math
expect "scores by a grader's name" "[1.0, 1.0, 0.0]" "$(verdicts named '[r["score"] for r in v]')"
score recipe "$work/rows" "$recipe"
expect "components of a recipe" '["accuracy", "format"]' "$(verdicts recipe 'sorted(v[0]["components"])')"

python3 - "$work/many" <<'END'
import json, sys
with open(sys.argv[1], "w") as out:
    for n in range(5000):
        print(json.dumps({"response": f"\\boxed{{{n % 7}}}", "gold": str(n % 3)}), file=out)
END
score one "$work/many" math --threads 1
score four "$work/many" math --threads 4
expect "verdicts" 5000 "$(verdicts one 'len(v)')"
expect_true "one thread and four agree" cmp -s "$work/one.jsonl" "$work/four.jsonl"

printf '%s\n' '{"response": "4", "gold": "4"}' '{"gold": "4"}' '{"response": "4", "gold": "4"}' >"$work/bad"
score stopped "$work/bad" exact
expect "status at a bad row" 1 "$status"
expect_text "the bad row" "$work/stopped.log" "line 2: there is no response"
expect "verdicts before it" 1 "$(verdicts stopped 'len(v)')"
score skipped "$work/bad" exact --on-bad-row skip
expect "status with a bad row passed over" 3 "$status"
expect "outcomes" '["ok", "bad_data", "ok"]' "$(verdicts skipped '[r["outcome"] for r in v]')"
score unknown "$work/bad" exactly
expect "status of an unknown reward" 2 "$status"

# --- in a run ------------------------------------------------------------------------------------

cat >"$work/mine.py" <<'END'
import json, os, sys, time
manner, seen = sys.argv[1], 0
for line in sys.stdin:
    request = json.loads(line)
    seen += 1
    if manner == "dies" and seen % 40 == 39:
        os._exit(7)
    if manner == "slow":
        time.sleep(0.02)
    score = sum(map(ord, request["response"])) % 5 / 4
    print(json.dumps({"id": request["id"], "score": score, "components": {"even": score * 2}}))
END
scored() { # NAME MANNER
    stage "$work/$1" rl 1 2 "$base" "files={mine.py: $work/mine.py}" \
        "rewards=[{name: format}, {name: external, label: mine, workers: 2, timeout_s: 60, command: [python3, '{file:mine.py}', $2]}]"
}
make_base
scored well well
expect "components of every step" "[5, true]" \
    "$(rows "$work/well/metrics.jsonl" '[len(rows), all(abs(r["reward/mine/even/mean"] - 2 * r["reward/mine/mean"]) < 1e-9 for r in rows)]')"
expect "whether the total is the sum" true \
    "$(rows "$work/well/metrics.jsonl" 'all(abs(r["reward/mean"] - r["reward/mine/mean"] - r["reward/format/mean"]) < 1e-9 for r in rows)')"
scored deadly dies
expect_text "the death of a scorer" "$work/deadly-actor0.log" "scorer mine failed" "status 7"
expect "weights after scorers died" "$(weights_of "$work/well")" "$(weights_of "$work/deadly")"
scored slow slow
expect "weights after slow scores" "$(weights_of "$work/well")" "$(weights_of "$work/slow")"
expect "private folders left behind" 0 "$(find "$work" -maxdepth 1 -name 'argosy-reward-*' | wc -l)"

learner refused-learner "$work/refused" rl 1 "model.path=$base" "rewards=[{name: external, command: cat}]"
of_learner=$pid
actor refused "$work/refused" --commands 0
ended "$pid" 30 refused
of_actor_status=$status
end "$of_learner"
expect "status of an actor that runs no commands" 2 "$of_actor_status"
expect_text "its reason" "$work/refused.log" "this actor runs none"
