/* One run: a stream, up to three members of a group, and trouble of every kind, all from one seed.
 *
 *   sim_family  what is run: chain, model, stream
 *   sim_harm    what is taken from the service, to see that a run then goes wrong
 */
#ifndef WEIR_TESTS_SIM_RUN_H
#define WEIR_TESTS_SIM_RUN_H

#include "sim/sim_stream.h"

#include "weir/app/rules.h"

typedef enum sim_harm {
    SIM_UNHARMED,
    SIM_WITHOUT_BARRIER, /* checkpoints do not wait for acknowledgements */
    SIM_WITHOUT_SOURCES, /* what a source has sent before is forgotten: redelivered hops are taken for news */
    SIM_WITHOUT_EMITTED, /* what an earlier life has emitted is not looked at */
    SIM_WITHOUT_BOUND,   /* partitions run ahead of each other as they like */
} sim_harm;

typedef struct sim_family {
    const char *name;
    const char *model; /* path */
    const char *chain;
    bool labels;
    uint64_t calm_steps; /* between two troubles, on average */
    int64_t drift_us_max;
    int64_t horizon_us_min;
    bool bare_scores;  /* without the values of features */
    bool deep_rewinds; /* offsets are set back as far as they were first remembered, not last */
    sim_stream stream;
    sim_harm harm;
} sim_family;

typedef struct sim_tally {
    uint64_t kills, moves, losses, disk_failures, rewinds, old_disks, zombie_writes;
    uint64_t failed, unfinished; /* runs that went wrong, and of those the ones that only did not end */
} sim_tally;

/* Runs `count` seeds of a family from `first` on, adding to *tally; each that goes wrong says so on standard output. */
void sim_run_seeds(const sim_family *family, uint64_t first, uint64_t count, sim_tally *tally);

/* The same for the seeds WEIR_SIM_FIRST and WEIR_SIM_COUNT name (else `count` from 1 on), with a line of totals that
 * tests/soak.sh reads. */
void sim_run_family(const sim_family *family, uint64_t count, sim_tally *tally_out);

#endif
