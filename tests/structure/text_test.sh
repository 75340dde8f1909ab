#!/usr/bin/env bash
# What a reader would trip over: lines too long for two windows side by side, a promise left in the code, a header
# that does not stand on its own, a link in the documentation that leads nowhere. Prints TAP.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

list_sources() {
    find src include tests bench \( -name '*.c' -o -name '*.h' \) | sort
}

# A claim holds when its command prints nothing.
claim() { # name command...
    local name=$1
    shift
    "$@" >"$work/output" 2>&1
    if [ -s "$work/output" ]; then
        echo "not ok - text::$name"
        head -n 40 "$work/output" | sed 's/^/# /'
        failed=1
    else
        echo "ok - text::$name"
    fi
}

long_lines() {
    list_sources | LC_ALL=C.UTF-8 xargs grep -nHE '^.{121,}'
}

tabs_and_trailing_blanks() {
    list_sources | xargs grep -nHE "$(printf '\t')|[[:space:]]+\$"
}

promises() {
    list_sources | xargs grep -nHE '\b(TO''DO|FIX''ME|HA''CK)\b|\bXX''X\b[^"]'
}

headers_that_need_another_first() {
    find include -name '*.h' | sort | while read -r header; do
        echo "#include \"${header#include/}\"" |
            "${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -Iinclude -fsyntax-only -x c - 2>&1 | grep -m 1 error
    done
}

dead_links() {
    local file target
    git ls-files -co --exclude-standard '*.md' | while read -r file; do
        grep -oE '\]\([^)#: ]+[^) ]*\)' "$file" | sed -E 's/^\]\(//; s/[)#].*$//' | while read -r target; do
            [ -z "$target" ] || [ -e "$(dirname "$file")/$target" ] || echo "$file: $target does not exist"
        done
    done
}

claim lines_fit_in_120_columns long_lines
claim no_tabs_or_trailing_blanks tabs_and_trailing_blanks
claim nothing_is_left_for_later promises
claim public_headers_stand_alone headers_that_need_another_first
claim links_in_documents_lead_somewhere dead_links
exit $failed
