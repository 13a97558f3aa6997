#!/usr/bin/env bash
# The journal is the truth: it accounts for every lease, it shows tampering, and
# what is in it is all that the learner trained on: a stage can be trained again
# from the journal alone, without an actor, to the same weights.
. "$(dirname "$0")/lib.sh"

count() { "$tools/journal_tool" count "$1/journal" >"$work/count.json" || fail "journal_tool count $1"; }
counted() { json "$work/count.json" "$1"; }

make_base
stage "$work/rl" rl 1 1 "$base"

# --- the ledger balances, for people and for programs ---------------------------------------------------
for run in base rl; do
    "$bin/argosy" ledger "$work/$run" >"$work/ledger.txt" || fail "argosy ledger $run: status $?"
    expect_text "argosy ledger $run" "$work/ledger.txt" 'balanced +yes'
    balanced "$work/$run"
    expect "leases in flight after $run" 0 "$(json "$work/ledger.json" 'd["in_flight"]')"
    expect "issued = trained + dropped + returned of $run" true \
        "$(json "$work/ledger.json" 'd["issued"] == d["trained"] + d["dropped"] + d["returned"] > 0')"
done

# --- every sample of every step is there -----------------------------------------------------------------
count "$work/base"
expect "documents in the journal of pre-training" $((30 * 64)) "$(counted 'd["samples_trained"]')"
expect "tokens trained in pre-training, journal against metrics" \
    "$(rows "$work/base/metrics.jsonl" 'int(sum(r["perf/total_num_tokens"] for r in rows))')" \
    "$(counted 'd["tokens_trained"]')"
expect "whether no step of pre-training is without a record" true \
    "$(counted 'sorted({l["step"] for l in d["trained_leases"]}) == list(range(1, 31))')"
count "$work/rl"
expect "samples in the journal of RL" $((5 * 8 * 8)) "$(counted 'd["samples_trained"]')"
expect "tokens trained in RL, journal against metrics" \
    "$(rows "$work/rl/metrics.jsonl" 'int(sum(r["perf/total_num_tokens"] for r in rows))')" \
    "$(counted 'd["tokens_trained"]')"
balanced "$work/rl"
expect "trained leases, ledger against a second reader" "$(json "$work/ledger.json" 'd["trained"]')" \
    "$(counted 'd["trained"]')"

# --- tampering is found --------------------------------------------------------------------------------
found() { # WHAT RUN REGEX
    "$bin/argosy" ledger "$2" >"$work/found.txt" 2>&1
    expect "status of argosy ledger after $1" 1 $?
    expect_text "what it says after $1" "$work/found.txt" "$3"
}
segment=000001.journal
size=$(stat -c %s "$work/rl/journal/$segment")
mkdir -p "$work/flipped" "$work/cut"
cp -r "$work/rl/journal" "$work/flipped/"
at=$((size / 2))
byte=$(od -An -tu1 -j "$at" -N 1 "$work/rl/journal/$segment")
printf "\\x$(printf %x $((byte ^ 1)))" |
    dd of="$work/flipped/journal/$segment" bs=1 seek="$at" conv=notrunc status=none
found "a byte was changed at $at of $size" "$work/flipped" "$segment.*byte"

# 2 ISSUED, 3 RESULT, 5 TRAINED.  A record that is simply gone leaves a gap:
"$tools/journal_tool" cut "$work/rl/journal" "$work/gap/journal" 5 3 || fail "journal_tool cut"
found "a TRAINED record was cut out" "$work/gap" "$segment.*a record is missing"

# Removed so that checksums and numbers fit, the rest no longer adds up.
for what in "2 3 lease" "3 100 samples"; do
    read -r type number regex <<<"$what"
    "$tools/journal_tool" without "$work/rl/journal" "$work/without$type/journal" "$type" "$number" ||
        fail "journal_tool without $what"
    found "record $number of type $type was taken out" "$work/without$type" "$regex"
done
# Without its end a lease is in flight, which a finished run has none of.
"$tools/journal_tool" without "$work/rl/journal" "$work/without5/journal" 5 3 || fail "journal_tool"
"$bin/argosy" ledger "$work/without5" --json >"$work/without5.json"
expect "leases in flight when a TRAINED record was taken out" 1 \
    "$(json "$work/without5.json" 'd["in_flight"]')"

# --- trained again from the journal alone ----------------------------------------------------------------
replay() { # RUN STAGE MODEL COPY: no actor is started
    mkdir "$4"
    cp -r "$1/journal" "$1/run_id" "$4/"
    learner "$(basename "$4")" "$4" "$2" 1 "model.path=$3" trainer.rollout_timeout_s=2
    ended "$pid" 60 "$(basename "$4")"
}
replay "$work/base" base "$work/start" "$work/base-again"
expect "status of pre-training from the journal alone" 0 "$status"
expect "weights pre-trained from the journal alone" "$(weights_of "$work/base")" \
    "$(weights_of "$work/base-again")"
replay "$work/rl" rl "$base" "$work/rl-again"
expect "status of RL from the journal alone" 0 "$status"
expect "weights of RL from the journal alone" "$(weights_of "$work/rl")" "$(weights_of "$work/rl-again")"
balanced "$work/rl-again"

# The control: with one sample less there is something to wait for, in vain.
cp -r "$work/rl" "$work/rl-less"
rm -r "$work/rl-less/journal"
"$tools/journal_tool" without "$work/rl/journal" "$work/rl-less/journal" 3 100 || fail "journal_tool"
replay "$work/rl-less" rl "$base" "$work/rl-less-again"
expect_not "status of RL from a journal without a sample" 0 "$status"
expect_text "why it failed" "$work/rl-less-again.log" 'no result for' 'no actor is connected'
