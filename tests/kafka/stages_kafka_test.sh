#!/usr/bin/env bash
# The chain card -> terminal on a real Kafka: 8 partitions, two processes in one group, generated transactions and the
# labels that came days after. Features delayed beyond the drift are exact whatever happens: every alert and every score
# in the topics equals, byte for byte, what `weir score` makes offline of the same two files. TAP; exit 77 = skipped.
#
#   undisturbed    both files are there before weir is: months are gone through at full speed
#   killed         one process is killed with SIGKILL half way and started again
#   harassed       both are killed in turn, at random, eight times
#   redelivered    a stretch of the hop's log comes twice; what the metrics say of labelled transactions is all the same
#                  what `weir tail --labels` finds
#   live           at the pace of the events, features without a delay are exact as well
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/ports.sh"
weir=${WEIR_BUILD:?the build directory}/weir
redeliver=$WEIR_BUILD/tests/kafka/kafka_redeliver
events=${WEIR_STAGES_EVENTS:-120000}
partitions=8

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

"$weir" generate --seed 11 --cards 1500 --days 60 --fraud-share 0.02 --format jsonl --output "$dir/all.jsonl" \
    --labels "$dir/said.jsonl" 2>/dev/null
head -n "$events" "$dir/all.jsonl" >"$dir/transactions.jsonl"
# What was said while they went on, and the first word on each transaction: a second one that contradicts it takes effect
# when it comes, which while catching up is exact to the drift alone (ARCHITECTURE.md, Departures).
last=$(tail -n 1 "$dir/transactions.jsonl" | grep -o '"event_time_us":"[0-9]*"' | grep -o '[0-9]*')
awk -v last="$last" 'match($0, /"transaction_id":"[^"]*"/) {
         id = substr($0, RSTART, RLENGTH)
         if (NR == FNR) {made[id] = 1; next}
         match($0, /"label_time_us":"[0-9]*"/)
         if (id in made && substr($0, RSTART + 17, RLENGTH - 18) <= last && !said[id]++) print
     }' "$dir/transactions.jsonl" "$dir/said.jsonl" >"$dir/labels.jsonl"
rm "$dir/all.jsonl"

start_process() { # NAME TOPIC MODEL: starts a member of group TOPIC; its pid is in `started`
    "$weir" run --brokers "$brokers" --model "$3" --topics.transactions "$2" --topics.alerts "$2.alerts" \
        --topics.scores "$2.scores" --topics.dead_letters "$2.dlq" --topics.labels "$2.labels" --group "$2" \
        --stages card,terminal --state-dir "$dir/state/$1" --workers 1 --set alignment.drift_max=12h \
        --set http.listen=127.0.0.1:${4:-0} --set create_topics=true --set session_timeout=6s --set state.memory=256MiB \
        --set commit_interval=500ms --set state.checkpoint_interval=1s >>"$dir/$1.log" 2>&1 &
    started=$!
    pids+=("$started")
}

# Prints how far the group is: transactions committed, and hop records not yet committed.
progress() { # TOPIC
    "$here/kafka.sh" tool "$dir/kafka" org.apache.kafka.tools.consumer.group.ConsumerGroupCommand \
        --group "$1" --describe 2>/dev/null |
        awk -v topic="$1" '$2 == topic && $4 ~ /^[0-9]+$/ {sum += $4}
                           $2 == topic ".stage.terminal" {lag += $6 ~ /^[0-9]+$/ ? $6 : 1}
                           END {print sum + 0, lag + 0}'
}

wait_for() { # TOPIC COUNT SECONDS: until the group has committed COUNT transactions and all of the hop
    local deadline=$((SECONDS + $3)) total=0 lag=0
    while [ "$SECONDS" -lt "$deadline" ]; do
        read -r total lag < <(progress "$1")
        [ "$total" -ge "$2" ] && { [ "$lag" -eq 0 ] || [ -n "${4:-}" ]; } && return 0
        sleep 0.3
    done
    echo "# $1: $total of $2 transactions committed, $lag hop records behind, after $3 s" >&2
    return 1
}

stop_process() { # PID: asks it to drain; fails unless it ends well
    kill -TERM "$1" 2>/dev/null
    wait "$1"
}

kill_process() { # PID
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

make_topics() { # TOPIC
    for topic in "$1" "$1.labels"; do
        "$here/kafka.sh" topic "$dir/kafka" "$topic" "$partitions" >/dev/null
    done
}

send_labels() { # TOPIC FILE
    "$weir" label --brokers "$brokers" --topics.labels "$1.labels" --input "$2" >&2
}

send() { # TOPIC FILE [RATE]
    "$weir" send --brokers "$brokers" --topic "$1" --input "$2" --rate "${3:-0}" >&2
}

# Whether TOPIC's alerts or scores are those the offline chain makes of the files.
same() { # TOPIC alert|score MODEL FILE LABELS
    "$weir" tail --brokers "$brokers" --topic "$1.$2s" --type "$2" --from beginning --until-end --format json |
        sort >"$dir/$1.$2.live"
    "$weir" score --model "$3" --stages card,terminal --input "$4" --labels "$5" "--${2}s" --topic "$1" \
        --partitions "$partitions" | sort >"$dir/$1.$2.offline"
    local live offline
    live=$(wc -l <"$dir/$1.$2.live")
    offline=$(wc -l <"$dir/$1.$2.offline")
    echo "# $1: $live ${2}s live, $offline offline, $(uniq -d "$dir/$1.$2.live" | wc -l) doubled," \
        "$(comm -3 "$dir/$1.$2.live" "$dir/$1.$2.offline" | wc -l) lines differ" >&2
    [ "$offline" -gt 100 ] && cmp "$dir/$1.$2.live" "$dir/$1.$2.offline" >&2
}

# Waits until both have their partitions and the group has come to rest.
settled() { # NAME NAME
    for _ in $(seq 100); do
        grep -qs partition_started "$dir/$1.log" && grep -qs partition_started "$dir/$2.log" && break
        sleep 0.1
    done
    sleep 3
}

delayed=$here/stages.json
same_as_offline() { # TOPIC
    same "$1" alert "$delayed" "$dir/transactions.jsonl" "$dir/labels.jsonl" &&
        same "$1" score "$delayed" "$dir/transactions.jsonl" "$dir/labels.jsonl"
}

# Whether the processes' tallies of labelled transactions, added up, are the one that alerts and labels give. A process
# counts what it judges, and what is judged anew because a partition changed hands it counts anew: no partition may have,
# since the first label.
same_tally() { # TOPIC PORT...
    local topic=$1 port live=() name
    shift
    for name in true_positives false_positives false_negatives true_negatives; do
        live+=("$(for port; do curl -sf "http://127.0.0.1:$port/metrics" | tee "$dir/metrics.$port"; done |
            awk -v name="weir_labelled_$name" '$1 == name {sum += $2} END {print sum + 0}')")
    done
    "$weir" tail --brokers "$brokers" --topics.alerts "$topic.alerts" --topics.labels "$topic.labels" --labels \
        --until-end >"$dir/$topic.tally" 2>/dev/null
    tail -n 1 "$dir/$topic.tally" | grep -o '"[a-z]*_[pn][a-z]*ives":[0-9]*' | cut -d: -f2 | paste -sd' ' >"$dir/tally"
    echo "# $topic: $(wc -l <"$dir/$topic.tally") labels, live ${live[*]}, by alerts and labels $(cat "$dir/tally")" >&2
    [ "${live[0]}" -gt 50 ] && echo "${live[*]} $(cat "$dir/tally")" |
        awk 'NF != 8 {exit 1} {for (i = 1; i <= 4; i++) if ($i != $(i + 4)) exit 1}'
}

undisturbed() {
    make_topics undisturbed
    send_labels undisturbed "$dir/labels.jsonl"
    send undisturbed "$dir/transactions.jsonl"
    start_process undisturbed-a undisturbed "$delayed"; local a=$started
    start_process undisturbed-b undisturbed "$delayed"; local b=$started
    wait_for undisturbed "$events" 120 || return 1
    stop_process "$a" && stop_process "$b" && same_as_offline undisturbed
}

killed() {
    make_topics killed
    send_labels killed "$dir/labels.jsonl"
    start_process killed-a killed "$delayed"; local a=$started
    start_process killed-b killed "$delayed"; local b=$started
    send killed "$dir/transactions.jsonl" $((events / 8)) & local sender=$!
    wait_for killed $((events / 2)) 120 half || return 1
    kill_process "$a"
    start_process killed-a killed "$delayed"; a=$started
    wait "$sender" || return 1
    wait_for killed "$events" 120 || return 1
    stop_process "$a" && stop_process "$b" && same_as_offline killed
}

harassed() {
    make_topics harassed
    send_labels harassed "$dir/labels.jsonl"
    start_process harassed-a harassed "$delayed"; local a=$started
    start_process harassed-b harassed "$delayed"; local b=$started
    send harassed "$dir/transactions.jsonl" $((events / 25)) & local sender=$!
    for round in 1 2 3 4; do
        sleep "$((RANDOM % 3)).$((RANDOM % 10))"
        kill_process "$a"
        start_process harassed-a harassed "$delayed"; a=$started
        sleep "$((1 + RANDOM % 2)).$((RANDOM % 10))"
        kill_process "$b"
        start_process harassed-b harassed "$delayed"; b=$started
    done
    wait "$sender" || return 1
    wait_for harassed "$events" 120 || return 1
    stop_process "$a" && stop_process "$b" && same_as_offline harassed
}

redelivered() {
    local port_a port_b
    free_port
    port_a=$port
    free_port
    port_b=$port
    make_topics redelivered
    head -n $((events / 2)) "$dir/transactions.jsonl" >"$dir/first.jsonl"
    tail -n +$((events / 2 + 1)) "$dir/transactions.jsonl" >"$dir/second.jsonl"
    start_process redelivered-a redelivered "$delayed" "$port_a"; local a=$started
    start_process redelivered-b redelivered "$delayed" "$port_b"; local b=$started
    settled redelivered-a redelivered-b
    send_labels redelivered "$dir/labels.jsonl"
    send redelivered "$dir/first.jsonl"
    wait_for redelivered $((events / 2)) 120 || return 1
    local again
    again=$("$redeliver" "$brokers" redelivered.stage.terminal "$partitions" 200) || return 1
    echo "# redelivered: $again records of the hop's log sent once more" >&2
    send redelivered "$dir/second.jsonl"
    wait_for redelivered "$events" 120 || return 1
    sleep 1
    same_tally redelivered "$port_a" "$port_b" || return 1
    stop_process "$a" && stop_process "$b" && [ "$again" -gt 500 ] && same_as_offline redelivered
}

# Events of one terminal are kept apart by more than a hop takes, so that "in the order of the logs" is "in the order of
# their times"; the rate is such that both processes keep up.
live() {
    make_topics live
    awk 'match($0, /"terminal_id":"[^"]*"/) {
             terminal = substr($0, RSTART, RLENGTH)
             if (terminal in last && kept - last[terminal] < 400) next
             last[terminal] = kept
         }
         {kept++; print}' "$dir/transactions.jsonl" | head -n 12000 >"$dir/apart.jsonl"
    local count
    count=$(wc -l <"$dir/apart.jsonl")
    send_labels live "$dir/labels.jsonl"
    start_process live-a live "$here/stages_undelayed.json"; local a=$started
    start_process live-b live "$here/stages_undelayed.json"; local b=$started
    settled live-a live-b
    send live "$dir/apart.jsonl" 1500
    wait_for live "$count" 60 || return 1
    stop_process "$a" && stop_process "$b" &&
        same live score "$here/stages_undelayed.json" "$dir/apart.jsonl" "$dir/labels.jsonl"
}

cases=${WEIR_STAGES_CASES:-undisturbed killed harassed redelivered live}
claims() { # CASE
    case $1 in
    undisturbed) echo "months at full speed: alerts and scores equal to offline" ;;
    killed) echo "one killed half way: alerts and scores once, equal to offline" ;;
    harassed) echo "killed eight times in either stage: alerts and scores once, equal to offline" ;;
    redelivered) echo "a stretch of the hop comes twice: nothing is applied or tallied twice" ;;
    live) echo "at live pace: features without a delay equal to offline" ;;
    esac
}
echo "1..$(wc -w <<<"$cases")"
number=0
failed=0
for case in $cases; do
    number=$((number + 1))
    if "$case"; then
        echo "ok $number - $(claims "$case")"
    else
        echo "not ok $number - $(claims "$case")"
        failed=1
        tail -n 5 "$dir"/*.log | sed 's/^/# /'
    fi
done
exit $failed
