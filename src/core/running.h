/* The running state of one history under one plan: one slab block, laid out by the plan.
 *
 *   header | gates | edges | times behind | measures (counts, sums, squares) | multisets | extremes | latests | streaks
 *
 * With millions of entities every line of the block is a cache miss an event, so it is packed: six windows with
 * count, sum and std are 400 bytes.
 *
 * A gate is the time of the event in front of an edge (INT64_MAX at the end), so that an edge that does not move is
 * recognised without touching an event. Measures are prefix sums over the events an edge has passed,
 * from an arbitrary beginning: only differences between two edges mean something. All edges always
 * stand where event time `at_us` puts them.
 *
 * Frontier state (extremes, latests, streaks) belongs to the furthest place its head edge has been and
 * is read only while the edges it depends on stand there.
 */
#ifndef WEIR_SRC_CORE_RUNNING_H
#define WEIR_SRC_CORE_RUNNING_H

#include "core/extreme.h"
#include "core/history_edit.h"
#include "core/multiset.h"
#include "core/syntax.h"

typedef struct weir_running {
    int64_t at_us;                        /* event time the edges stand for */
    int64_t as_of_us;                     /* labels are seen as of then ... */
    int64_t labels_from_us, labels_to_us; /* ... and look the same at any time in [from, to) */
    uint32_t plan;                        /* weir_plan.serial */
    uint32_t first_ordinal;               /* of the oldest retained event */
    uint32_t size, multiset_offset, extreme_offset; /* so that the block can be given back without its plan */
    uint16_t multiset_count, extreme_count;
    uint16_t stage;
} weir_running;

/* A cursor in one word: chunks are aligned to cache lines, so an index fits below the address. */
typedef uintptr_t weir_place;

typedef struct weir_edge {
    weir_place next;   /* settled: the event in front, or the end */
    uint32_t ordinal;  /* events passed */
    uint32_t frontier; /* the largest ordinal there was */
} weir_edge;

_Static_assert(sizeof(weir_edge) == 16, "four edges are one cache line");

/* Ordinals, and so counts, are 32 bits: the state of an entity that has lived through this many events is built anew,
 * which begins them again at what is retained. */
#define WEIR_ORDINAL_MAX (UINT32_MAX - 1)

typedef struct weir_latest { /* the newest match up to the frontier */
    int64_t time_us;         /* INT64_MIN: none */
    union {
        double value;
        struct {
            int32_t latitude, longitude; /* packed, as the event has them */
        };
    };
} weir_latest;

typedef struct weir_streak { /* the row of newest matches up to the frontier */
    int64_t start_us;        /* time of the row's first event, if it has one */
    uint32_t break_ordinal;  /* the row lies behind this ordinal */
    uint32_t break_count;    /* measure of its `where` at that ordinal */
    uint64_t is_open;        /* it has one */
} weir_streak;

/* --- the part of the plan that says what to keep --- */

typedef enum weir_measure {
    WEIR_MEASURE_COUNT,
    WEIR_MEASURE_SUM,
    WEIR_MEASURE_SQUARES,
    WEIR_MEASURE_KEY
} weir_measure;

typedef struct weir_edge_op { /* done for each event an edge crosses, undone when it crosses back */
    uint16_t edge;
    uint16_t predicate;
    uint8_t measure;
    int8_t sign;             /* key: +1 where the window's head is, -1 at its tail */
    uint32_t place;          /* byte offset in the block; key: index of the multiset */
    const weir_field *field; /* key */
} weir_edge_op;

typedef enum weir_frontier_kind {
    WEIR_FRONTIER_EXTREME,
    WEIR_FRONTIER_LATEST,
    WEIR_FRONTIER_STREAK
} weir_frontier_kind;

typedef struct weir_frontier_op { /* done once for each event, when the head edge first crosses it */
    uint16_t edge;
    uint16_t predicate;
    uint16_t condition;      /* streak: of the row */
    uint8_t kind;
    bool negate;             /* extreme: least instead of greatest */
    bool renewed;            /* depends on labels, and can be found again by a search back */
    uint32_t index;          /* of the extreme, latest or streak */
    int64_t window_us;       /* extreme */
    const weir_node *value;  /* latest; NULL: the location */
    uint32_t count_at_head;  /* streak: offset of the count of `predicate` at the head edge ... */
    uint32_t count_at_now;   /* ... and at edge 0 */
} weir_frontier_op;

typedef struct weir_edge_plan {
    int64_t lag_us;
    uint32_t sum_place, squares_place; /* of every event, if asked for (else 0): the common case has no op */
    const weir_edge_op *ops; /* by predicate, so that each is evaluated once */
    const weir_frontier_op *frontier_ops;
    uint16_t op_count, frontier_op_count;
} weir_edge_plan;

typedef struct weir_load { /* one aggregate read into one register */
    const weir_function *function;
    uint32_t slot;
    uint16_t head, tail; /* edges */
    uint32_t count_head, count_tail, sum_head, sum_tail, squares_head, squares_tail; /* byte offsets */
    uint32_t base_head, base_tail; /* counts of rate's and streak's `where` */
    uint16_t predicate, condition;
    uint32_t index; /* of the multiset, extreme, latest or streak */
    const weir_field *field;
    const weir_node *value; /* last */
    bool negate;
} weir_load;

typedef enum weir_spread_kind { /* a row of aggregates that is one number of a spread */
    WEIR_SPREAD_NONE,
    WEIR_SPREAD_COUNT,
    WEIR_SPREAD_SUM,
    WEIR_SPREAD_MEAN,
    WEIR_SPREAD_STD,
    WEIR_SPREAD_KIND_COUNT
} weir_spread_kind;

/* What most models ask most of: count, sum, mean and std of one window, read together. */
typedef struct weir_spread {
    uint32_t count_head, count_tail, sum_head, sum_tail, squares_head, squares_tail; /* as in weir_load */
    uint32_t slots[WEIR_SPREAD_KIND_COUNT]; /* register of each; WEIR_SLOT_NONE: not asked for */
    uint16_t head, tail, predicate;
} weir_spread;

#define WEIR_SLOT_NONE UINT32_MAX

/* Aggregates read at one moment: before the event being scored is counted, or after. */
typedef struct weir_reading {
    const weir_spread *spreads;
    const weir_load *loads; /* all that is not in a spread */
    uint32_t spread_count, load_count;
} weir_reading;

typedef struct weir_stage {
    weir_entity_kind entity;
    uint32_t index, serial;
    int64_t horizon_us;   /* how far functions see */
    int64_t retention_us; /* lag of the last edge: what is beyond it is dropped */
    uint16_t edge_count;
    const weir_edge_plan *edges; /* by lag, from 0 to the retention */
    const int64_t *lags_us;      /* the same lags side by side, for one pass over all gates */
    const weir_edge_op *key_ops; /* of all edges: those of multisets */
    uint32_t key_op_count;
    const weir_node **predicates; /* [0] is NULL: every event */
    uint32_t predicate_count;
    weir_reading prior, after;
    uint32_t slot_first, slot_count; /* registers of this stage */
    uint32_t behind_offset; /* 0: not kept */
    uint32_t gate_offset, edge_offset, multiset_offset, extreme_offset, latest_offset, streak_offset;
    uint32_t multiset_count, extreme_count, latest_count, streak_count;
    uint32_t size;
    bool has_label;             /* some predicate depends on labels */
    bool has_label_at_frontier; /* some frontier state does, and only building it anew sets it right ... */
    bool has_label_to_renew;    /* ... or some that can be found again by a search back from its frontier */
} weir_stage;

/* One visit of a history. */
typedef struct weir_run {
    const weir_stage *stage;
    weir_history *history;
    weir_slab *slab;
    uint8_t *base;           /* the running block */
    const weir_event *event; /* being scored */
    double minor_per_major;  /* of its currency */
    double km, km_elapsed_us; /* from the previous located event; km is computed when first asked for */
    bool km_known;
    bool failed;             /* the slab could not grow: the running state is no longer right */
} weir_run;

static inline weir_running *weir_run_header(const weir_run *run)
{
    return (weir_running *)run->base;
}

static inline int64_t *weir_run_gates(const weir_run *run)
{
    return (int64_t *)(run->base + run->stage->gate_offset);
}

/* The time of the event behind each edge (INT64_MIN: none), where events come behind the newest as a rule: so an edge
 * that need not move back is recognised without touching an event, too. NULL where they do not. */
static inline int64_t *weir_run_behind(const weir_run *run)
{
    return run->stage->behind_offset ? (int64_t *)(run->base + run->stage->behind_offset) : NULL;
}

static inline weir_edge *weir_run_edges(const weir_run *run)
{
    return (weir_edge *)(run->base + run->stage->edge_offset);
}

static inline weir_multiset *weir_run_multiset(const weir_run *run, uint32_t index)
{
    return (weir_multiset *)(run->base + run->stage->multiset_offset) + index;
}

static inline weir_extreme *weir_run_extreme(const weir_run *run, uint32_t index)
{
    return (weir_extreme *)(run->base + run->stage->extreme_offset) + index;
}

static inline weir_latest *weir_run_latest(const weir_run *run, uint32_t index)
{
    return (weir_latest *)(run->base + run->stage->latest_offset) + index;
}

static inline weir_streak *weir_run_streak(const weir_run *run, uint32_t index)
{
    return (weir_streak *)(run->base + run->stage->streak_offset) + index;
}

static inline uint32_t weir_run_count(const weir_run *run, uint32_t offset)
{
    return *(const uint32_t *)(run->base + offset);
}

static inline uint64_t weir_run_sum(const weir_run *run, uint32_t offset)
{
    return *(const uint64_t *)(run->base + offset);
}

static inline weir_place weir_place_of(weir_history_cursor cursor)
{
    return (uintptr_t)cursor.chunk | cursor.index;
}

static inline weir_history_cursor weir_place_cursor(weir_place place)
{
    enum { INDEX_MASK = 63 };
    return (weir_history_cursor){.chunk = (weir_chunk *)(place & ~(uintptr_t)INDEX_MASK),
                                 .index = (uint32_t)(place & INDEX_MASK)};
}

/* Whether the edge stands at the furthest place it has been. */
static inline bool weir_run_at_frontier(const weir_run *run, uint16_t edge)
{
    const weir_edge *e = &weir_run_edges(run)[edge];
    return e->ordinal == e->frontier;
}

static inline bool weir_run_matches(const weir_run *run, uint16_t predicate, const weir_event *event)
{
    return predicate == 0 ||
           weir_node_matches(run->stage->predicates[predicate], event, weir_run_header(run)->as_of_us);
}

/* Brings the running state to event time at_us: builds it if it is not there or another plan's, sees labels as
 * of then, moves the edges. Fails: false when the slab cannot grow; there is then no running state. */
bool weir_run_open(weir_run *run, int64_t at_us);

/* Inserts run->event, for which the edges stand, and lets edge 0 pass it.
 * Fails: false when the slab cannot grow; nothing is changed. */
bool weir_run_insert(weir_run *run);

/* Drops the events the last edge has passed. */
void weir_run_expire(weir_run *run);

/* Moves all edges to an event time. Fails as weir_run_open. */
bool weir_run_seek(weir_run *run, int64_t at_us);

/* Changes the label of a retained event and everything that saw it. */
void weir_run_label(weir_run *run, weir_event *event, uint64_t label_delay_us);

/* Drops events at or before newest - retention where no running state exists. */
void weir_history_trim(weir_history *history, weir_slab *slab, int64_t retention_us);

/* Reads the spreads' numbers into their registers (aggregate.c). */
void weir_run_read_spreads(const weir_run *run, const weir_reading *reading, double *registers);

/* Gives back a running block, whatever plan's. */
void weir_running_give(void *block, weir_slab *slab);

#endif
