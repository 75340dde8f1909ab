#!/usr/bin/env bash
# weir label and weir tail --labels, as far as they go without a broker: what is misused, what is off, and how each is
# told. Wants WEIR, the built program. Prints TAP.
set -uo pipefail
weir=$(realpath "${WEIR:?set WEIR to the built program}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for variable in $(compgen -e | grep '^WEIR'); do unset "$variable"; done
cd "$work" || exit 1
failed=0

claim() { # name
    if "$1" >"$work/output" 2>&1; then
        echo "ok - label::$1"
    else
        echo "not ok - label::$1"
        tail -n 40 "$work/output" | sed 's/^/# /'
        failed=1
    fi
}

# Runs weir; its exit code must be the one given, standard error must say the text, standard output nothing.
refuses() { # code text argument...
    local wanted=$1 text=$2 found
    shift 2
    "$weir" "$@" >"$work/out" 2>"$work/err"
    found=$?
    cat "$work/err"
    [ "$found" -eq "$wanted" ] || { echo "weir $*: exit code $found, wanted $wanted"; return 1; }
    grep -qF -- "$text" "$work/err" || { echo "standard error lacks \"$text\""; return 1; }
    [ ! -s "$work/out" ] || { echo "something on standard output"; return 1; }
}

one=(--transaction tx-1 --card tok_1 --verdict fraud)

a_label_has_a_transaction_a_card_and_a_verdict() {
    refuses 2 "A label has --transaction, --card and --verdict" label --brokers localhost:9092 &&
        refuses 2 "A label has" label --card tok_1 --verdict fraud &&
        refuses 2 "A label has" label --transaction tx-1 --verdict fraud &&
        refuses 2 "A label has" label --transaction tx-1 --card tok_1
}

a_verdict_is_fraud_or_cleared() {
    refuses 2 '--verdict is "maybe"; wanted fraud or cleared.' label "${one[@]}" --verdict maybe &&
        refuses 2 '--verdict is "unspecified"' label "${one[@]}" --verdict unspecified &&
        refuses 2 '--verdict is ""' label "${one[@]}" --verdict ""
}

moments_are_moments() {
    refuses 2 '--time is "yesterday"; wanted a moment such as' label "${one[@]}" --time yesterday &&
        refuses 2 '--time is "2026-02-30"' label "${one[@]}" --time 2026-02-30 &&
        refuses 2 '--event-time is "1700000000"' label "${one[@]}" --event-time 1700000000
}

one_label_or_a_file_of_them() {
    refuses 2 "flags that describe one do not go with it" label --input labels.csv "${one[@]}" &&
        refuses 2 "flags that describe one" label --input labels.csv --source "customer call" &&
        refuses 2 '--format is jsonl, csv or pb, not "xml"' label --input labels.xml --format xml &&
        refuses 2 "--rate is a positive number" label --input labels.csv --rate -1
}

a_topic_and_a_broker_are_wanted() {
    refuses 2 "--brokers HOST:PORT says which cluster" label "${one[@]}" --topic labels &&
        refuses 2 "topics.labels is off; --topic NAME says where labels go" label "${one[@]}" --brokers localhost:9092
}

a_file_that_is_not_there_is_named() {
    refuses 1 "none.csv cannot be opened: No such file" \
        label --brokers localhost:9092 --topics.labels labels --input none.csv
}

following_labels_wants_both_topics() {
    refuses 1 "topics.labels is off" tail --brokers localhost:9092 --labels &&
        refuses 1 "topics.alerts is off" tail --brokers localhost:9092 --labels --topics.labels l --topics.alerts "" &&
        refuses 1 "topics.labels is off" tail --brokers localhost:9092 --topic labels
}

following_labels_is_not_any_topic() {
    refuses 2 "do not go with --labels" tail --brokers localhost:9092 --labels --topic alerts &&
        refuses 2 "do not go with --labels" tail --brokers localhost:9092 --labels --format pb &&
        refuses 2 "do not go with --labels" tail --brokers localhost:9092 --labels --with-source &&
        refuses 2 "--from is beginning, end or an offset" tail --brokers localhost:9092 --labels --from noon
}

help_tells_the_columns_and_shows_examples() {
    "$weir" label --help | tee "$work/out"
    grep -qF "transaction_id, card_token, label_time_us, verdict" "$work/out" &&
        [ "$(sed -n '/^examples:/,$p' "$work/out" | grep -c '^  weir label --brokers ')" -ge 3 ]
}

# Every example is a command line that is understood: with its broker left out, nothing else is missed.
the_examples_are_understood() {
    local line count=0
    mkdir -p bin && ln -sfn "$weir" bin/weir
    while read -r line; do
        PATH=$work/bin:$PATH bash -c "${line//--brokers localhost:9092/--brokers=}" >"$work/out" 2>"$work/err"
        [ $? -eq 2 ] && grep -qF -- "--brokers HOST:PORT says which cluster" "$work/err" ||
            { echo "$line:"; cat "$work/err"; return 1; }
        count=$((count + 1))
    done < <("$weir" help label | sed -n '/^examples:/,$p' | sed -n 's/^  //p')
    [ "$count" -ge 3 ]
}

claim a_label_has_a_transaction_a_card_and_a_verdict
claim a_verdict_is_fraud_or_cleared
claim moments_are_moments
claim one_label_or_a_file_of_them
claim a_topic_and_a_broker_are_wanted
claim a_file_that_is_not_there_is_named
claim following_labels_wants_both_topics
claim following_labels_is_not_any_topic
claim help_tells_the_columns_and_shows_examples
claim the_examples_are_understood
exit $failed
