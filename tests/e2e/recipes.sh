#!/usr/bin/env bash
# Every recipe that ships is read whole and its memory is said; what only the user
# can give is asked for by name; what cannot fit is refused before anything starts.
. "$(dirname "$0")/lib.sh"

recipes=$here/../../deploy/recipes
qwen=$work/qwen # only the shape: a dry run looks at nothing else
mkdir -p "$qwen"
cat >"$qwen/config.json" <<'JSON'
{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu",
 "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
 "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936,
 "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
 "tie_word_embeddings": true, "use_sliding_window": false}
JSON
echo '{"question": "What is 1 + 1?", "answer": "#### 2"}' >"$work/data.jsonl"

dry() { # NAME RECIPE [key=value ...]: its status in $status
    local name=$1
    shift
    start "$name" "$bin/argosy" run --dry-run "$@"
    ended "$pid" 60 "$name"
}

# --- each of them ---------------------------------------------------------------------------------
start_model "$work/words" # any folder with a tokenizer will do
n=0
for path in "$recipes"/*.yaml; do
    name=$(basename "$path" .yaml)
    given=()
    case $name in
    *qwen*) given=(model.path="$qwen" data.train_files="$work/data.jsonl" data.val_files="$work/data.jsonl") ;;
    arithmetic*) given=(model.tokenizer="$work/words") ;;
    esac
    [ "$name" != countdown-qwen2.5-0.5b ] || given=(model.path="$qwen")
    dry "$name" "$path" ${given[@]+"${given[@]}"}
    expect "status of the dry run of $name (log: $(tail -n 2 "$work/$name.log"))" 0 "$status"
    expect_text "memory of $name" "$work/$name.out" 'in all +[0-9.]+ MiB'
    n=$((n + 1))
done
[ "$n" -ge 5 ] || fail "only $n recipes in $recipes"

# --- what the user has to give ----------------------------------------------------------------------
gsm8k=$recipes/gsm8k-qwen2.5-0.5b.yaml
dry no-model "$gsm8k" data.train_files="$work/data.jsonl"
expect "status without a model" 2 "$status"
expect_text "what is missing" "$work/no-model.log" 'model.path is missing: .*model.path=DIR'
dry no-data "$gsm8k" model.path="$qwen"
expect "status without data" 2 "$status"
expect_text "what is missing" "$work/no-data.log" 'data.train_files is missing: .*data.train_files=FILE'

dry no-words "$recipes/arithmetic-mini.yaml"
expect_not "status without a tokenizer" 0 "$status"
expect_text "what is missing" "$work/no-words.log" 'mini-qwen3 needs --tokenizer'

# A model that is there and refused is no model still to be made.
mkdir "$work/window"
sed 's/"use_sliding_window": false/"use_sliding_window": true, "sliding_window": 4096, "max_window_layers": 0/' \
    "$qwen/config.json" >"$work/window/config.json"
dry window "$gsm8k" model.path="$work/window" data.train_files="$work/data.jsonl" data.val_files="$work/data.jsonl"
expect_not "status of a dry run with a model that is refused" 0 "$status"
expect_text "what is refused" "$work/window.log" "window/config.json: 'use_sliding_window' is not implemented"

# --- what cannot fit ----------------------------------------------------------------------------------
small=(resources.memory_limit_mib=8192 model.path="$qwen" data.train_files="$work/data.jsonl" data.val_files="$work/data.jsonl")
dry too-small "$gsm8k" "${small[@]}"
expect "status of a dry run of what cannot fit" 0 "$status"
expect_text "that it cannot fit" "$work/too-small.out" 'does not fit: .* GiB .*memory_limit_mib allows 8.00 GiB'
start refused "$bin/argosy" run "$gsm8k" --run "$work/refused" "${small[@]}"
ended "$pid" 60 refused
expect_not "status of a run that cannot fit" 0 "$status"
expect_text "why it did not start" "$work/refused.log" 'would take 1[0-9]\.[0-9]+ GiB .*allows 8.00 GiB'
expect "whether a learner was started" no "$([ -e "$work/refused/main/endpoint" ] && echo yes || echo no)"
# The learner alone refuses likewise, its actors left out.
learner_refused() {
    start alone mpirun -n 1 "$bin/argosy-learner" "$gsm8k" --run "$work/alone" "${small[@]}" "$@"
    ended "$pid" 60 alone
}
learner_refused
expect_not "status of a learner that cannot fit" 0 "$status"
expect_text "why it did not start" "$work/alone.log" 'the learner of stage main would take'
# And the user may know better: then something else is missing, the weights.
learner_refused resources.check_memory=false
expect_text "what is missing then" "$work/alone.log" 'safetensors'
