#!/usr/bin/env bash
# weir's benches: builds in release mode, runs them one after the other, prints a table and one JSON object a figure.
#
#     bench/run.sh [--json] [NAME...]
#
# NAME is a bench (bench/run.sh --list) or one of its figures; without a name all of them run. --json prints nothing
# but {"name","value","unit"} objects, one a line, on standard output. bench/README.md says what each figure is, what
# it is compared with, and how long it takes. Everything is on the loopback and ends with this script.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

model=$repo/bench/models/bench32.json
runs=${WEIR_BENCH_RUNS:-3}                    # of every figure on Kafka; the median counts
backlog_events=${WEIR_BENCH_BACKLOG:-5000000} # of the catch-up
live_seconds=${WEIR_BENCH_SECONDS:-20}        # of measured traffic a run
warm_seconds=5                                # of traffic before that
micro_timeout_s=600
state_memory_mib=1024
fetch_memory_mib=256
linger_ms=1 # of both senders, relay's and weir's

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

# note NAME VALUE: keeps one run's figure for `noted`, which gives the median over the runs
note() {
    [ -n "$2" ] || die "no figure for $1"
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
    timeout "$micro_timeout_s" "$build/bench/bench_$bench" "$@" | tee -a "$rows" || die "bench_$bench failed"
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
    warm_up
}

# A broker fresh from the start is slower: half a million events in and out again, not counted.
warm_up() {
    make_topic warm-up 8
    make_topic warm-up-out 8
    "$build/bench/bench_loadgen" --brokers "$bootstrap" --topic warm-up --count 500000 >"$work/warm-up.out" ||
        die "the broker does not take events"
    start_relay warm-up warm-up --idle-exit-ms 1000
    await_end "$started" 60 || { show_log warm-up; die "the relay failed"; }
}

# start_weir RUN INPUT WORKERS CHECKPOINT_INTERVAL: a fresh group and state; its id is in $started, its port in $port
start_weir() {
    port=$(free_port)
    start "$1" "$build/weir" run --brokers "$bootstrap" --group.id "$1" --model "$model" \
        --state-dir "$work/$1.state" --topics.transactions "$2" --topics.alerts "$1-out" --topics.dead_letters "" \
        --workers "$3" --linger "${linger_ms}ms" --state.checkpoint_interval "$4" \
        --state.memory "${state_memory_mib}MiB" --fetch.memory "${fetch_memory_mib}MiB" \
        --http.listen "127.0.0.1:$port" --log.level warn
}

# start_relay RUN INPUT [FLAG...]: its id is in $started
start_relay() {
    local name=$1 input=$2
    shift 2
    start "$name" "$build/bench/bench_relay" --brokers "$bootstrap" --group "$name" --in "$input" --out "$name-out" \
        --every 50 --linger-ms "$linger_ms" "$@"
}

stop_weir() {
    finish "$1" 60 || { show_log "$2"; die "weir did not stop cleanly"; }
    rm -rf "$work/$2.state"
}

# --- catching up -----------------------------------------------------------------------------------------------------

catchup_weir() {
    local name=$1 result=$work/$1.watch
    make_topic "$name-out" 8
    start_weir "$name" backlog 2 5s # both cores: there is a backlog to get through
    local weir=$started
    "$build/bench/bench_watch" "$port" "$weir" weir_events_scored_total "$backlog_events" 180 >"$result" ||
        { show_log "$name"; die "weir did not get through the backlog"; }
    note weir_rate "$(field "$result" rate)"
    note weir_cpu "$(field "$result" cpu_s)"
    note rss_peak "$(field "$result" rss_peak_mib)"
    stop_weir "$weir" "$name"
}

catchup_relay() {
    local name=$1
    make_topic "$name-out" 8
    start_relay "$name" backlog --idle-exit-ms 2000
    await_end "$started" 180 || { show_log "$name"; die "the relay did not get through the backlog"; }
    note relay_rate "$(field "$work/$name.out" rate)"
    note relay_cpu "$(field "$work/$name.out" cpu_s)"
}

# Both, in turns, the one that begins alternating.
bench_catchup() {
    prepare_kafka
    make_topic backlog 8
    say "# filling a backlog of $backlog_events events"
    "$build/bench/bench_loadgen" --brokers "$bootstrap" --topic backlog --count "$backlog_events" >"$work/fill.out" ||
        die "the backlog could not be filled"
    local run order
    for ((run = 1; run <= runs; run++)); do
        order="relay weir"
        ((run % 2)) || order="weir relay"
        for who in $order; do
            say "# catching up, run $run of $runs: $who"
            "catchup_$who" "catchup-$who-$run"
        done
    done
    report_catchup
}

report_catchup() {
    local weir_rate relay_rate weir_cpu relay_cpu million
    weir_rate=$(noted weir_rate) relay_rate=$(noted relay_rate)
    weir_cpu=$(noted weir_cpu) relay_cpu=$(noted relay_cpu)
    million=$(awk -v n="$backlog_events" 'BEGIN { print n / 1e6 }')
    row relay_catchup_rate "$relay_rate" events/s
    row weir_catchup_rate "$weir_rate" events/s
    row catchup_ratio "$(ratio "$weir_rate" "$relay_rate")" ratio
    row relay_catchup_cpu_s_per_million "$(ratio "$relay_cpu" "$million")" s
    row catchup_cpu_s_per_million "$(ratio "$weir_cpu" "$million")" s
    row rss_peak_mib "$(sort -g "$work/note.rss_peak" | tail -1)" MiB
    row rss_bound_mib $((state_memory_mib + fetch_memory_mib)) MiB
}

# --- live ------------------------------------------------------------------------------------------------------------

# own_p99_ms BEFORE AFTER: the 99th percentile of what weir_processing_seconds gained between two pages of metrics,
# within its bucket by a straight line.
own_p99_ms() {
    awk '
        $1 !~ /^weir_processing_seconds_bucket/ { next }
        { le = $1; sub(/.*le="/, "", le); sub(/".*/, "", le) }
        FNR == NR { before[le] = $NF; next }
        { count++; bound[count] = le; gained[count] = $NF - before[le] }
        END {
            if (!count || gained[count] <= 0) exit 1
            wanted = 0.99 * gained[count]
            for (i = 1; gained[i] < wanted; i++) { low = bound[i]; below = gained[i] }
            if (bound[i] == "+Inf") exit 1
            printf "%.4g\n", 1000 * (low + (bound[i] - low) * (wanted - below) / (gained[i] - below))
        }' "$1" "$2"
}

# traffic RUN INPUT RATE PID: sends for warm_seconds + live_seconds while $1-out is read, and notes the latencies and
# the process's CPU time over the measured part.
traffic() {
    local name=$1 rate=$3 pid=$4 cpu_before cpu_after
    # Half a million events first, so that every card is known and the memory is there: a service that has been up a while.
    "$build/bench/bench_loadgen" --brokers "$bootstrap" --topic "$2" --count 500000 >"$work/$name.fill" ||
        die "the broker does not take events"
    sleep 3
    start "$name.latency" "$build/bench/bench_latency" --brokers "$bootstrap" --topic "$name-out" \
        --warmup-s "$warm_seconds" --seconds "$((warm_seconds + live_seconds))"
    local latency=$started
    start "$name.load" "$build/bench/bench_loadgen" --brokers "$bootstrap" --topic "$2" --rate "$rate" \
        --seconds "$((warm_seconds + live_seconds))"
    local load=$started
    sleep "$warm_seconds"
    cpu_before=$(cpu_s "$pid")
    [ -z "${port:-}" ] || get "$port" /metrics >"$work/$name.before"
    sleep "$((live_seconds - 1))"
    cpu_after=$(cpu_s "$pid")
    [ -z "${port:-}" ] || get "$port" /metrics >"$work/$name.after"
    await_end "$load" 30 || { show_log "$name.load"; die "the load generator failed"; }
    await_end "$latency" 30 || { show_log "$name.latency"; die "no latencies"; }
    awk -v a="$cpu_before" -v b="$cpu_after" 'BEGIN { print b - a }' >"$work/$name.cpu"
}

# note_live WHO RATE_NAME RUN
note_live() {
    local quantile
    for quantile in p50 p99 p999; do
        note "$1.$quantile.$2" "$(field "$work/$3.latency.out" "${quantile}_ms")"
    done
    note "$1.cpu.$2" "$(<"$work/$3.cpu")"
}

live_weir() {
    local name=$1 input=$2 rate=$3 rate_name=$4
    start_weir "$name" "$input" 1 10s
    local weir=$started
    await_ready "$port" "$weir" "$name" 30
    traffic "$name" "$input" "$rate" "$weir"
    note_live weir "$rate_name" "$name"
    note "own.$rate_name" "$(own_p99_ms "$work/$name.before" "$work/$name.after")"
    stop_weir "$weir" "$name"
}

live_relay() {
    local name=$1 input=$2 rate=$3 rate_name=$4
    port=
    start_relay "$name" "$input"
    local relay=$started
    traffic "$name" "$input" "$rate" "$relay"
    note_live relay "$rate_name" "$name"
    finish "$relay" 30 || { show_log "$name"; die "the relay failed"; }
}

# live_at RATE RATE_NAME: relay and weir in turns, each run on topics of its own.
live_at() {
    local run order who name
    for ((run = 1; run <= runs; run++)); do
        order="relay weir"
        ((run % 2)) || order="weir relay"
        for who in $order; do
            name=live-$2-$who-$run
            say "# $1 events a second, run $run of $runs: $who"
            make_topic "$name-in" 2
            make_topic "$name-out" 2
            "live_$who" "$name" "$name-in" "$1" "$2"
        done
    done
    report_live "$2"
}

report_live() {
    local rate=$1 quantile weir relay
    for quantile in p50 p99 p999; do
        weir=$(noted "weir.$quantile.$rate") relay=$(noted "relay.$quantile.$rate")
        row "relay_${quantile}_ms_$rate" "$relay" ms
        row "weir_${quantile}_ms_$rate" "$weir" ms
        row "latency_${quantile}_ratio_$rate" "$(ratio "$weir" "$relay")" ratio
    done
    row "live_cpu_ratio_$rate" "$(ratio "$(noted "weir.cpu.$rate")" "$(noted "relay.cpu.$rate")")" ratio
    row "own_p99_ms_$rate" "$(noted "own.$rate")" ms
}

bench_live() {
    prepare_kafka
    live_at 20000 20k
    live_at 100000 100k
}

# --- which ones ------------------------------------------------------------------------------------------------------

benches=(decode features engine window busy checkpoint catchup live)

# bench_of NAME: the bench a name stands for, and for an engine figure its one case
bench_of() {
    case $1 in
    decode* | features* | step_ns | score_ns) echo "${1%%_*}" | sed 's/^step$\|^score$/features/' ;;
    engine_*) echo "engine $1" ;;
    engine | window* | busy* | checkpoint*) echo "${1%%_*}" ;;
    catchup* | *_catchup_* | rss_*) echo catchup ;;
    live* | latency_* | own_p99_ms_* | relay_p* | weir_p*) echo live ;;
    *) die "no bench and no figure is called $1; --list shows the benches" ;;
    esac
}

print_table() {
    sed 's/.*"name":"\([^"]*\)","value":\([^,]*\),"unit":"\([^"]*\)".*/\1 \2 \3/' "$rows" |
        awk '{ printf "%-36s %14s  %s\n", $1, $2, $3 }'
}

main() {
    local json= names=() name plan=()
    for name in "$@"; do
        case $name in
        --json) json=yes ;;
        --list) printf '%s\n' "${benches[@]}"; return ;;
        --help | -h) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; return ;;
        -*) say "bench/run.sh: no such flag: $name"; exit 2 ;;
        *) names+=("$name") ;;
        esac
    done
    [ ${#names[@]} -gt 0 ] || names=("${benches[@]}")
    for name in "${names[@]}"; do
        name=$(bench_of "$name") || exit 2
        [[ " ${plan[*]} " == *" $name "* ]] || plan+=("$name")
    done
    for name in "${plan[@]}"; do
        # shellcheck disable=SC2086 # an engine figure is a bench and its case
        bench_$name
    done
    [ -n "$json" ] || print_table
}

[ "${BASH_SOURCE[0]}" != "$0" ] || main "$@"
