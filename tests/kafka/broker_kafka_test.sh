#!/bin/sh
# The broker module on a real Kafka node (broker_kafka_test.c). Arguments go to the test program, such as
# --filter 'kafka/last*'. Exit 77 = skipped; the last line says why.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
program=${WEIR_BUILD:?the build directory}/tests/kafka/kafka_broker_kafka_test

"$here/kafka.sh" fetch || {
    echo "Apache Kafka could not be fetched"
    exit 77
}
dir=$(mktemp -d)
trap '"$here/kafka.sh" stop "$dir" KILL; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
bootstrap=$("$here/kafka.sh" start "$dir")
WEIR_TEST_BOOTSTRAP=${bootstrap#bootstrap=} WEIR_TEST_KAFKA_SH=$here/kafka.sh WEIR_TEST_KAFKA_DIR=$dir \
    "$program" --jobs 1 --timeout 120 "--tap=${TAP:--}" "$@"
