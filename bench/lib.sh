# What the bench scripts share: processes that end with the script, a Kafka of its own, and looking at a weir from
# outside. To be sourced by bash. Everything is on the loopback, everything is in $work, and only what was started
# here is ended, by process id.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$repo/tests/kafka/ports.sh"
cache=${WEIR_CACHE:-$HOME/.cache/weir}
build=${WEIR_BUILD:-$repo/build/bench}
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-bench.XXXXXX")
declare -A running=() # pid -> name
kafka_running=

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "bench: $*"
    exit 1
}

# Configures once and builds the targets, in release mode. A failed build shows its log.
build_targets() {
    {
        [ -f "$build/build.ninja" ] ||
            cmake -S "$repo" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWEIR_BUILD_TESTS=OFF
        ninja -C "$build" "$@"
    } >"$work/build.log" 2>&1 || { tail -40 "$work/build.log" >&2; die "the build failed"; }
}

# --- processes -----------------------------------------------------------------------------------------------------

# start NAME COMMAND...: runs it in the background with its output in $work/NAME.out and .log; its id is in $started.
start() {
    local name=$1
    shift
    "$@" >"$work/$name.out" 2>"$work/$name.log" &
    started=$!
    running[$started]=$name
}

# finish PID SECONDS: asks it to end and waits, at most that long; then it is killed. Its exit code is the result.
finish() {
    kill -TERM "$1" 2>/dev/null || true
    await_end "$1" "$2"
}

# await_end PID SECONDS: waits for it to end by itself; kills it when the time is up. Its exit code is the result.
await_end() {
    local pid=$1 code=0 tick
    for ((tick = 0; tick < $2 * 10; tick++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    if kill -0 "$pid" 2>/dev/null; then
        say "bench: ${running[$pid]} took longer than $2 s and was killed"
        kill -KILL "$pid" 2>/dev/null || true
    fi
    wait "$pid" || code=$?
    unset "running[$pid]"
    return $code
}

show_log() {
    say "--- the end of $1's log:"
    tail -20 "$work/$1.log" >&2
}

clean_up() {
    local pid
    for pid in "${!running[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [ -z "$kafka_running" ] || "$repo/tests/kafka/kafka.sh" stop "$work/kafka" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# CPU seconds of a process so far, user and system.
cpu_s() {
    local stat ticks
    stat=$(<"/proc/$1/stat")
    read -r -a ticks <<<"${stat##*) }"
    awk -v t=$((ticks[11] + ticks[12])) -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f\n", t / hz }'
}

rss_peak_mib() {
    awk '/^VmHWM:/ { printf "%.1f\n", $2 / 1024 }' "/proc/$1/status"
}

# --- Kafka -----------------------------------------------------------------------------------------------------------

start_kafka() {
    local line
    line=$("$repo/tests/kafka/kafka.sh" start "$work/kafka") || die "Apache Kafka did not start"
    kafka_running=yes
    bootstrap=$(sed -n 's/^bootstrap=//p' <<<"$line" | tail -1)
    [ -n "$bootstrap" ] || die "kafka.sh did not say where the broker is: $line"
}

# make_topic NAME PARTITIONS
make_topic() {
    "$repo/tests/kafka/kafka.sh" topic "$work/kafka" "$1" "$2" >>"$work/topics.log" 2>&1
}

# --- weir, from outside ---------------------------------------------------------------------------------------------

# get PORT PATH: the page's text, without its head; fails when nobody answers.
get() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
        sed '1,/^\r*$/d' <&3
    ) 2>/dev/null
}

# metric PORT NAME: the sum of a metric's series.
metric() {
    get "$1" /metrics |
        awk -v name="$2" '{ key = $1; sub(/\{.*/, "", key) } key == name { sum += $NF } END { printf "%.17g\n", sum }'
}

# await_ready PORT PID NAME SECONDS: until /readyz answers 200, or the process has ended.
await_ready() {
    local tick
    for ((tick = 0; tick < $4 * 10; tick++)); do
        kill -0 "$2" 2>/dev/null || { show_log "$3"; die "$3 ended before it was ready"; }
        (
            exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
            printf 'GET /readyz HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
            head -1 <&3 | grep -q ' 200'
        ) 2>/dev/null && return
        sleep 0.1
    done
    show_log "$3"
    die "$3 was not ready after $4 s"
}
