#!/usr/bin/env bash
# Runs the Fraud Detection Handbook's 1.75 million transactions through weir on Apache Kafka and holds every feature
# weir logged against an independent computation; then trains on what weir logged, by the published protocol.
#
#     bench/handbook/run.sh DATA_FILE
#
# DATA_FILE is the transactions as CSV, or CSV packed by zstd (bench/handbook/README.md says what is in it). The last
# line is the verdict; the exit code is 1 when a feature differs. Takes a few minutes on two cores.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

[ $# -eq 1 ] || { say "usage: bench/handbook/run.sh DATA_FILE"; exit 2; }
[ -r "$1" ] || die "cannot read $1"
data=$(realpath "$1")
here=$repo/bench/handbook
python=$cache/handbook-venv/bin/python
group=handbook
partitions=8

# The Python packages, pinned, in a virtual environment that is kept.
prepare_python() {
    if ! cmp -s "$here/requirements.txt" "$cache/handbook-venv/requirements.txt"; then
        say "handbook: installing Python packages"
        mkdir -p "$cache"
        python3 -m venv --clear "$cache/handbook-venv"
        "$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
        cp "$here/requirements.txt" "$cache/handbook-venv/requirements.txt"
    fi
}

write_config() {
    cat >"$work/weir.yaml" <<END
brokers: $bootstrap
group.id: $group
model: $work/card9.json
state.dir: $work/state
scores.features: true
topics.scores: scores
create_topics: true
http.listen: 127.0.0.1:$port
log.level: warn
END
}

# Sends the rows, lets weir score them all, and stops it.
score_all() {
    local count=$1
    "$build/weir" send --config "$work/weir.yaml" --input "$work/transactions.csv"
    start weir "$build/weir" run --config "$work/weir.yaml"
    local weir=$started
    "$build/bench/bench_watch" "$port" "$weir" weir_events_scored_total "$count" 600 >"$work/watch.json" ||
        { show_log weir; die "weir did not score all transactions"; }
    finish "$weir" 60 || { show_log weir; die "weir did not stop cleanly"; }
}

prepare_python
build_targets weir bench_watch
say "handbook: reading $data"
count=$("$python" "$here/convert.py" "$data" "$work")
port=$(free_port)
start_kafka
make_topic transactions "$partitions"
write_config
say "handbook: scoring $count transactions"
score_all "$count"
awk -F'[:,}]' '{ printf "weir: %d transactions in %.1f s, %d a second, %.1f CPU seconds, %.0f MiB at most\n",
    $2, $4, $6, $8, $10 }' "$work/watch.json"
"$build/weir" tail --config "$work/weir.yaml" --topic scores --from beginning --until-end --format json |
    "$python" "$here/compare.py" "$data" -
