#!/usr/bin/env bash
# The whole service on a real Kafka: 8 partitions, two processes in one group, 200,000 generated transactions. The alerts in
# the topic equal, one for one and byte for byte, those `weir score` makes offline of the same file: undisturbed, with one
# process killed half way and started again, and with a third joining. TAP on standard output; exit 77 = skipped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
weir=${WEIR_BUILD:?the build directory}/weir
events=${WEIR_GROUP_EVENTS:-200000}
partitions=8
model=$source_dir/models/card-fraud.json

"$here/kafka.sh" fetch >&2 || {
    echo "Apache Kafka could not be fetched"
    exit 77
}
dir=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    "$here/kafka.sh" stop "$dir/kafka" KILL >/dev/null 2>&1 || true
    if [ -n "${WEIR_KEEP:-}" ]; then echo "# kept: $dir"; else rm -rf "$dir"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

mkdir -p "$dir/kafka"
bootstrap=$("$here/kafka.sh" start "$dir/kafka")
brokers=${bootstrap#bootstrap=}

# cards and days that come to a little more than the events wanted; the file is cut to the first $events.
"$weir" generate --seed 11 --cards 2000 --days 60 --format jsonl --output - 2>/dev/null |
    head -n "$events" >"$dir/transactions.jsonl" || true
made=$(wc -l <"$dir/transactions.jsonl")

start_process() { # NAME TOPIC: starts one member of group NAME's run; prints nothing, remembers the pid in started
    "$weir" run --brokers "$brokers" --model "$model" --topics.transactions "$2" --topics.alerts "$2.alerts" \
        --topics.dead_letters "$2.dlq" --group "$2" --state-dir "$dir/state/$1" --workers 1 \
        --set http.listen=127.0.0.1:0 --set create_topics=true --set session_timeout=6s --set state.memory=256MiB >>"$dir/$1.log" 2>&1 &
    started=$!
    pids+=("$started")
}

committed_total() { # TOPIC: the sum of the group's committed offsets
    "$here/kafka.sh" tool "$dir/kafka" org.apache.kafka.tools.consumer.group.ConsumerGroupCommand \
        --group "$1" --describe 2>/dev/null | awk -v topic="$1" '$2 == topic && $4 ~ /^[0-9]+$/ {sum += $4} END {print sum + 0}'
}

wait_for() { # TOPIC COUNT SECONDS: until the group has committed COUNT records
    local deadline=$((SECONDS + $3)) total=0
    while [ "$SECONDS" -lt "$deadline" ]; do
        total=$(committed_total "$1")
        [ "$total" -ge "$2" ] && return 0
        sleep 0.3
    done
    echo "# $1: only $total of $2 records were committed within $3 s" >&2
    return 1
}

stop_process() { # PID: asks it to drain; fails unless it ends well
    kill -TERM "$1" 2>/dev/null
    wait "$1"
}

make_topic() { # TOPIC
    "$here/kafka.sh" topic "$dir/kafka" "$1" "$partitions" >/dev/null
}

# Compares what the topic holds with what the offline engine makes of the file.
same_alerts() { # TOPIC
    "$weir" tail --brokers "$brokers" --topic "$1.alerts" --type alert --from beginning --until-end --format json |
        sort >"$dir/$1.live"
    "$weir" score --model "$model" --input "$dir/transactions.jsonl" --alerts --topic "$1" --partitions "$partitions" |
        sort >"$dir/$1.offline"
    local live offline
    live=$(wc -l <"$dir/$1.live")
    offline=$(wc -l <"$dir/$1.offline")
    echo "# $1: $made transactions, $live alerts live, $offline offline, $(uniq -d "$dir/$1.live" | wc -l) doubled" >&2
    [ "$offline" -gt 100 ] && cmp "$dir/$1.live" "$dir/$1.offline" >&2
}

send() { # TOPIC [RATE]
    "$weir" send --brokers "$brokers" --topic "$1" --input "$dir/transactions.jsonl" --rate "${2:-0}" >&2
}

undisturbed() {
    make_topic undisturbed
    start_process undisturbed-a undisturbed; local a=$started
    start_process undisturbed-b undisturbed; local b=$started
    send undisturbed
    wait_for undisturbed "$made" 120 || return 1
    stop_process "$a" && stop_process "$b" && same_alerts undisturbed
}

one_killed() {
    make_topic killed
    start_process killed-a killed; local a=$started
    start_process killed-b killed; local b=$started
    send killed $((made / 8)) & local sender=$!
    wait_for killed $((made / 2)) 120 || return 1
    kill -KILL "$a"
    wait "$a" 2>/dev/null || true
    start_process killed-a killed; a=$started
    wait "$sender" || return 1
    wait_for killed "$made" 120 || return 1
    stop_process "$a" && stop_process "$b" && same_alerts killed
}

third_joins() {
    make_topic joined
    start_process joined-a joined; local a=$started
    start_process joined-b joined; local b=$started
    send joined $((made / 8)) & local sender=$!
    wait_for joined $((made / 3)) 120 || return 1
    start_process joined-c joined; local c=$started
    wait "$sender" || return 1
    wait_for joined "$made" 120 || return 1
    stop_process "$a" && stop_process "$b" && stop_process "$c" && same_alerts joined &&
        grep -q partition_started "$dir/joined-c.log"
}

echo "1..3"
number=0
failed=0
run_case() { # CLAIM FUNCTION
    number=$((number + 1))
    if "$2"; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        failed=1
        tail -n 5 "$dir"/*.log | sed 's/^/# /'
    fi
}
run_case "two processes: every alert once, equal to offline" undisturbed
run_case "one killed half way and restarted: every alert once, equal to offline" one_killed
run_case "a third joins: every alert once, equal to offline" third_joins
exit $failed
