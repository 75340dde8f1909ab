#!/usr/bin/env bash
# Runs the simulator over many seeds, on all cores, and reports. Not part of the gate, which runs the first few.
#
#   tests/soak.sh [COUNT] [FIRST]      COUNT seeds (default: 2000) from FIRST (default: 1) on, of each family of runs
#
# A seed that goes wrong is printed as the command that runs it alone; keep it in tests/sim/README.md with its fix.
# Wants WEIR_BUILD, a build directory with the tests in it (default: build/check). Exit codes: 0 all held, 1 one did
# not, 2 usage.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${WEIR_BUILD:-$root/build/check}/tests
programs="sim_sim_test sim_chain_test"
families=4 # one in the first program, three in the second: each runs all seeds
count=${1:-2000}
first=${2:-1}
slice=50 # seeds a process

if ! [[ $count =~ ^[1-9][0-9]*$ && $first =~ ^[1-9][0-9]*$ && $# -le 2 ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
for program in $programs; do
    if ! [ -x "$dir/$program" ]; then
        echo "tests/soak.sh: there is no $dir/$program; build it, or say where with WEIR_BUILD" >&2
        exit 2
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_slice() { # from how_many
    local program
    for program in $programs; do
        WEIR_SIM_FIRST=$1 WEIR_SIM_COUNT=$2 "$dir/$program" --jobs 1 --timeout 3600 >"$work/$program.$1.log" 2>&1 ||
            echo "$1 $2 $program" >>"$work/failed"
    done
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
if [ ! -e "$work/failed" ] && [ "$seeds" -eq $((count * families)) ]; then
    exit 0
fi
for program in $programs; do # what is harmed on purpose goes wrong, and is no news
    grep -hE '^seed [0-9]+ of ' "$work/$program".*.log | grep -v '^seed [0-9]* of a harmed run' | sort -u |
        sed -E "s|^seed ([0-9]+) of (.*)|\2\n    WEIR_SIM_FIRST=\1 WEIR_SIM_COUNT=1 $dir/$program|"
done
while read -r at many program; do
    log=$work/$program.$at.log
    grep -E '^seed ' "$log" | grep -qv 'of a harmed run' ||
        { echo "seeds $at to $((at + many - 1)) of $program ended early:"; tail -n 20 "$log"; }
done <"$work/failed"
exit 1
