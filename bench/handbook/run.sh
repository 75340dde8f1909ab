#!/usr/bin/env bash
# Runs the Fraud Detection Handbook's 1.75 million transactions and their labels, a week late, through weir on Apache
# Kafka: two stages, two processes, 8 partitions. Holds the 15 published features weir logged against an independent
# computation, trains on what weir logged, and lets weir score the stream with the models that came of it.
#
#     bench/handbook/run.sh DATA_FILE [PICTURE]
#
# DATA_FILE is the transactions as CSV, or CSV packed by zstd (bench/handbook/README.md says what is in it). PICTURE,
# if given, is an .svg or .png to write. The last line is the verdict; the exit code is 1 when a feature differs or a
# score is missing. Takes less than ten minutes on two cores.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

[ $# -eq 1 ] || [ $# -eq 2 ] || { say "usage: bench/handbook/run.sh DATA_FILE [PICTURE]"; exit 2; }
[ -r "$1" ] || die "cannot read $1"
data=$(realpath "$1")
picture=${2:+$(realpath "$2")}
here=$repo/bench/handbook
python=$cache/handbook-venv/bin/python
partitions=8
splits=(136 129 122 115) # protocol.TEST
offline_split=115

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

# write_config NAME MODEL LOGGED: the configurations NAME-1.yaml and NAME-2.yaml of one group's two processes. LOGGED
# says whether the scores carry the features. A group of its own, so that it reads everything from the beginning.
write_config() {
    local number port
    for number in 1 2; do
        free_port
        ports[number]=$port
        cat >"$work/$1-$number.yaml" <<END
brokers: $bootstrap
group.id: handbook-$1
stages: [card, terminal]
model: $2
topics.labels: labels
topics.scores: scores-$1
topics.alerts: alerts-$1
create_topics: true
scores.features: $3
alignment.drift_max: 3d
state.dir: $work/state-$1-$number
http.listen: 127.0.0.1:${ports[number]}
log.level: warn
END
    done
}

# score_live NAME MODEL LOGGED: lets two processes score everything in the topics, and stops them. What they wrote is
# then in the topic scores-NAME; a line says what it took.
score_live() {
    local number pids=() ports=()
    write_config "$@"
    for number in 1 2; do
        start "$1-$number" "$build/weir" run --config "$work/$1-$number.yaml"
        pids[number]=$started
    done
    "$python" "$here/watch.py" "$1" "$count" 300 "${ports[1]}:${pids[1]}" "${ports[2]}:${pids[2]}" ||
        { show_log "$1-1"; show_log "$1-2"; die "weir did not score all transactions with $1"; }
    for number in 1 2; do
        finish "${pids[number]}" 60 || { show_log "$1-$number"; die "weir did not stop cleanly"; }
        rm -rf "$work/state-$1-$number"
    done
}

# print_scores NAME: the scores topic as JSON lines.
print_scores() {
    "$build/weir" tail --config "$work/$1-1.yaml" --topic "scores-$1" --type score --from beginning --until-end \
        --format json
}

# One model a split, trained on the features weir logged, pushed to weir and scored by it.
score_splits() {
    local day
    for day in "${splits[@]}"; do
        score_live "$day" "$work/model-$day.json" false
        print_scores "$day" >"$work/scores-$day.jsonl"
    done
}

# One of them again without Kafka: the same chain of stages in one process.
score_offline() {
    "$build/weir" score --model "$work/model-$offline_split.json" --stages card,terminal --partitions "$partitions" \
        --input "$work/transactions.csv" --labels "$work/labels.csv" >"$work/offline-$offline_split.jsonl"
}

prepare_python
build_targets weir
say "handbook: reading $data"
count=$("$python" "$here/convert.py" "$data" "$work")
start_kafka
make_topic transactions "$partitions"
make_topic labels "$partitions"
declare -a ports
write_config features "$work/features.json" true
"$build/weir" send --config "$work/features-1.yaml" --input "$work/transactions.csv"
"$build/weir" label --config "$work/features-1.yaml" --input "$work/labels.csv"
say "handbook: $count transactions and their labels, two stages, two processes"
score_live features "$work/features.json" true
print_scores features | "$python" "$here/compare.py" "$work"
say "handbook: scoring with weir's model of each test split"
score_splits
score_offline
say "handbook: measuring"
"$python" "$here/judge.py" "$work" ${picture:+"$picture"}
