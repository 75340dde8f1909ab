#!/usr/bin/env bash
# Holds the core's purity: what libweir_base.a and libweir_core.a call from outside is on the list in
# allowed_symbols.txt, and libweir_core.a has no variable that can change.
#
#   purity.sh LIBRARY_DIR      prints one line a violation; exits 3 when there is any
#
# Run it on an optimised build without sanitizers: their hooks are symbols too.
set -uo pipefail
dir=${1:?usage: purity.sh LIBRARY_DIR}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in base core; do
    [ -f "$dir/libweir_$library.a" ] || { echo "purity: no $dir/libweir_$library.a" >&2; exit 1; }
done

list_defined() {
    nm --defined-only -P "$@" | awk 'NF >= 2 {print $1}' | sort -u
}
list_called() {
    nm -u -P "$1" | awk 'NF >= 2 {print $1}' | sort -u
}
# Rows of allowed_symbols.txt: "layer symbol reason"; what base may call, the core may not thereby.
list_allowed() {
    awk -v layer="$1" '$1 == layer {print $2}' "$here/allowed_symbols.txt" | sort -u
}

violated=0
check_calls() { # layer library also_defining...
    local symbol
    while read -r symbol; do
        echo "$1 calls $symbol: not in allowed_symbols.txt"
        violated=1
    done < <(comm -23 <(comm -23 <(list_called "$dir/libweir_$1.a") <(list_defined "${@:2}")) <(list_allowed "$1"))
}

# Objects in .data, .bss, their thread-local kin, or common storage. (.data.rel.ro is constant once loaded.)
check_variables() { # layer
    local variable
    while read -r variable; do
        echo "$1 has a variable that can change: $variable"
        violated=1
    done < <(objdump -t "$dir/libweir_$1.a" |
        awk '/ (O .*(\.data|\.bss|\*COM\*)|.*(\.tdata|\.tbss))[^ \t]*\t/ && !/\.data\.rel\.ro/ && $NF !~ /^\./ {print $NF}' | sort -u)
}

check_calls base "$dir/libweir_base.a"
check_calls core "$dir/libweir_core.a" "$dir/libweir_base.a"
check_variables core
check_variables base
[ "$violated" -eq 0 ] || exit 3
