#!/usr/bin/env bash
# What deploy/ ships is well formed and names what exists. Wants WEIR, the built program. Prints TAP.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
weir=${WEIR:?set WEIR to the built program}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

claim() { # name command...
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok - deploy::$name"
    else
        echo "not ok - deploy::$name"
        sed 's/^/# /' "$work/output"
        failed=1
    fi
}

scripts_parse() {
    local script
    for script in deploy/*.sh tests/*.sh tests/*/*.sh .ci/run; do
        bash -n "$script" || return 1
    done
}
# The rows of src/metrics are where metric names come from.
rules_name_real_metrics() {
    local name
    for name in $(grep -oE 'weir_[a-z_]+' deploy/prometheus-rules.yaml | sed 's/_bucket$//' | sort -u); do
        grep -rqF "\"$name\"" src/metrics || { echo "no metric $name"; return 1; }
    done
}
readme_names_real_commands() {
    local name
    for name in $(grep -oE '^    weir [a-z]+' README.md | awk '{print $2}' | sort -u); do
        "$weir" "$name" --help >/dev/null || { echo "no command $name"; return 1; }
    done
}

claim scripts_parse scripts_parse
claim example_configuration_is_valid "$weir" config check deploy/weir.yaml
claim rules_name_real_metrics rules_name_real_metrics
claim readme_names_real_commands readme_names_real_commands
claim unknown_group_is_refused bash -c '! deploy/install-deps.sh nonsense'
if command -v promtool >/dev/null; then
    claim rules_are_well_formed promtool check rules deploy/prometheus-rules.yaml
else
    echo "ok - deploy::rules_are_well_formed # SKIP promtool is not on the path"
fi
exit $failed
