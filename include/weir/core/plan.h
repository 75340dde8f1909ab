/* A plan: the features of all active models, compiled once, evaluated per event without allocation.
 *
 *   names ──parse──> trees (core/syntax.h) ──compile──> plan ──apply(history, event)──> doubles
 *
 * Evaluation never scans a window. A plan has *edges*: an edge with lag x is the boundary between
 * the events with time <= t - x and the later ones. A window (t - w - d, t - d] lies between the edges
 * d and d + w, so its count and sums are differences of prefix sums kept at those two edges, in
 * integers and so without drift. As event time moves on, each edge crosses each event once; a late
 * event moves edges back over the few events between, and the next one moves them forward again.
 * What has no inverse (min, max, newest match, streaks) is kept at the furthest place each edge has
 * been (its frontier) and answered by a short scan for an event behind it.
 *
 * Missing is NaN. Everything is in double precision; money is summed in int64 minor units.
 *
 * Read next: src/core/README.md for the language and the layout of the running state.
 */
#ifndef WEIR_CORE_PLAN_H
#define WEIR_CORE_PLAN_H

#include "weir/base/arena.h"
#include "weir/base/status.h"
#include "weir/core/event.h"
#include "weir/core/history.h"

enum { WEIR_PLAN_FEATURE_MAX = 1024, WEIR_FEATURE_NAME_MAX = 512 };

/* The entities a feature can ask about. The card needs no prefix in a feature's name. */
typedef enum weir_entity_kind {
    WEIR_ENTITY_CARD,
    WEIR_ENTITY_TERMINAL,
    WEIR_ENTITY_MERCHANT,
    WEIR_ENTITY_DEVICE,
    WEIR_ENTITY_COUNT
} weir_entity_kind;

/* "card", "terminal", "merchant", "device". */
const char *weir_entity_kind_name(weir_entity_kind kind);

typedef struct weir_plan weir_plan;

typedef struct weir_plan_options {
    const weir_entity_kind *stages; /* the entities that have a stage, in chain order; NULL = card alone */
    size_t stage_count;
    int64_t horizon_us_min;         /* retention asked for by the configuration; 0 = 30 days */
    int64_t drift_us;               /* how far an event may come behind its entity's newest and still find everything
                                     * within the horizon; beyond the first stage, where sources drift apart */
    uint32_t serial;                /* distinguishes this plan from earlier ones; > 0 */
} weir_plan_options;

/* Compiles `count` feature names (duplicates share one column) into a plan inside `arena`.
 *
 * Owns:    everything in the plan lives in the arena; the names are copied.
 * Fails:   WEIR_INVALID with the name, the column and what was expected; WEIR_REFUSED for an entity
 *          without a stage; WEIR_FULL when the arena or WEIR_PLAN_FEATURE_MAX is exceeded.
 * Thread:  the finished plan is immutable and may be shared.
 */
WEIR_MUST_USE weir_status weir_plan_compile(const char *const *names, size_t count, const weir_plan_options *options,
                                            weir_arena *arena, const weir_plan **plan_out, weir_error *error);

uint32_t weir_plan_serial(const weir_plan *plan);
/* How many values one event yields (= distinct names), and the canonical text of each. */
size_t weir_plan_feature_count(const weir_plan *plan);
const char *weir_plan_feature_name(const weir_plan *plan, size_t index);
/* The column of a name given to compile (same spelling), or SIZE_MAX. */
size_t weir_plan_feature_index(const weir_plan *plan, const char *name);
/* How far features see: the larger of the option and what they look back over. */
int64_t weir_plan_horizon_us(const weir_plan *plan);
/* How long a stage retains events: the horizon, and the drift beyond the first stage. */
int64_t weir_plan_retention_us(const weir_plan *plan, size_t stage);
/* How many scratch values weir_plan_gather/finish need per event. */
size_t weir_plan_register_count(const weir_plan *plan);

typedef enum weir_arrival {
    WEIR_ARRIVAL_APPENDED,  /* newest event of its entity */
    WEIR_ARRIVAL_LATE,      /* older than the newest: scored as of its own time, inserted in time order */
    WEIR_ARRIVAL_EXPIRED,   /* older than the horizon: scored against what is left, not retained */
    WEIR_ARRIVAL_DUPLICATE, /* same transaction and time as a retained event: nothing changed, nothing gathered */
    WEIR_ARRIVAL_COUNT
} weir_arrival;

/* Folds one event into `stage`'s entity and gathers that entity's values for it.
 *
 * Expects: registers has weir_plan_register_count entries; the history belongs to entity
 *          options.stages[stage] of this event; the slab can still grow (a worker keeps headroom).
 * Gives:   *arrival_out; the registers of this stage filled unless it was a duplicate.
 * Fails:   WEIR_FULL when the slab cannot grow; the history is as before.
 * Cost:    amortised O(edges + measures); independent of window length and of retained events.
 *          A late event adds the events it is late by; min/max of a late event scan their window by chunk.
 */
WEIR_MUST_USE weir_status weir_plan_gather(const weir_plan *plan, size_t stage, weir_history *history, weir_slab *slab,
                                           const weir_event *event, double *registers, weir_arrival *arrival_out);

/* The registers a stage fills, as a range: what a hop to the next stage carries. */
void weir_plan_stage_registers(const weir_plan *plan, size_t stage, size_t *first_out, size_t *count_out);

/* Fills a stage's registers with "missing": for an event that has no such entity. */
void weir_plan_skip(const weir_plan *plan, size_t stage, double *registers);

/* Computes the features from the gathered registers of all stages and the event itself.
 * values_out has weir_plan_feature_count entries; NaN = missing. */
void weir_plan_finish(const weir_plan *plan, const weir_event *event, double *registers, double *values_out);

/* The same in two halves, for whoever reads the values where they are: computes into the registers, and tells each
 * feature's, weir_plan_feature_count of them, as long as the plan lives. */
void weir_plan_compute(const weir_plan *plan, const weir_event *event, double *registers);
const uint32_t *weir_plan_feature_registers(const weir_plan *plan);

/* Asks the cache for what gather will touch of this history for an event. Level 0: the history's own
 * blocks; level 1: the events its edges are about to cross, back if the event is late; level 2: those beyond them. Each
 * level needs the one before it to have arrived. *moving is one call's note to the next. */
void weir_plan_prefetch(const weir_plan *plan, size_t stage, const weir_history *history, const weir_event *event,
                        int level, uint32_t *moving);

/* Folds an event in without gathering (silent replay of a store-less history); same arrival rules. */
WEIR_MUST_USE weir_status weir_plan_absorb(const weir_plan *plan, size_t stage, weir_history *history, weir_slab *slab,
                                           const weir_event *event, weir_arrival *arrival_out);

/* Retains an event in a history that no feature looks at: same arrival rules, no running state.
 * Fails: WEIR_FULL when the slab cannot grow. Cost: the events it is late by. */
WEIR_MUST_USE weir_status weir_plan_keep(const weir_plan *plan, size_t stage, weir_history *history, weir_slab *slab,
                                         const weir_event *event, weir_arrival *arrival_out);

typedef enum weir_labelling { /* what became of a label */
    WEIR_LABELLING_UNKNOWN,  /* no such event is retained */
    WEIR_LABELLING_FIRST,    /* the event's first label */
    WEIR_LABELLING_REPEATED, /* says what was known; of two times of the same fraud the earlier holds */
    WEIR_LABELLING_CONTRARY, /* fraud that was cleared, or cleared that was fraud: the last word holds */
    WEIR_LABELLING_COUNT
} weir_labelling;

/* Marks the retained event of `transaction` as fraud from label_time_us on; INT64_MAX clears it, from now on.
 * event_time_us finds it at once; INT64_MIN searches the whole history.
 * Gives: the event as it is afterwards in *event_out, unless it is unknown. */
weir_labelling weir_plan_label(const weir_plan *plan, weir_history *history, weir_slab *slab, uint64_t transaction,
                               int64_t event_time_us, int64_t label_time_us, weir_event *event_out);

/* Sets flags of the retained event of `transaction` at event_time_us, which is not looked at by any feature.
 * Does nothing when it is not retained. */
void weir_history_flag(weir_history *history, uint64_t transaction, int64_t event_time_us, unsigned flags);

/* How many stages the plan has, and whose each is. */
size_t weir_plan_stage_count(const weir_plan *plan);
weir_entity_kind weir_plan_stage_entity(const weir_plan *plan, size_t stage);
/* The hash an event carries of an entity; 0 = it has none. */
uint64_t weir_event_entity(const weir_event *event, weir_entity_kind kind);
/* The kind of a name, or WEIR_ENTITY_COUNT. */
weir_entity_kind weir_entity_kind_named(const char *name);

/* Tells plans apart whose registers mean different things: a hash over the stages and the texts of what they
 * gather, the same in every process that compiled the same features in the same order. */
uint64_t weir_plan_layout(const weir_plan *plan);

#endif
