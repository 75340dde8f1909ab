#!/usr/bin/env bash
# Holds the layers: a module includes only itself and what src/CMakeLists.txt says it USES (and what those use),
# never another module's private header, and a library's header only where that library is LINKed.
#
#   layers.sh [ROOT]      prints one line a violation, `file:line: what`; exits 3 when there is any
set -uo pipefail
root=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
cd "$root" || exit 1

# weir_module(...) calls, and the one that links the program, may span lines: join each to one.
join_calls() {
    awk '/^ *(weir_module|target_link_libraries\(weir) *[( ]/ {call = ""; open = 1}
         open {call = call " " $0}
         open && /\)/ {print call; open = 0}' src/CMakeLists.txt
}

list_includes() {
    grep -nHE '^[[:space:]]*#[[:space:]]*include' $(find src include -name '*.[ch]' | sort)
}

{ join_calls; echo "== includes"; list_includes; } | awk '
# Headers of libraries, and the link name in src/CMakeLists.txt that entitles a module to them.
BEGIN {
    library["librdkafka/"] = "PkgConfig::rdkafka"; library["lmdb.h"] = "PkgConfig::lmdb"
    library["cblas.h"] = "OPENBLAS_LIBRARY";       library["microhttpd.h"] = "PkgConfig::microhttpd"
    library["jansson.h"] = "PkgConfig::jansson";   library["yaml.h"] = "PkgConfig::yaml"
    library["sodium.h"] = "PkgConfig::sodium";     library["xxhash.h"] = "PkgConfig::xxhash"
    library["pthread.h"] = "Threads::Threads";     library["weir/v1/"] = "weir_contract"
    library["onnx/"] = "weir_onnx_schema"
    known["cli"] = 1; uses["cli"] = " app" # the shell: everything below
}
/^== includes/ { reading_includes = 1; close_over_uses(); next }
!reading_includes { read_module($0); next }
{ check_include($0) }
END { exit violated ? 3 : 0 }

function read_module(call,    words, count, i, name, part) {
    gsub(/[()]/, " ", call)
    count = split(call, words, " ")
    if (words[1] == "target_link_libraries") { links["cli"] = call; return }
    name = words[2]
    known[name] = 1
    for (i = 3; i <= count; i++) {
        if (words[i] == "USES" || words[i] == "LINKS") part = words[i]
        else if (part == "USES") uses[name] = uses[name] " " words[i]
        else if (part == "LINKS") links[name] = links[name] " " words[i]
    }
}

function close_over_uses(    name) {
    for (name in known) { may[name, name] = 1; allow(name, name) }
}
function allow(name, from,    used, count, i) {
    count = split(uses[from], used, " ")
    for (i = 1; i <= count; i++) { may[name, used[i]] = 1; allow(name, used[i]) }
}

# src/state/x.c and include/weir/state/x.h both belong to state.
function module_of(path,    parts) {
    split(path, parts, "/")
    return parts[1] == "src" ? parts[2] : parts[3]
}

function complain(where, what) { print where ": " what; violated = 1 }

function check_include(line,    parts, path, where, text, header, module) {
    split(line, parts, ":")
    path = parts[1]
    where = path ":" parts[2]
    text = substr(line, length(where) + 2)
    module = module_of(path)
    if (!(module in known)) { complain(where, "no module \"" module "\" in src/CMakeLists.txt"); return }
    header = text
    sub(/^[^"<]*["<]/, "", header)
    sub(/[">].*$/, "", header)
    if (check_library(where, module, header)) return
    if (header ~ /^weir\//) check_public(where, module, header)
    else if (text ~ /"/) check_private(where, path, module, header)
}

function check_library(where, module, header,    prefix) {
    for (prefix in library) {
        if (index(header, prefix) != 1) continue
        if (index(links[module], library[prefix]) == 0)
            complain(where, "module " module " includes <" header "> but does not link " library[prefix])
        return 1
    }
    return 0
}

function check_public(where, module, header,    parts) {
    split(header, parts, "/")
    if (!((module, parts[2]) in may))
        complain(where, "module " module " may not include " header ": it does not use " parts[2])
}

# A private header is written "name.h" from beside it, or "module/name.h" from src/.
function check_private(where, path, module, header,    parts, count) {
    if (path ~ /^include\//) { complain(where, "a public header may not include the private " header); return }
    count = split(header, parts, "/")
    if (count > 1 && parts[1] != module)
        complain(where, "module " module " may not include the private header of " parts[1] ": " header)
}
'
