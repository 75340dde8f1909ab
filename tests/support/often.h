/* For claims checked thousands of times over: Criterion sends a message between processes for every assertion that
 * holds, which costs more than what is tested. This one speaks only when it fails; the message is not optional. */
#ifndef WEIR_TEST_OFTEN_H
#define WEIR_TEST_OFTEN_H

#include <criterion/criterion.h>

#define often_assert(condition, ...)                                                                                   \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            cr_assert_fail(__VA_ARGS__);                                                                             \
    } while (0)

#endif
