/* A broker in memory, one step at a time: a log for each lane and each output partition, a consumer group whose lanes
 * move when the test says so, and producers whose records land and are acknowledged late, in order, or never (a crash).
 *
 *   produce ──> in flight ──land──> log ──ack──> heard        a crash cuts between any two of these
 *
 * A hop's record lands in the log of a lane of the next stage, where it can be read at once, long before its sender
 * hears of it. Everything random comes from one generator, so a seed is a run. Single-threaded.
 */
#ifndef WEIR_TESTS_SIM_BROKER_H
#define WEIR_TESTS_SIM_BROKER_H

#include "weir/base/rng.h"
#include "weir/broker/broker.h"

enum {
    SIM_PARTITIONS = 4,
    SIM_STAGES_MAX = 3,
    SIM_LANES_MAX = (SIM_STAGES_MAX + 1) * SIM_PARTITIONS,
    SIM_TOPIC_OUTPUTS = WEIR_OUTPUT_HOPS, /* outputs with a topic of their own: those before hops */
    SIM_HEADER_SIZE = 24
};

typedef struct sim_message {
    uint8_t *payload;
    size_t size;
    char source_header[SIM_HEADER_SIZE]; /* of a dead letter: __connect.errors.offset */
} sim_message;

typedef struct sim_log {
    sim_message *messages;
    size_t count, size;
} sim_log;

typedef struct sim_lane {
    sim_log log;
    int64_t committed;
    char note[WEIR_NOTE_SIZE_MAX];
    int owner;        /* member, -1 = nobody */
    int wanted;       /* who shall own it */
    unsigned stalled; /* that many polls bring none of its records */
} sim_lane;

typedef struct sim_cluster {
    weir_rng rng;
    weir_shape shape;
    sim_lane lanes[SIM_LANES_MAX];
    sim_log outputs[SIM_TOPIC_OUTPUTS][SIM_PARTITIONS];
    sim_log gossip;
    uint64_t zombie_writes; /* hops that landed after their sender had lost the lane */
} sim_cluster;

void sim_cluster_init(sim_cluster *cluster, uint64_t seed, size_t stage_count, bool has_labels);
void sim_cluster_deinit(sim_cluster *cluster);

void sim_log_add(sim_log *log, weir_span payload, const char *source_header);
void sim_log_deinit(sim_log *log);

/* A member's group face, with `worker_count` ports. `member` is its number. Freed by its close. */
weir_group *sim_group_open(sim_cluster *cluster, int member, size_t worker_count);

/* The member dies: some of what is in flight lands, the rest is gone, its lanes are nobody's. The group's close then
 * only frees. */
void sim_group_crash(weir_group *group);

/* The group coordinator gave up on the member: its lanes are nobody's and it hears LOST at its next poll. Its hops are
 * still on their way, and land and are acknowledged whenever it is; the rest is cut off as in a crash. */
void sim_group_lose(weir_group *group);

#endif
