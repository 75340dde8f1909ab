/* The reader of weir.linear/v1: coefficients as JSON, for warehouses that only give those. */
#ifndef WEIR_RELEASE_LINEAR_H
#define WEIR_RELEASE_LINEAR_H

#include "draft.h"

/* Fills an empty draft from the bytes of a JSON file. */
WEIR_MUST_USE weir_status weir_linear_read(weir_draft *draft, weir_span bytes, weir_error *error);

#endif
