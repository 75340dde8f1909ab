#include "weir/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void weir_check_failed(const char *claim, const char *file, int line, const char *function)
{
    fprintf(stderr, "weir: bug: %s:%d: %s: this should hold: %s\n", file, line, function, claim);
    abort();
}
