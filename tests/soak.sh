#!/usr/bin/env bash
# Runs the simulator over many seeds, on all cores, and reports. Not part of the gate, which runs the first 60.
#
#   tests/soak.sh [COUNT] [FIRST]      COUNT seeds (default: 2000) from FIRST (default: 1) on
#
# A seed that goes wrong is printed as the command that runs it alone; keep it in tests/sim/README.md with its fix.
# Wants WEIR_BUILD, a build directory with the tests in it (default: build/check). Exit codes: 0 all held, 1 one did
# not, 2 usage.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${WEIR_BUILD:-$root/build/check}/tests/sim_sim_test
count=${1:-2000}
first=${2:-1}
slice=50 # seeds a process

if ! [[ $count =~ ^[1-9][0-9]*$ && $first =~ ^[1-9][0-9]*$ && $# -le 2 ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
if ! [ -x "$program" ]; then
    echo "tests/soak.sh: there is no $program; build it, or say where with WEIR_BUILD" >&2
    exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_slice() { # from how_many
    WEIR_SIM_FIRST=$1 WEIR_SIM_COUNT=$2 "$program" --jobs 1 --timeout 3600 >"$work/$1.log" 2>&1 || echo "$1 $2" >>"$work/failed"
}

began=$SECONDS
for ((at = first; at < first + count; at += slice)); do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        wait -n
    done
    left=$((first + count - at))
    run_slice "$at" $((left < slice ? left : slice)) &
done
wait

# A line "# N seeds: N kills, ..." a slice.
awk '/^# [0-9]+ seeds:/ {seeds += $2; kills += $4; moves += $6; losses += $8; failures += $11; wrong += $14}
     END {printf "%d seeds: %d kills, %d rebalances, %d lost assignments, %d disk failures; %d runs went wrong\n",
                 seeds, kills, moves, losses, failures, wrong; exit seeds == 0}' "$work"/*.log || echo "no seed ran" >&2
echo "$((SECONDS - began)) s on $(nproc) cores"
seeds=$(awk '/^# [0-9]+ seeds:/ {seeds += $2} END {print seeds + 0}' "$work"/*.log)
if [ ! -e "$work/failed" ] && [ "$seeds" -eq "$count" ]; then
    exit 0
fi
grep -hE '^seed [0-9]+:' "$work"/*.log | sort -u |
    sed -E "s|^seed ([0-9]+): (.*)|\2\n    WEIR_SIM_FIRST=\1 WEIR_SIM_COUNT=1 $program|"
while read -r at many; do
    grep -qE '^seed ' "$work/$at.log" || { echo "seeds $at to $((at + many - 1)) ended early:"; tail -n 20 "$work/$at.log"; }
done <"$work/failed"
exit 1
