#!/usr/bin/env bash
# Installs what weir needs on Debian 12 (or a derivative), and only what is missing.
#
#   deploy/install-deps.sh [build] [test] [bench] [fuzz]      default: build
#
#   build  compiler and libraries: enough for deploy/demo.sh
#   test   what tests/run.sh runs besides: Criterion, Java and Maven for Apache Kafka, kcat, Python, promtool
#   bench  what bench/run.sh runs besides: as test
#   fuzz   clang with libFuzzer, for the "fuzz" preset
#
# Needs root or sudo only when something is missing. Says what it installs; exits 1 with a reason when it cannot.
set -euo pipefail

packages_build=(build-essential cmake ninja-build pkg-config protobuf-c-compiler
    librdkafka-dev libprotobuf-c-dev liblmdb-dev libopenblas-serial-dev libmicrohttpd-dev libjansson-dev
    libyaml-dev libsodium-dev libxxhash-dev libonnx-dev)
packages_test=(libcriterion-dev openjdk-17-jre-headless maven kcat curl python3 python3-venv procps ca-certificates)
packages_bench=("${packages_test[@]}" zstd)
packages_fuzz=(clang libclang-rt-14-dev)

# Where downloads that are no Debian package live (Apache Kafka's jars, promtool). Shared by every checkout.
cache=${WEIR_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/weir}

fail() {
    printf 'install-deps: %s\n' "$1" >&2
    exit 1
}

list_groups() {
    local group list
    for group in "$@"; do
        case $group in
        build | test | bench | fuzz) ;;
        *) fail "unknown group '$group'; known: build test bench fuzz" ;;
        esac
        list="packages_$group[@]"
        printf '%s\n' "${!list}"
    done | sort -u
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

list_missing() {
    local package
    while read -r package; do
        is_installed "$package" || printf '%s\n' "$package"
    done
}

# Runs a command as root, or explains what a person with root has to run.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "not root and no sudo: have an administrator run: apt-get install ${missing[*]}"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" >&2
}

install_missing() {
    [ "${#missing[@]}" -gt 0 ] || return 0
    printf 'install-deps: installing %s\n' "${missing[*]}" >&2
    apt update || fail "apt-get update failed; check the network and /etc/apt/sources.list"
    apt install --no-install-recommends -y "${missing[@]}" ||
        fail "apt-get install failed; the lines above say which package is the trouble"
}

# promtool checks the metrics page. Its Debian package would start a Prometheus server, so only the tool is unpacked.
# A test that wants it says so and skips itself when there is none.
fetch_promtool() {
    if command -v promtool >/dev/null || [ -x "$cache/promtool/promtool" ]; then
        return 0
    fi
    local work
    work=$(mktemp -d)
    chmod 755 "$work"
    if (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download prometheus && dpkg-deb -x prometheus_*.deb .) >&2; then
        mkdir -p "$cache/promtool"
        cp "$work/usr/bin/promtool" "$cache/promtool/promtool"
    else
        printf 'install-deps: promtool could not be fetched; the test of the metrics page will be skipped\n' >&2
    fi
    rm -rf "$work"
}

command -v dpkg-query >/dev/null ||
    fail "this is not Debian; install the equivalents of: $(list_groups build | tr '\n' ' ')"
[ "$#" -gt 0 ] || set -- build
wanted=$(list_groups "$@")
mapfile -t missing < <(list_missing <<<"$wanted")
install_missing
case " $* " in
*" test "* | *" bench "*) fetch_promtool ;;
esac
