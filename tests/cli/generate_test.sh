#!/usr/bin/env bash
# weir generate: the three formats say the same, a seed is a file, labels come in order, and nonsense is refused.
set -uo pipefail
: "${WEIR:?the weir program}"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0
claim() { # name command...
    if "${@:2}" >"$dir/out" 2>&1; then echo "ok - $1"; else echo "not ok - $1"; sed 's/^/# /' "$dir/out"; failed=1; fi
}
field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; } # of each JSON line
generate() { "$WEIR" generate --cards 200 --days 20 "$@"; }

same_seed_same_bytes() {
    generate --seed 7 --output "$dir/a.jsonl" --labels "$dir/labels.jsonl" && generate --seed 7 >"$dir/b.jsonl" &&
        cmp "$dir/a.jsonl" "$dir/b.jsonl" && ! generate --seed 8 | cmp -s - "$dir/a.jsonl"
}
csv_has_the_same_rows() {
    generate --seed 7 --output "$dir/a.csv" &&
        [ "$(tail -n +2 "$dir/a.csv" | cut -d, -f1)" = "$(field transaction_id <"$dir/a.jsonl")" ]
}
csv_and_json_label_the_same() {
    [ "$(grep -c '"fraud":true' "$dir/a.jsonl")" = "$(grep -c ',1,[a-z_]*$' "$dir/a.csv")" ] &&
        grep -q '"fraud":true' "$dir/a.jsonl"
}
protobuf_is_delimited_and_smaller() {
    generate --seed 7 --output "$dir/a.pb" && [ -s "$dir/a.pb" ] &&
        [ "$(wc -c <"$dir/a.pb")" -lt "$(wc -c <"$dir/a.csv")" ]
}
labels_come_in_order_of_label_time() { field label_time_us <"$dir/labels.jsonl" | sort -nc; }
labels_tell_all_fraud_in_the_end() { # the last verdict of each transaction counts
    grep '"fraud":true' "$dir/a.jsonl" | field transaction_id | sort >"$dir/fraud"
    paste -d' ' <(field transaction_id <"$dir/labels.jsonl") <(field verdict <"$dir/labels.jsonl") |
        awk '{last[$1] = $2} END {for (id in last) if (last[id] == "VERDICT_FRAUD") print id}' | sort >"$dir/told"
    [ -s "$dir/fraud" ] && cmp "$dir/fraud" "$dir/told" && grep -q VERDICT_CLEARED "$dir/labels.jsonl"
}
labels_are_the_same_bytes_again_and_smaller_in_protobuf() {
    generate --seed 7 --labels "$dir/again.jsonl" >/dev/null && cmp "$dir/labels.jsonl" "$dir/again.jsonl" &&
        generate --seed 7 --labels "$dir/labels.pb" >/dev/null && [ -s "$dir/labels.pb" ] &&
        [ "$(wc -c <"$dir/labels.pb")" -lt "$(wc -c <"$dir/labels.jsonl")" ]
}
places_are_compromised_too() {
    "$WEIR" generate --seed 7 --cards 1500 --days 40 --format csv >"$dir/places.csv" &&
        grep -q ',1,compromised_terminal$' "$dir/places.csv" && grep -q ',1,compromised_merchant$' "$dir/places.csv"
}
start_is_honoured() {
    first=$("$WEIR" generate --cards 50 --days 1 --start 2024-02-29 | head -1 | field event_time_us)
    [ "$first" -ge 1709164800000000 ] && [ "$first" -lt 1709251200000000 ]
}
no_fraud_when_none_is_wanted() { ! generate --seed 7 --fraud-share 0 | grep -q '"fraud":true'; }
refused() { generate "$@" >/dev/null 2>&1; [ $? -eq 2 ]; }
unwritable_is_said() {
    message=$(generate --output "$dir/none/x.jsonl" 2>&1)
    [ $? -eq 1 ] && grep -q 'none/x.jsonl' <<<"$message"
}

claim same_seed_same_bytes same_seed_same_bytes
claim csv_has_the_same_rows csv_has_the_same_rows
claim csv_and_json_label_the_same csv_and_json_label_the_same
claim protobuf_is_delimited_and_smaller protobuf_is_delimited_and_smaller
claim labels_come_in_order_of_label_time labels_come_in_order_of_label_time
claim labels_tell_all_fraud_in_the_end labels_tell_all_fraud_in_the_end
claim labels_are_the_same_bytes_again_and_smaller_in_protobuf labels_are_the_same_bytes_again_and_smaller_in_protobuf
claim places_are_compromised_too places_are_compromised_too
claim start_is_honoured start_is_honoured
claim no_fraud_when_none_is_wanted no_fraud_when_none_is_wanted
claim an_unknown_format_is_a_usage_error refused --format xml
claim no_cards_is_a_usage_error refused --cards 0
claim an_impossible_start_is_a_usage_error refused --start 2023-02-29
claim unwritable_is_said unwritable_is_said
exit $failed
