#!/usr/bin/env bash
# weir's benches: builds in release mode, runs them one after the other, prints a table and one JSON object a figure.
#
#     bench/run.sh [--json] [NAME...]
#
# NAME is a bench (bench/run.sh --list) or one of its figures; without a name all of them run. --json prints nothing
# but {"name","value","unit"} objects, one a line, on standard output. bench/README.md says what each figure is, what
# it is compared with, and how long it takes. Everything is on the loopback and ends with this script.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

model=$repo/bench/models/bench32.json
runs=${WEIR_BENCH_RUNS:-3}                    # of every figure on Kafka; the median counts
backlog_events=${WEIR_BENCH_BACKLOG:-5000000} # of the catch-up
live_seconds=${WEIR_BENCH_SECONDS:-20}        # of measured traffic a run
warm_seconds=5                                # of traffic before that
micro_timeout_s=600
state_memory_mib=1024
fetch_memory_mib=256

# --- figures ---------------------------------------------------------------------------------------------------------

rows=$work/rows.jsonl
: >"$rows"

# row NAME VALUE UNIT
row() {
    printf '{"name":"%s","value":%s,"unit":"%s"}\n' "$@" | tee -a "$rows"
}

# ratio A B: A / B with four digits
ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { if (b <= 0) exit 1; printf "%.4g\n", a / b }' || die "nothing to divide $1 by"
}

# median FILE: of the numbers in it, one a line
median() {
    sort -g "$1" | awk '{ v[NR] = $1 } END { if (!NR) exit 1; print v[int((NR + 1) / 2)] }' || die "no figure in $1"
}

# field FILE NAME: of a file that holds one flat JSON object
field() {
    sed -n 's/.*"'"$2"'": *\(-\{0,1\}[0-9.e+-]*\).*/\1/p' "$1" | tail -1 | grep . || die "no $2 in $(<"$1")"
}

# note NAME VALUE: one run's figure, for `medians`
note() {
    echo "$2" >>"$work/note.$1"
}

noted() {
    median "$work/note.$1"
}

# --- micro benches ---------------------------------------------------------------------------------------------------

# micro BENCH [ARG...]: a program of bench/micro on its own
micro() {
    local bench=$1
    shift
    build_targets "bench_$bench"
    timeout "$micro_timeout_s" "$build/bench_$bench" "$@" | tee -a "$rows" || die "bench_$bench failed"
}

bench_decode() { micro decode; }
bench_features() { micro features; }
bench_engine() { micro engine "$model" "$@"; }
bench_window() { micro window; }
bench_busy() { micro busy; }
bench_checkpoint() { micro checkpoint; }

# --- on Kafka --------------------------------------------------------------------------------------------------------

prepare_kafka() {
    [ -z "$kafka_running" ] || return 0
    build_targets weir bench_relay bench_loadgen bench_latency bench_watch
    start_kafka
    say "# on Apache Kafka, $(nproc) cores shared with the broker"
}

# start_weir RUN INPUT: a fresh group and state; its id is in $started, its port in $port
start_weir() {
    port=$(free_port)
    start "$1" "$build/weir" run --brokers "$bootstrap" --group.id "$1" --model "$model" \
        --state-dir "$work/$1.state" --topics.transactions "$2" --topics.alerts "$1.alerts" --topics.dead_letters "" \
        --state.memory "${state_memory_mib}MiB" --fetch.memory "${fetch_memory_mib}MiB" \
        --http.listen "127.0.0.1:$port" --log.level warn
}

stop_weir() {
    finish "$1" 60 || { show_log "$2"; die "weir did not stop cleanly"; }
    rm -rf "$work/$2.state"
}

catchup_weir() {
    local name=$1
    make_topic "$name.alerts" 8
    start_weir "$name" backlog
    local weir=$started
    "$build/bench_watch" "$port" "$weir" weir_events_scored_total "$backlog_events" 120 >"$work/$name.watch" ||
        { show_log "$name"; die "weir did not get through the backlog"; }
    note weir_rate "$(field "$work/$name.watch" rate)"
    note weir_cpu "$(field "$work/$name.watch" cpu_s)"
    note weir_rss "$(field "$work/$name.watch" rss_peak_mib)"
    stop_weir "$weir" "$name"
}
