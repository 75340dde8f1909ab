#include "sim/sim_broker.h"

#include "weir/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct flight {
    weir_output output;
    size_t stage; /* of hops */
    int32_t partition, lane;
    int64_t marker;
    sim_message message;
    int64_t offset; /* once it has landed */
    bool landed, zombie;
} flight;

typedef struct sim_group sim_group;

typedef struct sim_port {
    weir_port base;
    sim_group *group;
    size_t index;
    int32_t turn;    /* lane the next poll begins with */
    flight *flights; /* oldest first; landed ones are a prefix of each stream */
    size_t flight_count, flight_size;
} sim_port;

typedef struct fetcher { /* of a lane, while it is started */
    int64_t next;        /* -1: it is not */
    int64_t end;         /* of the log as last heard, -1: not yet */
    size_t worker;
    bool held;
} fetcher;

struct sim_group {
    weir_group base;
    sim_cluster *cluster;
    int member;
    size_t worker_count;
    sim_port *ports;
    fetcher fetchers[SIM_LANES_MAX];
    char notes[SIM_LANES_MAX][WEIR_NOTE_SIZE_MAX]; /* as last given out by bounds */
    bool joined, lost;
    weir_group_event_kind pending;
    int32_t lanes[SIM_LANES_MAX];
    size_t lane_count;
    size_t heard; /* of the gossip */
};

static uint64_t below(sim_cluster *cluster, uint64_t bound)
{
    return weir_rng_below(&cluster->rng, bound);
}

/* ---- cluster ---- */

void sim_cluster_init(sim_cluster *cluster, uint64_t seed, size_t stage_count, bool has_labels)
{
    weir_check(stage_count >= 1 && stage_count <= SIM_STAGES_MAX);
    memset(cluster, 0, sizeof *cluster);
    cluster->rng.state = seed;
    cluster->shape = (weir_shape){.cluster_id = "simulated",
                                  .partition_count = SIM_PARTITIONS,
                                  .stage_count = stage_count,
                                  .has_labels = has_labels};
    for (int lane = 0; lane < SIM_LANES_MAX; lane++) {
        cluster->lanes[lane].committed = WEIR_OFFSET_NONE;
        cluster->lanes[lane].owner = -1;
    }
}

void sim_log_deinit(sim_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        free(log->messages[i].payload);
    free(log->messages);
    *log = (sim_log){0};
}

void sim_cluster_deinit(sim_cluster *cluster)
{
    for (int lane = 0; lane < SIM_LANES_MAX; lane++)
        sim_log_deinit(&cluster->lanes[lane].log);
    for (int output = 0; output < SIM_TOPIC_OUTPUTS; output++)
        for (int p = 0; p < SIM_PARTITIONS; p++)
            sim_log_deinit(&cluster->outputs[output][p]);
    sim_log_deinit(&cluster->gossip);
}

static sim_message copy_message(weir_span payload, const char *source_header)
{
    sim_message message = {.size = payload.size, .payload = malloc(payload.size + 1)};
    weir_check(message.payload);
    if (payload.size)
        memcpy(message.payload, payload.data, payload.size);
    snprintf(message.source_header, sizeof message.source_header, "%s", source_header);
    return message;
}

void sim_log_add(sim_log *log, weir_span payload, const char *source_header)
{
    if (log->count == log->size) {
        log->size = log->size ? log->size * 2 : 64;
        log->messages = realloc(log->messages, log->size * sizeof *log->messages);
        weir_check(log->messages);
    }
    log->messages[log->count++] = copy_message(payload, source_header);
}

static weir_span payload_of(const sim_message *message)
{
    return weir_span_of(message->payload, message->size);
}

/* ---- port: reading ---- */

static bool is_readable(sim_port *port, int32_t lane)
{
    sim_group *group = port->group;
    fetcher *it = &group->fetchers[lane];
    sim_lane *from = &group->cluster->lanes[lane];
    if (it->next < 0 || it->worker != port->index)
        return false;
    if (from->stalled > 0) {
        from->stalled--;
        return false;
    }
    if (below(group->cluster, 4) > 0) /* a fetch answered, and with it the log's end */
        it->end = (int64_t)from->log.count;
    return !it->held && it->next < it->end;
}

static size_t take(sim_port *port, int32_t lane, weir_record *records, size_t max)
{
    fetcher *it = &port->group->fetchers[lane];
    const sim_log *log = &port->group->cluster->lanes[lane].log;
    size_t count = 0;
    for (size_t n = 1 + below(port->group->cluster, 8); n > 0 && count < max && it->next < it->end; n--) {
        const sim_message *message = &log->messages[it->next];
        records[count++] = (weir_record){.lane = lane,
                                         .partition = lane % SIM_PARTITIONS,
                                         .offset = it->next++,
                                         .timestamp_us = -1,
                                         .key = weir_span_text("key"),
                                         .payload = payload_of(message)};
    }
    return count;
}

static size_t port_poll(weir_port *base, weir_record *records, size_t max, int64_t wait_us)
{
    (void)wait_us;
    sim_port *port = (sim_port *)base;
    int32_t lane_count = weir_shape_lane_count(&port->group->cluster->shape);
    size_t count = 0, budget = 1 + below(port->group->cluster, max);
    for (int32_t i = 0; i < lane_count; i++) {
        int32_t lane = (port->turn + i) % lane_count;
        if (is_readable(port, lane))
            count += take(port, lane, records + count, budget - count);
    }
    port->turn = (port->turn + 1) % lane_count;
    return count;
}

static void port_unread(weir_port *base, const weir_record *first, size_t count)
{
    fetcher *it = &((sim_port *)base)->group->fetchers[first->lane];
    weir_check(count > 0 && first[count - 1].lane == first->lane && first[count - 1].offset + 1 == it->next);
    it->next = first->offset;
}

static void port_release(weir_port *base)
{
    (void)base;
}

static weir_span port_header(weir_port *base, const weir_record *record, const char *name)
{
    (void)base, (void)record, (void)name;
    return (weir_span){0};
}

static void port_hold(weir_port *base, int32_t lane, bool held)
{
    ((sim_port *)base)->group->fetchers[lane].held = held;
}

static int64_t lag(const sim_group *group, int32_t lane, int64_t position)
{
    int64_t end = group->fetchers[lane].end;
    return end < 0 ? -1 : end > position ? end - position : 0;
}

static int64_t port_lag(weir_port *base, int32_t lane, int64_t position)
{
    return lag(((sim_port *)base)->group, lane, position);
}

/* ---- port: writing ---- */

static weir_status port_produce(weir_port *base, const weir_outgoing *outgoing)
{
    sim_port *port = (sim_port *)base;
    weir_check(outgoing->marker >= -1 && outgoing->marker <= WEIR_MARKER_MAX);
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
        .stage = outgoing->stage,
        .partition = outgoing->partition,
        .lane = outgoing->lane,
        .marker = outgoing->marker,
        .message = copy_message(outgoing->payload, header),
    };
    return WEIR_OK;
}

/* A record reaches its log. */
static void land(sim_port *port, flight *it)
{
    sim_cluster *cluster = port->group->cluster;
    sim_log *log = it->output == WEIR_OUTPUT_HOPS
                       ? &cluster->lanes[it->stage * SIM_PARTITIONS + (size_t)it->partition].log
                       : &cluster->outputs[it->output][it->partition];
    it->landed = true;
    it->offset = (int64_t)log->count;
    cluster->zombie_writes += it->zombie;
    sim_log_add(log, payload_of(&it->message), it->message.source_header);
}

/* Which streams (a partition of an output topic, or of a stage's) stand still for now. */
typedef struct stalls {
    bool at[SIM_TOPIC_OUTPUTS + SIM_STAGES_MAX][SIM_PARTITIONS];
} stalls;

/* Whether this record's stream moves on by it; once it does not, nothing behind it in the same stream does. */
static bool moves(sim_port *port, stalls *stalled, const flight *it, unsigned one_in)
{
    size_t stream = it->output == WEIR_OUTPUT_HOPS ? SIM_TOPIC_OUTPUTS + it->stage : (size_t)it->output;
    bool *still = &stalled->at[stream][it->partition];
    *still = *still || (one_in && below(port->group->cluster, one_in) == 0);
    return !*still;
}

/* Some of what is in flight lands; each stream keeps its order. one_in 0: all of it. */
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
                        .lane = it.lane,
                        .marker = it.marker,
                        .partition = it.partition,
                        .offset = it.offset,
                        .delivered = true};
        heard(context, &ack);
        free(it.message.payload);
        count++;
    }
    port->flight_count = kept;
    return count;
}

static const weir_port_ops PORT_OPS = {
    .poll = port_poll,
    .unread = port_unread,
    .release = port_release,
    .produce = port_produce,
    .acks = port_acks,
    .header = port_header,
    .hold = port_hold,
    .lag = port_lag,
};

/* ---- group: lanes given and taken ---- */

static weir_status group_join(weir_group *base, weir_error *error)
{
    (void)error;
    ((sim_group *)base)->joined = true;
    return WEIR_OK;
}

static bool collect(sim_group *group, weir_group_event_kind kind, weir_group_event *event_out)
{
    const sim_cluster *cluster = group->cluster;
    group->lane_count = 0;
    for (int32_t lane = 0; lane < weir_shape_staged_count(&cluster->shape); lane++) {
        const sim_lane *it = &cluster->lanes[lane];
        bool mine = it->owner == group->member, wanted = it->wanted == group->member;
        bool taken = kind == WEIR_GROUP_LOST     ? group->fetchers[lane].next >= 0
                     : kind == WEIR_GROUP_REVOKE ? mine && !wanted
                                                 : it->owner < 0 && wanted;
        if (taken)
            group->lanes[group->lane_count++] = lane;
    }
    if (group->lane_count == 0)
        return false;
    group->pending = kind;
    *event_out = (weir_group_event){.kind = kind, .lanes = group->lanes, .lane_count = group->lane_count};
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

/* Notes are good until the next call, and no longer. */
static weir_status group_bounds(weir_group *base, const int32_t *lanes, size_t count, weir_lane_bounds *bounds_out,
                                weir_error *error)
{
    (void)error;
    sim_group *group = (sim_group *)base;
    memset(group->notes, '?', sizeof group->notes);
    for (size_t i = 0; i < count; i++) {
        const sim_lane *it = &group->cluster->lanes[lanes[i]];
        memcpy(group->notes[i], it->note, sizeof it->note);
        bounds_out[i] = (weir_lane_bounds){.log_start = 0,
                                           .log_end = (int64_t)it->log.count,
                                           .committed = it->committed,
                                           .note = group->notes[i]};
    }
    return WEIR_OK;
}

static weir_status group_start(weir_group *base, int32_t lane, int64_t offset, size_t worker, weir_error *error)
{
    (void)error;
    sim_group *group = (sim_group *)base;
    sim_cluster *cluster = group->cluster;
    int32_t staged = weir_shape_staged_count(&cluster->shape);
    weir_check(group->pending == WEIR_GROUP_ASSIGN && offset >= 0);
    if (lane < staged) {
        weir_check(cluster->lanes[lane].owner < 0);
        cluster->lanes[lane].owner = group->member;
    } else {
        weir_check(cluster->lanes[lane - staged].owner == group->member &&
                   group->fetchers[lane - staged].worker == worker);
    }
    group->fetchers[lane] = (fetcher){.next = offset, .end = -1, .worker = worker};
    return WEIR_OK;
}

static void stop(sim_group *group, int32_t lane)
{
    int32_t label_lane = weir_shape_label_lane(&group->cluster->shape, lane);
    if (group->cluster->lanes[lane].owner == group->member)
        group->cluster->lanes[lane].owner = -1;
    group->fetchers[lane].next = -1;
    if (label_lane >= 0)
        group->fetchers[label_lane].next = -1;
}

static weir_status group_settle(weir_group *base, weir_error *error)
{
    (void)error;
    sim_group *group = (sim_group *)base;
    for (size_t i = 0; i < group->lane_count && group->pending != WEIR_GROUP_ASSIGN; i++)
        stop(group, group->lanes[i]);
    group->pending = WEIR_GROUP_NONE;
    return WEIR_OK;
}

static weir_status group_commit(weir_group *base, const weir_lane_commit *commits, size_t count, bool wait,
                                weir_error *error)
{
    (void)wait;
    sim_group *group = (sim_group *)base;
    if (below(group->cluster, 10) == 0)
        return weir_error_set(error, WEIR_TEMPORARY, "rebalance in progress");
    for (size_t i = 0; i < count; i++) {
        weir_check(commits[i].lane < weir_shape_staged_count(&group->cluster->shape));
        sim_lane *it = &group->cluster->lanes[commits[i].lane];
        weir_check(it->owner == group->member);
        weir_check(commits[i].next_offset >= it->committed && commits[i].next_offset <= (int64_t)it->log.count);
        it->committed = commits[i].next_offset;
        size_t size = commits[i].note ? strlen(commits[i].note) : 0;
        weir_check(size < sizeof it->note);
        memcpy(it->note, size ? commits[i].note : "", size + 1);
    }
    return WEIR_OK;
}

/* ---- group: outputs ---- */

static weir_status group_last_output(weir_group *base, weir_output output, int32_t partition, const char *header_name,
                                     weir_last_visit *visit, void *context, weir_error *error)
{
    (void)error, (void)header_name;
    const sim_log *log = &((sim_group *)base)->cluster->outputs[output][partition];
    if (log->count > 0)
        visit(context, payload_of(&log->messages[log->count - 1]),
              weir_span_text(log->messages[log->count - 1].source_header));
    return WEIR_OK;
}

static weir_status group_output_ends(weir_group *base, weir_output output, int64_t *ends_out, weir_error *error)
{
    (void)error;
    for (int p = 0; p < SIM_PARTITIONS; p++)
        ends_out[p] = (int64_t)((sim_group *)base)->cluster->outputs[output][p].count;
    return WEIR_OK;
}

static weir_status group_read_output(weir_group *base, weir_output output, int32_t partition, int64_t from,
                                     weir_output_visit *visit, void *context, weir_error *error)
{
    (void)error;
    const sim_log *log = &((sim_group *)base)->cluster->outputs[output][partition];
    for (size_t i = (size_t)from; i < log->count; i++)
        visit(context, (int64_t)i, payload_of(&log->messages[i]));
    return WEIR_OK;
}

/* ---- group: gossip ---- */

static weir_status group_say(weir_group *base, weir_span payload, weir_error *error)
{
    (void)error;
    sim_cluster *cluster = ((sim_group *)base)->cluster;
    if (cluster->shape.stage_count > 1)
        sim_log_add(&cluster->gossip, payload, "");
    return WEIR_OK;
}

static void group_hear(weir_group *base, weir_gossip_visit *visit, void *context)
{
    sim_group *group = (sim_group *)base;
    for (size_t n = below(group->cluster, 6); n > 0 && group->heard < group->cluster->gossip.count; n--)
        visit(context, payload_of(&group->cluster->gossip.messages[group->heard++]));
}

/* ---- group: the rest ---- */

static int64_t group_lag(weir_group *base, int32_t lane, int64_t position)
{
    return lag((sim_group *)base, lane, position);
}

static weir_status group_describe(weir_group *base, weir_shape *shape_out, weir_error *error)
{
    (void)error;
    *shape_out = ((sim_group *)base)->cluster->shape;
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

/* What a producer leaves behind when it is cut off: a prefix in each stream, the rest nowhere. Hops may be spared. */
static void cut_off(sim_group *group, bool hops_too)
{
    for (size_t w = 0; w < group->worker_count; w++) {
        sim_port *port = &group->ports[w];
        size_t kept = 0;
        land_some(port, 1 + (unsigned)below(group->cluster, hops_too ? 12 : 3));
        for (size_t i = 0; i < port->flight_count; i++) {
            flight it = port->flights[i];
            it.zombie = true;
            if (hops_too || it.output != WEIR_OUTPUT_HOPS)
                free(it.message.payload);
            else
                port->flights[kept++] = it;
        }
        port->flight_count = kept;
    }
    for (int lane = 0; lane < SIM_LANES_MAX; lane++)
        if (group->cluster->lanes[lane].owner == group->member)
            group->cluster->lanes[lane].owner = -1;
}

void sim_group_crash(weir_group *base)
{
    cut_off((sim_group *)base, true);
}

void sim_group_lose(weir_group *base)
{
    cut_off((sim_group *)base, false);
    ((sim_group *)base)->lost = true;
}

static void group_close(weir_group *base, int64_t timeout_us)
{
    (void)timeout_us;
    sim_group *group = (sim_group *)base;
    cut_off(group, true);
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
    .output_ends = group_output_ends,
    .read_output = group_read_output,
    .start = group_start,
    .settle = group_settle,
    .commit = group_commit,
    .lag = group_lag,
    .say = group_say,
    .hear = group_hear,
    .describe = group_describe,
    .port = group_port,
    .backlog = group_backlog,
    .close = group_close,
};

weir_group *sim_group_open(sim_cluster *cluster, int member, size_t worker_count)
{
    sim_group *group = calloc(1, sizeof *group);
    weir_check(group);
    *group = (sim_group){.base = {.ops = &GROUP_OPS},
                         .cluster = cluster,
                         .member = member,
                         .worker_count = worker_count,
                         .heard = cluster->gossip.count};
    group->ports = calloc(worker_count, sizeof *group->ports);
    weir_check(group->ports);
    for (size_t w = 0; w < worker_count; w++)
        group->ports[w] = (sim_port){.base = {.ops = &PORT_OPS}, .group = group, .index = w};
    for (int lane = 0; lane < SIM_LANES_MAX; lane++)
        group->fetchers[lane] = (fetcher){.next = -1, .end = -1};
    return &group->base;
}
