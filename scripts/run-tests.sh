#!/usr/bin/env bash
# Runs test programs and scripts one after another and says how it went.
#
#   scripts/run-tests.sh [lint] PROGRAM|SCRIPT.sh ...
#
# A failure stops nothing: its log is shown and the next test runs.  A test that
# ends with status 77 could not run here and is listed as skipped.  tests/mpi
# programs run on 1, 2 and 4 ranks, each counted.  The last line is
# "N passed, N failed"; the exit status is 0 only when none failed.
set -u

seconds_max=${TEST_SECONDS_MAX:-300}
build=${B:-build/release}
logs=$build/logs
mkdir -p "$logs"
rm -rf "$logs"/scratch
passed=0
failed=()
skipped=()

export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:suppressions=tests/support/tsan.supp}
# As root (a container) Open MPI wants to be told that this is meant.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

run_one() { # label command...
    local label=$1 log started status took
    shift
    log=$logs/$(tr '/ ' '__' <<<"$label").log
    started=$(date +%s%N)
    timeout -k 10 "$seconds_max" "$@" >"$log" 2>&1 </dev/null
    status=$?
    took=$(((($(date +%s%N) - started) + 50000000) / 100000000))
    took=$((took / 10)).$((took % 10))
    case $status in
    0)
        passed=$((passed + 1))
        printf 'ok      %-52s %6s s\n' "$label" "$took"
        ;;
    77)
        skipped+=("$label: $(tail -n 1 "$log")")
        printf 'SKIPPED %-52s %6s s  %s\n' "$label" "$took" "$(tail -n 1 "$log")"
        ;;
    *)
        failed+=("$label")
        printf 'FAILED  %-52s %6s s  status %s\n' "$label" "$took" "$status"
        [ "$status" -eq 124 ] && echo "    stopped: it ran longer than $seconds_max s"
        tail -n 60 "$log" | sed 's/^/    | /'
        echo "    | (all of it: $log)"
        ;;
    esac
}

run_ranks() { # label program: on 1, 2 and 4 ranks
    local ranks
    for ranks in 1 2 4; do
        # The leak checker would report what Open MPI itself never frees.
        ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" run_one "$1 ($ranks ranks)" \
            mpirun -n "$ranks" --oversubscribe --bind-to none \
            --mca btl_vader_single_copy_mechanism none "$2"
    done
}

for test in "$@"; do
    label=${test#"$build"/tests/}
    label=${label#tests/}
    case $test in
    lint) run_one lint python3 scripts/lint.py ;;
    *.sh) run_one "$label" bash "$test" ;;
    *)
        if [ ! -x "$test" ]; then
            failed+=("$label")
            printf 'FAILED  %-52s not built: see what the compiler said above\n' "$label"
            continue
        fi
        case $test in
        */tests/mpi/*) run_ranks "$label" "$test" ;;
        */tests/fuzz/fuzz_*) run_one "$label" "$test" "tests/fuzz/corpus/${test##*/fuzz_}" ;;
        *) run_one "$label" "$test" ;;
        esac
        ;;
    esac
done

[ ${#skipped[@]} -eq 0 ] || printf 'SKIPPED, so nothing is known about it: %s\n' "${skipped[@]}"
[ ${#failed[@]} -eq 0 ] || printf 'FAILED: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ]
