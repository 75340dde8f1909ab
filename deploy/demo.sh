#!/usr/bin/env bash
# weir in one command, on a bare Debian 12: installs what is missing, builds, and runs the demo (embedded broker,
# synthetic cards with labelled fraud, the engine, a summary). Arguments go to `weir demo`; see `weir demo --help`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

deploy/install-deps.sh build
mkdir -p build/logs
build() {
    cmake --preset release && cmake --build --preset release --target weir
}
if ! build >build/logs/demo-build.log 2>&1; then
    tail -n 40 build/logs/demo-build.log >&2
    echo "demo: the build failed; the whole log is build/logs/demo-build.log" >&2
    exit 1
fi
exec build/release/weir demo "$@"
