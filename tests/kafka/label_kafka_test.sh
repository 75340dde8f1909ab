#!/usr/bin/env bash
# Labels on a real Kafka: each goes to the partition its transaction is in, whatever the format of the file; what the
# service would refuse is not sent; and `weir tail --labels` holds them against the alerts. TAP on standard output; exit
# 77 = skipped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
weir=${WEIR_BUILD:?the build directory}/weir
command -v kcat >/dev/null || { echo "kcat is missing"; exit 77; }
"$here/kafka.sh" fetch >&2 || { echo "Apache Kafka could not be fetched"; exit 77; }

dir=$(mktemp -d)
cleanup() {
    "$here/kafka.sh" stop "$dir/kafka" KILL >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir -p "$dir/kafka"
bootstrap=$("$here/kafka.sh" start "$dir/kafka")
brokers=${bootstrap#bootstrap=}
for topic in transactions labels alerts more.labels; do
    "$here/kafka.sh" topic "$dir/kafka" "$topic" 5 >&2
done

text() { # FIELD VALUE: a text field, as printf escapes
    printf '\\x%02x\\x%02x%s' $(($1 * 8 + 2)) ${#2} "$2"
}

alert() { # TRANSACTION CARD: weir.v1.Alert with a score of 0.75, for review
    printf '%b' "$(text 1 "alert-$1")$(text 2 "$1")$(text 3 "$2")\x49\x00\x00\x00\x00\x00\x00\xe8\x3f$(text 11 review)" \
        >"$dir/alert"
    kcat -P -b "$brokers" -t alerts -k "$2" "$dir/alert"
}

label() { # FLAG...
    "$weir" label --brokers "$brokers" --topics.labels labels "$@" 2>"$dir/said"
}

follow() { # FLAG...: every label up to now, with what was said
    "$weir" tail --brokers "$brokers" --topics.labels labels --labels --until-end "$@" >"$dir/followed" 2>"$dir/said"
}

places() { # TOPIC: "transaction partition" of each record, in order of the transactions
    "$weir" tail --brokers "$brokers" --topics.labels labels --topic "$1" --until-end --with-source |
        sed -E 's/.*"transaction_id":"([^"]*)".*"_partition":([0-9]+).*/\1 \2/' | sort
}

labels_go_where_their_transactions_are() {
    "$weir" generate --seed 7 --cards 60 --days 3 --output "$dir/stream.jsonl" 2>"$dir/said"
    "$weir" send --brokers "$brokers" --input "$dir/stream.jsonl" 2>"$dir/said"
    {
        echo "transaction_id,card_token,label_time_us,verdict,source"
        sed -nE 's/.*"transaction_id":"([^"]*)","card_token":"([^"]*)","event_time_us":"([0-9]*)".*/\1,\2,\3,fraud,"a, b"/p' \
            "$dir/stream.jsonl"
    } >"$dir/labels.csv"
    [ "$(wc -l <"$dir/labels.csv")" -gt 200 ]
    label --input "$dir/labels.csv"
    places transactions >"$dir/transactions.places"
    places labels >"$dir/labels.places"
    [ "$(cut -d' ' -f2 "$dir/labels.places" | sort -u | wc -l)" -eq 5 ]
    cmp "$dir/transactions.places" "$dir/labels.places"
}

# The labels topic as JSON lines and as protobuf, sent again elsewhere: the same labels.
formats_carry_the_same_labels() {
    local format
    "$weir" tail --brokers "$brokers" --topics.labels labels --topic labels --until-end >"$dir/labels.jsonl"
    "$weir" tail --brokers "$brokers" --topics.labels labels --topic labels --until-end --format pb >"$dir/labels.pb"
    for format in jsonl pb; do
        label --topic more.labels --input "$dir/labels.$format"
    done
    "$weir" tail --brokers "$brokers" --topic more.labels --type label --until-end | sort >"$dir/more"
    sort "$dir/labels.jsonl" "$dir/labels.jsonl" | cmp - "$dir/more"
}

refused_labels_are_not_sent() {
    local before code=0
    before=$(places labels | wc -l)
    label --transaction x --card 4111111111111111 --verdict fraud || code=$?
    [ "$code" -eq 3 ]
    grep -q "refused: card_token" "$dir/said"
    [ "$(grep -c 4111 "$dir/said")" -eq 0 ]
    code=0
    label --transaction x --card c --verdict fraud --time 2025-01-01 --event-time 2025-01-02 || code=$?
    [ "$code" -eq 3 ]
    grep -q "refused: label_time_us" "$dir/said"
    printf 'transaction_id,card_token,label_time_us,verdict\na,c,1700000000000000,maybe\nb,,1700000000000000,fraud\n' \
        >"$dir/bad.csv"
    code=0
    label --input "$dir/bad.csv" || code=$?
    [ "$code" -eq 3 ]
    grep -q 'bad.csv: line 2 refused: verdict: "maybe"' "$dir/said"
    grep -q "bad.csv: line 3 refused: card_token" "$dir/said"
    grep -q "0 sent, 2 refused" "$dir/said"
    [ "$(places labels | wc -l)" -eq "$before" ]
}

tally() { # of the last line followed
    tail -n 1 "$dir/followed" | sed -E 's/.*"tally":(\{[^}]*\}).*/\1/'
}

labels_stand_beside_what_was_said() {
    local first second
    alert caught card-a
    alert slandered card-b
    label --transaction caught --card card-a --verdict fraud --source "chargeback 10.4"
    label --transaction slandered --card card-b --verdict fraud
    label --transaction slandered --card card-b --verdict cleared
    label --transaction honest --card card-c --verdict cleared --time 2025-01-31T12:00:00Z
    follow
    cat "$dir/followed"
    first=$(grep '"transaction_id":"caught"' "$dir/followed")
    second=$(grep '"transaction_id":"honest"' "$dir/followed")
    [[ $first == *'"source":"chargeback 10.4","alerted":true,"severity":"review","score":0.75,"tally":'* ]]
    [[ $second == *'"label_time_us":"1738324800000000"'*'"alerted":false,"severity":null,"score":null,'* ]]
    local missed
    missed=$(($(wc -l <"$dir/labels.csv") - 1)) # the stream's, which nobody alerted on
    [[ $(tally) == "{\"labels\":$((missed + 3)),\"true_positives\":1,\"false_positives\":1,\"false_negatives\":$missed,"* ]]
    [[ $(tally) == *'"true_negatives":1,"precision":0.5,'* ]]
}

# An alert that was not there when its label was read counts once it comes.
labels_are_followed_as_they_come() {
    local follower
    "$weir" tail --brokers "$brokers" --topics.labels labels --labels >"$dir/live" 2>"$dir/said" &
    follower=$!
    for _ in $(seq 50); do # until it listens
        sleep 0.2
        label --transaction late-1 --card card-d --verdict fraud
        [ ! -s "$dir/live" ] || break
    done
    alert late-1 card-d
    sleep 2
    label --transaction late-2 --card card-d --verdict cleared
    for _ in $(seq 50); do
        ! grep -q late-2 "$dir/live" || break
        sleep 0.2
    done
    kill -TERM "$follower"
    wait "$follower"
    cat "$dir/live"
    grep '"transaction_id":"late-1"' "$dir/live" | head -n 1 | grep -q '"alerted":false.*"false_negatives":1,'
    grep '"transaction_id":"late-2"' "$dir/live" | grep -qF '"labels":2,"true_positives":1,"false_positives":0,"false_n'
}

failed=0
run_case() { # CLAIM; not in a condition, where bash would not stop at what fails
    local code
    set +e
    (set -e; "$1") >&2
    code=$?
    set -e
    if [ "$code" -eq 0 ]; then
        echo "ok - label_kafka::$1"
    else
        echo "not ok - label_kafka::$1"
        tail -n 5 "$dir/said" | sed 's/^/# /'
        failed=1
    fi
}
run_case labels_go_where_their_transactions_are
run_case formats_carry_the_same_labels
run_case refused_labels_are_not_sent
run_case labels_stand_beside_what_was_said
run_case labels_are_followed_as_they_come
exit $failed
