/* What features mean, slowly: a plain array of events and a scan of all of it for every question.
 *
 * Shares with the engine only the parser (core/syntax.h) and the fields; windows, aggregates, operators
 * and calendar are written again here, the obvious way.
 */
#ifndef WEIR_TESTS_SUPPORT_FEATURE_ORACLE_H
#define WEIR_TESTS_SUPPORT_FEATURE_ORACLE_H

#include "core/syntax.h"

typedef struct feature_oracle {
    weir_event *events; /* retained, by time, then arrival */
    size_t count, capacity;
    int64_t newest_us;
    size_t scored; /* index of the event being scored; SIZE_MAX when there is none */
    bool trusting; /* there are no duplicates: saves the search on long streams */
} feature_oracle;

/* Lets an event arrive and stay to be asked about; call feature_oracle_settle afterwards. */
weir_arrival feature_oracle_arrive(feature_oracle *oracle, const weir_event *event, int64_t horizon_us);

/* A feature of the event that arrived last. */
double feature_oracle_value(const feature_oracle *oracle, const weir_node *node, int64_t horizon_us);

/* Forgets what is beyond the horizon. */
void feature_oracle_settle(feature_oracle *oracle, int64_t horizon_us);

/* Labels every retained event of that transaction and time; INT64_MAX clears. False when there is none. */
bool feature_oracle_label(feature_oracle *oracle, uint64_t transaction, int64_t time_us, int64_t label_time_us);

void feature_oracle_free(feature_oracle *oracle);

#endif
