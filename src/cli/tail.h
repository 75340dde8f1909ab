/* What the ways to tail share. */
#ifndef WEIR_CLI_TAIL_H
#define WEIR_CLI_TAIL_H

#include "cli/client.h"

#include "weir/base/cursor.h"

enum { TAIL_WAIT_US = 100000, TAIL_LINE_MAX = 4 << 20, TAIL_FROM_BEGINNING = -2, TAIL_FROM_END = -1 };

/* Where to begin and when to stop. */
typedef struct tail_range {
    int64_t from;  /* an offset, or TAIL_FROM_* */
    int64_t count; /* records; -1 = all */
    bool until_end;
} tail_range;

/* From here on SIGINT and SIGTERM set what tail_is_stopped tells, and a closed pipe shows as a failed write, which ends
 * the loop, instead of killing the process. */
void tail_listen_for_signals(void);
bool tail_is_stopped(void);

/* Whether somebody still reads standard output; a pipe that was closed tells even when nothing is written. */
bool tail_is_heard(void);

/* Reopens the JSON object at the end of the line, for more members. */
void tail_reopen(weir_writer *line);

/* The end of a command that followed a topic: a pipe that was closed is a way to stop. */
int tail_finish(bool writable, uint64_t undecodable);

/* weir tail --labels. */
int tail_labels(const weir_conf *conf, const tail_range *range);

#endif
