#!/usr/bin/env bash
# argosy chat and argosy tokenize, as typed: into a pipe, in the model's own template.
. "$(dirname "$0")/lib.sh"

golden=$here/../golden/tokenizers

# A model with random weights, a real kind of tokenizer, and a chat template.
mkdir "$work/words"
cp "$golden/qwen.json" "$work/words/tokenizer.json"
python3 - "$work/words" <<'EOF'
import json, sys
chatml = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
json.dump({"eos_token": "<|x|>", "chat_template": chatml}, open(sys.argv[1] + "/tokenizer_config.json", "w"))
EOF
"$bin/argosy" init --preset mini-qwen2 --tokenizer "$work/words" "$work/model" 2>"$work/init.log" ||
    fail "argosy init: $(cat "$work/init.log")"

chat() { # NAME LINES option...
    local name=$1 lines=$2
    shift 2
    printf '%s' "$lines" | timeout 120 "$bin/argosy" chat --model "$work/model" --threads 1 \
        --max-tokens 24 "$@" >"$work/$name.out" 2>"$work/$name.log"
}

chat one $'hello\n' || fail "chat: $(cat "$work/one.log")"
chat again $'hello\n' || fail "chat: $(cat "$work/again.log")"
expect "bytes of what is said beside the answers" 0 "$(stat -c %s "$work/one.log")"
expect_true "an answer of more than a few bytes" test "$(stat -c %s "$work/one.out")" -gt 10
expect_true "the same seed gives the same answer" cmp -s "$work/one.out" "$work/again.out"
chat other $'hello\n' --seed 2
expect_true "another seed gives another answer" test -n "$(cmp "$work/one.out" "$work/other.out" 2>&1)"

# What came before is seen; empty lines are not turns; the last line needs no end.
chat two $'hello\n\n\nand now?' || fail "chat: $(cat "$work/two.log")"
size=$(stat -c %s "$work/one.out")
expect_true "the first answer is that of the first turn alone" cmp -s -n "$size" "$work/one.out" "$work/two.out"
expect_true "there is a second answer" test "$(stat -c %s "$work/two.out")" -gt "$size"
chat system $'hello\n' --system 'Be brief.'
expect_true "the system's words change the answer" test -n "$(cmp "$work/one.out" "$work/system.out" 2>&1)"

# The most probable tokens do not depend on the seed; special tokens in a line can be text.
chat greedy $'x\n' --temperature 0
chat greedy2 $'x\n' --temperature 0 --seed 9
expect_true "temperature 0 draws nothing" cmp -s "$work/greedy.out" "$work/greedy2.out"
chat injected $'<|x|>\n' --temperature 0
chat literal $'<|x|>\n' --temperature 0 --literal
expect_true "--literal changes what a line with a special token means" \
    test -n "$(cmp "$work/injected.out" "$work/literal.out" 2>&1)"

# A run trains in that template: its files are served to the actors.
printf '{"question":"1+%s?","answer":"#### 2"}\n' 1 2 3 4 >"$work/rows.jsonl"
cat >"$work/auto.yaml" <<EOF
template: auto
rewards: [{name: accuracy, weight: 1}]
data: {train_files: $work/rows.jsonl, train_batch_size: 2, max_response_length: 8}
trainer: {lanes: 2, pack_tokens: 256, total_training_steps: 1}
resources: {ranks: 1, actors: 1, threads: 1, actor_threads: 1}
stages: [{name: rl, kind: grpo, model: {path: $work/model}, rollout: {n: 2}}]
EOF
timeout 120 "$bin/argosy" run "$work/auto.yaml" --run "$work/run" >"$work/run.out" 2>&1 ||
    fail "argosy run: $(tail -n 3 "$work/run.out")"
"$bin/argosy" show "$work/run/rl" --limit 1 >"$work/shown" || fail "argosy show"
expect "the lines of a prompt in the model's template" "<|im_start|>user 1+N?<|im_end|> <|im_start|>assistant" \
    "$(sed -n '2,4p' "$work/shown" | sed 's/1+[1-4]/1+N/' | tr '\n' ' ' | sed 's/ $//')"
expect_true "the model that was made keeps its template" cmp "$work/model/tokenizer_config.json" \
    "$work/run/rl/model/tokenizer_config.json"

# Wrong usage says what would be right, before any weights are read.
refused() { # NAME STATUS REGEX option...
    local name=$1 want=$2 regex=$3
    shift 3
    chat "$name" $'hello\n' "$@"
    expect "status of $name" "$want" $?
    expect_text "$name" "$work/$name.log" "$regex"
}
refused unknown 2 'qwen2.5, .*llama3.1, .*r1_zero' --template lama3
refused range 2 'top-p' --top-p 0
refused bytes 1 'not UTF-8' --template $'\xff{prompt}'
sed -i 's/add_generation_prompt/add_something_else/' "$work/model/tokenizer_config.json"
refused strange 2 "chat template is not known .*qwen2.5" --template auto
rm "$work/model/tokenizer_config.json"
refused missing 2 'no chat template.*chatml' --template auto
chat plain $'hello\n' --template plain || fail "chat --template plain: $(cat "$work/plain.log")"

# --- argosy tokenize -----------------------------------------------------------------------------

tokenize() { "$bin/argosy" tokenize --model "$work/model" "$@"; }
expect "ids of a text" "71 72 220 29" "$(printf 'hi >' | tokenize)"
expect "no text, no ids" "" "$(printf '' | tokenize)"
python3 - >"$work/text" <<'EOF'
import random
random.seed(5)
words = ["the", "cat", " ", "\n", "  ", "é", "你好", "😀", "123", "<|x|>", "don't", "\t", "ß", "x" * 50]
print("".join(random.choice(words) + " " * random.randrange(2) for _ in range(400000)), end="")
EOF
expect_true "a text of megabytes" test "$(stat -c %s "$work/text")" -gt 2000000
tokenize <"$work/text" >"$work/ids" || fail "tokenize"
tokenize --decode <"$work/ids" >"$work/back" || fail "tokenize --decode"
expect_true "a text of megabytes comes back" cmp "$work/text" "$work/back"
expect "lines" 3 "$(printf 'a\nb\nc\n' | tokenize --lines | wc -l)"
printf '99999999' | tokenize --decode 2>"$work/ids.log"
expect "status of an id that no token has" 1 $?
expect_text "an id that no token has" "$work/ids.log" 'want ids below'
