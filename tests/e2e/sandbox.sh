#!/usr/bin/env bash
# The code reward: HumanEval's solutions score 1 and wrong ones 0; hostile
# programs score 0 and leave nothing; the same as an ordinary user; where a part
# of the sandbox is missing nothing is run, and the error says which.
#
# SANDBOX_LONG=1: every variant, mutants, MBPP, and all hostile programs as an
# ordinary user too.
. "$(dirname "$0")/lib.sh"

data=${ARGOSY_DATA:-$here/../../../shared/data}
# Another user must be able to read them, wherever this tree is.
chmod 755 "$work"
cp -r "$tools/code_tool" "$here/sandbox_hostile.py" "$here/sandbox_humaneval.py" "$here/hostile" "$work"
chmod -R a+rX "$work"
tool=$work/code_tool

if ! "$tool" </dev/null 2>"$work/why"; then
    grep -q 'no bwrap\|user namespaces' "$work/why" || fail "$(cat "$work/why")"
    echo "no sandbox on this machine: $(cat "$work/why")"
    exit 77
fi

# --- a part is missing: an error, never a score ---------------------------------------------------
case='{"id": "x", "program": "print(1)", "row": "{\"inputs\": [\"\"], \"outputs\": [\"1\"]}"}'
refuses() { # WHAT REGEX bwrap-option...
    local what=$1 regex=$2
    shift 2
    if bwrap --bind / / --dev-bind /dev /dev --proc /proc "$@" "$tool" <<<"$case" >"$work/out" 2>"$work/why"; then
        fail "without $what it scored: $(cat "$work/out")"
    fi
    has_text "$work/why" "$regex" || fail "without $what it says: $(cat "$work/why")"
    [ ! -s "$work/out" ] || fail "without $what there is a verdict: $(cat "$work/out")"
}
refuses "user namespaces" 'no sandbox here.*user namespaces' \
    --unshare-user --disable-userns --uid 1000 --gid 1000
refuses bubblewrap 'no bwrap in /usr/bin.*apt-get install bubblewrap' --tmpfs /usr/bin
refuses Python 'no python3 in /usr/bin' --tmpfs /usr/bin --ro-bind "$(command -v bwrap)" /usr/bin/bwrap

# --- everything is there --------------------------------------------------------------------------
python3 "$work/sandbox_hostile.py" "$tool" || fail "hostile programs"
if [ -e "$data/humaneval/HumanEval.jsonl.gz" ]; then
    python3 "$work/sandbox_humaneval.py" "$tool" "$data" ${SANDBOX_LONG:+all} || fail "HumanEval"
else
    echo "SKIPPED: no HumanEval in $data"
fi
if [ "$(id -u)" -eq 0 ]; then
    some=(read_passwd net_tcp fork_bomb_command kill_outside daemon check_equal stops_itself)
    [ -z "${SANDBOX_LONG:-}" ] || some=()
    (cd / && setpriv --reuid 65534 --regid 65534 --clear-groups env TMPDIR=/tmp \
        python3 "$work/sandbox_hostile.py" "$tool" ${some[@]+"${some[@]}"}) || fail "as an ordinary user"
fi
echo "sandbox: all held"
