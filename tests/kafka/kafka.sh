#!/usr/bin/env bash
# One Apache Kafka node (KRaft, no ZooKeeper) for tests and benches, on loopback only.
#
#   kafka.sh fetch                    puts Kafka's jars into ${WEIR_CACHE:-~/.cache/weir}/kafka (126 MB, once; needs Maven)
#   kafka.sh start DIR [PORT]         formats DIR and starts a node in about 3 s; prints bootstrap=127.0.0.1:PORT
#   kafka.sh stop DIR [SIGNAL]        stops the node started in DIR, and only it (TERM unless told, then KILL)
#   kafka.sh crash DIR                the same with kill -9
#   kafka.sh restart DIR              starts the node of DIR again on its port and data
#   kafka.sh topic DIR NAME PARTITIONS [KEY=VALUE ...]   makes a topic with the given topic settings
#   kafka.sh tool DIR CLASS ARG...    runs one of Kafka's own tools with --bootstrap-server added
#
# Settings: WEIR_KAFKA_HEAP (default 1g), WEIR_KAFKA_PROPERTIES (a file of properties to add).
set -euo pipefail

cache=${WEIR_CACHE:-$HOME/.cache/weir}/kafka
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
. "$here/ports.sh"

die() {
    echo "kafka.sh: $*" >&2
    exit 1
}

fetch() {
    [ -e "$cache/complete" ] && return
    command -v mvn >/dev/null || die "Maven is missing: cannot fetch Apache Kafka into $cache"
    mkdir -p "$cache"
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$cache/libs" >&2 ||
        die "Maven could not fetch Apache Kafka"
    touch "$cache/complete"
}

kafka() {
    java -Xmx"${WEIR_KAFKA_HEAP:-1g}" -XX:+UseG1GC -cp "$cache/libs/*" "$@"
}

write_properties() { # DIR PORT CONTROLLER_PORT
    cat >"$1/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$1/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.cleaner.backoff.ms=1000
log.retention.check.interval.ms=1000
EOF
    [ -z "${WEIR_KAFKA_PROPERTIES:-}" ] || cat "$WEIR_KAFKA_PROPERTIES" >>"$1/server.properties"
}

launch() { # DIR
    (
        cd "$1"
        exec setsid java -Xms"${WEIR_KAFKA_HEAP:-1g}" -Xmx"${WEIR_KAFKA_HEAP:-1g}" -XX:+UseG1GC -cp "$cache/libs/*" \
            kafka.Kafka server.properties >kafka.log 2>&1 </dev/null
    ) &
    echo $! >"$1/pid"
    port=$(sed -n 's/^advertised.listeners=PLAINTEXT:\/\/127.0.0.1:\([0-9]*\)$/\1/p' "$1/server.properties")
    tries=0
    until answers "$port"; do
        kill -0 "$(cat "$1/pid")" 2>/dev/null || die "the node died: see $1/kafka.log"
        tries=$((tries + 1))
        [ $tries -lt 300 ] || die "the node did not answer within 30 s: see $1/kafka.log"
        sleep 0.1
    done
    echo "bootstrap=127.0.0.1:$port"
}

# Ready = an ApiVersions request (key 18, version 0, correlation 1, no client id) gets an answer.
answers() { # PORT
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf '\0\0\0\012\0\022\0\0\0\0\0\001\377\377' >&3
        [ "$(timeout 1 head -c 4 <&3 | wc -c)" -eq 4 ]
    ) 2>/dev/null
}

# 16 random bytes as Kafka writes them: base64url without padding, and no leading dash.
cluster_id() {
    head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' | sed 's/^-/A/'
}

start() { # DIR [PORT]
    fetch
    mkdir -p "$1"
    dir=$(CDPATH= cd -- "$1" && pwd)
    [ ! -e "$dir/data" ] || die "$dir already holds a node: use restart, or another directory"
    free_port
    local listener=${2:-$port}
    free_port
    write_properties "$dir" "$listener" "$port"
    kafka kafka.tools.StorageTool format -t "$(cluster_id)" -c "$dir/server.properties" \
        >"$dir/format.log" 2>&1 || die "formatting failed: see $dir/format.log"
    launch "$dir"
}

stop() { # DIR [SIGNAL]
    [ -e "$1/pid" ] || return 0
    pid=$(cat "$1/pid")
    # Only a process that still is the node of this directory: pids are used again.
    if [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(CDPATH= cd -- "$1" && pwd)" ]; then
        kill -"${2:-TERM}" "$pid" 2>/dev/null || true
        tries=0
        while kill -0 "$pid" 2>/dev/null; do
            tries=$((tries + 1))
            [ $tries -lt 100 ] || kill -KILL "$pid" 2>/dev/null || true
            sleep 0.1
        done
    fi
    rm -f "$1/pid"
}

tool() { # DIR CLASS ARG...
    dir=$1 class=$2
    shift 2
    port=$(sed -n 's/^advertised.listeners=PLAINTEXT:\/\/127.0.0.1:\([0-9]*\)$/\1/p' "$dir/server.properties")
    status=0
    output=$(java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$cache/libs/*" "$class" \
        --bootstrap-server "127.0.0.1:$port" "$@" 2>&1) || status=$?
    printf '%s\n' "$output" | grep -v SLF4J || true
    return $status
}

topic() { # DIR NAME PARTITIONS [KEY=VALUE ...]
    dir=$1 name=$2 partitions=$3
    shift 3
    for setting; do
        shift
        set -- "$@" --config "$setting"
    done
    tool "$dir" org.apache.kafka.tools.TopicCommand --create --topic "$name" --partitions "$partitions" \
        --replication-factor 1 "$@"
}

[ $# -ge 1 ] || set -- help
command=$1
shift
case $command in
fetch) fetch ;;
start) [ $# -ge 1 ] || die "start DIR [PORT]"; start "$@" ;;
crash) [ $# -eq 1 ] || die "crash DIR"; stop "$1" KILL ;;
restart) [ $# -eq 1 ] || die "restart DIR"; stop "$1"; launch "$(CDPATH= cd -- "$1" && pwd)" ;;
stop) [ $# -ge 1 ] || die "stop DIR [SIGNAL]"; stop "$@" ;;
topic) [ $# -ge 3 ] || die "topic DIR NAME PARTITIONS [KEY=VALUE ...]"; topic "$@" ;;
tool) [ $# -ge 2 ] || die "tool DIR CLASS ARG..."; tool "$@" ;;
*) sed -n '2,12s/^# \{0,1\}//p' "$0"; [ "$command" = help ] || exit 2 ;;
esac
