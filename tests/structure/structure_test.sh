#!/usr/bin/env bash
# The layers and the core's purity hold, and the scripts that say so do notice when they do not.
# Wants WEIR_BUILD: a build directory without sanitizers. Prints TAP.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
library_dir=${WEIR_BUILD:?set WEIR_BUILD to a build directory}/src
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

claim() { # name command... ; the command's output is shown when the claim does not hold
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok - structure::$name"
    else
        echo "not ok - structure::$name"
        sed 's/^/# /' "$work/output"
        failed=1
    fi
}

# Succeeds when the command exits 3 and its output matches.
refuses() { # expected_output command...
    local expected=$1 code
    shift
    "$@" >"$work/refusal" 2>&1
    code=$?
    cat "$work/refusal"
    [ "$code" -eq 3 ] && grep -qF -- "$expected" "$work/refusal"
}

# A copy of the tree's sources with one line put before a file (made if absent).
plant_include() { # file include_line
    rm -rf "$work/tree"
    mkdir -p "$work/tree"
    cp -r "$root/src" "$root/include" "$work/tree/"
    mkdir -p "$(dirname "$work/tree/$1")"
    [ -f "$work/tree/$1" ] || : >"$work/tree/$1"
    sed -i "1i $2" "$work/tree/$1" 2>/dev/null
    [ -s "$work/tree/$1" ] || echo "$2" >"$work/tree/$1"
}

notices_include() { # file include_line expected
    plant_include "$1" "$2"
    refuses "$3" "$here/layers.sh" "$work/tree"
}

# A copy of the libraries with one more object in `layer`.
notices_code() { # layer c_source expected
    rm -rf "$work/libraries"
    mkdir -p "$work/libraries"
    cp "$library_dir/libweir_base.a" "$library_dir/libweir_core.a" "$work/libraries/"
    printf '%s\n' "$2" >"$work/planted.c"
    "${CC:-cc}" -O1 -fno-builtin -c "$work/planted.c" -o "$work/planted.o" &&
        ar r "$work/libraries/libweir_$1.a" "$work/planted.o" 2>/dev/null &&
        refuses "$3" "$here/purity.sh" "$work/libraries"
}

claim layers_hold "$here/layers.sh" "$root"
claim purity_holds "$here/purity.sh" "$library_dir"

claim layers_notice_upward_include notices_include src/core/planted.c '#include "weir/state/state.h"' \
    "module core may not include weir/state/state.h"
claim layers_notice_upward_include_in_public_header notices_include include/weir/base/span.h \
    '#include "weir/core/event.h"' "module base may not include weir/core/event.h"
claim layers_notice_sideways_include notices_include src/codec/planted.c '#include "weir/broker/broker.h"' \
    "module codec may not include weir/broker/broker.h"
claim layers_notice_private_header_of_another notices_include src/app/planted.c '#include "state/table.h"' \
    "module app may not include the private header of state"
claim layers_notice_private_header_in_public_one notices_include include/weir/app/planted.h '#include "secret.h"' \
    "a public header may not include the private secret.h"
claim layers_notice_library_out_of_place notices_include src/app/planted.c '#include <librdkafka/rdkafka.h>' \
    "module app includes <librdkafka/rdkafka.h>"
claim layers_notice_unknown_module notices_include src/mystery/planted.c '#include <stdio.h>' 'no module "mystery"'

claim purity_notices_heap notices_code core 'void *malloc(unsigned long); void *planted(void) { return malloc(8); }' \
    "core calls malloc"
claim purity_notices_clock notices_code core 'long time(long *); long planted(void) { return time(0); }' \
    "core calls time"
claim purity_notices_output notices_code core 'int puts(const char *); int planted(void) { return puts("x"); }' \
    "core calls puts"
claim purity_notices_heap_in_base notices_code base \
    'void *malloc(unsigned long); void *planted(void) { return malloc(8); }' "base calls malloc"
claim purity_notices_call_base_may_make notices_code core 'void abort(void); void planted(void) { abort(); }' \
    "core calls abort"
claim purity_notices_variable notices_code core 'int planted_count; int planted(void) { return ++planted_count; }' \
    "core has a variable that can change: planted_count"
claim purity_notices_static_variable notices_code core \
    'int planted(void) { static int calls = 7; return ++calls; }' "core has a variable that can change: calls"
claim purity_notices_thread_local notices_code core \
    '_Thread_local int planted_local; int planted(void) { return ++planted_local; }' \
    "core has a variable that can change: planted_local"
exit $failed
