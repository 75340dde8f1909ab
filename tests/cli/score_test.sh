#!/usr/bin/env bash
# weir score: the same scores whatever the file's format, what is refused and how it is told, and that the examples of
# the help run. Wants WEIR, the built program, and WEIR_ROOT. Prints TAP.
set -uo pipefail
weir=$(realpath "${WEIR:?set WEIR to the built program}")
root=${WEIR_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
model=$root/tests/sim/model.json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for variable in $(compgen -e | grep '^WEIR'); do unset "$variable"; done
cd "$work" || exit 1
failed=0

claim() { # name command...
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok - score::$name"
    else
        echo "not ok - score::$name"
        tail -n 40 "$work/output" | sed 's/^/# /'
        failed=1
    fi
}

# Runs weir with standard output in $work/out and standard error in $work/err; its exit code must be the one given.
runs() { # code argument...
    local wanted=$1 found
    shift
    "$weir" "$@" >"$work/out" 2>"$work/err"
    found=$?
    [ "$found" -eq "$wanted" ] || { echo "weir $*: exit code $found, wanted $wanted"; tail -n 5 "$work/err"; return 1; }
}

says() { # text
    grep -qF -- "$1" "$work/err" || { echo "standard error lacks \"$1\":"; cat "$work/err"; return 1; }
}

event() { # id seconds amount
    echo "{\"transaction_id\": \"$1\", \"card_token\": \"card-1\", \"event_time_us\": $((1700000000 + $2))000000," \
        "\"amount_minor\": $3, \"currency\": \"EUR\"}"
}

for format in jsonl csv pb; do
    "$weir" generate --seed 7 --cards 40 --days 5 --output "stream.$format" 2>"$work/err" || exit 1
done

# ---- the same scores ----

formats_score_the_same() {
    local format
    for format in jsonl csv pb; do
        runs 0 score --model "$model" --input "stream.$format" --features || return 1
        mv "$work/out" "scores.$format"
    done
    [ "$(wc -l <scores.jsonl)" -gt 300 ] && cmp scores.jsonl scores.csv && cmp scores.jsonl scores.pb
}

standard_input_scores_the_same() {
    runs 0 score --model "$model" --input stream.jsonl && mv "$work/out" from_file &&
        runs 0 score --model "$model" <stream.jsonl && cmp "$work/out" from_file &&
        runs 0 score --model "$model" --format csv <stream.csv && cmp "$work/out" from_file
}

# A card's history does not depend on its neighbours: neither partitions nor the rest of the file change a score.
partitions_change_no_score() {
    runs 0 score --model "$model" --input stream.jsonl && mv "$work/out" one &&
        runs 0 score --model "$model" --input stream.jsonl --partitions 8 && cmp "$work/out" one
}

a_line_a_transaction_in_order() {
    runs 0 score --model "$model" --input stream.jsonl || return 1
    diff <(grep -oE '"transaction_id":"[^"]*"' stream.jsonl) <(grep -oE '"transaction_id":"[^"]*"' "$work/out")
}

every_score_is_a_probability() {
    runs 0 score --model "$model" --input stream.jsonl || return 1
    sed -E 's/.*"score":([^,}]*).*/\1/' "$work/out" |
        awk '!($1 >= 0 && $1 <= 1) {print "not a probability: " $0; bad = 1} END {exit bad || NR < 300}'
}

a_score_is_what_the_weights_say() { # amount 10.00, the card's first: bias + 0.04 + 0.3 + 0.005 + 0.01 + 0.1 - 0.864
    event a 0 1000 >first.jsonl
    sed -i 's/}$/, "merchant_id": "m-1"}/' first.jsonl
    runs 0 score --model "$model" --input first.jsonl --features || return 1
    cat "$work/out"
    awk -F'"score":' '{split($2, a, ","); wanted = 1 / (1 + exp(1.909)); d = a[1] - wanted
                       exit !(d < 1e-9 && d > -1e-9)}' "$work/out"
}

reasons_come_with_alerts_only() {
    { event a 0 1000; event b 60 900000; } >two.jsonl
    runs 0 score --model "$model" --input two.jsonl || return 1
    cat "$work/out"
    [ "$(grep -c '"reasons"' "$work/out")" -eq 1 ] && grep -q '"severity":"block","reasons":\[{"feature":"amount"' "$work/out"
}

alerts_stand_for_the_topics_records() {
    { event a 0 1000; event b 60 900000; } >two.jsonl
    runs 0 score --model "$model" --input two.jsonl --alerts --topic transactions || return 1
    cat "$work/out"
    [ "$(wc -l <"$work/out")" -eq 1 ] && grep -q '"topic":"transactions","offset":"1"' "$work/out" &&
        runs 0 score --model "$model" --input two.jsonl --alerts --output-format pb && [ -s "$work/out" ] &&
        ! grep -q '^{' "$work/out"
}

# ---- what is not scored ----

a_redelivery_is_a_duplicate_without_a_score() {
    { event a 0 1000; event b 60 1000; event a 0 1000; } >twice.jsonl
    runs 0 score --model "$model" --input twice.jsonl || return 1
    [ "$(sed -n 3p "$work/out")" = '{"transaction_id":"a","duplicate":true}' ] &&
        [ "$(grep -c '"score"' "$work/out")" -eq 2 ]
}

a_rejected_line_is_told_and_the_rest_is_scored() {
    { event a 0 1000; echo '{"transaction_id": "x"}'; echo 'not json'; echo; event b 60 1000; } >some.jsonl
    runs 3 score --model "$model" --input some.jsonl || return 1
    cat "$work/err"
    [ "$(grep -c '"score"' "$work/out")" -eq 2 ] && says "some.jsonl: line 2: missing_field" && says "some.jsonl: line 3:"
}

a_card_number_is_refused_and_not_repeated() {
    event a 0 1000 | sed 's/card-1/4111111111111111/' >number.jsonl
    runs 3 score --model "$model" --input number.jsonl || return 1
    says card_number && [ ! -s "$work/out" ] && ! grep -q 4111 "$work/err"
}

a_transaction_too_large_is_one_rejected() {
    { event a 0 1000; event b 60 1000 | sed "s/card-1/$(head -c 5000 /dev/zero | tr '\0' x)/"; event c 90 1000; } >large.jsonl
    runs 3 score --model "$model" --input large.jsonl || return 1
    says "line 2: oversized" && [ "$(grep -c '"score"' "$work/out")" -eq 2 ]
}

a_file_cut_short_is_a_failure() {
    head -c -3 stream.pb >cut.pb
    runs 1 score --model "$model" --input cut.pb || return 1
    says "is cut short"
}

files_that_are_not_there_are_named() {
    runs 1 score --model "$model" --input none.jsonl && says none.jsonl &&
        runs 1 score --model none.json --input stream.jsonl && says none.json
}

# ---- models that are refused ----

refuses_model() { # sed_expression text
    sed -E "$1" "$model" >bad.json
    ! cmp -s bad.json "$model" || { echo "the model was not changed by $1"; return 1; }
    runs 1 score --model bad.json --input stream.jsonl && says bad.json && says "$2" && [ ! -s "$work/out" ] &&
        runs 3 model check bad.json && grep -q '^refused ' "$work/out"
}

bad_models_score_nothing() {
    refuses_model 's/"name": "amount"/"name": "amounts"/' amounts &&
        refuses_model 's/0\.57786/0.67786/' sample &&
        refuses_model 's/"format": "weir.linear\/v1"/"format": "weir.cubic\/v1"/' weir.cubic/v1 &&
        refuses_model 's/^ "bias"/ "surprise": 1, "bias"/' surprise &&
        refuses_model 's/"weight": 0\.004/"weight": 1e999/' bad.json
}

# ---- misuse ----

misuse_is_exit_code_2() {
    runs 2 score --input stream.jsonl && says --model &&
        runs 2 score --model "$model" --format xml && says xml &&
        runs 2 score --model "$model" --partitions 0 && says --partitions &&
        runs 2 score --model "$model" --partitions 1.5 && says --partitions &&
        runs 2 score --model "$model" --output-format csv && says csv &&
        runs 2 score --model "$model" --feature && says "did you mean --features" &&
        runs 2 score --model "$model" stream.jsonl && says "one argument too many"
}

a_full_disk_is_a_failure() {
    [ -c /dev/full ] || return 0
    "$weir" score --model "$model" --input stream.jsonl >/dev/full 2>"$work/err"
    [ $? -eq 1 ]
}

# ---- what the help says ----

# The examples of a command's help, one a line.
examples() { # command
    # shellcheck disable=SC2086
    "$weir" help $1 | sed -n '/^examples:/,$p' | sed -n 's/^  //p'
}

# Those that need a broker have --brokers, or a configuration to find one in.
examples_run() { # command...
    local command line count=0
    ln -sfn "$root/models" models
    cp stream.csv transactions.csv && cp stream.pb transactions.pb && cp stream.jsonl month.jsonl
    printf 'brokers: localhost:9092\nmodel: models/card-fraud.json\n' >weir.yaml
    mkdir -p bin && ln -sfn "$weir" bin/weir
    for command in "$@"; do
        while read -r line; do
            PATH=$work/bin:$PATH bash -o pipefail -c "$line" >"$work/out" 2>"$work/err" ||
                { echo "$line: exit code $?"; tail -n 5 "$work/err"; return 1; }
            [ -s "$work/out" ] || [[ $line == *--output* || $line == *'>'* ]] || { echo "$line printed nothing"; return 1; }
            count=$((count + 1))
        done < <(examples "$command")
    done
    echo "$count examples"
    [ "$count" -ge "$#" ]
}

every_subcommand_has_help_and_examples() {
    local command subcommand
    for command in model state config; do
        for subcommand in $("$weir" $command --help | sed -n '/^commands:/,/^$/p' | awk 'NR > 1 && NF {print $1}'); do
            runs 0 $command "$subcommand" --help && grep -q "^usage: weir $command $subcommand" "$work/out" &&
                grep -q '^examples:' "$work/out" || { echo "$command $subcommand"; return 1; }
        done
    done
}

claim formats_score_the_same formats_score_the_same
claim standard_input_scores_the_same standard_input_scores_the_same
claim partitions_change_no_score partitions_change_no_score
claim a_line_a_transaction_in_order a_line_a_transaction_in_order
claim every_score_is_a_probability every_score_is_a_probability
claim a_score_is_what_the_weights_say a_score_is_what_the_weights_say
claim reasons_come_with_alerts_only reasons_come_with_alerts_only
claim alerts_stand_for_the_topics_records alerts_stand_for_the_topics_records
claim a_redelivery_is_a_duplicate_without_a_score a_redelivery_is_a_duplicate_without_a_score
claim a_rejected_line_is_told_and_the_rest_is_scored a_rejected_line_is_told_and_the_rest_is_scored
claim a_card_number_is_refused_and_not_repeated a_card_number_is_refused_and_not_repeated
claim a_transaction_too_large_is_one_rejected a_transaction_too_large_is_one_rejected
claim a_file_cut_short_is_a_failure a_file_cut_short_is_a_failure
claim files_that_are_not_there_are_named files_that_are_not_there_are_named
claim bad_models_score_nothing bad_models_score_nothing
claim misuse_is_exit_code_2 misuse_is_exit_code_2
claim a_full_disk_is_a_failure a_full_disk_is_a_failure
claim every_subcommand_has_help_and_examples every_subcommand_has_help_and_examples
claim examples_of_the_help_run examples_run generate score "model check" "model explain" "model functions" \
    "config check" "config show" "config options"
exit $failed
