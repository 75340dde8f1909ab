/* A broker in memory, one step at a time: input logs, output logs, a consumer group whose partitions move when the
 * test says so, and producers whose records land and are acknowledged late, in order, or never (a crash).
 *
 *   produce ──> in flight ──land──> output log ──ack──> heard        a crash cuts between any two of these
 *
 * Everything random comes from one generator, so a seed is a run. Single-threaded.
 */
#ifndef WEIR_TESTS_SIM_BROKER_H
#define WEIR_TESTS_SIM_BROKER_H

#include "weir/base/rng.h"
#include "weir/broker/broker.h"

enum { SIM_PARTITIONS = 4, SIM_MEMBERS_MAX = 3, SIM_HEADER_SIZE = 24 };

typedef struct sim_message {
    uint8_t *payload;
    size_t size;
    int64_t source_offset;
    char source_header[SIM_HEADER_SIZE]; /* of a dead letter: __connect.errors.offset */
} sim_message;

typedef struct sim_log {
    sim_message *messages;
    size_t count, size;
} sim_log;

typedef struct sim_cluster {
    weir_rng rng;
    sim_log input[SIM_PARTITIONS];
    sim_log outputs[WEIR_OUTPUT_COUNT][SIM_PARTITIONS];
    int64_t committed[SIM_PARTITIONS];
    int owner[SIM_PARTITIONS];  /* member, -1 = nobody */
    int wanted[SIM_PARTITIONS]; /* who shall own it */
} sim_cluster;

void sim_cluster_init(sim_cluster *cluster, uint64_t seed);
void sim_cluster_deinit(sim_cluster *cluster);
void sim_log_add(sim_log *log, weir_span payload, int64_t source_offset, const char *source_header);

/* A member's group face, with `worker_count` ports. `member` is its number. Freed by its close. */
weir_group *sim_group_open(sim_cluster *cluster, int member, size_t worker_count);

/* The member dies: some of what is in flight lands, the rest is gone, its partitions are nobody's. The group's close
 * then only frees. */
void sim_group_crash(weir_group *group);

/* The group coordinator gave up on the member: its partitions are nobody's, what is in flight is cut off as in a crash,
 * and it hears LOST at its next poll. */
void sim_group_lose(weir_group *group);

#endif
