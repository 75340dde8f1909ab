/* A slab over malloc for tests, with a ceiling. */
#ifndef WEIR_TESTS_SUPPORT_TEST_SLAB_H
#define WEIR_TESTS_SUPPORT_TEST_SLAB_H

#include "weir/base/slab.h"

typedef struct test_slab {
    weir_slab slab;
    void *segments[4096];
    size_t segment_count;
    size_t segment_max; /* grow fails beyond */
} test_slab;

/* `segment_max` 0 for no ceiling. The struct must stay where it is. */
void test_slab_init(test_slab *slab, size_t segment_max);
void test_slab_free(test_slab *slab);

#endif
