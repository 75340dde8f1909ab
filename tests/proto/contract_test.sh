#!/usr/bin/env bash
# The data contract only grows: every field and enum value in contract.lock still has its number, type and name in
# proto/. What is there besides is new, and is written into the lock with the change that adds it:
#
#   tests/proto/list_contract.sh >tests/proto/contract.lock
#
# With `buf` on the path its lint runs too. Prints TAP.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

claim() { # name command...
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok - contract::$name"
    else
        echo "not ok - contract::$name"
        sed 's/^/# /' "$work/output"
        failed=1
    fi
}

# Prints what the lock has and the directory has not.
list_broken() { # proto_dir
    comm -23 <(sort "$here/contract.lock") <("$here/list_contract.sh" "$1" | sort)
}
nothing_is_broken() {
    list_broken "$root/proto"
    [ -z "$(list_broken "$root/proto")" ]
}
nothing_is_unlocked() {
    comm -13 <(sort "$here/contract.lock") <("$here/list_contract.sh" | sort) | tee "$work/unlocked"
    [ ! -s "$work/unlocked" ]
}
numbers_are_unique() {
    "$here/list_contract.sh" | grep -v ' reserved ' | awk '{print $1, $2}' | sort | uniq -d | tee "$work/repeated"
    [ ! -s "$work/repeated" ]
}
notices() { # sed_expression file
    rm -rf "$work/proto"
    cp -r "$root/proto" "$work/proto"
    sed -i -E "$1" "$work/proto/weir/v1/$2"
    ! cmp -s "$root/proto/weir/v1/$2" "$work/proto/weir/v1/$2" && [ -n "$(list_broken "$work/proto")" ]
}

claim nothing_is_broken nothing_is_broken
claim every_field_is_in_the_lock nothing_is_unlocked
claim numbers_are_unique numbers_are_unique
claim notices_another_type notices 's/int64 amount_minor/sint64 amount_minor/' transaction.proto
claim notices_another_number notices 's/(double score) = [0-9]+/\1 = 99/' alert.proto
claim notices_a_field_removed notices '/card_token = /d' label.proto
claim notices_an_enum_value_renamed notices 's/CHANNEL_ATM/CHANNEL_CASH/' transaction.proto
if command -v buf >/dev/null; then
    claim buf_lint buf lint "$root/proto"
else
    echo "ok - contract::buf_lint # SKIP buf is not on the path"
fi
exit $failed
