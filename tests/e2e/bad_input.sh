#!/usr/bin/env bash
# Whatever is wrong with what argosy is given, it says what, where and why, ends
# with another status than 0 and leaves nothing half-written.
. "$(dirname "$0")/lib.sh"

start_model "$work/start"

# No model, no result; a checkpoint folder only with its manifest; nothing temporary.
nothing_half_written() { # RUN
    local folder
    [ ! -e "$1/model" ] || fail "$1 has a model"
    [ ! -e "$1/result.json" ] || fail "$1 has a result.json"
    for folder in "$1"/checkpoints/global_step_*; do
        [ ! -e "$folder" ] || [ -s "$folder/MANIFEST.json" ] || fail "$folder has no manifest"
    done
    folder=$(find "$1" -name '*.tmp*' 2>/dev/null)
    [ -z "$folder" ] || fail "left behind: $folder"
}

refuses() { # STATUS WHAT command... -- REGEX...: all on one line of what it says
    local want=$1 what=$2 command=()
    shift 2
    while [ "$1" != -- ]; do command+=("$1"); shift; done
    shift
    start refused "${command[@]}"
    ended "$pid" 30 refused
    cat "$work/refused.out" >>"$work/refused.log"
    expect "status with $what (it said: $(tail -n 4 "$work/refused.log"))" "$want" "$status"
    expect_text "what is said of $what" "$work/refused.log" "$@"
    [ "$(wc -l <"$work/refused.log")" -le 40 ] || fail "$what is answered at length: $work/refused.log"
}

learner_refuses() { # STATUS WHAT key=value... -- REGEX...: in a run folder of its own
    local want=$1 what=$2
    shift 2
    rm -rf "$work/refused"
    refuses "$want" "$what" "$bin/argosy-learner" "$recipe" --stage "${of_stage:-base}" \
        --run "$work/refused" "$@"
    nothing_half_written "$work/refused"
}

# --- recipes --------------------------------------------------------------------------------------------
refuses 2 "an unknown key" "$bin/argosy" run "$recipe" --run "$work/r" trainer.lane=4 -- 'trainer\.lane'
refuses 2 "a number that is none" "$bin/argosy" run "$recipe" --run "$work/r" data.seed=soon -- 'data\.seed' 'soon'
refuses 2 "a number out of range" "$bin/argosy" run "$recipe" --run "$work/r" rollout.n=0 -- 'rollout\.n'
refuses 2 "a choice that is none" "$bin/argosy" run "$recipe" --run "$work/r" trainer.mode=fast -- 'trainer\.mode' 'sync'
refuses 1 "a recipe that is not there" "$bin/argosy" run "$work/none.yaml" -- 'none\.yaml' 'No such file'
printf 'trainer:\n  lanes: 4\n  total_steps: 3\nmodel: {path: m}\n' >"$work/unknown.yaml"
refuses 2 "an unknown key in a file" "$bin/argosy" run "$work/unknown.yaml" --run "$work/r" -- 'unknown\.yaml:3' 'total_steps'
printf 'trainer:\n  lanes: [4\n' >"$work/broken.yaml"
refuses 2 "a file that is no YAML" "$bin/argosy" run "$work/broken.yaml" --run "$work/r" -- 'broken\.yaml'
refuses 2 "keys that contradict each other" "$bin/argosy" run "$recipe" --run "$work/r" resources.ranks=3 -- 'ranks' 'lanes'
refuses 2 "a stage that is not there" "$bin/argosy-learner" "$recipe" --stage nine --run "$work/r" -- 'nine'
[ ! -e "$work/r" ] || fail "a refused recipe left $work/r"
refuses 2 "an unknown verb" "$bin/argosy" sail -- 'sail'
refuses 2 "an unknown preset" "$bin/argosy" init --preset huge "$work/huge" -- 'huge'
[ ! -e "$work/huge" ] || fail "argosy init of an unknown preset left $work/huge"

# --- models ---------------------------------------------------------------------------------------------
learner_refuses 1 "a model that is not there" "model.path=$work/nowhere" -- 'nowhere' 'No such file'
bad_model() { # NAME: a copy to spoil
    cp -r "$work/start" "$work/$1"
    model=$work/$1
}
header() { # FILE PYTHON: changes h, the header of a safetensors file
    python3 -c '
import json, struct, sys
raw = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
h = json.loads(raw[8:8 + n])
exec(sys.argv[2])
text = json.dumps(h, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + raw[8 + n:])' "$1" "$2"
}
name=model.layers.1.mlp.up_proj.weight
bad_model shape
header "$model/model.safetensors" "h['$name']['shape'] = [32, 64]"
learner_refuses 1 "a tensor of the wrong shape" "model.path=$model" -- 'model\.safetensors' "$name" '32' '64'
bad_model cut
truncate -s -1000 "$model/model.safetensors"
learner_refuses 1 "safetensors that are cut" "model.path=$model" -- 'model\.safetensors'
bad_model offsets
header "$model/model.safetensors" "h['$name']['data_offsets'] = [x + (1 << 40) for x in h['$name']['data_offsets']]"
learner_refuses 1 "offsets beyond the file" "model.path=$model" -- 'model\.safetensors' "$name"
bad_model overlap
header "$model/model.safetensors" "h['$name']['data_offsets'] = h['model.layers.0.mlp.up_proj.weight']['data_offsets']"
learner_refuses 1 "offsets that overlap" "model.path=$model" -- 'model\.safetensors'
bad_model missing
header "$model/model.safetensors" "h.pop('$name')"
learner_refuses 1 "a tensor that is missing" "model.path=$model" -- 'model\.safetensors'
bad_model config
sed -i 's/"num_attention_heads": *4/"num_attention_heads":3/' "$model/config.json"
learner_refuses 1 "a config.json that contradicts itself" "model.path=$model" -- 'config\.json' 'head'
of_stage=rl learner_refuses 2 "prompts and responses beyond the context" "model.path=$work/start" data.max_prompt_length=200 data.max_response_length=100 -- 'max_prompt_length 200' 'max_response_length 100' '256'

# --- what only actors can see: the learner's files do not fit each other ------------------------------------
bad_model words
"$bin/argosy" init --preset s15 "$work/s15" 2>/dev/null || fail "argosy init --preset s15"
cp "$work/s15/tokenizer.json" "$model/tokenizer.json"
learner words "$work/words-run" base 1 "model.path=$model" trainer.rollout_timeout_s=2
of_learner=$pid
refuses 1 "a tokenizer with more words than the model" "$bin/argosy-actor" --run "$work/words-run" -- 'tokenizer' '4095' '67'
ended "$of_learner" 30 words
expect "status of its learner" 1 "$status"
expect_text "what its learner says" "$work/words.log" 'no actor is connected'
nothing_half_written "$work/words-run"

learner long "$work/long-run" rl 1 "model.path=$work/start" data.max_prompt_length=4
of_learner=$pid
actor long-actor "$work/long-run"
ended "$of_learner" 30 long
expect "status with prompts that are too long" 1 "$status"
expect_text "what is said of prompts that are too long" "$work/long.log" 'prompt' 'too long|tokens'
nothing_half_written "$work/long-run"

# --- the network ------------------------------------------------------------------------------------------------
refuses 1 "a learner that is not there" "$bin/argosy-actor" --connect tcp://127.0.0.1:1 --wait 1 -- '127\.0\.0\.1:1' 'refused'
refuses 1 "a run without a learner" "$bin/argosy-actor" --run "$work/no-run" --wait 1 -- 'no-run'
refuses 1 "a key that is not there" "$bin/argosy-actor" --connect tcp://127.0.0.1:1 --key "$work/no.key" -- 'no\.key' 'No such file'
refuses 2 "an address that is none" "$bin/argosy-actor" --connect nonsense -- 'nonsense'
learner_refuses 2 "a bind beyond loopback without keys" "model.path=$work/start" net.bind=0.0.0.0 net.curve=false -- '0\.0\.0\.0' 'CURVE|curve|key'

# One learner has to bear all of these guests and then do its work as if nothing had been.
learner host "$work/host" base 1 "model.path=$work/start"
of_host=$pid
wait_for 30 "the host's endpoint" test -s "$work/host/endpoint"
address=$(json "$work/host/endpoint" 'd["endpoint"]')
port=${address##*:}
learner_refuses 1 "a port in use" "model.path=$work/start" "net.port=$port" -- "$port" 'has the port'
refuses 1 "a run folder in use" "$bin/argosy-learner" "$recipe" --stage base --run "$work/host" \
    "model.path=$work/start" -- 'another learner'
cp "$work/words-run/actor.key" "$work/other.key"
chmod 600 "$work/other.key"
refuses 1 "another run's key" "$bin/argosy-actor" --connect "$address" --key "$work/other.key" -- 'refused' 'key'
refuses 1 "no key" "$bin/argosy-actor" --connect "$address" --wait 2 -- "$port"
chmod 644 "$work/other.key"
refuses 2 "a key that others can read" "$bin/argosy-actor" --connect "$address" --key "$work/other.key" -- 'other\.key' '644'
guest() { # MANNER WANTED-STATUS REGEX...
    local manner=$1 want=$2 got
    shift 2
    "$tools/hostile_peer" "$address" "$work/host/actor.key" "$manner" >"$work/guest.out" 2>&1
    got=$?
    expect "status of hostile_peer $manner ($(tail -n 2 "$work/guest.out"))" "$want" $got
    expect_text "what hostile_peer $manner heard" "$work/guest.out" "$@"
}
guest protocol 0 'REFUSE' 'protocol'
guest fingerprint 0 'REFUSE' 'fingerprint'
guest hashes 0 'REFUSE' 'hash' 'shape'
guest frames 0 'REFUSE'
guest messages 0 'sent'
guest forge 0 'ok 0 '
garbage() { # bytes on stdin, straight to the port
    (cat >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || true
}
head -c 200000 /dev/urandom | garbage
printf 'GET / HTTP/1.0\r\n\r\n' | garbage
printf '\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f' | garbage
head -c 65536 /dev/zero | garbage
has_ended "$of_host" && fail "the learner has ended: $(tail -n 5 "$work/host.log")"
actor honest "$work/host"
ended "$of_host" 60 host
expect "status of the learner after all its guests" 0 "$status"
balanced "$work/host"
stage "$work/quiet" base 1 1 "$work/start"
expect "weights of a learner with such guests" "$(weights_of "$work/quiet")" "$(weights_of "$work/host")"

# --- a full disk ---------------------------------------------------------------------------------------------------
small_disk() { # NAME KIB: a disk of that size, in $disk
    disk=$work/$1
    mkdir "$disk"
    mount -t tmpfs -o "size=$2k" none "$disk" 2>/dev/null || return 1
    mounts+=("$disk")
}
full_disk() { # NAME KIB REGEX key=value...: the status and the words of a stage on it
    local name=$1 kib=$2 regex=$3 on_actor
    shift 3
    small_disk "$name" "$kib" || { echo "no small disk to be had: only root can mount one"; return; }
    learner "$name-learner" "$disk/run" base 1 "model.path=$work/start" "$@"
    of_learner=$pid
    actor "$name-actor" "$disk/run"
    on_actor=$pid
    ended "$of_learner" 60 "$name-learner"
    expect "status with $name" 1 "$status"
    expect_text "what is said of $name" "$work/$name-learner.log" "$regex" 'No space left'
    nothing_half_written "$disk/run"
    end "$on_actor" || true # it waits for a learner to come back
}
full_disk full-journal 160 'journal'
full_disk full-checkpoint 400 'checkpoint|global_step' trainer.save_freq=3
