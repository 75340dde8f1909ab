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
two_stage_model=$repo/bench/models/bench32_two_stage.json
runs=${WEIR_BENCH_RUNS:-3}                    # of every figure on Kafka; the median counts
backlog_events=${WEIR_BENCH_BACKLOG:-5000000} # of the catch-up
warm_up_runs=2                                # of the catch-up, not counted
live_seconds=${WEIR_BENCH_SECONDS:-20}        # of measured traffic a run
two_stage_live_seconds=${WEIR_BENCH_SECONDS:-12}
warm_seconds=5                                # of traffic before that
micro_timeout_s=600
state_memory_mib=1024
two_stage_state_memory_mib=1280
fetch_memory_mib=64
backlog_days=30       # of event time, in the backlog with two stages ...
backlog_drift_max=24h # ... and alignment.drift_max there: less than the shortest delay of the model's labelled features
linger_ms=1         # of both senders, relay's and weir's
catchup_linger_ms=5 # the same with a backlog: a request a partition and millisecond would go to the broker's CPU
two_stage_catchup_linger_ms=100 # and with two hops, which are requests of both kinds

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
bench_state_bytes() { micro retained; }

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

# start_weir RUN INPUT WORKERS CHECKPOINT_INTERVAL [FLAG...]: a fresh group and state; its id is in $started, its port
# in $port
start_weir() {
    free_port
    start "$1" "$build/weir" run --brokers "$bootstrap" --group.id "$1" --model "$model" \
        --state-dir "$work/$1.state" --topics.transactions "$2" --topics.alerts "$1-out" --topics.dead_letters "" \
        --workers "$3" --linger "${linger_ms}ms" --state.checkpoint_interval "$4" \
        --state.memory "${state_memory_mib}MiB" --state.prefault --fetch.memory "${fetch_memory_mib}MiB" \
        --http.listen "127.0.0.1:$port" --log.level warn "${@:5}"
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

# Every function of this part takes the KIND of backlog first, which is also its topic: `catchup` for one stage,
# `two_stage_catchup` for two.

# start_weir_at KIND RUN: both cores, because there is a backlog to get through.
start_weir_at() {
    case $1 in
    catchup) start_weir "$2" "$1" 2 5s ;;
    two_stage_catchup)
        model=$two_stage_model start_weir "$2" "$1" 2 5s --stages card,terminal --topics.labels "$1_labels" \
            --alignment.drift_max "$backlog_drift_max"
        ;;
    esac
}

# The time counts from the first event taken in, at whatever stage, to the last one scored.
catchup_weir() {
    local kind=$1 name=$2 result=$work/$2.watch
    make_topic "$name-out" 8
    start_weir_at "$kind" "$name"
    local weir=$started
    "$build/bench/bench_watch" "$port" "$weir" weir_events_scored_total "$backlog_events" 180 weir_events_total \
        >"$result" || { show_log "$name"; die "weir did not get through the backlog"; }
    note "$kind.weir_rate" "$(field "$result" rate)"
    note "$kind.weir_cpu" "$(field "$result" cpu_s)"
    note "$kind.rss_peak" "$(field "$result" rss_peak_mib)"
    note "$kind.rss_anon" "$(field "$result" rss_anon_mib)"
    stop_weir "$weir" "$name"
}

catchup_relay() {
    local kind=$1 name=$2
    make_topic "$name-out" 8
    start_relay "$name" "$kind" --idle-exit-ms 2000
    await_end "$started" 180 || { show_log "$name"; die "the relay did not get through the backlog"; }
    note "$kind.relay_rate" "$(field "$work/$name.out" rate)"
    note "$kind.relay_cpu" "$(field "$work/$name.out" cpu_s)"
}

# catch_up KIND [LOADGEN_FLAG...]: fills the backlog, and then both get through it in turns, the one that begins
# alternating. The first runs of each are not counted: the broker is still compiling itself on the same two cores.
catch_up() {
    local kind=$1 run order who
    shift
    make_topic "$kind" 8
    say "# filling a backlog of $backlog_events events"
    "$build/bench/bench_loadgen" --brokers "$bootstrap" --topic "$kind" --count "$backlog_events" "$@" \
        >"$work/fill.out" || die "the backlog could not be filled"
    for ((run = 1 - warm_up_runs; run <= runs; run++)); do
        order="relay weir"
        ((run % 2)) || order="weir relay"
        for who in $order; do
            say "# ${kind//_/ }, run $run of $runs: $who"
            "catchup_$who" "$kind" "$kind-$who-$run"
        done
        ((run > 0)) || rm "$work/note.$kind."* # not counted
    done
}

# per_million KIND WHO: CPU seconds
per_million() {
    ratio "$(noted "$1.$2_cpu")" "$(awk -v n="$backlog_events" 'BEGIN { print n / 1e6 }')"
}

# largest NAME: of what was noted
largest() {
    sort -g "$work/note.$1" | tail -1
}

bench_catchup() {
    local weir_rate relay_rate linger_ms=$catchup_linger_ms
    prepare_kafka
    catch_up catchup
    weir_rate=$(noted catchup.weir_rate) relay_rate=$(noted catchup.relay_rate)
    row relay_catchup_rate "$relay_rate" events/s
    row weir_catchup_rate "$weir_rate" events/s
    row catchup_ratio "$(ratio "$weir_rate" "$relay_rate")" ratio
    row relay_catchup_cpu_s_per_million "$(per_million catchup relay)" s
    row catchup_cpu_s_per_million "$(per_million catchup weir)" s
    row rss_peak_mib "$(largest catchup.rss_peak)" MiB
    row rss_anon_mib "$(largest catchup.rss_anon)" MiB
    row rss_bound_mib $((state_memory_mib + fetch_memory_mib)) MiB
}

bench_two_stage_catchup() {
    local kind=two_stage_catchup weir_rate relay_rate linger_ms=$two_stage_catchup_linger_ms
    local state_memory_mib=$two_stage_state_memory_mib
    prepare_kafka
    make_topic "${kind}_labels" 8
    catch_up "$kind" --days "$backlog_days" --labels "${kind}_labels"
    weir_rate=$(noted "$kind.weir_rate") relay_rate=$(noted "$kind.relay_rate")
    row two_stage_relay_rate "$relay_rate" events/s
    row two_stage_weir_rate "$weir_rate" events/s
    row two_stage_catchup_ratio "$(ratio "$weir_rate" "$relay_rate")" ratio
    row two_stage_relay_cpu_s_per_million "$(per_million "$kind" relay)" s
    row two_stage_cpu_s_per_million "$(per_million "$kind" weir)" s
    row two_stage_rss_peak_mib "$(largest "$kind.rss_peak")" MiB
    row two_stage_rss_anon_mib "$(largest "$kind.rss_anon")" MiB
    row two_stage_rss_bound_mib $((state_memory_mib + fetch_memory_mib)) MiB
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

# Below, KIND is `` for one stage and one hop, `two_stage_` for two; it begins the names of the figures.

# live_weir KIND RUN INPUT RATE RATE_NAME
live_weir() {
    local kind=$1 name=$2 input=$3
    case $kind in
    "") start_weir "$name" "$input" 1 10s ;;
    two_stage_) model=$two_stage_model start_weir "$name" "$input" 1 10s --stages card,terminal ;;
    esac
    local weir=$started
    await_ready "$port" "$weir" "$name" 30
    traffic "$name" "$input" "$4" "$weir"
    note_live "${kind}weir" "$5" "$name"
    note "${kind}own.$5" "$(own_p99_ms "$work/$name.before" "$work/$name.after")"
    stop_weir "$weir" "$name"
}

# live_relay KIND RUN INPUT RATE RATE_NAME
live_relay() {
    local kind=$1 name=$2 input=$3
    port=
    case $kind in
    "") start_relay "$name" "$input" ;;
    two_stage_)
        make_topic "$name-middle" 2
        start_relay "$name" "$input" --middle "$name-middle"
        ;;
    esac
    local relay=$started
    traffic "$name" "$input" "$4" "$relay"
    note_live "${kind}relay" "$5" "$name"
    finish "$relay" 30 || { show_log "$name"; die "the relay failed"; }
}

# live_at KIND RATE RATE_NAME: relay and weir in turns, each run on topics of its own.
live_at() {
    local run order who name
    for ((run = 1; run <= runs; run++)); do
        order="relay weir"
        ((run % 2)) || order="weir relay"
        for who in $order; do
            name=live-$1$3-$who-$run
            say "# $2 events a second, ${1:-one_stage_}live, run $run of $runs: $who"
            make_topic "$name-in" 2
            make_topic "$name-out" 2
            "live_$who" "$1" "$name" "$name-in" "$2" "$3"
        done
    done
    report_live "$1" "$3"
}

report_live() {
    local kind=$1 rate=$2 quantile weir relay
    for quantile in p50 p99 p999; do
        weir=$(noted "${kind}weir.$quantile.$rate") relay=$(noted "${kind}relay.$quantile.$rate")
        row "${kind}relay_${quantile}_ms_$rate" "$relay" ms
        row "${kind}weir_${quantile}_ms_$rate" "$weir" ms
        row "${kind}latency_${quantile}_ratio_$rate" "$(ratio "$weir" "$relay")" ratio
    done
    weir=$(noted "${kind}weir.cpu.$rate") relay=$(noted "${kind}relay.cpu.$rate")
    row "${kind}live_cpu_ratio_$rate" "$(ratio "$weir" "$relay")" ratio
    row "${kind}own_p99_ms_$rate" "$(noted "${kind}own.$rate")" ms
}

bench_live() {
    prepare_kafka
    live_at "" 20000 20k
    live_at "" 100000 100k
}

bench_two_stage_live() {
    local live_seconds=$two_stage_live_seconds
    prepare_kafka
    live_at two_stage_ 20000 20k
}

# --- which ones ------------------------------------------------------------------------------------------------------

benches=(decode features engine window busy checkpoint state_bytes catchup live two_stage_catchup two_stage_live)

# bench_of NAME: the bench a name stands for, and for an engine figure its one case
bench_of() {
    case $1 in
    two_stage_live* | two_stage_latency_* | two_stage_own_* | two_stage_*_p[59]*) echo two_stage_live ;;
    two_stage_*) echo two_stage_catchup ;;
    state_* | retained_*) echo state_bytes ;;
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
