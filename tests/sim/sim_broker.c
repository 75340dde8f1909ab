#include "sim/sim_broker.h"

#include "weir/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct flight {
    weir_output output;
    int32_t partition;
    sim_message message;
    bool landed;
} flight;

typedef struct sim_group sim_group;

typedef struct sim_port {
    weir_port base;
    sim_group *group;
    size_t index;
    flight *flights; /* oldest first; landed ones are a prefix per (output, partition) */
    size_t flight_count, flight_size;
} sim_port;

struct sim_group {
    weir_group base;
    sim_cluster *cluster;
    int member;
    size_t worker_count;
    sim_port *ports;
    int64_t fetch[SIM_PARTITIONS]; /* next offset to fetch; -1 = not assigned */
    size_t worker[SIM_PARTITIONS];
    bool paused[SIM_PARTITIONS];
    bool joined, dead, lost;
    weir_group_event_kind pending;
    int32_t partitions[SIM_PARTITIONS];
    size_t partition_count;
};

static uint64_t below(sim_cluster *cluster, uint64_t bound)
{
    return weir_rng_below(&cluster->rng, bound);
}

/* ---- cluster ---- */

void sim_cluster_init(sim_cluster *cluster, uint64_t seed)
{
    memset(cluster, 0, sizeof *cluster);
    cluster->rng.state = seed;
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        cluster->committed[p] = WEIR_OFFSET_NONE;
        cluster->owner[p] = -1;
        cluster->wanted[p] = 0;
    }
}

static void free_log(sim_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        free(log->messages[i].payload);
    free(log->messages);
}

void sim_cluster_deinit(sim_cluster *cluster)
{
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        free_log(&cluster->input[p]);
        for (int output = 0; output < WEIR_OUTPUT_COUNT; output++)
            free_log(&cluster->outputs[output][p]);
    }
}

static sim_message copy_message(weir_span payload, int64_t source_offset, const char *source_header)
{
    sim_message message = {.size = payload.size, .source_offset = source_offset, .payload = malloc(payload.size + 1)};
    weir_check(message.payload);
    if (payload.size)
        memcpy(message.payload, payload.data, payload.size);
    snprintf(message.source_header, sizeof message.source_header, "%s", source_header);
    return message;
}

static void append(sim_log *log, sim_message message)
{
    if (log->count == log->size) {
        log->size = log->size ? log->size * 2 : 64;
        log->messages = realloc(log->messages, log->size * sizeof *log->messages);
        weir_check(log->messages);
    }
    log->messages[log->count++] = message;
}

void sim_log_add(sim_log *log, weir_span payload, int64_t source_offset, const char *source_header)
{
    append(log, copy_message(payload, source_offset, source_header));
}

/* ---- port ---- */

static size_t port_poll(weir_port *base, weir_record *records, size_t max, int64_t wait_us)
{
    (void)wait_us;
    sim_port *port = (sim_port *)base;
    sim_group *group = port->group;
    size_t count = 0, budget = 1 + below(group->cluster, max);
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        if (group->fetch[p] < 0 || group->paused[p] || group->worker[p] != port->index)
            continue;
        const sim_log *log = &group->cluster->input[p];
        for (size_t n = 1 + below(group->cluster, 8); n > 0 && count < budget && group->fetch[p] < (int64_t)log->count;
             n--) {
            const sim_message *message = &log->messages[group->fetch[p]];
            records[count++] = (weir_record){.partition = p,
                                             .offset = group->fetch[p]++,
                                             .timestamp_us = -1,
                                             .key = weir_span_text("key"),
                                             .payload = weir_span_of(message->payload, message->size)};
        }
    }
    return count;
}

static void port_release(weir_port *base)
{
    (void)base;
}

static weir_status port_produce(weir_port *base, const weir_outgoing *outgoing)
{
    sim_port *port = (sim_port *)base;
    if (port->flight_count >= 50 && below(port->group->cluster, 4) == 0)
        return WEIR_FULL;
    if (port->flight_count == port->flight_size) {
        port->flight_size = port->flight_size ? port->flight_size * 2 : 64;
        port->flights = realloc(port->flights, port->flight_size * sizeof *port->flights);
        weir_check(port->flights);
    }
    char header[SIM_HEADER_SIZE] = "";
    for (size_t i = 0; i < outgoing->header_count; i++)
        if (strcmp(outgoing->headers[i].name, "__connect.errors.offset") == 0)
            snprintf(header, sizeof header, "%.*s", WEIR_SPAN_ARGS(outgoing->headers[i].value));
    port->flights[port->flight_count++] = (flight){
        .output = outgoing->output,
        .partition = outgoing->partition,
        .message = copy_message(outgoing->payload, outgoing->source_offset, header),
    };
    return WEIR_OK;
}

/* A record reaches its log. */
static void land(sim_port *port, flight *it)
{
    it->landed = true;
    append(&port->group->cluster->outputs[it->output][it->partition],
           copy_message(weir_span_of(it->message.payload, it->message.size), it->message.source_offset,
                        it->message.source_header));
}

/* Which (output, partition) streams stand still for now. */
typedef struct stalls {
    bool at[WEIR_OUTPUT_COUNT][SIM_PARTITIONS];
} stalls;

/* Whether this record's stream moves on by it; once it does not, nothing behind it in the same stream does. */
static bool moves(sim_port *port, stalls *stalled, const flight *it, unsigned one_in)
{
    bool *still = &stalled->at[it->output][it->partition];
    *still = *still || (one_in && below(port->group->cluster, one_in) == 0);
    return !*still;
}

/* Some of what is in flight lands; each (output, partition) keeps its order. one_in 0: all of it. */
static void land_some(sim_port *port, unsigned one_in)
{
    stalls stalled = {0};
    for (size_t i = 0; i < port->flight_count; i++)
        if (!port->flights[i].landed && moves(port, &stalled, &port->flights[i], one_in))
            land(port, &port->flights[i]);
}

static size_t port_acks(weir_port *base, int64_t wait_us, void (*heard)(void *context, const weir_ack *ack),
                        void *context)
{
    sim_port *port = (sim_port *)base;
    unsigned one_in = wait_us > 0 ? 0 : 6;
    land_some(port, one_in);
    stalls stalled = {0};
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < port->flight_count; i++) {
        flight it = port->flights[i];
        if (!it.landed || !moves(port, &stalled, &it, one_in)) {
            port->flights[kept++] = it;
            continue;
        }
        weir_ack ack = {.output = it.output,
                        .partition = it.partition,
                        .source_offset = it.message.source_offset,
                        .delivered = true};
        heard(context, &ack);
        free(it.message.payload);
        count++;
    }
    port->flight_count = kept;
    return count;
}

static weir_span port_header(weir_port *base, const weir_record *record, const char *name)
{
    (void)base, (void)record, (void)name;
    return (weir_span){0};
}

static void port_pause(weir_port *base, int32_t partition, bool paused)
{
    ((sim_port *)base)->group->paused[partition] = paused;
}

static const weir_port_ops PORT_OPS = {
    .poll = port_poll,
    .release = port_release,
    .produce = port_produce,
    .acks = port_acks,
    .header = port_header,
    .pause = port_pause,
};

/* ---- group ---- */

static weir_status group_join(weir_group *base, weir_error *error)
{
    (void)error;
    ((sim_group *)base)->joined = true;
    return WEIR_OK;
}

static bool collect(sim_group *group, weir_group_event_kind kind, weir_group_event *event_out)
{
    sim_cluster *cluster = group->cluster;
    group->partition_count = 0;
    for (int p = 0; p < SIM_PARTITIONS; p++) {
        bool mine = cluster->owner[p] == group->member, wanted = cluster->wanted[p] == group->member;
        bool take = kind == WEIR_GROUP_LOST     ? group->fetch[p] >= 0
                    : kind == WEIR_GROUP_REVOKE ? mine && !wanted
                                                : cluster->owner[p] < 0 && wanted;
        if (take)
            group->partitions[group->partition_count++] = p;
    }
    if (group->partition_count == 0)
        return false;
    group->pending = kind;
    *event_out = (weir_group_event){
        .kind = kind, .partitions = group->partitions, .partition_count = group->partition_count};
    return true;
}

static weir_status group_poll(weir_group *base, int64_t wait_us, weir_group_event *event_out)
{
    (void)wait_us;
    sim_group *group = (sim_group *)base;
    weir_check(group->joined && group->pending == WEIR_GROUP_NONE);
    *event_out = (weir_group_event){0};
    if (group->lost) {
        group->lost = false;
        if (collect(group, WEIR_GROUP_LOST, event_out))
            return WEIR_OK;
    }
    if (!collect(group, WEIR_GROUP_REVOKE, event_out))
        collect(group, WEIR_GROUP_ASSIGN, event_out);
    return WEIR_OK;
}

static weir_status group_bounds(weir_group *base, const int32_t *partitions, size_t count,
                                weir_partition_bounds *bounds_out, weir_error *error)
{
    (void)error;
    const sim_cluster *cluster = ((sim_group *)base)->cluster;
    for (size_t i = 0; i < count; i++)
        bounds_out[i] = (weir_partition_bounds){.log_start = 0,
                                                .log_end = (int64_t)cluster->input[partitions[i]].count,
                                                .committed = cluster->committed[partitions[i]]};
    return WEIR_OK;
}

static weir_status group_last_output(weir_group *base, weir_output output, int32_t partition, const char *header_name,
                                     weir_last_visit *visit, void *context, weir_error *error)
{
    (void)error, (void)header_name;
    const sim_log *log = &((sim_group *)base)->cluster->outputs[output][partition];
    if (log->count > 0) {
        const sim_message *last = &log->messages[log->count - 1];
        visit(context, weir_span_of(last->payload, last->size), weir_span_text(last->source_header));
    }
    return WEIR_OK;
}

static weir_status group_start(weir_group *base, int32_t partition, int64_t offset, size_t worker, weir_error *error)
{
    (void)error;
    sim_group *group = (sim_group *)base;
    weir_check(group->pending == WEIR_GROUP_ASSIGN && group->cluster->owner[partition] < 0);
    group->cluster->owner[partition] = group->member;
    group->fetch[partition] = offset;
    group->worker[partition] = worker;
    group->paused[partition] = false;
    return WEIR_OK;
}

static weir_status group_settle(weir_group *base, weir_error *error)
{
    (void)error;
    sim_group *group = (sim_group *)base;
    for (size_t i = 0; i < group->partition_count && group->pending != WEIR_GROUP_ASSIGN; i++) {
        int32_t p = group->partitions[i];
        if (group->cluster->owner[p] == group->member)
            group->cluster->owner[p] = -1;
        group->fetch[p] = -1;
    }
    group->pending = WEIR_GROUP_NONE;
    return WEIR_OK;
}

static weir_status group_commit(weir_group *base, const int32_t *partitions, const int64_t *next_offsets, size_t count,
                                bool wait, weir_error *error)
{
    (void)wait;
    sim_group *group = (sim_group *)base;
    if (below(group->cluster, 10) == 0)
        return weir_error_set(error, WEIR_TEMPORARY, "rebalance in progress");
    for (size_t i = 0; i < count; i++) {
        weir_check(group->cluster->owner[partitions[i]] == group->member);
        weir_check(next_offsets[i] >= group->cluster->committed[partitions[i]]);
        group->cluster->committed[partitions[i]] = next_offsets[i];
    }
    return WEIR_OK;
}

static int64_t group_lag(weir_group *base, int32_t partition, int64_t position)
{
    return (int64_t)((sim_group *)base)->cluster->input[partition].count - position;
}

static weir_status group_describe(weir_group *base, char *cluster_id_out, int32_t *partition_count_out,
                                  weir_error *error)
{
    (void)base, (void)error;
    snprintf(cluster_id_out, 64, "simulated");
    *partition_count_out = SIM_PARTITIONS;
    return WEIR_OK;
}

static weir_port *group_port(weir_group *base, size_t worker)
{
    return &((sim_group *)base)->ports[worker].base;
}

static void group_backlog(weir_group *base, uint64_t *records_out, uint64_t *bytes_out)
{
    (void)base;
    *records_out = *bytes_out = 0;
}

/* What a dying producer leaves behind: a prefix in its logs, the rest nowhere. */
static void cut_off(sim_group *group)
{
    for (size_t w = 0; w < group->worker_count; w++) {
        sim_port *port = &group->ports[w];
        land_some(port, 1 + (unsigned)below(group->cluster, 12));
        for (size_t i = 0; i < port->flight_count; i++)
            free(port->flights[i].message.payload);
        port->flight_count = 0;
    }
    for (int p = 0; p < SIM_PARTITIONS; p++)
        if (group->cluster->owner[p] == group->member)
            group->cluster->owner[p] = -1;
}

void sim_group_crash(weir_group *base)
{
    cut_off((sim_group *)base);
}

void sim_group_lose(weir_group *base)
{
    cut_off((sim_group *)base);
    ((sim_group *)base)->lost = true;
}

static void group_close(weir_group *base, int64_t timeout_us)
{
    (void)timeout_us;
    sim_group *group = (sim_group *)base;
    cut_off(group);
    for (size_t w = 0; w < group->worker_count; w++)
        free(group->ports[w].flights);
    free(group->ports);
    free(group);
}

static const weir_group_ops GROUP_OPS = {
    .join = group_join,
    .poll = group_poll,
    .bounds = group_bounds,
    .last_output = group_last_output,
    .start = group_start,
    .settle = group_settle,
    .commit = group_commit,
    .lag = group_lag,
    .describe = group_describe,
    .port = group_port,
    .backlog = group_backlog,
    .close = group_close,
};

weir_group *sim_group_open(sim_cluster *cluster, int member, size_t worker_count)
{
    sim_group *group = calloc(1, sizeof *group);
    weir_check(group);
    *group =
        (sim_group){.base = {.ops = &GROUP_OPS}, .cluster = cluster, .member = member, .worker_count = worker_count};
    group->ports = calloc(worker_count, sizeof *group->ports);
    weir_check(group->ports);
    for (size_t w = 0; w < worker_count; w++)
        group->ports[w] = (sim_port){.base = {.ops = &PORT_OPS}, .group = group, .index = w};
    for (int p = 0; p < SIM_PARTITIONS; p++)
        group->fetch[p] = -1;
    return &group->base;
}
