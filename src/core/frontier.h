/* Frontier state: what has no inverse (extremes, latests, streaks), kept at the furthest place an edge has been.
 *
 * An event enters it once: when the edge first passes the event, or, if it comes late and behind that place, when it is
 * inserted. What depends on labels is found again when they look different.
 */
#ifndef WEIR_SRC_CORE_FRONTIER_H
#define WEIR_SRC_CORE_FRONTIER_H

#include "core/running.h"

/* The edge is past the event for the first time; its counts have it already. Sets run->failed when the slab cannot
 * grow. */
void weir_frontier_push(weir_run *run, uint16_t edge, const weir_event *event);

/* run->event has appeared at `place`, behind the edge's frontier, as the `ordinal`th. Edge 0 has not counted it yet. */
void weir_frontier_take_late(weir_run *run, uint16_t edge, weir_history_cursor place, uint32_t ordinal);

/* Finds all again that depends on labels and can be found by a search back. */
void weir_frontier_renew(weir_run *run);

#endif
