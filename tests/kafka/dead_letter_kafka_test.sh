#!/usr/bin/env bash
# Bad input on a real Kafka: each kind goes to the dead letters once, under its own reason, with Kafka Connect's headers, and
# stalls nothing; a flood of it pauses the partition and turns readiness red instead of draining the topic. TAP on standard
# output; exit 77 = skipped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/ports.sh"
source_dir=$(cd "$here/../.." && pwd)
weir=${WEIR_BUILD:?the build directory}/weir
command -v kcat >/dev/null || { echo "kcat is missing"; exit 77; }
"$here/kafka.sh" fetch >&2 || { echo "Apache Kafka could not be fetched"; exit 77; }

dir=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    "$here/kafka.sh" stop "$dir/kafka" KILL >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir -p "$dir/kafka" "$dir/bad"
bootstrap=$("$here/kafka.sh" start "$dir/kafka")
brokers=${bootstrap#bootstrap=}
now_us=$(date +%s)000000

varint() { # NUMBER: its base-128 bytes, as printf escapes
    local left=$1 out=
    while [ "$left" -ge 128 ]; do
        out+=$(printf '\\x%02x' $((left % 128 + 128)))
        left=$((left / 128))
    done
    printf '%s\\x%02x' "$out" "$left"
}

text() { # FIELD VALUE: a text field, as printf escapes (the value too)
    local size
    size=$(printf '%b' "$2" | wc -c)
    printf '\\x%02x%s%s' $(($1 * 8 + 2)) "$(varint "$size")" "$2"
}

transaction() { # ID CARD TIME_US AMOUNT CURRENCY
    printf '%s%s\\x18%s\\x20%s%s' "$(text 1 "$1")" "$(text 2 "$2")" "$(varint "$3")" "$(varint "$4")" "$(text 5 "$5")"
}

write() { # REASON ESCAPES: a record that is refused for REASON
    printf '%b' "$2" >"$dir/bad/$1"
}
write undecodable '\xff\xff\xff\xff'
write bad_frame '\x00\x00\x00'
write oversized "$(transaction t-big c-1 "$now_us" 100 EUR)$(text 6 "$(head -c 5000 /dev/zero | tr '\0' m)")"
write missing_field "$(text 1 t-only)"
write absurd_field "$(transaction t-absurd c-1 "$now_us" 4611686018427387904 EUR)"
write invalid_utf8 "$(transaction 't-\xc3\x28' c-1 "$now_us" 100 EUR)"
write card_number "$(transaction t-pan 4111111111111111 "$now_us" 100 EUR)"
write far_future "$(transaction t-late c-1 $((now_us + 10 * 86400 * 1000000)) 100 EUR)"
printf '%b' "$(transaction t-good c-1 "$now_us" 100 EUR)" >"$dir/good"
reasons=$(cd "$dir/bad" && ls)
kinds=$(wc -w <<<"$reasons")

produce() { # TOPIC FILE...
    local topic=$1
    shift
    kcat -P -b "$brokers" -t "$topic" -p 0 -k some-key "$@"
}

port=
start_weir() { # TOPIC FLAG...
    local topic=$1
    shift
    free_port
    "$weir" run --brokers "$brokers" --model "$source_dir/models/card-fraud.json" --group "$topic" --workers 1 \
        --topics.transactions "$topic" --topics.alerts "$topic.alerts" --topics.dead_letters "$topic.dlq" \
        --state-dir "$dir/$topic.state" --set create_topics=true --http.listen "127.0.0.1:$port" "$@" 2>>"$dir/$topic.log" &
    pids+=($!)
}

get() { # PATH
    (
        exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
        printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
        cat <&3
    ) 2>/dev/null
}

metric() { # NAME-WITH-LABELS
    get /metrics | awk -v name="$1" '$1 == name {print $2}'
}

await() { # SECONDS COMMAND...: until it succeeds
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

scored_is() { [ "$(metric weir_events_scored_total)" = "$1" ]; }

each_kind_once() {
    "$here/kafka.sh" topic "$dir/kafka" mixed 1 >/dev/null
    start_weir mixed --set dead_letters.share_max=1
    for reason in $reasons; do produce mixed "$dir/bad/$reason"; done
    produce mixed "$dir/good"
    await 30 scored_is 1 || return 1
    local reason
    for reason in $reasons; do
        [ "$(metric "weir_dead_letters_total{reason=\"$reason\"}")" = 1 ] || { echo "# $reason was not counted once"; return 1; }
    done
    [ "$("$here/kafka.sh" tool "$dir/kafka" org.apache.kafka.tools.GetOffsetShell --topic mixed.dlq 2>/dev/null)" = "mixed.dlq:0:$kinds" ]
}

headers_of() { # OFFSET: the dead letter's headers, a line each
    kcat -C -b "$brokers" -t mixed.dlq -p 0 -o "$1" -c 1 -e -f '%h\n' 2>/dev/null | tr ',' '\n'
}

headers_are_connects() {
    local offset=0 reason headers
    for reason in $reasons; do
        headers=$(headers_of "$offset")
        grep -q "^__connect.errors.exception.class.name=weir.reject.$reason$" <<<"$headers" &&
            grep -q "^__connect.errors.topic=mixed$" <<<"$headers" &&
            grep -q "^__connect.errors.offset=$offset$" <<<"$headers" || { echo "# $reason: $headers"; return 1; }
        offset=$((offset + 1))
    done
}

payloads_are_kept() { # all but the card number's
    local offset=0 reason
    for reason in $reasons; do
        kcat -C -b "$brokers" -t mixed.dlq -p 0 -o "$offset" -c 1 -e -f '%s' >"$dir/payload" 2>/dev/null
        if [ "$reason" = card_number ]; then
            ! grep -q 4111 "$dir/payload" || return 1
        else
            cmp -s "$dir/payload" "$dir/bad/$reason" || { echo "# $reason came out changed"; return 1; }
        fi
        offset=$((offset + 1))
    done
}

is_red() { get /readyz | grep -q "too many of its recent records are dead letters"; }
is_green() { get /readyz | grep -q '"ready": true'; }

a_flood_pauses() {
    "$here/kafka.sh" topic "$dir/kafka" flood 1 >/dev/null
    start_weir flood --set dead_letters.share_max=0.5 --set dead_letters.window=200
    await 30 is_green || return 1
    local n
    yes "$dir/bad/undecodable" | head -n 3000 | xargs kcat -P -b "$brokers" -t flood -p 0
    await 30 is_red || return 1
    n=$(metric 'weir_dead_letters_total{reason="undecodable"}')
    echo "# paused after $n of 3000"
    [ "$n" -ge 20 ] && [ "$n" -lt 3000 ]
}

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
echo "1..4"
run_case "each of $kinds kinds of bad input is dead-lettered once, and what follows is scored" each_kind_once
run_case "headers are Kafka Connect's" headers_are_connects
run_case "payloads are kept whole, a card number's withheld" payloads_are_kept
run_case "a flood pauses the partition and readiness says so" a_flood_pauses
exit $failed
