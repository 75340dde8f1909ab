#!/usr/bin/env bash
# weir demo: the stream balances, labels arrive, and each stage's features catch what only they can see.
set -uo pipefail
: "${WEIR:?the weir program}"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0
claim() { # name command...
    if "${@:2}" >"$dir/out" 2>&1; then echo "ok - $1"; else echo "not ok - $1"; sed 's/^/# /' "$dir/out"; failed=1; fi
}
# Two and a half months of 300 cards in eight seconds: late enough for labels, busy enough for places.
"$WEIR" demo --quiet --duration 8s --rate 6000 --cards 300 --seed 7 >"$dir/summary" 2>"$dir/said"
code=$?

it_balances() {
    cat "$dir/summary" "$dir/said"
    [ $code -eq 0 ] && grep -q "The stream balanced" "$dir/summary"
}
labels_were_sent() { grep -Eq ' [1-9][0-9]* labels of fraud and [1-9][0-9]* of honest ones cleared' "$dir/summary"; }
# The second row of the pattern's name: foremost and needed, for the card, the terminal, the merchant.
counted() { grep " $1 " "$dir/summary" | sed -n 2p | awk -v at="$2" '{exit !($at > 0)}'; }
refused() { "$WEIR" demo "$@" >"$dir/refused" 2>&1; [ $? -eq 2 ]; }

claim it_balances it_balances
claim labels_were_sent labels_were_sent
claim the_card_catches_card_testing counted card_testing 2
claim the_terminal_catches_compromised_terminals counted compromised_terminal 4
claim and_nothing_else_would_have counted compromised_terminal 5
claim the_merchant_catches_compromised_merchants counted compromised_merchant 6
claim an_impossible_rate_is_a_usage_error refused --rate 0
claim no_cards_is_a_usage_error refused --cards 0
exit $failed
