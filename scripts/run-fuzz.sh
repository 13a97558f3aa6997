#!/usr/bin/env bash
# scripts/run-fuzz.sh PROGRAM SECONDS: searches with libFuzzer for inputs that
# break a fuzz target.  Starts from tests/fuzz/corpus/NAME; what it finds new
# goes under build/, and an input that breaks the target is kept beside it.
set -u

program=$1
seconds=$2
name=${program##*/fuzz_}
found=build/fuzz/$name
mkdir -p "$found/new" "$found/broken"
echo "# fuzz_$name, $seconds s"
"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=0 -verbosity=0 -artifact_prefix="$found/broken/" \
    "$found/new" "tests/fuzz/corpus/$name" || {
    echo "fuzz_$name: broken by the newest file in $found/broken; put it into tests/fuzz/corpus/$name" >&2
    exit 1
}
