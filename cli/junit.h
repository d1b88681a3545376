/* junit.h: results as JUnit XML: a suite per op, a test case per cell.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_JUNIT_H
#define KM_JUNIT_H

#include "core/select.h"
#include "verify/result.h"

/* One result as JUnit sees it. */
typedef struct km_junit_case {
    const char *suite, *name, *backend, *reason, *reproduce;
    km_status status;
} km_junit_case;

/* Writes them to path; `get(i, ...)` fills in the i-th. Cases of a suite stand together. */
int km_junit_write(const char *path, size_t count,
                   void (*get)(size_t i, const void *context, km_junit_case *out),
                   const void *context, km_error *error);

#endif
