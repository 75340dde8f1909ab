#!/usr/bin/env bash
# Prints what the wire and JSON forms of the contract depend on, a line a field or enum value:
#
#   weir.v1.Transaction.Location 1 double latitude
#
#   list_contract.sh [PROTO_DIR]
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../../proto}"
find . -name '*.proto' | sort | xargs awk '
function scope(    i, name) { name = package; for (i = 1; i <= depth; i++) name = name "." names[i]; return name }
{ sub(/\/\/.*/, ""); gsub(/[=;]/, " & ") }
$1 == "package" { package = $2; depth = 0; next }
$1 == "message" || $1 == "enum" || $1 == "oneof" { names[++depth] = $2; kinds[depth] = $1; next }
$1 == "}" { depth--; next }
$1 == "reserved" { sub(/^ */, ""); print scope(), $0; next }
depth && kinds[depth] == "enum" && $2 == "=" { print scope(), $3, "value", $1; next }
depth && $1 == "repeated" && $4 == "=" { print scope(), $5, "repeated " $2, $3; next }
depth && $3 == "=" { print scope(), $4, $1, $2 }'
