#!/usr/bin/env bash
# The whole gate: installs what is missing, builds, and runs every test. CI runs this and nothing else.
#
#   tests/run.sh [PATTERN]      only the tests whose "variant/name" matches the extended regular expression
#
#   check  optimised, warnings are errors: unit, simulator and shell tests (structure, command line, Apache Kafka)
#   asan   AddressSanitizer, UBSan, leaks: unit and simulator tests, fuzz corpora and a seeded round of mutations
#   tsan   ThreadSanitizer: the tests of the modules that have threads
#
# One line a test program; a failing one is followed by its output. Every single test counts, and the last line is
# "N passed, N failed, N skipped". Exits non-zero when any failed. Logs stay in build/logs. tests/README.md tells how
# tests are found and how to add one.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

pattern=${1:-.}
logs=$root/build/logs
cache=${WEIR_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/weir}
job_count=$(nproc)
test_limit_s=${WEIR_TEST_LIMIT_S:-120}       # a Criterion case (its own .timeout counts if shorter)
program_limit_s=${WEIR_PROGRAM_LIMIT_S:-300} # a test program or script
kafka_limit_s=${WEIR_KAFKA_LIMIT_S:-600}     # a script of tests/kafka, which may have to fetch Kafka first
mutation_count=${WEIR_FUZZ_MUTATIONS:-20000} # mutated inputs a fuzz target
export PATH=$PATH:$cache/promtool
export WEIR_ROOT=$root WEIR_BUILD=$root/build/check WEIR=$root/build/check/weir WEIR_CACHE=$cache
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1:suppressions=$root/tests/tsan.supp

# ---- counting ----

results=$logs/results.txt # a line a program: passed failed skipped
skips=$logs/skipped.txt   # a line a skipped test: its name and why

# Reads TAP on standard input; prints "passed failed skipped".
count_tap() {
    awk '/^not ok/ {failed++} /^ok.*# *SKIP/ {skipped++; next} /^ok/ {passed++}
         END {print passed + 0, failed + 0, skipped + 0}'
}

# What a program's exit code and output say beyond its own TAP lines: one sentence, or nothing when all is well.
find_trouble() { # exit_code tap log
    if grep -qE 'ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|: runtime error: ' "$3"; then
        echo "a sanitizer reported an error"
    elif [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; then
        echo "stopped after $program_limit_s s"
    elif [ "$1" -ne 0 ] && [ "$1" -ne 77 ] && ! grep -q '^not ok' "$2"; then
        echo "ended with exit code $1"
    elif ! awk '/^1\.\./ {planned = substr($1, 4)} /^(not )?ok/ {ran++} END {exit ran < planned}' "$2"; then
        echo "ran fewer tests than it planned"
    elif ! grep -qE '^(not )?ok' "$2"; then
        echo "ran no test"
    fi
}

report() { # label seconds tap log trouble
    local passed failed skipped word=ok
    read -r passed failed skipped < <(count_tap <"$3")
    [ -z "$5" ] || [ "$failed" -gt 0 ] || failed=1
    [ "$failed" -eq 0 ] || word=FAIL
    echo "$passed $failed $skipped" >>"$results"
    sed -nE "s|^ok - (.*)# *SKIP *(.*)|$1: \1(\2)|p" "$3" >>"$skips"
    {
        printf '%-4s %-44s %4d passed %3d failed %3d skipped %6.1f s %s\n' \
            "$word" "$1" "$passed" "$failed" "$skipped" "$2" "$5"
        if [ "$failed" -gt 0 ]; then
            grep '^not ok' "$3" | sed 's/^/     /'
            tail -n 80 "$4" | sed 's/^/     | /'
        fi
    } >"$4.report"
    cat "$4.report"
}

# ---- running ----

# Runs a program that writes TAP to "$tap" (its command line may name it as TAP), and reports it.
run_program() { # label command...
    local label=$1 log tap code began trouble
    shift
    log=$logs/${label//\//.}.log
    tap=${log%.log}.tap
    : >"$tap"
    began=$EPOCHREALTIME
    TAP=$tap timeout -k 10 "$program_limit_s" "$@" >"$log" 2>&1 </dev/null
    code=$?
    finish_tap "$label" "$code" "$tap" "$log"
    trouble=$(find_trouble "$code" "$tap" "$log")
    report "$label" "$(awk "BEGIN {print $EPOCHREALTIME - $began}")" "$tap" "$log" "$trouble"
}

# A program without a TAP file may have printed its lines; one without any is a single test with an exit code
# (77: skipped, its last line says why).
finish_tap() { # label code tap log
    [ ! -s "$3" ] || return 0
    grep -E '^(not )?ok' "$4" >"$3" && return 0
    case $1/$2 in
    *.sh/0) echo "ok - $1" >"$3" ;;
    *.sh/77) echo "ok - $1 # SKIP $(tail -n 1 "$4")" >"$3" ;;
    *.sh/*) echo "not ok - $1 (exit code $2)" >"$3" ;;
    esac
}

is_wanted() {
    [[ $1 =~ $pattern ]]
}

# Starts a program beside the others, as soon as fewer than job_count are running.
start() { # label command...
    is_wanted "$1" || return 0
    while [ "$(jobs -rp | grep -cvx "${waiting_lane:-none}")" -ge "$job_count" ]; do
        wait -n
    done
    run_program "$@" &
}

start_fuzz() { # variant build_dir name module
    start "$1/$3" "$2/tests/fuzz/$3" --mutations "$mutation_count" --crash "$logs/$3.crash" "tests/fuzz/corpus/$4"
}

# The command of a test program, in `command`. The broker's wait for their embedded brokers' rebalance delays and not for
# a CPU: several of their tests run at a time.
command_of() { # variant module name
    local jobs=1
    [ "$2" != broker ] || jobs=4
    command=("$root/build/$1/tests/$3" --jobs "$jobs" --timeout "$test_limit_s" "--tap=$logs/$1.$3.tap")
}

# Starts the programs of one build that are of the given kinds ("unit sim") and have the given threads ("one many").
start_programs() { # variant kinds threads
    local dir=$root/build/$1 kind module name threads command
    while read -r kind module name threads; do
        [[ " $2 " == *" $kind "* && " $3 " == *" $threads "* && $module != broker ]] || continue
        if [ "$kind" = fuzz ]; then
            start_fuzz "$1" "$dir" "$name" "$module"
        else
            command_of "$1" "$module" "$name"
            start "$1/$name" "${command[@]}"
        fi
    done <"$dir/tests/programs.txt"
}

# The broker's programs, one after the other, beside the others.
run_waiting() { # variant...
    local variant kind module name threads command
    for variant; do
        while read -r kind module name threads <&3; do
            [ "$module" = broker ] && [ "$variant/$threads" != tsan/one ] && is_wanted "$variant/$name" || continue
            command_of "$variant" "$module" "$name"
            run_program "$variant/$name" "${command[@]}"
        done 3<"$root/build/$variant/tests/programs.txt"
    done
}

limit_of() { # script
    case $1 in
    tests/kafka/*) echo "$kafka_limit_s" ;;
    *) echo "$program_limit_s" ;;
    esac
}

# Shell tests run one at a time: they start brokers and measure.
run_scripts() {
    local script label
    for script in tests/*/*_test.sh; do
        label=check/${script#tests/}
        is_wanted "$label" && program_limit_s=$(limit_of "$script") run_program "$label" bash "$script"
    done
}

# ---- building ----

build() { # variant target
    local log=$logs/build.$1.log began=$EPOCHREALTIME word=ok counts="1 0 0"
    if ! { cmake --preset "$1" && cmake --build --preset "$1" --target "$2"; } >"$log" 2>&1; then
        word=FAIL counts="0 1 0"
    fi
    echo "$counts" >>"$results"
    printf '%-4s %-44s %46.1f s\n' "$word" "build $1" "$(awk "BEGIN {print $EPOCHREALTIME - $began}")"
    [ "$word" = ok ] && return 0
    grep -E -A 12 'error|FAILED' "$log" | head -n 80 | sed 's/^/     | /'
    return 1
}

# ---- the run ----

trap 'trap - INT TERM; kill 0' INT TERM
mkdir -p "$logs"
: >"$results"
: >"$skips"
deploy/install-deps.sh build test || exit 1

build check all && check=yes || check=no
build asan test_programs && asan=yes || asan=no
build tsan threaded_programs && tsan=yes || tsan=no
built=()
for variant in check tsan asan; do
    [ "${!variant}" = no ] || built+=("$variant")
done
run_waiting "${built[@]}" &
waiting_lane=$!
[ "$check" = no ] || start_programs check "unit sim" "one many"
[ "$tsan" = no ] || start_programs tsan "unit sim" "many"
[ "$asan" = no ] || start_programs asan "unit sim fuzz" "one many"
wait
[ "$check" = no ] || run_scripts

if [ -s "$skips" ]; then
    echo "Skipped:"
    sed 's/^/     /' "$skips"
fi
read -r passed failed skipped < <(awk '{p += $1; f += $2; s += $3} END {print p + 0, f + 0, s + 0}' "$results")
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
